package envelope

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// Bounds of a roster.
const (
	MaxPeople  = 2000
	maxOfEach  = 8       // cards, or keys, of one person
	maxRoster  = 1 << 20 // bytes of a signed roster before sealing
	maxCard    = 64      // bytes of a card's number
	mostPerson = 40      // bytes of a pseudonym
)

// Roster is who may do what at one terminal. It names people by pseudonym, but
// holds hashes of their personal numbers: it travels sealed.
type Roster struct {
	Terminal string    `json:"terminal"`
	Version  int       `json:"version"`
	Issued   time.Time `json:"issued"`
	RPID     string    `json:"rp_id,omitempty"` // the town's domain, to which its security keys are bound
	People   []Entry   `json:"people"`

	// Revoked are public SSH keys, in the form of PublicKey, that were stolen or
	// misused: no order that one of them signed counts, however old it is. A key
	// that is only no longer listed keeps the orders that it signed before.
	Revoked []string `json:"revoked,omitempty"`
}

// Entry is one person of the roster.
type Entry struct {
	Person locker.Person `json:"person"`
	Role   locker.Role   `json:"role"`
	Leaves time.Time     `json:"leaves,omitzero"`  // from then on refused
	Cards  []string      `json:"cards,omitempty"`  // as the badge reader reads them
	Number string        `json:"number,omitempty"` // seal.HashNumber of the personal number
	Keys   []string      `json:"keys,omitempty"`   // public SSH keys in the form of PublicKey

	SecurityKeys []SecurityKey `json:"security_keys,omitempty"` // one of them takes the number's place
}

// SealedRoster is a roster on its way.
type SealedRoster struct {
	Terminal string `json:"terminal"`
	Version  int    `json:"version"`
	Sealed   []byte `json:"sealed"`
}

// Text is what the admins sign.
func (r Roster) Text() ([]byte, error) {
	r.Issued = r.Issued.UTC().Truncate(time.Second)
	if err := r.Validate(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("roster %d: %w", r.Version, err)
	}
	return append(b, '\n'), nil
}

// SealRoster seals a signed text (see [Sign]) to the terminal's lasting key.
func SealRoster(s Suite, public []byte, signed []byte) ([]byte, error) {
	if len(signed) > maxRoster {
		return nil, fmt.Errorf("seal roster: %d bytes, at most %d", len(signed), maxRoster)
	}
	r, err := ParseRoster(Body(signed))
	if err != nil {
		return nil, fmt.Errorf("seal roster: %w", err)
	}
	m := SealedRoster{Terminal: r.Terminal, Version: r.Version}
	if m.Sealed, err = s.Seal(public, m.info(), signed); err != nil {
		return nil, fmt.Errorf("seal roster %d: %w", r.Version, err)
	}
	return json.Marshal(m)
}

func (m SealedRoster) info() []byte { return info("roster", m.Terminal, m.Version) }

// IsSealedRoster tells a sealed roster from a signed text.
func IsSealedRoster(message []byte) bool {
	_, err := ParseSealedRoster(message)
	return err == nil
}

// RosterVersion is what a sealed roster says of its version outside the seal, 0
// if that cannot be read.
func RosterVersion(message []byte) int {
	m, err := ParseSealedRoster(message)
	if err != nil {
		return 0
	}
	return m.Version
}

// ParseSealedRoster reads a message; nothing of it is proved yet.
func ParseSealedRoster(message []byte) (SealedRoster, error) {
	var m SealedRoster
	if err := checkSize(message); err != nil {
		return m, fmt.Errorf("roster: %w", err)
	}
	r := &reader{b: message}
	r.object(func(name string) bool {
		switch name {
		case "terminal":
			m.Terminal = string(r.text(maxWord))
		case "version":
			m.Version = r.small()
		case "sealed":
			m.Sealed = r.bytes(maxRoster + 4096)
		default:
			return false
		}
		return true
	})
	if err := r.end(); err != nil {
		return SealedRoster{}, fmt.Errorf("roster: %w", err)
	}
	if err := errors.Join(CheckTerminal(m.Terminal), checkVersion(m.Version)); err != nil {
		return SealedRoster{}, fmt.Errorf("roster: %w", err)
	}
	if len(m.Sealed) == 0 {
		return SealedRoster{}, errors.New("roster: nothing is sealed")
	}
	return m, nil
}

// UnsealRoster opens a message with the terminal's lasting key and returns the
// signed text, which nobody has verified yet.
func UnsealRoster(s Suite, private, message []byte) ([]byte, error) {
	m, err := ParseSealedRoster(message)
	if err != nil {
		return nil, err
	}
	signed, err := s.Open(private, m.info(), m.Sealed)
	if err != nil {
		return nil, fmt.Errorf("roster %d: does not open with this terminal's key: it was sealed for another terminal or version, or was changed", m.Version)
	}
	return signed, nil
}

