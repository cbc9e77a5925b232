// Package vault is the only code of a terminal that sees a pickup code, a
// template or a private order key.
//
// It holds two kinds of memory. [Slots] are small places that are overwritten
// for certain: one-time order keys and one random key for each deposit lie
// there. [Records] are ordinary storage, from which nothing is ever deleted for
// certain: everything there is sealed by something in a slot. When a slot is
// overwritten, what its key sealed is noise, whoever kept a copy.
//
// Each method answers one action of package locker; the controller turns what
// it returns into the action's answer. What the methods promise:
//
//   - Order of writes. [Vault.Prepare] and [Vault.Reissue] make the limit, where
//     there are [Limits], and write the slot, then letter and record, each durable before the next, and return the record's
//     hash; the event that names it comes after. A cut anywhere leaves things
//     that no event names, and [Vault.Reconcile] erases them.
//   - All of them may be repeated. Repeating what was done changes nothing and
//     returns the same.
//   - A secret leaves only sealed. What a code opened stays in memory until
//     [Vault.Forget], and so does the captured finger.
//   - An unknown code costs the same derivation as a wrong one, and no two
//     derivations run at a time.
//   - An error means that slots or records could not be read or written, or
//     that something that must be there is not. A message that is refused is no
//     error: it becomes a locker.MessageRejected with a reason for the operator.
//
// It leaves to package locker which deposit lives, how often a code is tried,
// and what follows; to package envelope what a message must be; to the journal
// where Records lie. The methods may be called from several goroutines; long
// work (derivations, comparisons) keeps no quick method waiting.
package vault

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Slots are places that can be overwritten: a [SlotFile], or a TPM's storage.
// Write and Erase are durable when they return. A slot is free before its
// first Write, after Erase, and if a Write was cut.
type Slots interface {
	Count() int
	Read(i int) ([]byte, error) // nil if free
	Write(i int, block []byte) error
	Erase(i int) error
}

// Rooted are Slots that are encrypted under a root key which lies elsewhere and
// can be replaced for certain: [RootedSlots].
type Rooted interface {
	Slots
	// ReplaceRoot is sound across a cut at every step: afterwards either root
	// opens all that lives.
	ReplaceRoot() error
}

// Records is storage by bucket and key; Put and Delete are durable when they
// return. The journal's file implements it.
type Records interface {
	Put(bucket, key string, value []byte) error
	Get(bucket, key string) ([]byte, error) // nil if absent
	Delete(bucket, key string) error        // nil if absent
	Keys(bucket string) ([]string, error)
}

// The buckets of Records.
const (
	bucketOrders    = "orders"    // by order: sealed order and its terms
	bucketDeposits  = "deposits"  // by generation: sealed factors
	bucketLetters   = "letters"   // by generation: letter for the city
	bucketCommands  = "commands"  // by generation that is to be replaced
	bucketNonces    = "nonces"    // by nonce: until when it is remembered
	bucketSelectors = "selectors" // by selector: until when it rests
	bucketRoster    = "roster"    // "current": sealed roster
)

// Config is what a vault is made of.
type Config struct {
	Terminal    string
	Slots       Slots
	Limits      Limits // of tries, in hardware; nil: there are none
	Records     Records
	Crypto      Crypto        // nil: Standard with default parameters
	Matcher     Matcher       // nil: Biometrics
	Rand        io.Reader     // for codes, keys and shares; nil: the system's
	Device      note.Signer   // signs letters and lists of keys
	City        note.Verifier // whose word on posted letters counts
	LetterKey   []byte        // public; letters are sealed to it
	TerminalKey []byte        // private; rosters are sealed to its public half
	KioskOrigin string        // https://NAME:PORT of the kiosk's pages; empty: no security key is asked
}

// Vault keeps the secrets of one terminal. It has no printed form.
type Vault struct {
	Config

	// work is held by who derives or compares, and never waited for with mu held.
	work sync.Mutex
	// mu guards all below, slots and records.
	mu         sync.Mutex
	slots      slotIndex
	orders     map[locker.OrderID]orderRecord
	deposits   map[locker.Generation]depositRecord
	commands   map[locker.Generation]commandRecord
	selectors  map[int]place     // in use
	resting    map[int]time.Time // until
	roster     *envelope.Roster
	rosterHash string
	former     []formerDesk // of earlier rosters
	challenge  string       // drawn at Open; a command must name it
	asked      asked        // of a clerk's security key
	visit      visit
	visits     uint64 // counts Forget, so that late work finds its visit gone
}

// Open reads slots and records. Call [Vault.Reconcile] before anything else.
func Open(c Config) (*Vault, error) {
	if err := envelope.CheckTerminal(c.Terminal); err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	if c.Slots == nil || c.Records == nil || c.Device == nil || c.City == nil {
		return nil, errors.New("open vault: slots, records, the device's key and the city's are wanted")
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Crypto == nil {
		c.Crypto = NewStandard(c.Rand)
	}
	if c.Matcher == nil {
		c.Matcher = Biometrics{}
	}
	if _, err := c.Crypto.PublicKey(c.TerminalKey); err != nil {
		return nil, fmt.Errorf("open vault: the terminal's key: %w", err)
	}
	if _, err := c.Crypto.Seal(c.LetterKey, nil, nil); err != nil {
		return nil, fmt.Errorf("open vault: the city's letter key: %w", err)
	}
	v := &Vault{Config: c}
	var challenge [16]byte
	if _, err := io.ReadFull(c.Rand, challenge[:]); err != nil {
		return nil, fmt.Errorf("open vault: draw a challenge: %w", err)
	}
	v.challenge = hex.EncodeToString(challenge[:])
	for _, read := range []func() error{v.readSlots, v.readOrders, v.readDeposits, v.readCommands, v.readSelectors, v.readRoster} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("open vault: %w", err)
		}
	}
	return v, nil
}

// Format hides the vault from every verb of fmt.
func (*Vault) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "vault.Vault(hidden)") }

// MarshalJSON refuses.
func (*Vault) MarshalJSON() ([]byte, error) { return nil, errors.New("a vault has no written form") }

// sorted lists a map's keys: what the vault writes must not depend on chance,
// so that a simulation repeats.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
