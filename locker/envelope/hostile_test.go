package envelope_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// hostile are texts of 1.8 MB that are made to be slow to refuse.
func hostile() map[string][]byte {
	const size = 1_800_000
	fill := func(begin, part string) []byte {
		return []byte(begin + strings.Repeat(part, (size-len(begin))/len(part)))
	}
	order := `{"terminal":"` + terminal + `","order":"A-2026-0001","version":1,"key":1,"sealed":`
	return map[string][]byte{
		"numbers in an array":       fill("[", "0,"),
		"numbers in a field":        fill(`{"sealed":[`, "0,"),
		"arrays in arrays":          fill("", "["),
		"objects in objects":        fill("", `{"a":`),
		"many fields":               fill("{", `"a":0,`),
		"one field again and again": fill("{", `"key":1,`),
		"a long string":             fill(`"`, "A"),
		"a long name":               fill(`{"`, "A"),
		"a long word":               fill(`{"terminal":"`, "a"),
		"a long number":             fill(`{"version":`, "9"),
		"escapes in base64":         fill(order+`"`, `\/`),
		"base64 without an end":     fill(order+`"`, "A"),
		"white space":               fill("", " "),
		"empty lines":               fill("", "\n"),
		"signatures":                fill("x\n", "\n-----BEGIN SSH SIGNATURE-----\n"),
		"a command of many lines":   fill("nachtfach.de/command/v1\n", "kind lock\n"),
		"a withdrawal of one line":  fill("nachtfach.de/withdrawal/v1\n", "a"),
		"a note of many signatures": fill("nachtfach.de/musterstadt-1\n\n", "— a AAAAAAAA\n"),
	}
}

// The allocations of a refusal stand for its work: what decodes token by token,
// or copies before it looks, allocates.
func TestAHostileMessageIsRefusedWithoutWork(t *testing.T) {
	const most = 64 << 10 // bytes
	o := newOffice(t)
	_, public, err := note.GenerateKey(rand.Reader, envelope.Origin(terminal))
	if err != nil {
		t.Fatal(err)
	}
	device, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]func([]byte) error{
		"order":         func(m []byte) error { _, err := envelope.ParseSealedOrder(m); return err },
		"sealed roster": func(m []byte) error { _, err := envelope.UnsealRoster(suite, nil, m); return err },
		"roster": func(m []byte) error {
			_, err := envelope.OpenRoster(suite, m, terminal, &o.roster, now)
			return err
		},
		"command": func(m []byte) error {
			_, _, err := envelope.OpenCommand(suite, m, terminal, "", &o.roster, now)
			return err
		},
		"withdrawal": func(m []byte) error {
			_, _, err := envelope.OpenWithdrawal(suite, m, terminal, &o.roster, now)
			return err
		},
		"posted":          func(m []byte) error { _, err := envelope.OpenPosted(device, terminal, m); return err },
		"checkpoint":      func(m []byte) error { _, err := envelope.OpenCheckpoint(device, terminal, m); return err },
		"acknowledgement": func(m []byte) error { _, err := envelope.OpenAck(device, terminal, m); return err },
		"letter":          func(m []byte) error { _, err := envelope.OpenLetterHead(device, terminal, m); return err },
		"keys":            func(m []byte) error { _, err := envelope.OpenKeys(device, terminal, m); return err },
		"adoption":        func(m []byte) error { _, err := envelope.OpenAdoption(device, terminal, m); return err },
		"rekey":           func(m []byte) error { _, err := envelope.OpenRekey(device, terminal, m); return err },
	}
	texts := hostile()
	for kind, f := range open {
		for name, text := range texts {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := f(text)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("%s: %s is taken", kind, name)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("%s: %s takes %d bytes to refuse, at most %d", kind, name, took, most)
			}
		}
	}
}

// BenchmarkRefusal is how long the slowest refusals take.
func BenchmarkRefusal(b *testing.B) {
	for name, text := range hostile() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				if _, err := envelope.ParseSealedOrder(text); err == nil {
					b.Fatal("taken")
				}
			}
		})
	}
}

func TestABase64ThatEscapesItsSlashesIsRead(t *testing.T) {
	message := `{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":"\/\/\/\/"}`
	m, err := envelope.ParseSealedOrder([]byte(message))
	if want := []byte{0xff, 0xff, 0xff}; err != nil || !bytes.Equal(m.Sealed, want) {
		t.Errorf("%x, %v; want %x", m.Sealed, err, want)
	}
	for _, text := range []string{`"\\///"`, `"\u002f///"`, `"//\n//"`, `"////" x`, `"///=="`} {
		if _, err := envelope.ParseSealedOrder(fmt.Appendf(nil, `{"terminal":"t","order":"A-2026-0001","version":1,"key":1,"sealed":%s}`, text)); err == nil {
			t.Errorf("sealed %s is taken", text)
		}
	}
}
