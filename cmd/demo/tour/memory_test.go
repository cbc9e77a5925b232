package tour_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// cleaned is how long after a round, a letter or a visit its secrets may still
// be in memory.
const cleaned = 30 * time.Second

// Row 25: memory. Whoever reads the daemons' memory while nobody stands at the
// terminal finds neither the code nor the finger of a document that lies inside.
func TestThreatMemoryIsRead(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a day of a terminal")
	}
	mosquitto := need(t, "mosquitto")
	if os.Geteuid() != 0 {
		t.Skip("the daemons are not dumpable: only root reads their memory")
	}
	readsItself(t)
	w := newWorld(t)
	w.startMosquitto(mosquitto)
	w.startCity()
	w.startHardware()
	w.initTerminalWithoutCheck()
	if err := w.city.AddTerminal(t.Context(), terminal, w.identity.Verifier); err != nil {
		t.Fatal(err)
	}
	w.spy()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := w.powerOn(ctx); err != nil {
		t.Fatal(err)
	}
	site := w.site()
	m := &memory{world: w, site: site}
	site.Began = func(title string) {
		switch title {
		case "letters are printed":
			m.fingers()
			m.codes(ctx)
			m.wantNothing("after the round", w.lockerd.Process.Pid)
			m.wantNothing("after the letters have come", w.cityd.Process.Pid)
		case "code and finger open exactly that compartment":
			m.wantNothing("after the letters were printed", w.cityd.Process.Pid)
			m.wantNothing("after the letters were printed", w.lockerd.Process.Pid)
		case "\"not yet\": it opens again":
			if found := m.find(w.lockerd.Process.Pid); len(found) == 0 {
				t.Error("during a visit nothing is found either: the search proves nothing")
			} else {
				t.Logf("during a visit: %v", found)
			}
		}
	}
	if err := tour.Day(ctx, site, io.Discard); err != nil {
		t.Fatalf("%v\nlockerd said:\n%s", err, w.said.String())
	}
	m.wantNothing("after the visit", w.lockerd.Process.Pid)
}

