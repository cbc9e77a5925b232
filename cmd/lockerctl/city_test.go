package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report"
	"github.com/nachtfach/nachtfach/pin"
)

const soon = 20 * time.Second

// town is a city with one terminal that offers keys, and people with theirs.
type town struct {
	*testing.T
	city     *citytest.City
	terminal *citytest.Terminal
	ask      *api.Client
	private  map[locker.KeyID][]byte // halves of the order keys
	roster   envelope.Roster
	people   map[string][]byte // private SSH keys
	lasting  []byte            // private half of the terminal's lasting key
	identity []byte            // as lockerd init prints it
}

func newTown(t *testing.T) *town {
	t.Helper()
	broker := citytest.StartBroker(t)
	w := &town{T: t, city: citytest.NewCity(t, broker.URL()), private: map[locker.KeyID][]byte{}, people: map[string][]byte{}}
	w.city.Config.Socket = filepath.Join(t.TempDir(), "s")
	w.city.Reopen()
	w.terminal = citytest.NewTerminal(t, "rathaus-1", w.city.Config.Verifier)
	w.city.Add(w.terminal)
	w.city.Start()
	w.ask = api.Dial(w.city.Config.Socket)
	citytest.Eventually(t, "the socket", soon, func() bool { _, err := w.ask.Identity(t.Context()); return err == nil })
	w.hire()
	w.terminal.Append(locker.RosterAccepted{Version: 1, People: w.roster.Members(), Desks: w.roster.Desks()})
	r, _ := w.terminal.Report(broker.URL())
	w.offer(8)
	r.Refresh()
	citytest.Eventually(t, "the keys", soon, func() bool { _, err := w.ask.LeaseKey(t.Context(), "rathaus-1"); return err == nil })
	w.deposit("order-0001") // the city listens: a letter comes again after a minute
	r.Refresh()
	citytest.Eventually(t, "the letter", soon, func() bool { _, err := w.ask.Letter(t.Context(), "order-0001"); return err == nil })
	return w
}

func (w *town) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// hire makes a roster of a desk and two admins, and the terminal's lasting key.
func (w *town) hire() {
	w.roster = envelope.Roster{Terminal: "rathaus-1", Version: 1, Issued: time.Now()}
	for name, role := range map[string]locker.Role{"DESK": locker.Desk, "ADA": locker.Admin, "BOB": locker.Admin} {
		private, public, err := envelope.GenerateSSH(rand.Reader, name)
		w.check(err)
		w.people[name] = private
		w.roster.People = append(w.roster.People, envelope.Entry{Person: locker.Person(name), Role: role, Keys: []string{public}})
	}
	private, public, err := envelope.Standard{}.GenerateKey()
	w.check(err)
	w.lasting = private
	w.identity, err = json.Marshal(map[string]string{
		"terminal": "rathaus-1", "verifier": w.terminal.Verifier, "roster_key": strings.TrimSpace(envelope.EncodeKey(envelope.TerminalKey, false, public)),
	})
	w.check(err)
}

// offer makes one-time keys as the terminal does: event first, then the list.
func (w *town) offer(n int) {
	var fact locker.KeysOffered
	var list []envelope.PublishedKey
	for i := range n {
		private, public, err := envelope.Standard{}.GenerateKey()
		w.check(err)
		id := locker.KeyID(i + 1)
		w.private[id] = private
		k := envelope.PublishedKey{ID: id, Public: public, Expires: time.Now().Add(locker.KeyLife)}
		list, fact.Keys = append(list, k), append(fact.Keys, k.Offered())
	}
	w.terminal.Append(fact)
	signed, err := envelope.SignKeys(w.terminal.Signer, "rathaus-1", list)
	w.check(err)
	w.terminal.Desk.Show(nil, signed)
}

// deposit lets the terminal hold one whose letter can be lost.
func (w *town) deposit(id locker.OrderID) {
	code, err := pin.Draw(rand.Reader, 4711)
	w.check(err)
	share, err := envelope.DrawShare(rand.Reader)
	w.check(err)
	who, err := w.ask.Identity(w.Context())
	w.check(err)
	letter, err := envelope.SealLetter(envelope.Standard{}, w.terminal.Signer, who.LetterKey, envelope.Letter{
		Terminal: "rathaus-1", Order: id, Generation: 1, Code: code, Share: share, Fingers: []int{2},
	})
	w.check(err)
	w.terminal.Append(
		locker.DepositReserved{Generation: 1, Order: id, Compartment: 7, Round: 1}, locker.DepositPrepared{Generation: 1},
		locker.DocumentLaid{Generation: 1, Round: 1}, locker.DepositLoaded{Generation: 1, Round: 1},
	)
	w.terminal.Desk.Show(nil, w.terminal.Desk.Keys()[0], letter)
}

