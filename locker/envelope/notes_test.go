package envelope_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin"
	"github.com/nachtfach/nachtfach/pin/seal"
)

func TestKeysAreListedAndSigned(t *testing.T) {
	device := newDevice(t)
	_, public := newKey(t)
	keys := []envelope.PublishedKey{{ID: 1, Public: public, Expires: now}, {ID: 4, Public: public, Expires: now.Add(time.Hour)}}
	message, err := envelope.SignKeys(device, terminal, keys)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.OpenKeys(device, terminal, message)
	if err != nil || !reflect.DeepEqual(got, keys) {
		t.Errorf("%v", err)
	}
	if h := got[0].Offered(); h.Hash != envelope.Hash(public) || h.Key != 1 || !h.Expires.Equal(now) {
		t.Errorf("%+v", h)
	}
	if none, err := envelope.SignKeys(device, terminal, nil); err != nil {
		t.Error(err)
	} else if got, err := envelope.OpenKeys(device, terminal, none); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = envelope.OpenKeys(device, "musterstadt-2", message)
	refused(t, err, "musterstadt-2/keys")
	_, err = envelope.OpenKeys(newDevice(t), terminal, message)
	refused(t, err, "not signed by nachtfach.de/musterstadt-1")
	full := slices.Repeat([]envelope.PublishedKey{{ID: 1 << 50, Public: public, Expires: now}}, envelope.MaxKeys)
	if message, err = envelope.SignKeys(device, terminal, full); err != nil {
		t.Fatal(err)
	}
	if _, err := envelope.OpenKeys(device, terminal, message); err != nil {
		t.Errorf("a full list: %v", err)
	}
	_, err = envelope.SignKeys(device, terminal, append(full, full[0]))
	refused(t, err, "at most 400")
}

