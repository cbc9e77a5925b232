package envelope_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

const terminal = "musterstadt-1"

var (
	suite = envelope.Standard{}
	now   = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
)

// person has a key of their own.
type person struct {
	envelope.Signer
	key string
}

func newPerson(t testing.TB) person {
	t.Helper()
	file, key, err := envelope.GenerateSSH(rand.Reader, "test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := envelope.ParseSSH(file)
	if err != nil {
		t.Fatal(err)
	}
	return person{s, key}
}

// office is the people of a city's desk, and their roster.
type office struct {
	desk, anna, bert, stranger person
	roster                     envelope.Roster
}

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{desk: newPerson(t), anna: newPerson(t), bert: newPerson(t), stranger: newPerson(t)}
	number, err := seal.HashNumber(rand.Reader, seal.Params{Memory: 8, Time: 1, Threads: 1}, "246813")
	if err != nil {
		t.Fatal(err)
	}
	o.roster = envelope.Roster{Terminal: terminal, Version: 3, Issued: now, People: []envelope.Entry{
		{Person: "d-1", Role: locker.Desk, Keys: []string{o.desk.key}},
		{Person: "a-1", Role: locker.Admin, Keys: []string{o.anna.key}},
		{Person: "a-2", Role: locker.Admin, Keys: []string{o.bert.key}},
		{Person: "c-1", Role: locker.Clerk, Cards: []string{"04A1B2C3"}, Number: number},
	}}
	return o
}

// next is the roster after the one in force.
func (o *office) next() envelope.Roster {
	r := o.roster
	r.Version++
	r.People = append([]envelope.Entry(nil), r.People...)
	return r
}

func (o *office) signed(t testing.TB, r envelope.Roster, by ...person) []byte {
	t.Helper()
	text, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range by {
		if text, err = envelope.Sign(p, envelope.NamespaceRoster, text); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

func newKey(t testing.TB) (private, public []byte) {
	t.Helper()
	private, public, err := suite.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// notary is a daemon's key.
type notary struct {
	note.Signer
	note.Verifier
}

func (n notary) Name() string    { return n.Signer.Name() }
func (n notary) KeyHash() uint32 { return n.Signer.KeyHash() }

func newNotary(t testing.TB, private, public string, err error) notary {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return notary{s, v}
}

func newDevice(t testing.TB) notary {
	t.Helper()
	private, public, err := envelope.GenerateDevice(rand.Reader, terminal)
	return newNotary(t, private, public, err)
}

func newCity(t testing.TB) notary {
	t.Helper()
	private, public, err := envelope.GenerateCity(rand.Reader, "musterstadt")
	return newNotary(t, private, public, err)
}

// refused wants an error that says this.
func refused(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("got error %v, wants one with %q", err, says)
	}
}

// flips calls f with copies of a message, in each of which one bit differs.
func flips(message []byte, f func(bad []byte)) {
	for i := 0; i < len(message); i += 1 + len(message)/97 {
		bad := bytes.Clone(message)
		bad[i] ^= 1 << (i % 7)
		f(bad)
	}
}

func anOrder() envelope.Order {
	return envelope.Order{
		Terminal: terminal, Issued: now,
		Terms: locker.OrderTerms{
			Order: "A-2026-0001", Version: 1, Key: 7,
			Documents:  []locker.DocumentKind{locker.IdentityCard},
			Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2, 7}}},
			Size:       locker.Small, PINLetter: true, Training: true,
		},
		Factors: []envelope.Factor{{Kind: locker.FactorFinger, Fingers: []envelope.Finger{
			{Position: 2, Enrolment: []byte("right index")}, {Position: 7, Enrolment: []byte("left index")}}}},
	}
}

func TestKeysInFilesSayWhatTheyAre(t *testing.T) {
	private, public := newKey(t)
	line := envelope.EncodeKey(envelope.LetterKey, false, public)
	if got, err := envelope.DecodeKey(envelope.LetterKey, false, line); err != nil || !bytes.Equal(got, public) {
		t.Errorf("public half: %v", err)
	}
	_, err := envelope.DecodeKey(envelope.LetterKey, true, line)
	refused(t, err, `starts with "nachtfach-letter-private:"`)
	_, err = envelope.DecodeKey(envelope.TerminalKey, false, line)
	refused(t, err, `starts with "nachtfach-terminal-public:"`)
	_, err = envelope.DecodeKey(envelope.LetterKey, false, "nachtfach-letter-public:%%")
	refused(t, err, "sealing key")
	if got, err := suite.PublicKey(private); err != nil || !bytes.Equal(got, public) {
		t.Errorf("derived public half: %v", err)
	}
	for _, bad := range [][]byte{nil, []byte("short"), make([]byte, 5000)} {
		if _, err := suite.Seal(bad, nil, nil); err == nil {
			t.Errorf("sealed to a key of %d bytes", len(bad))
		}
		if _, err := suite.Open(bad, nil, nil); err == nil {
			t.Errorf("opened with a key of %d bytes", len(bad))
		}
		if _, err := suite.Open(private, nil, bad); err == nil {
			t.Errorf("opened %d bytes", len(bad))
		}
	}
}

func TestPublicKeyIsOneLineOfAKnownKind(t *testing.T) {
	key := newPerson(t).key
	if got, err := envelope.PublicKey([]byte(key + " anna@desk\n")); err != nil || got != key {
		t.Errorf("%s, %v", got, err)
	}
	const rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAIQC5fLU8LPTiXAmVJ8qAu3WwoyTdO7mwAFm9PJ4GH7Ui3Q=="
	for name, line := range map[string]string{"empty": "", "two": key + "\n" + key, "private": "-----BEGIN OPENSSH PRIVATE KEY-----", "rsa": rsa} {
		if _, err := envelope.PublicKey([]byte(line)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	o := anOrder()
	share, err := envelope.NewShare(bytes.Repeat([]byte{77}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range printed(o, o.Factors[0], o.Factors[0].Fingers[0], share, struct{ s envelope.Share }{share}, envelope.Letter{Share: share}) {
		for _, secret := range []string{"index", "105 110 100", "696e64", "77 77", "4d4d", "0x4d, 0x4d"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows %q", text, secret)
			}
		}
	}
	for _, v := range []any{o, o.Factors[0], share} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T is written as %s", v, b)
		}
	}
}

func TestShareIsWipedInEveryCopy(t *testing.T) {
	share, err := envelope.DrawShare(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	copied := share
	share.Wipe()
	if !bytes.Equal(copied.Bytes(), make([]byte, seal.KeySize)) {
		t.Error("a copy still has it")
	}
	envelope.Share{}.Wipe()
	if _, err := envelope.NewShare([]byte("short")); err == nil {
		t.Error("a short share is accepted")
	}
	if _, err := envelope.DrawShare(bytes.NewReader(nil)); err == nil {
		t.Error("a share was drawn from nothing")
	}
}
