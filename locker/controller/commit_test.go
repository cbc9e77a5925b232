package controller_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/controller"
)

// store is a journal that breaks when it is told to; it is also the vault,
// whose records lie in it.
type store struct {
	controller.Vault
	broken bool
}

func (s *store) Append(events []locker.Event, _ func() ([]byte, error)) (uint64, error) {
	if s.broken {
		return 0, errors.New("input/output error")
	}
	return 0, nil
}

func (s *store) Reconcile(locker.Living) error { return nil }

func TestNothingIsCarriedOutAfterTheStoreBroke(t *testing.T) {
	s := &store{}
	jobs, uptime := 0, time.Second
	wall := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	k := controller.New(controller.Config{
		Terminal: locker.New(), Journal: s, Vault: s,
		Now:   func() locker.Now { return locker.Now{Uptime: uptime, Wall: wall.Add(uptime)} },
		Start: func(controller.Lane, controller.Job) { jobs++ },
	})
	config := locker.Config{Terminal: "rathaus", Rules: locker.DefaultRules(), Compartments: []locker.CompartmentSpec{{Number: 1, Size: locker.Small}}}
	if err := k.Boot(locker.Booted{Config: config, Doors: map[locker.CompartmentID]bool{1: false}}); err != nil {
		t.Fatal(err)
	}
	if jobs != 1 {
		t.Fatalf("%d jobs after the start, want one that makes keys", jobs)
	}
	s.broken = true // under a record of the vault: no event tells
	uptime += time.Minute
	for range 2 { // the keys are owed once more, and no event is due
		if err := k.Handle(k.Now(), locker.Tick{}); !errors.Is(err, controller.ErrCommit) {
			t.Fatalf("handle gives %v, want ErrCommit", err)
		}
	}
	if jobs != 1 {
		t.Fatalf("%d jobs: one was begun after the store broke", jobs)
	}
}

func TestATypedCodeIsClearedAfterItsTurn(t *testing.T) {
	k := controller.New(controller.Config{
		Terminal: locker.New(), Journal: &store{}, Vault: &store{},
		Now: func() locker.Now {
			return locker.Now{Uptime: time.Second, Wall: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
		},
		Start: func(controller.Lane, controller.Job) {},
	})
	for _, in := range []locker.Input{
		locker.Typed{Text: []byte("471108154226")}, locker.Scanned{Source: locker.SourceCitizen, Text: []byte("NF1:471108154226")},
	} {
		var text []byte
		switch in := in.(type) {
		case locker.Typed:
			text = in.Text
		case locker.Scanned:
			text = in.Text
		}
		if err := k.Handle(k.Now(), in); err != nil {
			t.Fatal(err)
		}
		if string(text) != string(make([]byte, len(text))) {
			t.Errorf("%T still holds what was typed: %q", in, text)
		}
	}
}
