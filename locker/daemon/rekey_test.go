package daemon_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
)

// stocked is a town with one document inside whose letter nobody has printed.
func stocked(t *testing.T, terminal string) (*town, locker.OrderID) {
	t.Helper()
	w := newTown(t, terminal, 2)
	id, err := daemon.Init(w.config, w.cast.Roster)
	w.must(err)
	w.must(w.city.AddTerminal(t.Context(), id.Terminal, id.Verifier))
	w.powerOn()
	order := w.order("481516")
	w.signIn()
	w.look(locker.ScreenClear, empty)
	w.load(order)
	w.finish()
	return w, order
}

func (w *town) key() string {
	w.t.Helper()
	key, err := os.ReadFile(filepath.Join(w.config.State, "device.key"))
	w.must(err)
	return string(key)
}

// beginRekey leaves what a rekey leaves that was cut short after its first
// step, and returns the new verifier.
func (w *town) beginRekey() string {
	w.t.Helper()
	private, public, err := envelope.GenerateDevice(rand.Reader, w.config.Terminal)
	w.must(err)
	key, _, err := envelope.Standard{}.GenerateKey()
	w.must(err)
	for name, text := range map[string]string{
		"terminal.key.next": envelope.EncodeKey(envelope.TerminalKey, true, key),
		"device.key.next":   private + "\n" + public + "\n",
	} {
		w.must(os.WriteFile(filepath.Join(w.config.State, name), []byte(text), 0o600))
	}
	return public
}

func TestADeviceGetsNewKeysAndNoDepositIsLost(t *testing.T) {
	w, order := stocked(t, "rekey-1")
	was := w.key()
	if _, err := daemon.Rekey(w.config); !errors.Is(err, journal.ErrLocked) {
		t.Fatalf("beside a daemon: %v", err)
	}
	w.off()
	w.powerOn() // a refused rekey leaves nothing that keeps it from starting
	w.off()
	begun := w.beginRekey()
	if _, err := w.open(); err == nil || !strings.Contains(err.Error(), "lockerd rekey") {
		t.Fatalf("with half a rekey the terminal starts: %v", err)
	}
	id, err := daemon.Rekey(w.config) // goes on with the keys of the first try
	w.must(err)
	if w.key() == was || id.Fingerprint == "" || id.Verifier != begun {
		t.Fatalf("the keys are %+v, begun with %s", id, begun)
	}
	w.powerOn()
	eventually(t, "the city follows", func() bool {
		m, err := w.city.City.Terminals(t.Context())
		return err == nil && len(m) == 1 && m[0].Verifier == id.Verifier
	})
	w.post(order) // signed by the old key
	w.collect(order)
	eventually(t, "the city has it all", func() bool {
		tree, err := w.city.Verify(t.Context(), "rekey-1")
		return err == nil && tree.Size == uint64(strings.Count(w.journal(), "\n"))
	})
	for _, kind := range []string{api.AlarmFork, api.AlarmSignature} {
		if alarms := w.city.Alarmed(kind); len(alarms) > 0 {
			t.Errorf("the city says %q", alarms)
		}
	}
	again := w.order("162342") // to keys that the new device key offered
	eventually(t, "a new order", func() bool { return w.state(again) == api.OrderAccepted })
}

func TestACityGetsNewKeysAndNoDepositIsLost(t *testing.T) {
	w, order := stocked(t, "rekey-2")
	w.post(order) // what is sealed to the old letter key is printed before
	w.off()
	w.cityOff()
	private, public, err := envelope.GenerateCity(rand.Reader, "teststadt")
	w.must(err)
	w.city.Config.Signer, err = note.NewSigner(private)
	w.must(err)
	letter, _, err := envelope.Standard{}.GenerateKey()
	w.must(err)
	w.city.Config.Verifier, w.city.Config.LetterKey = public, letter
	w.city.Reopen()
	w.city.Start()
	who, err := w.city.Identity(t.Context())
	w.must(err)
	w.config.City.Verifier, w.config.City.LetterKey = who.Verifier, envelope.EncodeKey(envelope.LetterKey, false, who.LetterKey)
	w.powerOn()
	w.collect(order)
	next := w.order("162342")
	w.signIn()
	w.look(locker.ScreenClear, empty)
	w.load(next)
	w.finish()
	w.post(next)
	w.collect(next)
}
