package tour

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
)

func signDraft(admin envelope.Signer, draft api.Draft) ([]byte, error) {
	return envelope.Sign(admin, draft.Namespace, draft.Text)
}

// disk is a copy of a terminal's state folder.
type disk struct{ dir string }

func (d *disk) remove() {
	if d != nil {
		_ = os.RemoveAll(d.dir) // a temporary folder
	}
}

// copyDisk copies the state folder while the terminal is off.
func (s *story) copyDisk() (*disk, error) {
	dir, err := os.MkdirTemp("", "nachtfach-disk-")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"journal.db", "slots"} {
		b, err := os.ReadFile(filepath.Join(s.State, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return &disk{dir}, nil
}

func (s *story) keepDisk(ctx context.Context) (err error) {
	if err = s.PowerOff(ctx); err == nil {
		s.before, err = s.copyDisk()
	}
	return errors.Join(err, s.PowerOn(ctx))
}

// nothingLeft tries, with a copy of the disk from before the handover and one
// from now, all that went over the broker, and the city's letter key, to get at
// what was sealed. That the same try succeeds with the old slots proves that it
// is a try.
func (s *story) nothingLeft(ctx context.Context) (string, error) {
	if err := s.PowerOff(ctx); err != nil {
		return "", err
	}
	now, err := s.copyDisk()
	if err := errors.Join(err, s.PowerOn(ctx)); err != nil {
		return "", err
	}
	defer now.remove()
	g, id := s.letters["anna"].Generation, s.orders["anna"]
	old, err := s.recover(s.before, s.before)
	if err != nil {
		return "", err
	}
	if !slices.Contains(old.Generations, g) {
		return "", errors.New("the try does not even open a deposit that is there")
	}
	found, err := s.recover(now, s.before, now)
	if err != nil {
		return "", err
	}
	if slices.Contains(found.Generations, g) || slices.Contains(found.Orders, id) {
		return "", fmt.Errorf("generation %d or its order still opens", g)
	}
	return fmt.Sprintf("with old and new disk, broker, city and every key: nothing; before it, %d opened", len(old.Generations)), nil
}

// recover tries the slots of one disk on the records of some.
func (s *story) recover(slots *disk, records ...*disk) (found vault.Recovered, err error) {
	device, err := note.NewVerifier(s.Verifier)
	if err != nil {
		return found, err
	}
	file, err := vault.OpenSlotFile(filepath.Join(slots.dir, "slots"))
	if err != nil {
		return found, err
	}
	defer file.Close()
	e := vault.Evidence{
		Terminal: s.Terminal, Slots: []vault.Slots{file}, Orders: s.Sent("order"), Letters: s.Sent("letter"),
		LetterKey: s.LetterKey, Device: device,
	}
	for _, d := range records {
		j, err := journal.OpenReadOnly(filepath.Join(d.dir, "journal.db"))
		if err != nil {
			return found, err
		}
		defer j.Close()
		e.Records = append(e.Records, j.Records())
	}
	return e.Recover(vault.Standard{})
}

func (s *story) networkAway(ctx context.Context) (string, error) {
	if err := s.BrokerOff(ctx); err != nil {
		return "", err
	}
	back := time.NewTimer(10 * time.Second)
	defer back.Stop()
	n, err := s.open(ctx, "clara", 0)
	if err == nil {
		err = s.take(ctx, n)
	}
	if err == nil {
		err = s.enter(ctx, s.code("clara"))
	}
	if err == nil {
		_, err = s.await(ctx, locker.ScreenRefused)
	}
	select {
	case <-back.C:
	case <-ctx.Done():
	}
	if err := errors.Join(err, s.BrokerOn(ctx)); err != nil {
		return "", err
	}
	lines, err := s.settle(ctx)
	if err != nil {
		return "", err
	}
	g := s.letters["clara"].Generation
	all, err := s.facts(ctx)
	if err != nil {
		return "", err
	}
	taken := 0
	for i, f := range all {
		if f.Sequence != uint64(i) {
			return "", fmt.Errorf("event %d is at place %d", f.Sequence, i)
		}
		if f.Type == "de.nachtfach.document.taken.v1" && number(f.Data, "generation") == uint64(g) {
			taken++
		}
	}
	if taken != 1 {
		return "", fmt.Errorf("the handover is recorded %d times", taken)
	}
	return fmt.Sprintf("a whole pickup offline; %d events, in order, once", len(lines)), nil
}

// cutAtDoor goes through code and finger, and cuts the power when the door has opened.
func (s *story) cutAtDoor(ctx context.Context, who string, finger int) (locker.CompartmentID, error) {
	n, err := s.open(ctx, who, finger)
	if err != nil {
		return 0, err
	}
	if err := s.pulsed(ctx, n, 0); err != nil {
		return 0, err
	}
	return n, s.PowerOff(ctx)
}

// pulsed waits until the lock has had more than so many pulses, and is at rest
// again: where the power cut is a killed process, a relay board would hold the
// coil for as long as nobody starts it again.
func (s *story) pulsed(ctx context.Context, n locker.CompartmentID, more int) error {
	return until(ctx, fmt.Sprintf("the end of a pulse at lock %d", n), func() (bool, error) {
		doors, err := s.wall(ctx)
		return err == nil && doors[n-1].Pulses > more && !doors[n-1].Coil, err
	})
}

func (s *story) powerCutOpen(ctx context.Context) (string, error) {
	n, err := s.cutAtDoor(ctx, "dora", 0)
	if err != nil {
		return "", err
	}
	before, err := s.wall(ctx)
	if err := errors.Join(err, s.PowerOn(ctx)); err != nil {
		return "", err
	}
	if sc, err := s.await(ctx, locker.ScreenTake); err != nil || sc.Compartment != n {
		return "", fmt.Errorf("the visit does not go on at compartment %d: %w", n, err)
	}
	if err := s.stillThere(ctx, before); err != nil {
		return "", err
	}
	return "no lock moved, the visit went on, taken", s.take(ctx, n)
}

// stillThere checks that no lock was pulsed since.
func (s *story) stillThere(ctx context.Context, before []wallDoor) error {
	after, err := s.wall(ctx)
	if err != nil {
		return err
	}
	for i, d := range after {
		if d.Pulses != before[i].Pulses {
			return fmt.Errorf("the start pulsed lock %d", d.Number)
		}
	}
	return nil
}

// powerCutClosed cuts the power when the lock has been released and the citizen
// has closed the door without taking anything.
func (s *story) powerCutClosed(ctx context.Context) (string, error) {
	n := s.places["emil"]
	if err := s.door(ctx, n, "jam"); err != nil { // so that it is released and stays closed
		return "", err
	}
	untouched, err := s.wall(ctx)
	if err != nil {
		return "", err
	}
	if err := s.enter(ctx, s.code("emil")); err != nil {
		return "", err
	}
	if err := s.reach(ctx); err != nil {
		return "", err
	}
	if err := s.lay(ctx, s.person("emil").Lay[0]); err != nil {
		return "", err
	}
	if err := s.pulsed(ctx, n, untouched[n-1].Pulses); err != nil {
		return "", err
	}
	if err := s.PowerOff(ctx); err != nil {
		return "", err
	}
	if err := s.door(ctx, n, "heal"); err != nil {
		return "", err
	}
	before, err := s.wall(ctx)
	if err := errors.Join(err, s.PowerOn(ctx)); err != nil {
		return "", err
	}
	g := s.letters["emil"].Generation
	if _, err := s.event(ctx, "de.nachtfach.custody.doubted.v1", func(f map[string]any) bool { return number(f, "generation") == uint64(g) }); err != nil {
		return "", err
	}
	if err := s.stillThere(ctx, before); err != nil {
		return "", err
	}
	opened, err := s.open(ctx, "emil", 1)
	if err != nil {
		return "", err
	}
	if opened != n {
		return "", fmt.Errorf("compartment %d opened, the document is in %d", opened, n)
	}
	return "no lock moved, custody unknown with alarm, the same code works once more", s.take(ctx, n)
}
