package vault

import (
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin"
)

// Evidence is what somebody holds who copied disks, broker and city, and has
// every key that survives. [Evidence.Recover] proves deletion by trying.
type Evidence struct {
	Terminal  string
	Slots     []Slots    // copies, of any time
	Records   []Records  // copies, of any time
	Orders    [][]byte   // sealed orders, as they travelled
	Letters   [][]byte   // letters, as they travelled; those in Records count too
	Keys      [][]byte   // private ones found elsewhere, whatever they are for
	Shares    [][]byte   // re-issue shares that the city keeps; those in letters count too
	Roots     [][]byte   // that are left in hardware; see [RawSlots]
	Limits    Limits     // the hardware that counts tries, if they hold it
	LetterKey []byte     // the city's, private
	Codes     []pin.Code // that were printed
	Device    note.Verifier
}

// RawSlots reads a copy of a slot file as it is, whatever its payloads are
// sealed under.
func RawSlots(path string) (*SlotFile, error) { return openSlotFile(system{}, path) }

// Recovered is what came to light.
type Recovered struct {
	Orders      []locker.OrderID    // whose factors opened as sealed order
	Generations []locker.Generation // whose factors opened as deposit
}

// Recover tries every key on everything, as a thief would: private keys on
// sealed orders, the letter key on letters, and each slot's key, and each found
// elsewhere, with each code and each share on each deposit.
func (e Evidence) Recover(c Crypto) (Recovered, error) {
	var found Recovered
	keys, slotKeys, err := e.keys()
	if err != nil {
		return found, err
	}
	deposits, letters, err := e.records()
	if err != nil {
		return found, err
	}
	codes, shares := e.openLetters(c, append(letters, e.Letters...))
	codes = append(codes, e.Codes...)
	for _, b := range e.Shares {
		if share, err := envelope.NewShare(b); err == nil {
			shares = append(shares, share)
		}
	}
	for _, message := range e.Orders {
		if id, ok := openAny(c, message, append(keys, e.Keys...), e.Terminal); ok {
			found.Orders = append(found.Orders, id)
		}
	}
	for _, key := range e.Keys {
		slotKeys = append(slotKeys, foundKey{secret: key})
	}
	v := &Vault{Config: Config{Terminal: e.Terminal, Crypto: c, Limits: e.Limits}}
	for _, d := range deposits {
		if v.opensAny(d, slotKeys, codes, shares) {
			found.Generations = append(found.Generations, d.Generation)
		}
	}
	return found, nil
}

// foundKey is what may be a deposit's slot.
type foundKey struct {
	of     locker.Generation // zero: found elsewhere
	secret []byte            // key, and token of the limit
}

// keys are the secrets in the slots: private order keys, and what lies there of
// deposits.
func (e Evidence) keys() (private [][]byte, deposit []foundKey, err error) {
	for _, s := range e.Slots {
		for i := range s.Count() {
			block, err := s.Read(i)
			if err != nil {
				return nil, nil, fmt.Errorf("slot %d: %w", i, err)
			}
			block = openWith(e.Roots, i, block)
			name, err := parseSlot(block)
			switch {
			case err != nil:
			case name.kind == slotKey:
				private = append(private, block[slotHead:])
			default:
				deposit = append(deposit, foundKey{locker.Generation(name.id), block[slotHead:]})
			}
		}
	}
	return private, deposit, nil
}

func (e Evidence) records() (deposits []depositRecord, letters [][]byte, err error) {
	for _, r := range e.Records {
		for _, bucket := range []string{bucketDeposits, bucketLetters} {
			keys, err := r.Keys(bucket)
			if err != nil {
				return nil, nil, err
			}
			for _, key := range keys {
				value, err := r.Get(bucket, key)
				if err != nil {
					return nil, nil, err
				}
				if bucket == bucketLetters {
					letters = append(letters, value)
					continue
				}
				var d depositRecord
				if err := json.Unmarshal(value, &d); err != nil {
					return nil, nil, fmt.Errorf("%s %s: %w", bucket, key, err)
				}
				deposits = append(deposits, d)
			}
		}
	}
	return deposits, letters, nil
}

// openLetters gives the codes and shares of the letters that open.
func (e Evidence) openLetters(c Crypto, letters [][]byte) (codes []pin.Code, shares []envelope.Share) {
	for _, message := range letters {
		head, err := envelope.OpenLetterHead(e.Device, e.Terminal, message)
		if err != nil {
			continue
		}
		if letter, err := head.Open(c, e.LetterKey); err == nil {
			codes, shares = append(codes, letter.Code), append(shares, letter.Share)
		}
	}
	return codes, shares
}

// anyone accepts every signature: a thief does not care who signed.
type anyone struct{}

func (anyone) Holder(string, locker.Role, time.Time) (locker.Person, error) { return "anyone", nil }

func openAny(c Crypto, message []byte, keys [][]byte, terminal string) (locker.OrderID, bool) {
	m, err := envelope.ParseSealedOrder(message)
	if err != nil || m.Terminal != terminal {
		return "", false
	}
	for _, key := range keys {
		if o, err := envelope.OpenOrder(c, key, m, anyone{}, time.Time{}); err == nil {
			o.Wipe()
			return m.Order, true
		}
	}
	return "", false
}

func (v *Vault) opensAny(d depositRecord, slots []foundKey, codes []pin.Code, shares []envelope.Share) bool {
	for i, r := range d.Recipients {
		ad := v.bound(d, i)
		for _, slot := range slots {
			key, token, err := splitDeposit(slot.secret)
			if err != nil {
				continue
			}
			others := len(token) > 0 && slot.of != d.Generation
			for _, code := range codes {
				if code.Selector() != r.Selector || others {
					continue // a derivation for nothing, and a try of another deposit's limit
				}
				if _, err := v.openCode(lockedBox{box: r.Sealed, key: key, ad: ad, token: token}, code.Secret()); err == nil {
					return true
				}
			}
			for _, share := range shares {
				if _, err := v.Crypto.OpenShare(r.Reissue, share.Bytes(), key, ad); err == nil {
					return true
				}
			}
		}
	}
	return false
}
