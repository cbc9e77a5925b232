package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"image/png"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/firmware-sim/finger"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lockerctl":       main,
		"hasty-lockerctl": func() { os.Exit(start(time.Second)) },
	})
}

func TestCommandsAlone(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/alone", Cmds: commands()})
}

// commands are what the scripts have beside lockerctl.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// picture FINGER N FILE draws the n-th impression of a synthetic finger.
		"picture": func(ts *testscript.TestScript, _ bool, args []string) {
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			var b bytes.Buffer
			ts.Check(png.Encode(&b, finger.Named(args[0]).Impression(n)))
			ts.Check(os.WriteFile(ts.MkAbs(args[2]), b.Bytes(), 0o600))
		},
		// sshkey FILE [PASSPHRASE] makes a key, and $FILE its public half.
		"sshkey": func(ts *testscript.TestScript, _ bool, args []string) {
			private, public, err := envelope.GenerateSSH(rand.Reader, args[0])
			ts.Check(err)
			if len(args) == 2 {
				raw, err := ssh.ParseRawPrivateKey(private)
				ts.Check(err)
				block, err := ssh.MarshalPrivateKeyWithPassphrase(raw, args[0], []byte(args[1]))
				ts.Check(err)
				private = pem.EncodeToMemory(block)
			}
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), private, 0o600))
			ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pub"), []byte(public+" "+args[0]+"\n"), 0o644))
			ts.Setenv(args[0], public)
		},
		// agent KEY... runs an ssh-agent with these keys.
		"agent": func(ts *testscript.TestScript, _ bool, args []string) {
			ring := agent.NewKeyring()
			for _, name := range args {
				raw, err := ssh.ParseRawPrivateKey([]byte(ts.ReadFile(name)))
				ts.Check(err)
				ts.Check(ring.Add(agent.AddedKey{PrivateKey: raw}))
			}
			l := listen(ts, "SSH_AUTH_SOCK")
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go agent.ServeAgent(ring, conn)
				}
			}()
		},
		// fill FILE... puts environment variables in the place of ${NAME}.
		"fill": func(ts *testscript.TestScript, _ bool, args []string) {
			for _, name := range args {
				text := os.Expand(ts.ReadFile(name), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
			}
		},
		// change OLD NEW FILE replaces a text.
		"change": func(ts *testscript.TestScript, _ bool, args []string) {
			text := ts.ReadFile(args[2])
			if !strings.Contains(text, args[0]) {
				ts.Fatalf("%s holds no %q", args[2], args[0])
			}
			ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o600))
		},
		// side FILE WIDTH HEIGHT wants a PNG of that size.
		"side": func(ts *testscript.TestScript, _ bool, args []string) {
			head, err := png.DecodeConfig(strings.NewReader(ts.ReadFile(args[0])))
			ts.Check(err)
			if got := fmt.Sprint(head.Width, " ", head.Height); got != args[1]+" "+args[2] {
				ts.Fatalf("%s is %s, want %s %s", args[0], got, args[1], args[2])
			}
		},
		// smaller FILE OTHER compares two files' sizes.
		"smaller": func(ts *testscript.TestScript, _ bool, args []string) {
			if a, b := len(ts.ReadFile(args[0])), len(ts.ReadFile(args[1])); a >= b {
				ts.Fatalf("%s has %d bytes, %s %d", args[0], a, args[1], b)
			}
		},
		// cut FILE N leaves the first n bytes.
		"cut": func(ts *testscript.TestScript, _ bool, args []string) {
			n, err := strconv.ParseInt(args[1], 10, 64)
			ts.Check(err)
			ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
		},
		// exits CODE COMMAND... runs a command that ends with this code.
		"exits": func(ts *testscript.TestScript, _ bool, args []string) {
			err := ts.Exec(args[1], args[2:]...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
				ts.Fatalf("ended with %v, want exit code %s", err, args[0])
			}
		},
		// keep NAME puts what was just printed into $NAME.
		"keep": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
		},
		// mode FILE MODE checks a file's mode.
		"mode": func(ts *testscript.TestScript, _ bool, args []string) {
			info, err := os.Stat(ts.MkAbs(args[0]))
			ts.Check(err)
			if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[1] {
				ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
			}
		},
		// circle FILE lets a page of a journal lead back to itself.
		"circle": func(ts *testscript.TestScript, _ bool, args []string) {
			const page, header, branch = 4096, 16, 1 // bbolt: page.go
			file := []byte(ts.ReadFile(args[0]))
			for at := 0; at+page <= len(file); at += page {
				p := file[at : at+page]
				if binary.NativeEndian.Uint16(p[8:]) == branch {
					copy(p[header+8:header+16], p[:8]) // the first child's number is its own
					ts.Check(os.WriteFile(ts.MkAbs(args[0]), file, 0o600))
					return
				}
			}
			ts.Fatalf("%s has no branch", args[0])
		},
		"journal": makeJournal,
		"lockerd": serveJournal,
	}
}