// OpenRoster verifies a signed text: for this terminal, and signed by two
// different admins, who have not left at that time, of the roster before it;
// of itself if there is none before.
func OpenRoster(s Suite, signed []byte, terminal string, before *Roster, at time.Time) (Roster, error) {
	if len(signed) > maxRoster {
		return Roster{}, fmt.Errorf("roster: %d bytes, at most %d", len(signed), maxRoster)
	}
	body, keys, err := verified(s, NamespaceRoster, signed)
	if err != nil {
		return Roster{}, fmt.Errorf("roster: %w", err)
	}
	if before != nil && len(signed) > maxText { // a large one of a stranger is refused unread; of a small one there is more to say
		if _, err := holders(keys, before, locker.Admin, at); err != nil {
			return Roster{}, fmt.Errorf("roster: must be signed by admins of roster %d, which is in force: %w", before.Version, err)
		}
	}
	r, err := ParseRoster(body)
	if err != nil {
		return Roster{}, err
	}
	if err := checkAddressee("roster", r.Terminal, terminal); err != nil {
		return Roster{}, err
	}
	by, of := &r, "itself"
	if before != nil {
		by, of = before, fmt.Sprintf("roster %d, which is in force", before.Version)
		if r.Version <= before.Version {
			return Roster{}, fmt.Errorf("roster %d: version %d is in force, an older one is never taken back", r.Version, before.Version)
		}
	}
	admins, err := holders(keys, by, locker.Admin, at)
	if err != nil {
		return Roster{}, fmt.Errorf("roster %d: must be signed by admins of %s: %w", r.Version, of, err)
	}
	if len(admins) < 2 {
		return Roster{}, fmt.Errorf("roster %d: signed by %s alone, wants two different admins of %s", r.Version, admins[0], of)
	}
	return r, nil
}

// ParseRoster reads a roster's text (see [Body]), which nobody has verified yet.
func ParseRoster(body []byte) (Roster, error) {
	var r Roster
	if err := decodeStrict(body, &r); err != nil {
		return Roster{}, fmt.Errorf("roster: %w", err)
	}
	return r, r.Validate()
}

// Validate says what is wrong with the roster and what would be right.
func (r Roster) Validate() error {
	if err := errors.Join(CheckTerminal(r.Terminal), checkVersion(r.Version), checkTime("issued", r.Issued)); err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	wrong := func(form string, args ...any) error {
		return fmt.Errorf("roster %d: "+form, append([]any{r.Version}, args...)...)
	}
	if len(r.People) > MaxPeople {
		return wrong("%d people, at most %d", len(r.People), MaxPeople)
	}
	if r.RPID != "" && !domain.MatchString(r.RPID) {
		return wrong("rp_id %.60q: wants the town's domain, such as musterstadt.example", r.RPID)
	}
	seen := map[string]locker.Person{} // person, card or key
	admins := 0
	for _, e := range r.People {
		if err := e.validate(); err != nil {
			return wrong("%w", err)
		}
		if len(e.SecurityKeys) > 0 && r.RPID == "" {
			return wrong("%s has a security key, but there is no rp_id", e.Person)
		}
		for _, unique := range slices.Concat([]string{"person " + string(e.Person)}, prefixed("card ", e.Cards), prefixed("key ", e.Keys), credentials(e.SecurityKeys)) {
			if other, ok := seen[unique]; ok {
				return wrong("%.60s of %s is there already, with %s", unique, e.Person, other)
			}
			seen[unique] = e.Person
		}
		if e.Role == locker.Admin && len(e.Keys) > 0 && e.Leaves.IsZero() {
			admins++
		}
	}
	if len(r.Revoked) > MaxPeople {
		return wrong("%d revoked keys, at most %d", len(r.Revoked), MaxPeople)
	}
	for _, k := range r.Revoked {
		if canonical, err := PublicKey([]byte(k)); err != nil {
			return wrong("revoked: %w", err)
		} else if canonical != k {
			return wrong("revoked: public ssh key: wants type and base64 alone")
		}
		if other, ok := seen["key "+k]; ok {
			return wrong("revoked: the key %s is revoked and is a key of %s as well", KeyFingerprint(k), other)
		}
	}
	if admins < 2 {
		return wrong("%d admins with a key and no leave date, wants two at least: nobody else could sign the next roster", admins)
	}
	return nil
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}

func unprintable(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }

func checkPerson(p locker.Person) error {
	if len(p) < 1 || len(p) > mostPerson || strings.ContainsFunc(string(p), unprintable) {
		return fmt.Errorf("person %.50q: wants 1 to %d printable ASCII characters without spaces", string(p), mostPerson)
	}
	return nil
}

