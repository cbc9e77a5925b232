package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin"
	"github.com/nachtfach/nachtfach/pin/seal"
)

const terminal = "musterstadt-1"

var (
	now   = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	cheap = seal.Params{Memory: 8, Time: 1, Threads: 1}
)

// memory is Records that remember every value that was ever there.
type memory struct {
	buckets map[string]map[string][]byte
	ever    [][]byte
}

func (m *memory) Put(bucket, key string, value []byte) error {
	if m.buckets[bucket] == nil {
		m.buckets[bucket] = map[string][]byte{}
	}
	m.buckets[bucket][key] = bytes.Clone(value)
	m.ever = append(m.ever, bytes.Clone(value))
	return nil
}

func (m *memory) Get(bucket, key string) ([]byte, error) {
	return bytes.Clone(m.buckets[bucket][key]), nil
}

func (m *memory) Delete(bucket, key string) error {
	delete(m.buckets[bucket], key)
	return nil
}

func (m *memory) Keys(bucket string) ([]string, error) {
	return slices.Sorted(maps.Keys(m.buckets[bucket])), nil
}

// counting is the real cryptography, cheap, with its derivations counted.
type counting struct {
	vault.Standard
	derivations int
}

func (c *counting) SealSecret(secret, slotKey, ad, plain []byte) ([]byte, error) {
	c.derivations++
	return c.Standard.SealSecret(secret, slotKey, ad, plain)
}

func (c *counting) OpenSecret(box, secret, slotKey, ad []byte) ([]byte, error) {
	c.derivations++
	return c.Standard.OpenSecret(box, secret, slotKey, ad)
}

func (c *counting) SealHeld(secret, slotKey, ad, plain []byte, holder seal.Holder) ([]byte, error) {
	c.derivations++
	return c.Standard.SealHeld(secret, slotKey, ad, plain, holder)
}

func (c *counting) OpenHeld(box, secret, slotKey, ad []byte, holder seal.Holder) ([]byte, error) {
	c.derivations++
	return c.Standard.OpenHeld(box, secret, slotKey, ad, holder)
}

func (c *counting) CheckNumber(hash string, number []byte) (bool, error) {
	c.derivations++
	return c.Standard.CheckNumber(hash, number)
}

func (c *counting) Vain(secret []byte) {
	c.derivations++
	c.Standard.Vain(secret)
}

// names matches fingers by what is written on them: an enrolment is
// "enrolled:NAME", an image's pixels are the name.
type names struct{}

func (names) Check(e []byte) error {
	if !strings.HasPrefix(string(e), "enrolled:") {
		return errors.New("no enrolment")
	}
	return nil
}

func (names) Extract(image biometrics.Image) (vault.Probe, locker.FingerAdvice, error) {
	switch name := string(image.Pix); name {
	case "broken":
		return nil, "", errors.New("no image")
	case "dry":
		return nil, locker.AdviceDry, nil
	case "turned":
		return pressed("erika right"), locker.AdviceTurn, nil
	default:
		return pressed(name), "", nil
	}
}

type pressed string

func (n pressed) Compare(e []byte) (similarity, fmr float64, err error) {
	if string(e) == "enrolled:"+string(n) {
		return 6, 1e-6, nil
	}
	return 1, 0.1, nil
}

func finger(name string) biometrics.Image { return biometrics.Image{Pix: []byte(name)} }

// person has an SSH key.
type person struct {
	envelope.Signer
	key string
}

func newPerson(t testing.TB) person {
	t.Helper()
	file, key, err := envelope.GenerateSSH(rand.Reader, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := envelope.ParseSSH(file)
	if err != nil {
		t.Fatal(err)
	}
	return person{s, key}
}

// house is a terminal's vault with its storage, and the city around it.
type house struct {
	t        testing.TB
	vault    *vault.Vault
	path     string
	slots    *vault.SlotFile
	records  *memory
	crypto   *counting
	device   note.Verifier
	city     note.Signer
	config   vault.Config
	letter   []byte // the city's private letter key
	desk     person
	anna     person
	bert     person
	stranger person
	roster   envelope.Roster
	offered  []locker.OfferedKey
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "slots"), records: &memory{buckets: map[string]map[string][]byte{}},
		crypto: &counting{Standard: vault.Standard{Params: cheap, Rand: rand.Reader}},
		desk:   newPerson(t), anna: newPerson(t), bert: newPerson(t), stranger: newPerson(t)}
	private, public, err := envelope.GenerateDevice(rand.Reader, terminal)
	if err != nil {
		t.Fatal(err)
	}
	h.device = must(note.NewVerifier(public))
	cityPrivate, cityPublic, err := envelope.GenerateCity(rand.Reader, "musterstadt")
	if err != nil {
		t.Fatal(err)
	}
	h.city = must(note.NewSigner(cityPrivate))
	letterPrivate, letterPublic, err := h.crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	h.letter = letterPrivate
	terminalPrivate, _, err := h.crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := vault.CreateSlotFile(h.path, 12); err != nil {
		t.Fatal(err)
	}
	h.slots = must(vault.OpenSlotFile(h.path))
	t.Cleanup(func() { _ = h.slots.Close() })
	h.config = vault.Config{
		Terminal: terminal, Slots: h.slots, Records: h.records, Crypto: h.crypto, Matcher: names{}, Rand: rand.Reader,
		Device: must(note.NewSigner(private)), City: must(note.NewVerifier(cityPublic)),
		LetterKey: letterPublic, TerminalKey: terminalPrivate,
	}
	h.roster = envelope.Roster{Terminal: terminal, Version: 3, Issued: now, People: []envelope.Entry{
		{Person: "d-1", Role: locker.Desk, Keys: []string{h.desk.key}},
		{Person: "a-1", Role: locker.Admin, Keys: []string{h.anna.key}},
		{Person: "a-2", Role: locker.Admin, Keys: []string{h.bert.key}},
		{Person: "c-1", Role: locker.Clerk, Cards: []string{"04A1B2C3"}, Number: must(seal.HashNumber(rand.Reader, cheap, "246813"))},
	}}
	h.open()
	if err := h.vault.InitRoster(h.signed(h.roster, h.anna, h.bert), now); err != nil {
		t.Fatal(err)
	}
	h.offered = must(h.vault.MakeKeys(1, 3, now.Add(time.Hour)))
	return h
}