// listen listens on a socket whose path is short, and puts that into $NAME.
func listen(ts *testscript.TestScript, name string) net.Listener {
	folder, err := os.MkdirTemp("", "ctl")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(folder) })
	l, err := net.Listen("unix", filepath.Join(folder, "s"))
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(name, l.Addr().String())
	return l
}

// makeJournal: journal FILE N makes a journal of n events; "journal FILE story"
// one of a document's life, and FILE.id is what lockerd init would have printed.
func makeJournal(ts *testscript.TestScript, _ bool, args []string) {
	c := journalConfig(ts, args[0])
	ts.Check(journal.Create(c))
	j, err := journal.Open(c)
	ts.Check(err)
	facts := story
	if args[1] != "story" {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		facts = nil
		for i := range n {
			facts = append(facts, locker.CompartmentClosed{Compartment: locker.CompartmentID(i%24 + 1)})
		}
	}
	var events []locker.Event
	for _, f := range facts {
		events = append(events, locker.Event{Time: time.Unix(1_800_000_000, 0).UTC(), Quality: locker.TimeConfirmed, Fact: f})
	}
	_, err = j.Append(events, nil)
	ts.Check(err)
	ts.Check(j.Close())
}

// story is the life of one document, beside another order.
var story = []locker.Fact{
	locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "JRGX2ZWNY6Q3TD5A", Desk: "desk-1"}},
	locker.OrderAccepted{OrderTerms: locker.OrderTerms{Order: "ANOTHER", Desk: "desk-1"}},
	locker.RoundOpened{Round: 3, Clerks: [2]locker.Person{"clerk-1", "clerk-2"}},
	locker.DepositReserved{Generation: 11, Order: "JRGX2ZWNY6Q3TD5A", Compartment: 7, Round: 3},
	locker.DocumentLaid{Generation: 11, Round: 3},
	locker.DepositLoaded{Generation: 11, Round: 3},
	locker.CodeProved{Attempt: 5, Generation: 11},
	locker.DocumentTaken{Generation: 11, Confirmed: true, Incident: "rathaus-1-5"},
	locker.SlotErased{Generation: 11},
}

func journalConfig(ts *testscript.TestScript, name string) journal.Config {
	private, verifier, err := envelope.GenerateDevice(rand.Reader, "rathaus-1")
	ts.Check(err)
	identity, err := json.Marshal(map[string]string{"terminal": "rathaus-1", "verifier": verifier})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(name+".id"), identity, 0o600))
	device, err := note.NewSigner(private)
	ts.Check(err)
	_, public, err := envelope.GenerateCity(rand.Reader, "teststadt")
	ts.Check(err)
	city, err := note.NewVerifier(public)
	ts.Check(err)
	return journal.Config{
		Path: ts.MkAbs(name), Terminal: "rathaus-1", Entropy: rand.Reader, Signer: device, City: note.VerifierList(city),
	}
}

// serveJournal: lockerd FILE serves it on $LOCKERD as the daemon does, which
// has it open for writing; "lockerd FILE skips" and "lockerd FILE cuts" answer
// with an event left out or half an event.
func serveJournal(ts *testscript.TestScript, _ bool, args []string) {
	j, err := journal.Open(journalConfig(ts, args[0]))
	ts.Check(err)
	ts.Defer(func() { j.Close() })
	spoil := ""
	if len(args) == 2 {
		spoil = args[1]
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /journal", func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.ParseUint(r.URL.Query().Get("from"), 10, 64)
		if err != nil {
			http.Error(w, "from: wants a number of events", http.StatusBadRequest)
			return
		}
		var b bytes.Buffer
		if err := j.Dump(&b, from); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		lines := bytes.SplitAfter(b.Bytes(), []byte("\n"))
		switch spoil {
		case "skips":
			lines = append(lines[:1], lines[2:]...)
		case "cuts":
			lines[1] = lines[1][:len(lines[1])/2]
			lines = lines[:2]
		case "breaks":
			http.Error(w, "no store: journal is damaged", http.StatusServiceUnavailable)
			return
		}
		w.Write(bytes.Join(lines, nil))
	})
	server := &http.Server{Handler: mux}
	l := listen(ts, "LOCKERD")
	go func() {
		if err := server.Serve(l); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			ts.Logf("lockerd: %v", err)
		}
	}()
	ts.Defer(func() { server.Close() })
}

func TestProgressBarGrowsToItsEnd(t *testing.T) {
	if got := bar(1, 2); got != "\r["+strings.Repeat("#", 20)+strings.Repeat(".", 20)+"]  50 %" {
		t.Errorf("half: %q", got)
	}
	if got := bar(7, 7); got != "\r["+strings.Repeat("#", 40)+"] 100 %\n" {
		t.Errorf("whole: %q", got)
	}
}