// readsItself is the positive control: what lies in this process is found.
func readsItself(t *testing.T) {
	t.Helper()
	code := []byte(strings.Join([]string{"8642", "0975", "3186"}, ""))
	planted := append([]byte("NF1:"), code...)
	binaryCode := make([]byte, len(code))
	for i, c := range code {
		binaryCode[i] = c - '0'
	}
	minutiae := []int64{101, 202, 0, 0, 0, 103, 204, 0, 0, 0, 105, 206, 0, 0, 0}
	all := map[string]bool{}
	err := eachRegion(os.Getpid(), func(b []byte) {
		for name, form := range map[string][]byte{"text": planted, "digits": binaryCode, "minutiae": int64s(minutiae)} {
			if bytes.Contains(b, form) {
				all[name] = true
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || len(planted)+len(binaryCode)+len(minutiae) == 0 {
		t.Fatalf("of what was planted only %v was found", all)
	}
}

func int64s(list []int64) (b []byte) {
	for _, n := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// memory is the search for secrets in another process.
type memory struct {
	*world
	site    *tour.Site
	secrets []secret
}

type secret struct {
	name  string
	forms [][]byte
	// of a finger: consecutive minutiae, X and Y, as package biometrics holds them
	minutiae []biometrics.Minutia
}

// codes opens the letters as the city would, and adds each form of their codes.
func (m *memory) codes(ctx context.Context) {
	device, err := note.NewVerifier(m.site.Verifier)
	if err != nil {
		m.t.Fatal(err)
	}
	seen := map[locker.Generation]bool{}
	for len(seen) < len(m.site.People) {
		if ctx.Err() != nil {
			m.t.Fatalf("%d letters were sent", len(seen))
		}
		for _, message := range m.site.Sent("letter") {
			head, err := envelope.OpenLetterHead(device, m.site.Terminal, message)
			if err != nil || seen[head.Generation] {
				continue
			}
			l, err := head.Open(envelope.Standard{}, m.site.LetterKey)
			if err != nil {
				m.t.Fatal(err)
			}
			seen[head.Generation] = true
			g := l.Code.Groups()
			digits := []byte(g[0] + g[1] + g[2])
			values := make([]byte, len(digits))
			for i, c := range digits {
				values[i] = c - '0'
			}
			m.secrets = append(m.secrets, secret{name: fmt.Sprintf("code of generation %d", head.Generation), forms: [][]byte{
				digits, values, []byte(strings.Join(g[:], " ")), []byte(strings.Join(g[:], "-")),
				digits[:11], // without its check digit
				[]byte(g[0] + `","` + g[1] + `","` + g[2]), // JSON of a letter
				[]byte(base64.StdEncoding.EncodeToString(append([]byte("NF1:"), digits...))),
			}})
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// fingers adds every form of everybody's enrolment.
func (m *memory) fingers() {
	m.secrets = append(m.secrets, secret{name: "a template", forms: [][]byte{[]byte("FMR\x00 20\x00"), []byte("Rk1SACAyMA")}})
	for _, p := range m.site.People {
		for i, g := range p.Enrol {
			t, err := biometrics.Extract(biometrics.Image{Pix: g.Pix, Width: g.Rect.Dx(), Height: g.Rect.Dy(), DPI: 500})
			if err != nil {
				m.t.Fatal(err)
			}
			raw, err := t.MarshalBinary()
			if err != nil {
				m.t.Fatal(err)
			}
			const head = 24 + 4 + 6 // of a record, of its view, and the first minutia
			s := secret{name: fmt.Sprintf("finger of %s, impression %d", p.Name, i+1), minutiae: t.Minutiae()}
			for at := head; at+24 <= head+6*(len(s.minutiae)-5); at += 24 { // four minutiae each
				s.forms = append(s.forms, raw[at:at+24])
			}
			m.secrets = append(m.secrets, s)
		}
	}
}

// wantNothing waits until no secret is found any more.
func (m *memory) wantNothing(when string, pid int) {
	m.t.Helper()
	var found []string
	for began := time.Now(); time.Since(began) < cleaned; time.Sleep(time.Second) {
		if found = m.find(pid); len(found) == 0 {
			m.t.Logf("%s: clean after %.0f s", when, time.Since(began).Seconds())
			return
		}
	}
	m.t.Errorf("%s, after %v, process %d still holds %v", when, cleaned, pid, found)
}

func (m *memory) find(pid int) (found []string) {
	m.t.Helper()
	type form struct {
		of   *secret
		n    int // which form; of a minutia, which one
		text []byte
	}
	starts := make([][]form, 1<<16) // by the first two bytes
	add := func(f form) {
		at := binary.LittleEndian.Uint16(f.text)
		starts[at] = append(starts[at], f)
	}
	for i := range m.secrets {
		s := &m.secrets[i]
		for n, text := range s.forms {
			add(form{s, n, text})
		}
		for n := 0; n+row <= len(s.minutiae); n += row {
			add(form{s, -1 - n, minutia(s.minutiae[n])})
		}
	}
	hits := map[string]bool{}
	err := eachRegion(pid, func(b []byte) {
		for at := 0; at+2 <= len(b); at++ {
			if at%pageSize == 0 && at+pageSize < len(b) && bytes.Equal(b[at:at+pageSize], empty[:]) {
				at += pageSize - 2 // what begins in its last byte is looked at
				continue
			}
			for _, f := range starts[binary.LittleEndian.Uint16(b[at:])] {
				if hits[f.of.name] || !bytes.HasPrefix(b[at:], f.text) || f.n < 0 && !inARow(b[at:], f.of.minutiae[-1-f.n:]) {
					continue
				}
				hits[f.of.name] = true
				found = append(found, fmt.Sprintf("%s (form %d): %.60q", f.of.name, f.n, b[max(0, at-16):min(len(b), at+44)]))
			}
		}
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return found
}

const (
	row      = 8 // minutiae that name an owner
	pageSize = 4096
)

var empty [pageSize]byte

func minutia(m biometrics.Minutia) []byte { return int64s([]int64{int64(m.X), int64(m.Y)}) }

// inARow tells whether consecutive minutiae lie there, with whatever else of the
// same size between each two.
func inARow(b []byte, all []biometrics.Minutia) bool {
	for stride := 16; stride <= 128; stride += 8 {
		n := 1
		for n < row && n*stride < len(b) && bytes.HasPrefix(b[n*stride:], minutia(all[n])) {
			n++
		}
		if n == row {
			return true
		}
	}
	return false
}

// eachRegion reads the memory that a process can write to.
func eachRegion(pid int, look func([]byte)) error {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return err
	}
	defer mem.Close()
	lines := bufio.NewScanner(bytes.NewReader(maps))
	for lines.Scan() {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil || !strings.HasPrefix(rights, "rw") {
			continue
		}
		b := make([]byte, to-from)
		if _, err := mem.ReadAt(b, int64(from)); err != nil {
			continue // a device's, or gone meanwhile
		}
		look(b)
	}
	return lines.Err()
}