// got waits for n different messages of a topic.
func (w *town) got(topic report.Topic, n int) (all [][]byte) {
	w.Helper()
	citytest.Eventually(w, string(topic), soon, func() bool {
		seen := map[string]bool{}
		all = nil
		for _, m := range w.terminal.Desk.Received(topic) {
			if !seen[string(m)] {
				seen[string(m)] = true
				all = append(all, m)
			}
		}
		return len(all) >= n
	})
	if len(all) != n {
		w.Fatalf("%d messages of %s, want %d", len(all), topic, n)
	}
	return all
}

func TestCommandsWithACity(t *testing.T) {
	w := newTown(t)
	cmds := commands()
	// delivered waits until the terminal has two orders.
	cmds["delivered"] = func(*testscript.TestScript, bool, []string) { w.got(report.TopicOrder, 2) }
	// answer KIND [REASON] lets the terminal answer the next command of that kind: it
	// follows it, or refuses it with a reason.
	cmds["answer"] = func(ts *testscript.TestScript, _ bool, args []string) {
		go w.answers(locker.CommandKind(args[0]), strings.Join(args[1:], " "))
	}
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{Dir: "testdata/city", Cmds: cmds, Setup: func(e *testscript.Env) error {
			e.Setenv("CITY", w.city.Config.Socket)
			for name, private := range w.people {
				w.check(os.WriteFile(filepath.Join(e.WorkDir, name), private, 0o600))
			}
			for _, p := range w.roster.People {
				e.Setenv(string(p.Person), p.Keys[0])
				w.check(os.WriteFile(filepath.Join(e.WorkDir, string(p.Person)+".pub"), []byte(p.Keys[0]+"\n"), 0o600))
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "identity.json"), w.identity, 0o600)
		}})
	})
	if t.Failed() {
		return
	}
	t.Run("the terminal opens its orders", w.opensOrders)
	t.Run("the terminal takes the commands", w.takesCommands)
	t.Run("the terminal takes the roster", w.takesRoster)
}

