package daemon

import (
	"errors"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/vault"
)

// brokenSlots are slots after a sync that failed.
type brokenSlots struct{ slots }

func (brokenSlots) Broken() error { return vault.ErrBroken }

// A medium may fail under one slot's sync alone, while the journal still takes
// what it is given. The next turn of the loop is a failed commit: the process
// ends and says why.
func TestASlotWhoseSyncFailedEndsTheServiceAsAFailedCommitDoes(t *testing.T) {
	for _, events := range [][]locker.Event{nil, {{}}} {
		if _, err := (durable{slots: brokenSlots{}}).Append(events, nil); !errors.Is(err, vault.ErrBroken) {
			t.Errorf("a commit of %d events says %v", len(events), err)
		}
	}
}
