package approval_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// kept are the files of a terminal's state folder in German.
var kept = map[string]string{
	"device.key":   "geheimer Schlüssel der Station (Signatur)",
	"terminal.key": "geheimer Schlüssel der Station (Empfang der Dienstliste)",
	"journal.db":   "Protokoll, versiegelte Aufträge und Datensätze der Einlagen",
	"slots":        "Schlüsselplätze der Einlagen, je einer in einem Block von 4 KiB",
	"slots.bin":    "Schlüsselplätze der Einlagen, je einer in einem Block von 4 KiB",
}

// files are those that lockerd init really makes.
func files(t *testing.T) string {
	const terminal = "freigabe"
	cast, err := tour.NewCast(terminal, seal.Params{Memory: 64, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, verifier, err := envelope.GenerateCity(rand.Reader, "stadt")
	if err != nil {
		t.Fatal(err)
	}
	_, letterKey, err := envelope.Standard{}.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "state")
	_, err = daemon.Init(daemon.Config{
		Terminal: terminal, State: state, Rules: locker.DefaultRules(),
		City:         daemon.City{Broker: "tcp://127.0.0.1:1", Verifier: verifier, LetterKey: envelope.EncodeKey(envelope.LetterKey, false, letterKey)},
		Kiosk:        daemon.Kiosk{Listen: "127.0.0.1:0"},
		Seal:         daemon.Seal{Memory: 64, Time: 1},
		Compartments: []daemon.Compartment{{Number: 1, Size: daemon.Size(locker.Small), Lock: daemon.Wire{GPIO: "L"}, Contact: daemon.Wire{GPIO: "D"}}},
	}, cast.Roster)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadDir(state)
	if err != nil {
		t.Fatal(err)
	}
	out := newTable("Datei", "Rechte", "Inhalt")
	for _, f := range all {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if kept[f.Name()] == "" {
			t.Errorf("the file %s of the state folder has no words in German", f.Name())
		}
		out.row("`"+f.Name()+"`", fmt.Sprintf("%04o", info.Mode().Perm()), kept[f.Name()])
	}
	return out.String()
}