// open starts the vault anew on the same storage.
func (h *house) open() {
	h.t.Helper()
	v, err := vault.Open(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	h.vault = v
}

func (h *house) signed(r envelope.Roster, by ...person) []byte {
	text := must(r.Text())
	for _, p := range by {
		text = must(envelope.Sign(p, envelope.NamespaceRoster, text))
	}
	return text
}

// listed are the keys of the published lists.
func (h *house) listed() (keys []envelope.PublishedKey) {
	h.t.Helper()
	for _, list := range must(h.vault.KeyLists(h.offered)) {
		keys = append(keys, must(envelope.OpenKeys(h.device, terminal, list))...)
	}
	return keys
}

// publicKey takes a one-time key from the published lists.
func (h *house) publicKey(id locker.KeyID) envelope.PublishedKey {
	h.t.Helper()
	for _, k := range h.listed() {
		if k.ID == id {
			return k
		}
	}
	h.t.Fatalf("key %d is not listed", id)
	return envelope.PublishedKey{}
}

// anOrder has Erika's right and left index finger.
func anOrder(id locker.OrderID, key locker.KeyID) envelope.Order {
	return envelope.Order{Terminal: terminal, Issued: now,
		Terms: locker.OrderTerms{Order: id, Version: 1, Key: key,
			Documents:  []locker.DocumentKind{locker.IdentityCard},
			Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{2, 7}}},
			Size:       locker.Small, PINLetter: true},
		Factors: []envelope.Factor{{Kind: locker.FactorFinger, Fingers: []envelope.Finger{
			{Position: 2, Enrolment: []byte("enrolled:erika right")}, {Position: 7, Enrolment: []byte("enrolled:erika left")}}}}}
}

func (h *house) sealed(by person, o envelope.Order) []byte {
	h.t.Helper()
	return must(envelope.SealOrder(h.crypto, by, h.publicKey(o.Terms.Key).Public, o))
}

// arrive lets an order arrive.
func (h *house) arrive(id locker.OrderID, key locker.KeyID) locker.OrderReceived {
	h.t.Helper()
	in := must(h.vault.ReceiveOrder(h.sealed(h.desk, anOrder(id, key)), now))
	received, ok := in.(locker.OrderReceived)
	if !ok {
		h.t.Fatalf("order %s: %+v", id, in)
	}
	return received
}

// load lets an order arrive and prepares its deposit.
func (h *house) load(id locker.OrderID, key locker.KeyID, g locker.Generation) (hash string) {
	h.t.Helper()
	h.arrive(id, key)
	hash, err := h.vault.Prepare(g, id, now)
	if err != nil {
		h.t.Fatal(err)
	}
	return hash
}

// read is what the city reads in a generation's letter.
func (h *house) read(g locker.Generation) envelope.Letter {
	h.t.Helper()
	head := must(envelope.OpenLetterHead(h.device, terminal, must(h.vault.Letter(g))))
	return must(head.Open(h.crypto, h.letter))
}

// reissue is a command of an admin with this share.
func (h *house) reissue(by person, g locker.Generation, order locker.OrderID, key envelope.PublishedKey, share envelope.Share) []byte {
	h.t.Helper()
	c := must(envelope.NewReissue(h.crypto, rand.Reader, terminal, h.vault.Challenge(), order, g, now.Add(5*time.Minute), key, share))
	return must(envelope.SignCommand(by, c))
}

// rejected wants a refusal that says this.
func rejected(t *testing.T, in locker.Input, err error, says string) {
	t.Helper()
	r, ok := in.(locker.MessageRejected)
	if err != nil || !ok || !strings.Contains(r.Reason, says) {
		t.Errorf("got %+v, %v; wants a refusal with %q", in, err, says)
	}
}

func refused(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("got error %v, wants one with %q", err, says)
	}
}

// holdings lists what lies where: bucket/key, and how many slots are in use.
func (h *house) holdings() string {
	var list []string
	for bucket, records := range h.records.buckets {
		for key := range records {
			list = append(list, bucket+"/"+key)
		}
	}
	slices.Sort(list)
	used := 0
	for i := range h.slots.Count() {
		if must(h.slots.Read(i)) != nil {
			used++
		}
	}
	return fmt.Sprintf("%s, %d slots", strings.Join(list, " "), used)
}

// wrong is another code of the same selector.
func wrong(c pin.Code) pin.Code {
	var secret uint32
	for _, d := range c.Secret() {
		secret = secret*10 + uint32(d-'0')
	}
	return must(pin.New(c.Selector(), (secret+1)%pin.Secrets))
}

func nonceOf(t testing.TB, command []byte) string {
	t.Helper()
	return must(envelope.ParseCommand(envelope.Body(command))).Nonce
}
