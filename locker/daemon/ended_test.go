package daemon_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/vault"
	"github.com/nachtfach/nachtfach/pin"
)

// Row 7: a template is kept. However a deposit ends, somebody with all copies
// that a terminal, the broker and the city leave behind, each letter that was
// printed, and every key that survives, recovers no factor.
func TestThreatEndedDepositsLeaveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a terminal a dozen times")
	}
	t.Run("without a hardware key", func(t *testing.T) { theftOfEverything(t, "ended-1", nil) })
	t.Run("with a hardware key", func(t *testing.T) { theftOfEverything(t, "ended-2", tpmtest.Start(t)) })
}

// theftOfEverything ends deposits in every way there is. With a hardware key
// the thief has all copies of the slots, from before too; without one, those
// from after it, because what was copied from a disk that erases in place
// cannot be taken back.
func theftOfEverything(t *testing.T, terminal string, chip *tpmtest.Emulator) {
	t.Parallel() // it waits for doors
	h := newThief(t, terminal, chip)
	w, ctx := h.town, t.Context()
	orders := map[string]locker.OrderID{
		"handed over": w.order("314159265358"), "re-issued": w.order("271828182845"),
		"withdrawn": w.apply(desk.Application{Document: locker.IdentityCard, Size: locker.Small, Fingers: []desk.Finger{drawn(t, "frieda")}}),
		"revoked":   w.order("161803398874"), "unloaded": w.order("141421356237"),
	}
	all := []locker.OrderID{orders["handed over"], orders["re-issued"], orders["withdrawn"], orders["revoked"], orders["unloaded"]}
	w.signIn()
	for range all {
		w.look(locker.ScreenClear, empty)
	}
	for _, id := range all {
		eventually(t, "the order at the terminal", func() bool { return w.state(id) == api.OrderAccepted })
	}
	h.copy()
	if got := h.tries(h.copies); len(got.Orders) < len(all) {
		t.Fatalf("the thief opens %v of the orders that wait, and proves nothing", got.Orders)
	}
	w.signIn()
	w.load(all...)
	w.finish()
	w.post(all...)
	generations := map[string]locker.Generation{}
	for how, id := range orders {
		generations[how] = w.letters[id].Generation
		h.prints(w.letters[id])
	}
	if h.chip {
		h.searches(w.letters[orders["re-issued"]], 4, 1)
		h.searches(w.letters[orders["unloaded"]], 5, 0)
	}
	h.copy()
	for _, end := range []struct {
		how string
		do  func(locker.OrderID)
	}{
		{"handed over", w.collect},
		{"re-issued", func(id locker.OrderID) {
			w.command(locker.Command{Kind: locker.CommandReissue, Order: id, Generation: w.letters[id].Generation})
			w.post(id)
			h.prints(w.letters[id])
		}},
		{"withdrawn", func(id locker.OrderID) {
			signed, err := envelope.SignWithdrawal(w.cast.Desk, envelope.Withdrawal{Terminal: terminal, Order: id, Issued: time.Now()})
			w.must(err)
			_, err = w.city.Withdraw(ctx, id, signed)
			w.must(err)
		}},
		{"revoked", func(id locker.OrderID) {
			w.command(locker.Command{Kind: locker.CommandRevoke, Order: id})
		}},
		{"unloaded", func(id locker.OrderID) { h.unload(id, orders["re-issued"]) }},
	} {
		g, id := generations[end.how], orders[end.how]
		if got := h.tries(h.copies[len(h.copies)-1:]); !slices.Contains(got.Generations, g) || slices.Contains(got.Orders, id) {
			t.Fatalf("before it is %s, generation %d must open and order %s must not: %+v", end.how, g, id, got)
		}
		end.do(id)
		h.erased(g)
		h.copy()
		if got := h.tries(h.left()); slices.Contains(got.Generations, g) || slices.Contains(got.Orders, id) {
			t.Errorf("%s, order %s and generation %d are recovered: %+v", end.how, id, g, got)
		}
	}
	if got := h.tries(h.left()); len(got.Generations)+len(got.Orders) > 0 {
		t.Errorf("in the end there is recovered %+v", got)
	}
	if got := h.tries(h.copies[1:2]); !holdsAll(got.Generations, generations) {
		t.Errorf("with slots and roots from before the endings the thief opens %v, and proves nothing", got.Generations)
	}
	h.opensNothing()
	h.reads()
}

