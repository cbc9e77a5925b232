package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker/journal"
	"golang.org/x/mod/sumdb/note"
)

// exported is an export of these events of a signed log.
func exported(t *testing.T, n int, sequences []uint64) ([]byte, journal.Trust) {
	t.Helper()
	path, trust := signedLog(t, events(0, n))
	j, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var b bytes.Buffer
	if err := j.Export(&b, sequences); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), trust
}

func read(export []byte, trust journal.Trust) (journal.Exported, []uint64, error) {
	var seen []uint64
	x, err := journal.ReadExport(bytes.NewReader(export), trust, func(n uint64, body []byte) error {
		says, _, _, err := journal.Decode(body)
		seen = append(seen, says)
		return err
	})
	return x, seen, err
}

func TestAnExportIsCheckedWithoutTheTerminal(t *testing.T) {
	for _, want := range [][]uint64{{0}, {3, 17, 99}, {122}} {
		export, trust := exported(t, 123, want)
		x, seen, err := read(export, trust)
		if err != nil || x.Size != 123 || x.Terminal != terminal || !slices.Equal(seen, want) {
			t.Errorf("events %v: %+v, %v, %v", want, x, seen, err)
		}
	}
	export, trust := exported(t, 50, nil)
	if x, seen, err := read(export, trust); err != nil || x.Events != 50 || len(seen) != 50 {
		t.Errorf("all: %+v, %d, %v", x, len(seen), err)
	}
}

func TestAnExportThatWasTouchedNamesTheEvent(t *testing.T) {
	export, trust := exported(t, 60, []uint64{5, 6, 30})
	lines := bytes.SplitAfter(export, []byte("\n"))
	edit := func(n int, f func(e map[string]any)) []byte {
		var e map[string]any
		if err := json.Unmarshal(lines[n], &e); err != nil {
			t.Fatal(err)
		}
		f(e)
		changed, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		copied := slices.Clone(lines)
		copied[n] = append(changed, '\n')
		return bytes.Join(copied, nil)
	}
	for name, c := range map[string]struct {
		export []byte
		first  uint64
	}{
		"edited": {edit(2, func(e map[string]any) {
			e["event"] = strings.Replace(e["event"].(string), `"compartment":7`, `"compartment":8`, 1)
		}), 6},
		"renumbered":  {edit(3, func(e map[string]any) { e["sequence"] = 31 }), 31},
		"no proof":    {edit(1, func(e map[string]any) { e["proof"] = []string{} }), 5},
		"twice":       {bytes.Join([][]byte{lines[0], lines[1], lines[1], lines[3]}, nil), 5},
		"beyond":      {edit(3, func(e map[string]any) { e["sequence"] = uint64(1 << 40) }), 1 << 40},
		"another key": {edit(1, func(e map[string]any) { e["note"] = "" }), 0},
	} {
		var first *journal.BadEventError
		if _, _, err := read(c.export, trust); !errors.As(err, &first) || first.Sequence != c.first {
			t.Errorf("%s: %v, want event %d", name, err, c.first)
		}
	}
	if _, _, err := read(bytes.Join(lines[:3], nil), trust); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("cut off: %v", err)
	}
	if _, _, err := read(append(slices.Clone(export), lines[1]...), trust); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("with something behind it: %v", err)
	}
	if _, _, err := read(nil, trust); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("empty: %v", err)
	}
	_, stranger := keys(t, "nachtfach.de/"+terminal)
	if _, _, err := read(export, journal.Trust{Device: note.VerifierList(stranger)}); !errors.Is(err, journal.ErrRewritten) {
		t.Errorf("another device's: %v", err)
	}
	if _, _, err := read(export, journal.Trust{}); err == nil {
		t.Error("an export was believed without a key")
	}
}

func TestTheCitysWordTravelsWithAnExport(t *testing.T) {
	c := config(t)
	signer, device := keys(t, "nachtfach.de/"+terminal)
	citySigner, cityKey := keys(t, "stadt.example")
	c.Signer, c.City = signer, note.VerifierList(cityKey)
	j := create(t, c)
	appendTo(t, j, events(0, 40))
	size, root, err := j.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Acknowledge((city{t, citySigner}).ack(j.Origin(), size, root, noon)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := j.Export(&b, []uint64{7}); err != nil {
		t.Fatal(err)
	}
	trust := journal.Trust{Device: note.VerifierList(device), City: note.VerifierList(cityKey)}
	if x, _, err := read(b.Bytes(), trust); err != nil || x.Acknowledged != 40 {
		t.Errorf("%+v, %v", x, err)
	}
	_, stranger := keys(t, "stadt.example")
	trust.City = note.VerifierList(stranger)
	if _, _, err := read(b.Bytes(), trust); !errors.Is(err, journal.ErrForged) {
		t.Errorf("another city's word: %v", err)
	}
}

func TestAPrunedEventCannotBeExported(t *testing.T) {
	_, j, _ := pruned(t, 60, 40)
	var b bytes.Buffer
	if err := j.Export(&b, []uint64{39}); !errors.Is(err, journal.ErrPruned) {
		t.Errorf("got %v, want ErrPruned", err)
	}
}

func FuzzReadExport(f *testing.F) {
	f.Add([]byte(`{"format":"de.nachtfach.journal.export.v1","terminal":"rathaus-1","checkpoint":"","events":1}` + "\n"))
	f.Add([]byte("{}\n{}"))
	_, public, err := note.GenerateKey(zeros{}, "nachtfach.de/"+terminal)
	if err != nil {
		f.Fatal(err)
	}
	device, err := note.NewVerifier(public)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := journal.ReadExport(bytes.NewReader(data), journal.Trust{Device: note.VerifierList(device)}, nil); err == nil {
			t.Error("believed without a signature")
		}
	})
}