// answers waits for a command and answers it.
func (w *town) answers(kind locker.CommandKind, reason string) {
	for range 2000 {
		for _, message := range w.terminal.Desk.Received(report.TopicCommand) {
			c, err := envelope.ParseCommand(envelope.Body(message))
			if err != nil || c.Kind != kind {
				continue
			}
			if reason == "" {
				w.terminal.Append(locker.CommandFollowed{Command: c.Command, Nonce: c.Nonce, Expires: c.Expires})
			} else {
				w.terminal.Append(locker.CommandRefused{Command: c.Command, Nonce: c.Nonce, Expires: c.Expires, Reason: reason})
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// opensOrders looks at what the script ordered: two arrived, then one of them
// was withdrawn.
func (w *town) opensOrders(t *testing.T) {
	var fingers, numbers, withdrawals int
	for _, message := range w.got(report.TopicOrder, 3) {
		if envelope.IsWithdrawal(message) {
			_, by, err := envelope.OpenWithdrawal(envelope.Standard{}, message, "rathaus-1", &w.roster, time.Now())
			if err != nil || by != "DESK" {
				t.Errorf("the withdrawal is by %q, %v", by, err)
			}
			withdrawals++
			continue
		}
		sealed, err := envelope.ParseSealedOrder(message)
		w.check(err)
		o, err := envelope.OpenOrder(envelope.Standard{}, w.private[sealed.Key], sealed, &w.roster, time.Now())
		w.check(err)
		if o.Terms.Desk != "DESK" || len(o.Factors) != 1 {
			t.Fatalf("the order is %+v", o.Terms)
		}
		if o.Factors[0].Kind == locker.FactorNumber {
			numbers++
			if string(o.Factors[0].Number) != "481516" || o.Terms.Documents[0] != locker.Passport || o.Terms.Size != locker.Large || !o.Terms.LowReach || !o.Terms.PINLetter {
				t.Errorf("the number's order is %+v", o.Terms)
			}
			continue
		}
		fingers++
		checkFingers(t, o)
	}
	if fingers != 1 || numbers != 1 || withdrawals != 1 {
		t.Errorf("%d orders with fingers, %d with a number and %d withdrawals, want one of each", fingers, numbers, withdrawals)
	}
}

// checkFingers lays the fingers once more.
func checkFingers(t *testing.T, o envelope.Order) {
	t.Helper()
	if o.Terms.Documents[0] != locker.IdentityCard || o.Terms.Size != locker.Small || o.Terms.LowReach || o.Terms.PINLetter {
		t.Errorf("the fingers' order is %+v", o.Terms)
	}
	enrolled := o.Factors[0].Fingers
	if len(enrolled) != 2 || enrolled[0].Position != 2 || enrolled[1].Position != 7 {
		t.Fatalf("%d fingers, want 2 and 7", len(enrolled))
	}
	right, left := touch(t, "anna"), touch(t, "annas-left")
	for i, probes := range [][2]*biometrics.Template{{right, left}, {left, right}} {
		e, err := biometrics.ParseEnrolment(enrolled[i].Enrolment)
		if err != nil {
			t.Fatal(err)
		}
		own, other := e.Compare(probes[0]), e.Compare(probes[1])
		if e.Impressions() != 3 || own.FMR > 1e-4 || other.FMR < 1e-3 {
			t.Errorf("finger %d: %d impressions, own touch %v, the other finger's %v", enrolled[i].Position, e.Impressions(), own, other)
		}
	}
}

func touch(t *testing.T, name string) *biometrics.Template {
	t.Helper()
	picture := finger.Named(name).Impression(9)
	template, err := biometrics.Extract(biometrics.Image{Pix: picture.Pix, Width: finger.Width, Height: finger.Height, DPI: finger.DPI})
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// takesCommands looks at what the scripts commanded: a re-issue, and one of each
// way to sign.
func (w *town) takesCommands(t *testing.T) {
	want := map[locker.CommandKind]string{locker.CommandReissue: "ADA", locker.CommandLock: "ADA", locker.CommandUnlock: "ADA BOB", locker.CommandDiagnose: "ADA", locker.CommandResend: "ADA"}
	if _, err := exec.LookPath("ssh-keygen"); err == nil {
		want[locker.CommandDisable] = "ADA"
	}
	for _, message := range w.got(report.TopicCommand, len(want)) {
		c, by, err := envelope.OpenCommand(envelope.Standard{}, message, "rathaus-1", citytest.Challenge, &w.roster, time.Now())
		if got := strings.Trim(fmt.Sprint(by), "[]"); err != nil || got != want[c.Kind] {
			t.Errorf("command %s by %s, %v", c.Kind, got, err)
		}
		if c.Kind != locker.CommandReissue {
			continue
		}
		if c.Order != "order-0001" || c.Generation != 1 {
			t.Errorf("the re-issue is for order %s, generation %d", c.Order, c.Generation)
		}
		if _, err := c.OpenShare(envelope.Standard{}, w.private[c.Key]); err != nil {
			t.Error(err)
		}
	}
}

func (w *town) takesRoster(t *testing.T) {
	signed, err := envelope.UnsealRoster(envelope.Standard{}, w.lasting, w.got(report.TopicRoster, 1)[0])
	w.check(err)
	r, err := envelope.OpenRoster(envelope.Standard{}, signed, "rathaus-1", &w.roster, time.Now())
	w.check(err)
	if e, ok := r.Card("0499"); r.Version != 2 || !ok || e.Person != "clerk-7" {
		t.Errorf("roster %d knows the card as %q", r.Version, e.Person)
	}
}

func TestSignsNothingButWhatWasAskedFor(t *testing.T) {
	asked := locker.Command{Kind: locker.CommandRevoke, Order: "order-0001"}
	good, err := envelope.NewCommand(rand.Reader, "rathaus-1", citytest.Challenge, locker.Command{Kind: locker.CommandRevoke, Order: "order-0001", Generation: 7}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := sameCommand(good.Text(), "rathaus-1", asked); err != nil {
		t.Errorf("a good draft: %v", err)
	}
	other, kind, place := good, good, good
	other.Order, kind.Kind, place.Terminal = "order-0002", "open", "rathaus-2"
	for name, text := range map[string]string{
		"another order": string(other.Text()), "another kind": string(kind.Text()), "another terminal": string(place.Text()),
		"empty": "", "a lone line": "x\n", "two orders": string(good.Text()) + "order order-0002\n", "no pairs": "title\nhello\n",
	} {
		if err := sameCommand([]byte(text), "rathaus-1", asked); err == nil {
			t.Errorf("%s: would be signed", name)
		}
	}
}
