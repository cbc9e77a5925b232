// Package biometrics compares fingerprints: a picture of a finger becomes a
// template, and two templates become a score.
//
// The way through the package, one file a step:
//
//	image.go         the picture: decoding, limits, 500 pixels an inch
//	segmentation.go  where the finger is, and its contrast evened out
//	orientation.go   which way the ridges run
//	period.go        how far they are apart
//	enhance.go       the picture filtered along them, and how well that fits
//	thinning.go      ridges to lines of one pixel
//	minutiae.go      where lines end and fork; spurious.go: and which not to believe
//	ridgemap.go      the wave itself (phase, orientation, period) on a coarse grid
//	quality.go       how good the picture is, and what would make it better
//	template.go      all that is kept; iso.go, isodense.go: as ISO/IEC 19794-2:2005
//	cylinder.go, texture.go   what surrounds a minutia, to find its twin
//	hypotheses.go, pairing.go how one print could lie on the other
//	registration.go, phase.go, dense.go  one print grown over the other by its phase
//	score.go         the comparison; calibration.go: what its score stands for
//	enrolment.go     several impressions of one finger
//
// The package promises the same answer for the same input, always (between
// processor families the last digits may differ, where Go fuses a multiplication
// and an addition),
// is safe for concurrent use (templates never change once made), holds no global
// mutable state, bounds memory whatever the input, and never panics on bad input.
//
// It leaves to others: capturing, detecting that a finger is alive, choosing
// the false match rate to accept, and keeping templates secret. A template
// with its dense part shows much of the finger it was made from.
package biometrics
