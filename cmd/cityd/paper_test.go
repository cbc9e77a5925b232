package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/pin"
)

const townSettings = `
[town]
name = "Stadt Musterstadt"
office = "Bürgerbüro"
address = ["Marktplatz 1", "12345 Musterstadt"]
phone = "07123 456-0"
hours = { de = "Mo–Fr 8–12 Uhr", en = "Mon–Fri 8–12" }

[[station]]
terminal = "rathaus-1"
place = { de = "Rathaus", en = "Town hall" }
hours = { de = "immer", en = "always" }
`

// printer is a folder with a configuration, and a city that gives out one code.
type printer struct {
	t      *testing.T
	folder string
	asked  atomic.Int32
}

func newPrinter(t *testing.T, town string) *printer {
	t.Helper()
	p := &printer{t: t, folder: t.TempDir()}
	socket := filepath.Join(t.TempDir(), "s")
	p.file("cityd.toml", "record = \"r\"\nnote_key = \"n\"\nletter_key = \"l\"\nsocket = \""+socket+"\"\n[broker]\nurl = \"tcp://127.0.0.1:1\"\n"+town)
	code, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{order}", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(api.Order{Order: "ABCD23456", Terminal: "rathaus-1", State: api.OrderAccepted, Since: time.Now()})
	})
	mux.HandleFunc("POST /orders/{order}/letter", func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		json.NewEncoder(w).Encode(api.Letter{
			Terminal: "rathaus-1", Order: "ABCD23456", Code: code.Groups(), QR: code.QR(), Fingers: []int{2}, Posted: "2026-11-20",
		})
	})
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return p
}

func (p *printer) file(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *printer) run(command string, args ...string) (says string, exit int) {
	var out, errs bytes.Buffer
	args = append([]string{command, "-config", filepath.Join(p.folder, "cityd.toml")}, args...)
	exit = run(context.Background(), append(args, "ABCD23456"), &out, &errs)
	return out.String() + errs.String(), exit
}

func (p *printer) pdf(path string) {
	p.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(text, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(text), []byte("%%EOF")) {
		p.t.Errorf("%s is no whole PDF: %d bytes, %v", path, len(text), err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm() != 0o600 {
		p.t.Errorf("%s has mode %v, want 0600", path, info.Mode())
	}
}

func TestLetterAndSlipBecomePDF(t *testing.T) {
	p := newPrinter(t, townSettings)
	to := p.file("address", "Erika Mustermann\r\nHeidestraße 17\n12345 Musterstadt\n\n")
	file := filepath.Join(p.folder, "letter.pdf")
	if says, exit := p.run("letter", "-pdf", file, "-to", to); exit != 0 || says != "" {
		t.Fatalf("exit %d: %s", exit, says)
	}
	p.pdf(file)
	file = filepath.Join(p.folder, "slip.pdf")
	if says, exit := p.run("slip", "-pdf", file); exit != 0 || says != "" {
		t.Fatalf("exit %d: %s", exit, says)
	}
	p.pdf(file)
	if n := p.asked.Load(); n != 1 {
		t.Errorf("the code was asked for %d times, want once", n)
	}
}

func TestCodeIsNotAskedForALetterThatCannotBePrinted(t *testing.T) {
	for name, c := range map[string]struct {
		town, address, says string
		args                []string
	}{
		"no address":      {townSettings, "", "the address has 0 lines", nil},
		"another script":  {townSettings, "李小龍\nA\n", "DIN 91379", nil},
		"endless address": {townSettings, strings.Repeat("x", 5000), "more than 4096 bytes", nil},
		"no town":         {"", "A\nB\n", "the town's name is missing", nil},
		"no station":      {strings.ReplaceAll(townSettings, "rathaus-1", "rathaus-2"), "A\nB\n", "terminal rathaus-1 has no [[station]]", nil},
		"bad retention":   {strings.Replace(townSettings, "phone", "retention = \"7d\"\nphone", 1), "A\nB\n", "retention \"7d\"", nil},
		"JSON as well":    {townSettings, "A\nB\n", "-pdf or -json", []string{"-json"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPrinter(t, c.town)
			file := filepath.Join(p.folder, "letter.pdf")
			says, exit := p.run("letter", append(c.args, "-pdf", file, "-to", p.file("address", c.address))...)
			if exit != 1 || !strings.Contains(says, c.says) {
				t.Errorf("exit %d, says %q, want 1 and %q", exit, says, c.says)
			}
			if _, err := os.Stat(file); err == nil || p.asked.Load() != 0 {
				t.Error("a file is left, or the code is lost")
			}
		})
	}
}

func TestNoPaperIsReplaced(t *testing.T) {
	p := newPrinter(t, townSettings)
	file := p.file("letter.pdf", "an older one")
	for _, command := range [][]string{{"slip"}, {"letter", "-to", p.file("address", "A\nB\n")}} {
		says, exit := p.run(command[0], append(command[1:], "-pdf", file)...)
		if exit != 1 || !strings.Contains(says, "it is not replaced") || p.asked.Load() != 0 {
			t.Errorf("%s: exit %d, says %q, asked %d times", command[0], exit, says, p.asked.Load())
		}
	}
	if says, exit := p.run("slip"); exit != 2 || !strings.Contains(says, "wants -pdf FILE") {
		t.Errorf("slip without a file: exit %d, says %q", exit, says)
	}
}

func TestTheTownOfANewConfigurationIsAnExampleThatPrints(t *testing.T) {
	folder := t.TempDir()
	var out, errs bytes.Buffer
	if exit := run(t.Context(), []string{"init", "-dir", folder, "musterstadt"}, &out, &errs); exit != 0 {
		t.Fatal(errs.String())
	}
	path := filepath.Join(folder, "cityd.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, town, _ := strings.Cut(string(text), "# [town]")
	uncommented := strings.ReplaceAll(strings.ReplaceAll("# [town]"+town, "\n#\n", "\n\n"), "# ", "")
	if err := os.WriteFile(path, []byte(before+strings.ReplaceAll(uncommented, "\"168h\" as", "\"168h\" # as")), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSettings(path)
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := s.paper("rathaus-1")
	if err != nil {
		t.Fatal(err)
	}
	l.To, l.Order = []string{"Erika Mustermann", "Heidestraße 17"}, "ABCD23456"
	if err := trial(l); err != nil {
		t.Error(err)
	}
}
