package journal_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"golang.org/x/mod/sumdb/note"
)

// Somebody who owns the machine, but not the device's key, writes the audit
// trail anew, so that each hash and the root fit. Every forgery passes as a log
// where nobody asks for signatures: that is what the defence is for.
func TestThreatAuditRewritten(t *testing.T) {
	genuine := events(0, 450)
	path, trust := signedLog(t, genuine)
	without := func(n int) []locker.Event { return slices.Delete(slices.Clone(genuine), n, n+1) }
	swapped := slices.Clone(genuine)
	swapped[330], swapped[331] = swapped[331], swapped[330]
	edited := slices.Clone(genuine)
	edited[101].Fact = locker.AlarmCleared{Alarm: 101}
	for name, c := range map[string]struct {
		events []locker.Event
		good   uint64 // the last signature that still holds
	}{
		"edited":    {edited, 7 * 15},
		"dropped":   {append(without(250), event(900)), 7 * 29},
		"reordered": {swapped, 7 * 43},
	} {
		forged, _ := signedLog(t, c.events)
		transplant(t, path, forged, "signature")
		transplantSignatures(t, path, forged)
		if err := verify(t, forged, journal.Trust{}); err != nil {
			t.Errorf("%s: found without a key, so the test shows nothing: %v", name, err)
		}
		// 101 lies before the first signature that is kept, at 105.
		want := c.good
		if name == "edited" {
			want = 0
		}
		var first *journal.BadEventError
		if err := verify(t, forged, trust); !errors.As(err, &first) || first.Sequence != want {
			t.Errorf("%s: %v, want event %d or one after it", name, err, want)
		}
	}
}

// An old copy of the disk is put back: all in it is signed and whole. The city's
// acknowledgement tells, on the terminal's side; on the city's side the device's
// own signature under another history does (see package city).
func TestThreatLogShrunkOrForked(t *testing.T) {
	signer, device := keys(t, "nachtfach.de/"+terminal)
	citySigner, cityKey := keys(t, "stadt.example")
	authority := city{t, citySigner}
	c := config(t)
	c.Signer, c.City, c.Entropy = signer, note.VerifierList(cityKey), zeros{}
	j := create(t, c)
	appendTo(t, j, events(0, 50))
	old := copyOf(t, c.Path)
	appendTo(t, j, events(50, 80))
	_, root, err := j.Tree()
	if err != nil {
		t.Fatal(err)
	}
	ack := authority.ack(j.Origin(), 80, root, noon)
	closed(t, j)

	c.Path = old
	if err := verify(t, old, journal.Trust{Device: note.VerifierList(device)}); err != nil {
		t.Fatalf("the old copy is not whole, so the test shows nothing: %v", err)
	}
	j = open(t, c)
	_, err = j.Acknowledge(ack)
	wantError(t, err, journal.ErrAhead)
	appendTo(t, j, events(100, 140)) // and goes on as if nothing were
	_, err = j.Acknowledge(ack)
	wantError(t, err, journal.ErrFork)
}
