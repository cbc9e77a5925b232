package vault

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// ahead is how far the city's clocks may be before the trusted time, which
// stands still while a terminal without a network is off.
const ahead = 48 * time.Hour

// orderRecord is an order that was opened and verified.
type orderRecord struct {
	Terms   locker.OrderTerms `json:"terms"`
	Hash    string            `json:"hash"`    // of the message
	Message json.RawMessage   `json:"message"` // envelope.SealedOrder
}

func (v *Vault) readOrders() error {
	v.orders = map[locker.OrderID]orderRecord{}
	return readAll(v.Records, bucketOrders, func(key string, o orderRecord) error {
		v.orders[locker.OrderID(key)] = o
		return nil
	})
}

// readAll decodes each record of a bucket.
func readAll[R any](records Records, bucket string, each func(key string, r R) error) error {
	keys, err := records.Keys(bucket)
	if err != nil {
		return fmt.Errorf("%s: %w", bucket, err)
	}
	for _, key := range keys {
		value, err := records.Get(bucket, key)
		if err != nil {
			return fmt.Errorf("%s %s: %w", bucket, key, err)
		}
		var r R
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("%s %s: %w", bucket, key, err)
		}
		if err := each(key, r); err != nil {
			return fmt.Errorf("%s %s: %w", bucket, key, err)
		}
	}
	return nil
}

// put encodes a record, stores it and returns its bytes.
func (v *Vault) put(bucket, key string, r any) ([]byte, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", bucket, key, err)
	}
	if err := v.Records.Put(bucket, key, value); err != nil {
		return nil, fmt.Errorf("%s %s: %w", bucket, key, err)
	}
	return value, nil
}

func generationKey(g locker.Generation) string { return strconv.FormatUint(uint64(g), 10) }

func parseGeneration(key string) (locker.Generation, error) {
	g, err := strconv.ParseUint(key, 10, 64)
	return locker.Generation(g), err
}

// ReceiveOrder opens, verifies and stores a sealed order; at is the trusted
// time. A message that came before returns the same input again. A live order
// is never replaced.
func (v *Vault) ReceiveOrder(message []byte, at time.Time) (locker.Input, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m, err := envelope.ParseSealedOrder(message)
	rejected := locker.MessageRejected{Message: locker.MessageOrder, Order: m.Order, Version: m.Version}
	reject := func(err error) (locker.Input, error) {
		rejected.Reason = err.Error()
		return rejected, nil
	}
	if err != nil {
		return reject(err)
	}
	hash := envelope.Hash(message)
	if known, ok := v.orders[m.Order]; ok {
		if known.Hash != hash {
			return reject(fmt.Errorf("order %s is here in version %d; a live order is never replaced: withdraw it and send a new one", m.Order, known.Terms.Version))
		}
		return locker.OrderReceived{Terms: known.Terms, Hash: hash}, nil
	}
	for _, g := range sorted(v.deposits) {
		if v.deposits[g].Order == m.Order {
			return reject(fmt.Errorf("order %s lies here already, as generation %d", m.Order, g))
		}
	}
	terms, err := v.checkOrder(m, at)
	if err != nil {
		return reject(err)
	}
	r := orderRecord{Terms: terms, Hash: hash, Message: message}
	if _, err := v.put(bucketOrders, string(m.Order), r); err != nil {
		return nil, fmt.Errorf("store order: %w", err)
	}
	v.orders[m.Order] = r
	return locker.OrderReceived{Terms: terms, Hash: hash}, nil
}

// checkOrder opens and verifies an order and keeps nothing of it but its terms.
func (v *Vault) checkOrder(m envelope.SealedOrder, at time.Time) (locker.OrderTerms, error) {
	var none locker.OrderTerms
	if m.Terminal != v.Terminal {
		return none, fmt.Errorf("order %s is for terminal %q, this is %q", m.Order, m.Terminal, v.Terminal)
	}
	if v.roster == nil {
		return none, fmt.Errorf("order %s: this terminal has no roster yet", m.Order)
	}
	if other := v.boundTo(m.Key); other != "" {
		return none, fmt.Errorf("order %s: key %d was used for %s; each key seals one order", m.Order, m.Key, other)
	}
	private, err := v.readSlot(keySlot(m.Key))
	if err != nil {
		return none, fmt.Errorf("order %s: key %d is spent, lapsed or was never offered; the desk must seal the order anew", m.Order, m.Key)
	}
	defer clear(private)
	o, err := envelope.OpenOrder(v.Crypto, private, m, desks{v.roster, v.former}, at)
	if err != nil {
		return none, err
	}
	defer o.Wipe()
	t := o.Terms
	switch {
	case o.Issued.Sub(at) > ahead:
		return none, fmt.Errorf("order %s: issued %s, here it is %s", t.Order, o.Issued.Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	case len(t.Documents) != 1:
		return none, fmt.Errorf("order %s: %d documents; this version hands over one at a time", t.Order, len(t.Documents))
	case len(t.Recipients) != 1:
		return none, fmt.Errorf("order %s: %d recipients; this version serves one", t.Order, len(t.Recipients))
	}
	for _, f := range o.Factors {
		for _, g := range f.Fingers {
			if err := v.Matcher.Check(g.Enrolment); err != nil {
				return none, fmt.Errorf("order %s: finger %d: %w", t.Order, g.Position, err)
			}
		}
	}
	return t, nil
}

// ReceiveWithdrawal verifies a desk's withdrawal.
func (v *Vault) ReceiveWithdrawal(message []byte, at time.Time) (locker.Input, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	reject := func(err error) (locker.Input, error) {
		return locker.MessageRejected{Message: locker.MessageWithdrawal, Reason: err.Error()}, nil
	}
	if v.roster == nil {
		return reject(fmt.Errorf("withdrawal: this terminal has no roster yet"))
	}
	w, desk, err := envelope.OpenWithdrawal(v.Crypto, message, v.Terminal, v.roster, at)
	if err != nil {
		return reject(err)
	}
	return locker.WithdrawalReceived{Order: w.Order, Desk: desk}, nil
}

// ReceivePosted verifies the city's word that a letter went out.
func (v *Vault) ReceivePosted(message []byte, at time.Time) (locker.Input, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p, err := envelope.OpenPosted(v.City, v.Terminal, message)
	reject := func(err error) (locker.Input, error) {
		return locker.MessageRejected{Message: locker.MessagePosted, Order: p.Order, Reason: err.Error()}, nil
	}
	if err != nil {
		return reject(err)
	}
	if day, _ := time.Parse(time.DateOnly, p.Day); day.Sub(at) > ahead {
		return reject(fmt.Errorf("posted: on %s, here it is %s", p.Day, at.UTC().Format(time.DateOnly)))
	}
	if d, ok := v.deposits[p.Generation]; ok && d.Order != p.Order {
		return reject(fmt.Errorf("posted: generation %d is of order %s, not of %s", p.Generation, d.Order, p.Order))
	}
	return locker.PostedReceived{Generation: p.Generation, Day: p.Day}, nil
}