// thief takes copies of everything at each stage.
type thief struct {
	*town
	chip    bool
	keys    [][]byte // that survive
	device  note.Verifier
	copies  []stage
	codes   []pin.Code
	printed []api.Letter

	mu     sync.Mutex
	passed [][]byte // all that ever went over the broker
}

// stage is terminal and city as they were at one time.
type stage struct {
	terminal, city string   // folders
	roots          [][]byte // in the chip
}

func newThief(t *testing.T, terminal string, chip *tpmtest.Emulator) *thief {
	t.Helper()
	h := &thief{town: newTown(t, terminal, 5), chip: chip != nil}
	w := h.town
	w.must(w.broker.Watch(func(_ string, payload []byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.passed = append(h.passed, bytes.Clone(payload))
	}))
	w.config.Rules.Retention, w.config.Rules.RootEvery = locker.Duration(time.Second), locker.Duration(time.Second)
	if h.chip {
		w.config.TPM.Path = chip.Path
	}
	w.cityOff() // it gets a key that the thief has, too
	private, public, err := envelope.GenerateCity(rand.Reader, "teststadt")
	w.must(err)
	w.city.Config.Verifier = public
	w.city.Config.Signer, err = note.NewSigner(private)
	w.must(err)
	w.city.Reopen()
	w.cityOff = w.city.Start()
	w.config.City.Verifier = public
	id, err := daemon.Init(w.config, w.cast.Roster)
	w.must(err)
	w.must(w.city.AddTerminal(t.Context(), id.Terminal, id.Verifier))
	h.device, err = note.NewVerifier(id.Verifier)
	w.must(err)
	h.keys = [][]byte{w.city.Config.LetterKey, h.noteKey(private), h.noteKey(w.key())}
	line, err := os.ReadFile(filepath.Join(w.config.State, "terminal.key"))
	w.must(err)
	key, err := envelope.DecodeKey(envelope.TerminalKey, true, string(line))
	w.must(err)
	h.keys = append(h.keys, key)
	for _, p := range w.cast.Private {
		raw, err := ssh.ParseRawPrivateKey(p)
		w.must(err)
		h.keys = append(h.keys, raw.(*ed25519.PrivateKey).Seed())
	}
	w.powerOn()
	return h
}

// noteKey is the Ed25519 seed in a signer's key; see golang.org/x/mod/sumdb/note.
func (h *thief) noteKey(text string) []byte {
	h.t.Helper()
	parts := strings.SplitN(strings.TrimSpace(text), "+", 5)
	b, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	h.must(err)
	return b[1:]
}

// copy takes everything as it is now, with the power off.
func (h *thief) copy() {
	h.t.Helper()
	h.off()
	h.cityOff()
	s := stage{terminal: h.t.TempDir(), city: h.t.TempDir()}
	h.must(os.CopyFS(filepath.Join(s.terminal, "state"), os.DirFS(h.config.State)))
	h.must(os.CopyFS(filepath.Join(s.city, "record"), os.DirFS(h.city.Folder))) // with its write-ahead log
	if h.chip {
		auth, err := os.ReadFile(filepath.Join(h.config.State, "tpm.auth"))
		h.must(err)
		chip, err := tpm.Open(tpm.Config{Path: h.config.TPM.Path, Auth: auth})
		h.must(err)
		for place := range 2 {
			root, err := chip.Get(place)
			h.must(err)
			s.roots = append(s.roots, root)
		}
		h.must(chip.Close())
	}
	h.copies = append(h.copies, s)
	h.cityOff = h.city.Start()
	h.powerOn()
}

// thiefsChip is the chip in the thief's hands.
type thiefsChip struct{ *tpm.Chip }

func (thiefsChip) Limit([]byte, []byte) ([]byte, error) { return nil, vault.ErrNoRoom }