func TestPostedIsTheCitys(t *testing.T) {
	city := newCity(t)
	p := envelope.Posted{Terminal: terminal, Generation: 12, Order: "A-2026-0001", Day: "2026-11-21"}
	message, err := envelope.SignPosted(city, p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := envelope.OpenPosted(city, terminal, message); err != nil || got != p {
		t.Errorf("%+v, %v", got, err)
	}
	flips(message, func(bad []byte) {
		if got, err := envelope.OpenPosted(city, terminal, bad); err == nil && got != p {
			t.Errorf("changed note is accepted: %q", bad)
		}
	})
	_, err = envelope.OpenPosted(newCity(t), terminal, message)
	refused(t, err, "not signed by nachtfach.de/city/musterstadt")
	for _, bad := range []envelope.Posted{
		{Terminal: terminal, Order: p.Order, Day: p.Day},
		{Terminal: terminal, Generation: 1, Order: p.Order, Day: "21.11.2026"},
		{Terminal: terminal, Generation: 1, Order: "x", Day: p.Day},
	} {
		if _, err := envelope.SignPosted(city, bad); err == nil {
			t.Errorf("%+v is signed", bad)
		}
	}
}

func TestCheckpointHasTheFormOfTransparencyLogs(t *testing.T) {
	device := newDevice(t)
	c := envelope.Checkpoint{Terminal: terminal, Size: 123, Root: tlog.RecordHash([]byte("x"))}
	message, err := envelope.SignCheckpoint(device, c)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(message, note.VerifierList(device.Verifier))
	if err != nil {
		t.Fatal(err)
	}
	if want := "nachtfach.de/musterstadt-1\n123\n" + c.Root.String() + "\n"; n.Text != want {
		t.Errorf("text %q, want %q", n.Text, want)
	}
	if got, err := envelope.OpenCheckpoint(device, terminal, message); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	c.Size = -1
	_, err = envelope.SignCheckpoint(device, c)
	refused(t, err, "below zero")
}

func TestAckIsACheckpointWithTheCitysTime(t *testing.T) {
	city, device := newCity(t), newDevice(t)
	a := envelope.Ack{Checkpoint: envelope.Checkpoint{Terminal: terminal, Size: 7, Root: tlog.RecordHash(nil)}, Time: now}
	message, err := envelope.SignAck(city, a)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := envelope.OpenAck(city, terminal, message); err != nil || got != a {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = envelope.OpenAck(city, "musterstadt-2", message)
	refused(t, err, "begins with")
	_, err = envelope.OpenCheckpoint(city, terminal, message)
	refused(t, err, "more lines")
	checkpoint, err := envelope.SignCheckpoint(device, a.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	_, err = envelope.OpenAck(device, terminal, checkpoint)
	refused(t, err, "ends too early")
	a.Time = time.Time{}
	_, err = envelope.SignAck(city, a)
	refused(t, err, "no date")
}

func TestNotesOfOneKindAreNoneOfAnother(t *testing.T) {
	city := newCity(t)
	sign := func(text string) []byte {
		message, err := note.Sign(&note.Note{Text: text}, city)
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	posted := sign("nachtfach.de/musterstadt-1/posted\n12\nA-2026-0001\n2026-11-21\n")
	if _, err := envelope.OpenPosted(city, terminal, posted); err != nil {
		t.Fatal(err)
	}
	_, err := envelope.OpenAck(city, terminal, posted)
	refused(t, err, "begins with")
	_, err = envelope.OpenKeys(city, terminal, posted)
	refused(t, err, "begins with")
	for _, text := range []string{
		"nachtfach.de/musterstadt-1\n01\nAAAA\n",
		"nachtfach.de/musterstadt-1\n-1\nAAAA\n",
		"nachtfach.de/musterstadt-1\n99999999999999999999\nAAAA\n",
		"nachtfach.de/musterstadt-1\n1\nAAAA\n",
		"nachtfach.de/musterstadt-1/keys\n2\n1 2026-11-20T22:00:00Z AAAA\n",
		"nachtfach.de/musterstadt-1/keys\n401\n",
		"nachtfach.de/musterstadt-1/keys\n1\n1 2026-11-20T22:00:00Z AAAA x\n",
		"nachtfach.de/musterstadt-1/keys\n1\n0 2026-11-20T22:00:00Z AAAA\n",
		"nachtfach.de/musterstadt-1/posted\n12\nA-2026-0001\n2026-11-31\n",
		"nachtfach.de/musterstadt-1/posted\n12\nA-2026-0001\n2026-11-21\n\n",
	} {
		_, errs := openAny(city, sign(text))
		for _, err := range errs {
			if err == nil {
				t.Errorf("%q is accepted", text)
			}
		}
	}
}

func openAny(v note.Verifier, message []byte) (opened []any, errs []error) {
	c, err1 := envelope.OpenCheckpoint(v, terminal, message)
	a, err2 := envelope.OpenAck(v, terminal, message)
	p, err3 := envelope.OpenPosted(v, terminal, message)
	k, err4 := envelope.OpenKeys(v, terminal, message)
	l, err5 := envelope.OpenLetterHead(v, terminal, message)
	return []any{c, a, p, k, l}, []error{err1, err2, err3, err4, err5}
}

func aLetter(t testing.TB) envelope.Letter {
	t.Helper()
	code, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	share, err := envelope.NewShare(bytes.Repeat([]byte{5}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Letter{Terminal: terminal, Order: "A-2026-0001", Generation: 12, Code: code, Share: share, Fingers: []int{2, 7}, PINLetter: true}
}

func TestLetterReachesTheCityAlone(t *testing.T) {
	device := newDevice(t)
	private, public := newKey(t)
	sent := aLetter(t)
	message, err := envelope.SealLetter(suite, device, public, sent)
	if err != nil {
		t.Fatal(err)
	}
	head, err := envelope.OpenLetterHead(device, terminal, message)
	if err != nil || head.Generation != 12 || head.Order != "A-2026-0001" || head.Key != envelope.LetterKeyHint(public) {
		t.Fatalf("%+v, %v", head, err)
	}
	got, err := head.Open(suite, private)
	if err != nil {
		t.Fatal(err)
	}
	if got.Code.Groups() != sent.Code.Groups() || !bytes.Equal(got.Share.Bytes(), sent.Share.Bytes()) || !reflect.DeepEqual(got.Fingers, sent.Fingers) || !got.PINLetter {
		t.Error("another letter")
	}
	other, _ := newKey(t)
	_, err = head.Open(suite, other)
	refused(t, err, "does not open; it was sealed to the key "+envelope.LetterKeyHint(public))
	moved := head
	moved.Generation++
	_, err = moved.Open(suite, private)
	refused(t, err, "does not open")
	_, err = envelope.OpenLetterHead(newDevice(t), terminal, message)
	refused(t, err, "not signed by")
	flips(message, func(bad []byte) {
		if got, err := envelope.OpenLetterHead(device, terminal, bad); err == nil && !reflect.DeepEqual(got, head) {
			t.Errorf("changed letter is accepted: %.100q", bad)
		}
	})
}

func TestLetterIsWhole(t *testing.T) {
	device := newDevice(t)
	_, public := newKey(t)
	for says, spoil := range map[string]func(*envelope.Letter){
		"lacks":       func(l *envelope.Letter) { l.Code = pin.Code{} },
		"code or sh":  func(l *envelope.Letter) { l.Share = envelope.Share{} },
		"generation":  func(l *envelope.Letter) { l.Generation = 0 },
		"recipient":   func(l *envelope.Letter) { l.Recipient = 10 },
		"position 0":  func(l *envelope.Letter) { l.Fingers[0] = 0 },
		"3 fingers":   func(l *envelope.Letter) { l.Fingers = []int{1, 2, 3} },
		"order id":    func(l *envelope.Letter) { l.Order = "" },
		`terminal ""`: func(l *envelope.Letter) { l.Terminal = "" },
	} {
		l := aLetter(t)
		spoil(&l)
		_, err := envelope.SealLetter(suite, device, public, l)
		refused(t, err, says)
	}
}

func TestKeysOfDaemonsAreNamed(t *testing.T) {
	if name := newDevice(t).Signer.Name(); name != "nachtfach.de/musterstadt-1" {
		t.Errorf("device %s", name)
	}
	if name := newCity(t).Signer.Name(); name != "nachtfach.de/city/musterstadt" {
		t.Errorf("city %s", name)
	}
	if _, _, err := envelope.GenerateDevice(nil, "Muster Stadt"); err == nil {
		t.Error("a device with a space")
	}
	if _, _, err := envelope.GenerateCity(nil, ""); err == nil {
		t.Error("a city without name")
	}
}

func FuzzNotes(f *testing.F) {
	city := newCity(f)
	root := tlog.RecordHash(nil)
	f.Add(fmt.Sprintf("nachtfach.de/musterstadt-1\n1\n%s\n", root))
	f.Add(fmt.Sprintf("nachtfach.de/musterstadt-1\n1\n%s\ntime 2026-11-20T22:00:00Z\n", root))
	f.Add("nachtfach.de/musterstadt-1/posted\n12\nA-2026-0001\n2026-11-21\n")
	f.Add("nachtfach.de/musterstadt-1/keys\n1\n1 2026-11-20T22:00:00Z AAAA\n")
	f.Add("nachtfach.de/musterstadt-1/letter\n12\nA-2026-0001\n0123456789abcdef\nAAAA\n")
	private, _ := newKey(f)
	f.Fuzz(func(t *testing.T, text string) {
		openAny(city, []byte(text))
		message, err := note.Sign(&note.Note{Text: text}, city)
		if err != nil {
			return
		}
		opened, errs := openAny(city, message)
		kinds := 0
		for i, err := range errs {
			if err != nil {
				continue
			}
			kinds++
			var again []byte
			switch v := opened[i].(type) {
			case envelope.Checkpoint:
				again, err = envelope.SignCheckpoint(city, v)
			case envelope.Ack:
				again, err = envelope.SignAck(city, v)
			case envelope.Posted:
				again, err = envelope.SignPosted(city, v)
			case []envelope.PublishedKey:
				again, err = envelope.SignKeys(city, terminal, v)
			case envelope.LetterHead:
				_, _ = v.Open(suite, private)
				continue
			}
			if err != nil || !bytes.Equal(again, message) {
				t.Fatalf("%q is written as %q, %v", message, again, err)
			}
		}
		if kinds > 1 {
			t.Fatalf("%q is %d kinds of note", text, kinds)
		}
	})
}
