package city_test

import (
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// TestAnOrderOfNobodysDeskIsRefusedAtCapture has a terminal tell of its roster.
func TestAnOrderOfNobodysDeskIsRefusedAtCapture(t *testing.T) {
	d := open(t)
	d.offer(1, 2, 3, 4)
	other, _, err := envelope.GenerateSSH(rand.Reader, "stranger")
	d.check(err)
	stranger, err := envelope.ParseSSH(other)
	d.check(err)
	fingerprint := envelope.KeyFingerprint(envelope.SignerKey(d.admin))
	roster := func(version int, leaves time.Time) {
		d.m.Append(locker.RosterAccepted{
			Version: version, People: []locker.Member{{Person: "DESK", Role: locker.Desk, Leaves: leaves}},
			Desks: []locker.DeskKey{{Person: "DESK", Key: fingerprint, Leaves: leaves}},
		})
		citytest.Eventually(t, "the roster", soon, func() bool {
			r, err := d.ask.Roster(t.Context(), d.m.ID)
			return err == nil && r.Version == version
		})
	}
	submit := func(id locker.OrderID, key api.Key, by envelope.Signer) error {
		sealed := d.seal(id, 1, key)
		if by != nil {
			sealed, err = envelope.SignSubmission(by, sealed)
			d.check(err)
		}
		_, err := d.ask.SubmitOrder(t.Context(), sealed)
		return err
	}
	roster(2, time.Time{})
	d.check(submit("order-0001", d.lease(), d.admin))
	if o := d.order("order-0001"); o.Signer != fingerprint || time.Since(o.Captured) > time.Minute {
		t.Errorf("the order is %+v", o)
	}
	d.refused(submit("order-0002", d.lease(), nil), http.StatusBadRequest, "no desk signed")
	d.refused(submit("order-0002", d.lease(), stranger), http.StatusBadRequest, "is no desk's in roster 2")
	roster(3, time.Now().Add(-time.Hour))
	key := d.lease()
	d.refused(submit("order-0002", key, d.admin), http.StatusBadRequest, "DESK's, who left on")
	// A signature for another order is none for this one.
	signed, err := envelope.SignSubmission(d.admin, d.seal("order-0003", 1, key))
	d.check(err)
	swapped := append(d.seal("order-0002", 1, key), signed[len(d.seal("order-0003", 1, key)):]...)
	_, err = d.ask.SubmitOrder(t.Context(), swapped)
	d.refused(err, http.StatusBadRequest, "over the hash of this order")
}
