package journal_test

import (
	"testing"

	"github.com/nachtfach/nachtfach/locker/journal"
	"golang.org/x/mod/sumdb/note"
)

func FuzzDecode(f *testing.F) {
	j := create(f, config(f))
	appendTo(f, j, events(0, 1))
	bodies, err := j.Read(0, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bodies[0])
	f.Add([]byte(`{"specversion":"1.0","sequence":"-1"}`))
	f.Add([]byte(`{"specversion":"1.0","sequence":"0","time":"0000-00-00T00:00:00Z"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, _, e, err := journal.Decode(body); err == nil && e.Fact == nil {
			t.Errorf("%q decoded to no fact", body)
		}
	})
}

// FuzzAcknowledge signs whatever text there is: not even the city's key moves
// the cursor beyond the log.
func FuzzAcknowledge(f *testing.F) {
	c := config(f)
	signer, verifier := keys(f, "stadt.example")
	c.City = note.VerifierList(verifier)
	j := create(f, c)
	appendTo(f, j, events(0, 3))
	f.Add("nachtfach.de/rathaus-1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 2026-03-01T12:00:00Z\n")
	f.Add("nachtfach.de/rathaus-1\n9223372036854775807\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ntime 2026-03-01T12:00:00Z\n")
	f.Add("\n\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			signed = []byte(text)
		}
		if _, err := j.Acknowledge(signed); err != nil && j.Cursor() != 0 {
			t.Errorf("cursor is %d after %v", j.Cursor(), err)
		}
		if j.Cursor() != 0 {
			t.Errorf("cursor is %d: the text knew a root that it cannot know", j.Cursor())
		}
	})
}