func (e Entry) validate() error {
	if err := checkPerson(e.Person); err != nil {
		return err
	}
	switch e.Role {
	case locker.Clerk, locker.Admin, locker.Desk:
	default:
		return fmt.Errorf("%s: role %.40q, wants clerk, admin or desk", e.Person, string(e.Role))
	}
	if !e.Leaves.IsZero() {
		if err := checkTime("leaves", e.Leaves); err != nil {
			return fmt.Errorf("%s: %w", e.Person, err)
		}
	}
	if len(e.Cards) > maxOfEach || len(e.Keys) > maxOfEach || len(e.SecurityKeys) > maxOfEach {
		return fmt.Errorf("%s: %d cards, %d keys and %d security keys, at most %d of each", e.Person, len(e.Cards), len(e.Keys), len(e.SecurityKeys), maxOfEach)
	}
	if err := e.checkSecurityKeys(); err != nil {
		return fmt.Errorf("%s: %w", e.Person, err)
	}
	for _, c := range e.Cards {
		if len(c) < 4 || len(c) > maxCard || strings.ContainsFunc(c, unprintable) {
			return fmt.Errorf("%s: a card wants 4 to %d printable ASCII characters without spaces", e.Person, maxCard)
		}
	}
	if e.Number != "" {
		if err := seal.CheckPHC(e.Number); err != nil {
			return fmt.Errorf("%s: %w", e.Person, err)
		}
	}
	if len(e.Cards) > 0 && e.Number == "" && len(e.SecurityKeys) == 0 {
		return fmt.Errorf("%s: has a card, but neither a personal number nor a security key", e.Person)
	}
	for _, k := range e.Keys {
		if canonical, err := PublicKey([]byte(k)); err != nil {
			return fmt.Errorf("%s: %w", e.Person, err)
		} else if canonical != k {
			return fmt.Errorf("%s: public ssh key: wants type and base64 alone", e.Person)
		}
	}
	return nil
}

// Holder implements [People].
func (r *Roster) Holder(key string, role locker.Role, at time.Time) (locker.Person, error) {
	for _, e := range r.People {
		if !slices.Contains(e.Keys, key) {
			continue
		}
		if e.Role != role {
			return "", fmt.Errorf("signed by %s, who is %s, wants %s", e.Person, e.Role, role)
		}
		if e.Left(at) {
			return "", fmt.Errorf("signed by %s, who left on %s", e.Person, e.Leaves.Format(time.DateOnly))
		}
		return e.Person, nil
	}
	return "", fmt.Errorf("signed with a key that roster %d does not know", r.Version)
}

// AllowedSigners writes the people with keys as OpenSSH's allowed_signers file:
// for each key the pseudonym, the namespaces in which the role may sign, and
// the leave date.
func AllowedSigners(r Roster) []byte {
	var b []byte
	for _, e := range r.People {
		namespaces := map[locker.Role]string{
			locker.Admin: NamespaceCommand + "," + NamespaceRoster,
			locker.Desk:  NamespaceOrder + "," + NamespaceWithdrawal,
		}[e.Role]
		if namespaces == "" {
			continue // clerks sign nothing
		}
		for _, key := range e.Keys {
			b = fmt.Appendf(b, "%s namespaces=%q", e.Person, namespaces)
			if !e.Leaves.IsZero() {
				b = fmt.Appendf(b, ",valid-before=%q", e.Leaves.UTC().Format("20060102150405Z"))
			}
			b = fmt.Appendf(b, " %s\n", key)
		}
	}
	return b
}

// Left tells whether the person has left by that time.
func (e Entry) Left(at time.Time) bool { return !e.Leaves.IsZero() && !at.Before(e.Leaves) }

// Card returns who holds a card.
func (r *Roster) Card(card string) (Entry, bool) {
	for _, e := range r.People {
		if slices.Contains(e.Cards, card) {
			return e, true
		}
	}
	return Entry{}, false
}

// Desks are the people who sign orders, each with the fingerprints of their keys,
// as the city may know them.
func (r *Roster) Desks() []locker.DeskKey {
	var all []locker.DeskKey
	for _, e := range r.People {
		if e.Role != locker.Desk {
			continue
		}
		for _, key := range e.Keys {
			all = append(all, locker.DeskKey{Person: e.Person, Key: KeyFingerprint(key), Leaves: e.Leaves})
		}
	}
	return all
}

// Members are the people as far as the ledger may know.
func (r *Roster) Members() []locker.Member {
	members := make([]locker.Member, 0, len(r.People))
	for _, e := range r.People {
		members = append(members, locker.Member{Person: e.Person, Role: e.Role, Leaves: e.Leaves})
	}
	return members
}
