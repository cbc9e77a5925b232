package vault

// AdviceFor is what Biometrics advises for a reason.
var AdviceFor = advice
