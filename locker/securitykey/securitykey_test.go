package securitykey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/securitykey"
	"github.com/nachtfach/nachtfach/locker/securitykey/virtualkey"
)

const (
	town   = "musterstadt.example"
	origin = "https://kiosk.musterstadt.example:8443"
)

var question = securitykey.Question{Challenge: bytes.Repeat([]byte{7}, 32), RPID: town, Origin: origin}

func right() virtualkey.Answer { return virtualkey.To(question.Challenge, town, origin) }

func of(keys ...*virtualkey.Key) []envelope.SecurityKey {
	var list []envelope.SecurityKey
	for _, k := range keys {
		list = append(list, k.Credential())
	}
	return list
}

func TestEachOfAPersonsKeysAnswers(t *testing.T) {
	a, b := virtualkey.New(), virtualkey.NewEd25519()
	for name, k := range map[string]*virtualkey.Key{"P-256": a, "Ed25519": b} {
		if err := securitykey.Verify(question, of(a, b), k.Sign(right())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAnswerToSomethingElseDoesNotHold(t *testing.T) {
	k := virtualkey.New()
	for name, change := range map[string]func(*virtualkey.Answer){
		"another challenge":    func(a *virtualkey.Answer) { a.Challenge = bytes.Repeat([]byte{8}, 32) },
		"no challenge":         func(a *virtualkey.Answer) { a.Challenge = nil },
		"a part of it":         func(a *virtualkey.Answer) { a.Challenge = a.Challenge[:31] },
		"another domain":       func(a *virtualkey.Answer) { a.RPID = "evil.example" },
		"the kiosk's name":     func(a *virtualkey.Answer) { a.RPID = "kiosk.musterstadt.example" },
		"another origin":       func(a *virtualkey.Answer) { a.Origin = "https://evil.example" },
		"another name of it":   func(a *virtualkey.Answer) { a.Origin = "https://www.musterstadt.example:8443" },
		"another port":         func(a *virtualkey.Answer) { a.Origin = "https://kiosk.musterstadt.example" },
		"plain HTTP":           func(a *virtualkey.Answer) { a.Origin = "http://kiosk.musterstadt.example:8443" },
		"an enrolment":         func(a *virtualkey.Answer) { a.Type = "webauthn.create" },
		"user not verified":    func(a *virtualkey.Answer) { a.Flags = 1 },
		"user not present":     func(a *virtualkey.Answer) { a.Flags = 4 },
		"nobody there, either": func(a *virtualkey.Answer) { a.Flags = 0 },
	} {
		a := right()
		change(&a)
		if err := securitykey.Verify(question, of(k), k.Sign(a)); err == nil {
			t.Errorf("%s holds", name)
		}
	}
}

func TestAnothersKeyDoesNotHold(t *testing.T) {
	mine, theirs := virtualkey.New(), virtualkey.New()
	if err := securitykey.Verify(question, of(mine), theirs.Sign(right())); err == nil || !strings.Contains(err.Error(), "not this person's") {
		t.Errorf("another's key: %v", err)
	}
	theirs.ID = mine.ID // who knows the id has not got the key
	if securitykey.Verify(question, of(mine), theirs.Sign(right())) == nil {
		t.Error("another's key under this one's id holds")
	}
	if securitykey.Verify(question, nil, mine.Sign(right())) == nil {
		t.Error("a person without keys is proved")
	}
}

func TestEachChangedPartBreaksTheSignature(t *testing.T) {
	k := virtualkey.New()
	good := k.Sign(right())
	for _, part := range []string{"clientDataJSON", "authenticatorData", "signature"} {
		var answer map[string]any
		if err := json.Unmarshal(good, &answer); err != nil {
			t.Fatal(err)
		}
		response := answer["response"].(map[string]any)
		raw, err := base64.RawURLEncoding.DecodeString(response[part].(string))
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-2] ^= 1
		response[part] = base64.RawURLEncoding.EncodeToString(raw)
		changed, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if securitykey.Verify(question, of(k), changed) == nil {
			t.Errorf("with another %s it holds", part)
		}
	}
}

func TestWhatIsNoAnswerIsRefused(t *testing.T) {
	k := virtualkey.New()
	good := k.Sign(right())
	for name, bad := range map[string][]byte{
		"nothing": nil, "null": []byte("null"), "a list": []byte("[]"), "empty": []byte("{}"), "half": good[:len(good)/2],
		"two": append(bytes.Clone(good), good...), "too long": append(bytes.Clone(good), bytes.Repeat([]byte(" "), securitykey.MaxAssertion)...),
	} {
		if securitykey.Verify(question, of(k), bad) == nil {
			t.Errorf("%s holds", name)
		}
	}
	if securitykey.Verify(question, []envelope.SecurityKey{{ID: k.ID, Public: []byte("none")}}, good) == nil {
		t.Error("a broken key proves")
	}
}

// fixed is a key that is the same in each run, so that a kept answer holds.
func fixed() *virtualkey.Key {
	one := make([]byte, 32)
	one[31] = 1
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), one)
	if err != nil {
		panic(err)
	}
	return &virtualkey.Key{ID: []byte("fuzz"), Private: private}
}

// FuzzVerify holds that only what the key signed holds: the ceremony's type,
// challenge and origin are what was asked in all that is accepted.
func FuzzVerify(f *testing.F) {
	k := fixed()
	good := k.Sign(right())
	f.Add(good)
	a := right()
	a.Flags = 1
	f.Add(k.Sign(a))
	a = right()
	a.Origin = "https://evil.example"
	f.Add(k.Sign(a))
	f.Add([]byte(`{"id":"ZnV6eg","rawId":"ZnV6eg","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"","signature":""}}`))
	f.Fuzz(func(t *testing.T, assertion []byte) {
		if securitykey.Verify(question, of(k), assertion) != nil {
			return
		}
		var answer struct {
			Response struct {
				ClientDataJSON string `json:"clientDataJSON"`
			} `json:"response"`
		}
		if err := json.Unmarshal(assertion, &answer); err != nil {
			t.Fatalf("holds, and is no JSON: %v", err)
		}
		client, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(answer.Response.ClientDataJSON, "="))
		if err != nil {
			t.Fatal(err)
		}
		for _, wants := range []string{"webauthn.get", base64.RawURLEncoding.EncodeToString(question.Challenge), origin} {
			if !bytes.Contains(client, []byte(wants)) {
				t.Fatalf("holds without %s: %s", wants, client)
			}
		}
	})
}
