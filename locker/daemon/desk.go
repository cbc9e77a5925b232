package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/report"
)

var _ report.Terminal = (*desk)(nil)

// desk is the daemon as the city sees it.
type desk Daemon

// State is the retained snapshot.
func (d *desk) State() []byte {
	state, err := json.Marshal((*Daemon)(d).Status())
	if err != nil {
		d.options.Logger.Error("state", "error", err)
		return nil
	}
	return state
}

// Keys are the signed lists of unused order keys.
func (d *desk) Keys() [][]byte {
	if d.broken != nil {
		return nil
	}
	lists, err := d.store.vault.KeyLists(d.control.UnusedKeys())
	if err != nil {
		d.options.Logger.Error("list of keys", "error", err)
		return nil
	}
	return lists
}

// Letters are those that the city has not posted.
func (d *desk) Letters() [][]byte {
	if d.broken != nil {
		return nil
	}
	var letters [][]byte
	for _, g := range d.control.Letters() {
		letter, err := d.store.vault.Letter(g)
		if err != nil {
			d.options.Logger.Error("letter", "generation", uint64(g), "error", err)
			continue
		}
		if letter != nil {
			letters = append(letters, letter)
		}
	}
	return letters
}

// Receive hands a message of the city to the vault.
func (d *desk) Receive(t report.Topic, raw []byte) {
	if d.broken != nil {
		return
	}
	kinds := map[report.Topic]locker.MessageKind{
		report.TopicOrder: locker.MessageOrder, report.TopicRoster: locker.MessageRoster,
		report.TopicCommand: locker.MessageCommand, report.TopicPosted: locker.MessagePosted,
	}
	if kind, ok := kinds[t]; ok {
		d.control.Receive(kind, raw)
	}
}

// Tell hands over what an acknowledgement led to.
func (d *desk) Tell(in locker.Input) {
	if d.broken == nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		d.control.Deliver(ctx, in) // one that finds no room in a second comes again with the next
	}
}

// announcer wakes the reporter.
type announcer struct{ d *Daemon }

func (a announcer) wake() {
	if a.d.reporter != nil { // before the line is open there is nobody to wake
		a.d.reporter.Refresh()
	}
}

// AnnounceKeys implements the controller's Announcer.
func (a announcer) AnnounceKeys() { a.wake() }

// AnnounceLetter implements the controller's Announcer.
func (a announcer) AnnounceLetter(locker.Generation) { a.wake() }

// AnnounceAll implements the controller's Announcer.
func (a announcer) AnnounceAll() {
	if a.d.reporter != nil {
		a.d.reporter.Resend()
	}
}

// face is the daemon as the kiosk sees it.
type face Daemon

var errNoStore = errors.New("the terminal is out of order")

// Screen is what is shown, and a channel that closes when it changes.
func (f *face) Screen() (locker.Screen, <-chan struct{}) {
	if f.broken != nil {
		return locker.Screen{Number: 1, Name: locker.ScreenOutOfOrder}, nil
	}
	return f.control.Screen()
}

// Submit hands an input to the terminal and returns the screen after it.
func (f *face) Submit(ctx context.Context, in locker.Input) (locker.Screen, error) {
	if f.broken != nil {
		return locker.Screen{}, errNoStore
	}
	return f.control.Submit(ctx, in)
}

// Layout is how the wall was built, for the pages' picture of it.
func (f *face) Layout() []locker.CompartmentSpec { return f.layout }

// noLog is the journal of a terminal without a store: nothing to report but the state.
type noLog struct{}

func (noLog) Size() uint64                          { return 0 }
func (noLog) Cursor() uint64                        { return 0 }
func (noLog) Pruned() uint64                        { return 0 }
func (noLog) Read(uint64, int) ([][]byte, error)    { return nil, nil }
func (noLog) Checkpoint(uint64) ([]byte, error)     { return nil, errNoStore }
func (noLog) Acknowledge([]byte) (time.Time, error) { return time.Time{}, errNoStore }
func (noLog) Changed() <-chan struct{}              { return nil }

// refresh tells the city that a door moved while there is no store.
func (d *Daemon) refresh(_ context.Context, in locker.Input) {
	if moved, ok := in.(locker.DoorMoved); ok {
		d.options.Logger.Info("door", "compartment", int(moved.Compartment), "open", moved.Open)
	}
	d.reporter.Refresh()
}

// doorsOnly is all that is known of the compartments without a store.
func (d *Daemon) doorsOnly() []locker.CompartmentStatus {
	levels, _ := d.parts.levels()
	list := []locker.CompartmentStatus{}
	for _, c := range d.config.Compartments {
		list = append(list, locker.CompartmentStatus{
			Number: c.Number, Size: locker.Size(c.Size), Row: c.Row, Column: c.Column, Use: "unknown", Open: levels[c.Number],
		})
	}
	return list
}