// searches tries so many wrong codes and then the right one with the whole
// terminal in hand, and wants to open this many deposits. The city's keys it does
// without: they open every letter.
func (h *thief) searches(l api.Letter, wrong, want int) {
	h.t.Helper()
	h.off()
	right, err := pin.Parse(strings.Join(l.Code[:], ""))
	h.must(err)
	var codes []pin.Code
	for n := range uint32(wrong) + 1 {
		if c, err := pin.New(right.Selector(), n); err == nil && len(codes) < wrong && c != right {
			codes = append(codes, c)
		}
	}
	auth, err := os.ReadFile(filepath.Join(h.config.State, "tpm.auth"))
	h.must(err)
	chip, err := tpm.Open(tpm.Config{Path: h.config.TPM.Path, Auth: auth})
	h.must(err)
	e := vault.Evidence{Terminal: h.config.Terminal, Codes: append(codes, right), Limits: thiefsChip{chip}, Device: h.device}
	for place := range 2 {
		root, err := chip.Get(place)
		h.must(err)
		e.Roots = append(e.Roots, root)
	}
	file, err := vault.RawSlots(filepath.Join(h.config.State, "slots"))
	h.must(err)
	j, err := journal.OpenReadOnly(filepath.Join(h.config.State, "journal.db"))
	h.must(err)
	e.Slots, e.Records = []vault.Slots{file}, []vault.Records{j.Records()}
	found, err := e.Recover(vault.Standard{})
	h.must(errors.Join(err, file.Close(), j.Close(), chip.Close()))
	if len(found.Generations) != want {
		h.t.Errorf("after %d wrong codes the right one opens %v, want %d", wrong, found.Generations, want)
	}
	h.powerOn()
}

// left is whose slots the thief may have now.
func (h *thief) left() []stage {
	if h.chip {
		last := h.copies[len(h.copies)-1]
		var all []stage
		for _, s := range h.copies {
			all = append(all, stage{s.terminal, s.city, last.roots}) // old disks, the chip as it is
		}
		return all
	}
	return h.copies[len(h.copies)-1:]
}

// tries recovers what there is with these slots, and all else.
func (h *thief) tries(slots []stage) vault.Recovered {
	h.t.Helper()
	h.mu.Lock()
	e := vault.Evidence{
		Terminal: h.config.Terminal, Orders: slices.Clone(h.passed), Letters: slices.Clone(h.passed),
		Keys: h.keys, LetterKey: h.city.Config.LetterKey, Codes: h.codes, Device: h.device,
	}
	h.mu.Unlock()
	for _, s := range slots {
		file, err := vault.RawSlots(filepath.Join(s.terminal, "state", "slots"))
		h.must(err)
		defer file.Close()
		e.Slots, e.Roots = append(e.Slots, file), append(e.Roots, s.roots...)
	}
	for _, s := range h.copies {
		j, err := journal.OpenReadOnly(filepath.Join(s.terminal, "state", "journal.db"))
		h.must(err)
		defer j.Close()
		e.Records = append(e.Records, j.Records())
		blobs := h.blobs(filepath.Join(s.city, "record", "city.sqlite"))
		e.Orders, e.Letters, e.Shares = append(e.Orders, blobs...), append(e.Letters, blobs...), append(e.Shares, blobs...)
	}
	found, err := e.Recover(vault.Standard{})
	h.must(err)
	return found
}

// blobs are the values of the city's tables that may hold something sealed.
func (h *thief) blobs(path string) (all [][]byte) {
	h.t.Helper()
	db, err := sql.Open("sqlite", path)
	h.must(err)
	defer db.Close()
	rows, err := db.QueryContext(h.t.Context(), `SELECT sealed FROM orders UNION ALL SELECT payload FROM outbox
		UNION ALL SELECT sealed FROM letters UNION ALL SELECT share FROM letters`)
	h.must(err)
	defer rows.Close()
	for rows.Next() {
		var b []byte
		h.must(rows.Scan(&b))
		if b != nil {
			all = append(all, b)
		}
	}
	h.must(rows.Err())
	return all
}

// prints takes a letter out of the post.
func (h *thief) prints(l api.Letter) {
	h.t.Helper()
	code, err := pin.Parse(strings.Join(l.Code[:], ""))
	h.must(err)
	h.codes, h.printed = append(h.codes, code), append(h.printed, l)
}

// unload takes out all that is due, the successor of the re-issued one too.
func (h *thief) unload(orders ...locker.OrderID) {
	h.t.Helper()
	for _, id := range orders {
		h.recorded(locker.DepositExpired{}, h.letters[id].Generation)
	}
	h.signIn()
	for due := true; due; {
		tasks := h.await(locker.ScreenRound).Round.Tasks
		if due = slices.ContainsFunc(tasks, func(t locker.Task) bool { return t.Kind == locker.TaskUnload }); due {
			h.look(locker.ScreenUnload, func(locker.CompartmentID) locker.Choice { return locker.ChoiceRemoved })
		}
	}
	h.finish()
}

// erased waits until the journal says that a slot is gone, for certain where
// there is a chip.
func (h *thief) erased(g locker.Generation) {
	h.t.Helper()
	h.recorded(locker.SlotErased{}, g)
	if h.chip {
		h.recorded(locker.RootReplaced{}, g)
	}
}

// recorded waits for an event that names the generation.
func (h *thief) recorded(fact locker.Fact, g locker.Generation) {
	h.t.Helper()
	names := regexp.MustCompile(fmt.Sprintf(`%s.*"generation":%d\D`, regexp.QuoteMeta(fact.Type()), g))
	eventually(h.t, names.String(), func() bool { return names.MatchString(h.journal()) })
}

// opensNothing types each code that was printed.
func (h *thief) opensNothing() {
	h.t.Helper()
	for _, l := range h.printed {
		h.typeIn(locker.ScreenWelcome, strings.Join(l.Code[:], ""))
		h.press(locker.ScreenRefused, locker.ChoiceCancel)
	}
	for _, d := range h.sim.Wall.Doors() {
		if d.Open {
			h.t.Errorf("door %d is open", d.Number)
		}
	}
}

// reads looks through every byte that was copied or passed for a factor in clear.
func (h *thief) reads() {
	h.t.Helper()
	secrets := [][]byte{[]byte("FMR\x00 20\x00")} // how a template begins: ISO/IEC 19794-2:2005, 7.3
	for _, number := range h.numbers {
		secrets = append(secrets, []byte(number))
	}
	orders := 0
	look := func(where string, b []byte) {
		for id := range h.numbers {
			orders += bytes.Count(b, []byte(id))
		}
		for i, secret := range secrets {
			if bytes.Contains(b, secret) {
				h.t.Errorf("%s holds factor %d in clear", where, i)
			}
		}
	}
	h.mu.Lock()
	for _, b := range h.passed {
		look("a message", b)
	}
	h.mu.Unlock()
	for _, s := range h.copies {
		for _, folder := range []string{s.terminal, s.city} {
			h.must(filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				b, err := os.ReadFile(path)
				look(path, b)
				return err
			}))
		}
	}
	if orders == 0 {
		h.t.Error("not even an order's name is found: the search proves nothing")
	}
}

// holdsAll tells whether each generation is among those that were found.
func holdsAll(found []locker.Generation, of map[string]locker.Generation) bool {
	for _, g := range of {
		if !slices.Contains(found, g) {
			return false
		}
	}
	return true
}

// command has one admin sign a command, once the city has heard of the terminal's
// last start: its challenge is drawn anew there, and an older one is refused.
func (w *town) command(what locker.Command) {
	w.t.Helper()
	ctx, terminal := w.t.Context(), w.config.Terminal
	eventually(w.t, "the challenge at the city", func() bool {
		seen, err := w.city.Terminal(ctx, terminal)
		var state locker.Status
		return err == nil && json.Unmarshal(seen.State, &state) == nil && state.Challenge == w.daemon.Status().Challenge
	})
	draft, err := w.city.DraftCommand(ctx, terminal, what)
	w.must(err)
	text, err := envelope.Sign(w.cast.Admins[0], draft.Namespace, draft.Text)
	w.must(err)
	w.must(w.city.Command(ctx, terminal, text))
}

// drawn is somebody's finger, enrolled at the desk.
func drawn(t *testing.T, name string) desk.Finger {
	t.Helper()
	p := tour.Person{Name: name, Finger: 7}
	for n := range 3 {
		p.Enrol = append(p.Enrol, *finger.Named(name).Impression(n))
	}
	f, err := p.Enrolled()
	if err != nil {
		t.Fatal(err)
	}
	return f
}
