package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/citytest"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// town is a real daemon on a simulated wall, a real city, and people.
type town struct {
	*bench
	city    *citytest.City
	cast    *tour.Cast
	daemon  *daemon.Daemon
	off     func()
	cityOff func()
	letters map[locker.OrderID]api.Letter
	numbers map[locker.OrderID]string
}

func newTown(t *testing.T, terminal string, compartments int) *town {
	t.Helper()
	b := newWall(t, terminal, compartments)
	w := &town{bench: b, letters: map[locker.OrderID]api.Letter{}, numbers: map[locker.OrderID]string{}}
	w.city = citytest.NewCity(t, b.config.City.Broker)
	who, err := w.city.Identity(t.Context())
	w.must(err)
	b.config.City.Verifier, b.config.City.LetterKey = who.Verifier, envelope.EncodeKey(envelope.LetterKey, false, who.LetterKey)
	b.config.City.Repeat = locker.Duration(300 * time.Millisecond)
	b.config.Rules.KeysOffered = compartments + 6
	b.config.Rules.AnswerAfter, b.config.Rules.Notice = 0, locker.Duration(200*time.Millisecond)
	wires := b.sim.Addresses()
	b.config.Scanners = []daemon.Scanner{
		{Source: daemon.Source(locker.SourceBadge), Path: wires.Badge}, {Source: daemon.Source(locker.SourceBarcode), Path: wires.Barcode},
	}
	w.cast, err = tour.NewCast(terminal, seal.Params{Memory: 64, Time: 1, Threads: 1})
	w.must(err)
	w.cityOff = w.city.Start()
	return w
}

func (w *town) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) powerOn() {
	w.t.Helper()
	d, err := w.open()
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	w.daemon = d
	w.off = func() {
		w.off = func() {}
		cancel()
		if err := errors.Join(<-done, d.Close()); err != nil {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(func() { w.off() })
}

// await waits for a screen.
func (w *town) await(names ...locker.ScreenName) (s locker.Screen) {
	w.t.Helper()
	eventually(w.t, fmt.Sprint("screen ", names), func() bool {
		s = w.screen(w.daemon)
		return slices.Contains(names, s.Name)
	})
	return s
}

// act presses or types at a screen; one that changed meanwhile is looked at again.
func (w *town) act(on locker.ScreenName, choice locker.Choice, text string) {
	w.t.Helper()
	token, err := os.ReadFile(w.config.Token())
	w.must(err)
	eventually(w.t, fmt.Sprintf("%s%s at %s", choice, text, on), func() bool {
		in := map[string]any{"screen": w.await(on).Number}
		if choice != "" {
			in["choice"] = choice
		} else {
			in["text"] = text
		}
		body, err := json.Marshal(in)
		w.must(err)
		r, err := http.NewRequest(http.MethodPost, "http://"+w.daemon.Kiosk()+"/input", bytes.NewReader(body))
		w.must(err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		resp, err := http.DefaultClient.Do(r)
		w.must(err)
		resp.Body.Close()
		return resp.StatusCode != http.StatusConflict
	})
}

func (w *town) press(on locker.ScreenName, c locker.Choice) { w.t.Helper(); w.act(on, c, "") }
func (w *town) typeIn(on locker.ScreenName, text string)    { w.t.Helper(); w.act(on, "", text) }

func (w *town) scan(source firmwaresim.Device, text string) {
	w.t.Helper()
	w.must(w.sim.Scan(source, text))
}

func (w *town) do(n locker.CompartmentID, deed firmwaresim.Deed) {
	w.t.Helper()
	w.must(w.sim.Wall.Do(int(n), deed))
}

func (w *town) signIn() {
	w.t.Helper()
	w.await(locker.ScreenWelcome)
	for _, c := range w.cast.Clerks {
		w.holdUp(w.daemon, c.Card)
		w.typeIn(locker.ScreenClerk, c.Number)
		w.await(locker.ScreenSecond, locker.ScreenRound)
	}
	w.await(locker.ScreenRound)
}

func (w *town) finish() {
	w.t.Helper()
	w.press(locker.ScreenRound, locker.ChoiceFinish)
	w.await(locker.ScreenConfirm)
	w.scan(firmwaresim.Badge, w.cast.Clerks[0].Card)
	w.typeIn(locker.ScreenClerk, w.cast.Clerks[0].Number)
	eventually(w.t, "the first confirmation", func() bool {
		r := w.screen(w.daemon).Round
		return r != nil && len(r.Confirmed) == 1
	})
	w.scan(firmwaresim.Badge, w.cast.Clerks[1].Card)
	w.typeIn(locker.ScreenClerk, w.cast.Clerks[1].Number)
	w.await(locker.ScreenRoundDone, locker.ScreenWelcome)
}

// look answers the next task's question and closes its door.
func (w *town) look(at locker.ScreenName, answer func(locker.CompartmentID) locker.Choice) {
	w.t.Helper()
	w.press(locker.ScreenRound, locker.ChoiceNext)
	n := w.await(at).Compartment
	c := answer(n)
	if c == locker.ChoiceRemoved {
		w.do(n, firmwaresim.Take)
	}
	w.press(at, c)
	w.do(n, firmwaresim.Close)
	w.await(locker.ScreenRound)
}

// order makes one with a chosen number, and lets its document arrive.
func (w *town) order(number string) locker.OrderID {
	w.t.Helper()
	id := w.apply(desk.Application{Document: locker.IdentityCard, Size: locker.Small, Number: []byte(number)})
	w.numbers[id] = number
	return id
}

// apply makes an order, and lets its document arrive.
func (w *town) apply(a desk.Application) locker.OrderID {
	w.t.Helper()
	ctx := w.t.Context()
	var key api.Key
	eventually(w.t, "a key", func() (ok bool) {
		var err error
		key, err = w.city.LeaseKey(ctx, w.config.Terminal)
		return err == nil
	})
	a.Terminal = w.config.Terminal
	id, sealed, err := a.Order(w.cast.Desk, envelope.PublishedKey{ID: key.Key, Public: key.Public, Expires: key.Expires}, time.Now())
	w.must(err)
	_, err = w.city.SubmitOrder(ctx, sealed)
	w.must(err)
	_, err = w.city.Arrived(ctx, id)
	w.must(err)
	return id
}

func (w *town) state(id locker.OrderID) api.OrderState {
	w.t.Helper()
	o, err := w.city.Order(w.t.Context(), id)
	w.must(err)
	return o.State
}

// load lays one document for each order, in a round that is open.
func (w *town) load(orders ...locker.OrderID) map[locker.OrderID]locker.CompartmentID {
	w.t.Helper()
	at := map[locker.OrderID]locker.CompartmentID{}
	for _, id := range orders {
		eventually(w.t, "the order at the terminal", func() bool { return w.state(id) == api.OrderAccepted })
		w.await(locker.ScreenRound)
		w.scan(firmwaresim.Barcode, string(id))
		n := w.await(locker.ScreenLay).Compartment
		w.do(n, firmwaresim.Lay)
		w.do(n, firmwaresim.Close)
		w.await(locker.ScreenRound)
		at[id] = n
	}
	return at
}

// post prints the letters.
func (w *town) post(orders ...locker.OrderID) {
	w.t.Helper()
	for _, id := range orders {
		eventually(w.t, "the letter", func() bool {
			l, err := w.city.Letter(w.t.Context(), id)
			w.letters[id] = l
			return err == nil
		})
	}
}

// enter types the code of an order's letter.
func (w *town) enter(id locker.OrderID) {
	w.t.Helper()
	c := w.letters[id].Code
	w.typeIn(locker.ScreenWelcome, c[0]+c[1]+c[2])
}

func (w *town) collect(id locker.OrderID) {
	w.t.Helper()
	w.enter(id)
	if w.await(locker.ScreenNumber, locker.ScreenExpired).Name == locker.ScreenExpired {
		w.press(locker.ScreenExpired, locker.ChoiceGoOn)
	}
	w.typeIn(locker.ScreenNumber, w.numbers[id])
	n := w.await(locker.ScreenTake).Compartment
	w.do(n, firmwaresim.Take)
	w.do(n, firmwaresim.Close)
	w.press(locker.ScreenQuestion, locker.ChoiceYes)
	w.await(locker.ScreenWelcome)
}

func empty(locker.CompartmentID) locker.Choice { return locker.ChoiceEmpty }

func (w *town) inventory() (orders []locker.OrderID) {
	w.t.Helper()
	for i := range 24 {
		orders = append(orders, w.order(fmt.Sprintf("48151%03d", i)))
	}
	w.signIn()
	for range 24 {
		w.look(locker.ScreenClear, empty)
	}
	return orders
}

func TestABoardDiesWithTwentyFourDocumentsInside(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a hundred doors")
	}
	t.Parallel() // it waits for doors
	w := newTown(t, "recovery-1", 24)
	id, err := daemon.Init(w.config, w.cast.Roster)
	w.must(err)
	w.must(w.city.AddTerminal(t.Context(), id.Terminal, id.Verifier))
	w.powerOn()
	orders := w.inventory()
	at := w.load(orders...)
	w.finish()
	w.post(orders...)
	w.off()
	w.must(os.Rename(w.config.State, filepath.Join(t.TempDir(), "dead")))

	retired, err := w.city.Retire(t.Context(), "recovery-1")
	w.must(err)
	for _, o := range orders {
		if s := w.state(o); s != api.OrderLost {
			t.Fatalf("order %s is %s", o, s)
		}
		if _, err := w.city.Letter(t.Context(), o); err == nil {
			t.Fatalf("the letter of %s can still be printed", o)
		}
	}
	if _, err := daemon.Adopt(w.config, w.cast.Roster, bytes.Replace(retired.Adoption, []byte("\n24\n"), []byte("\n23\n"), 1)); err == nil {
		t.Fatal("a changed adoption was taken")
	}
	adopted, err := daemon.Adopt(w.config, w.cast.Roster, retired.Adoption)
	w.must(err)
	if adopted.Verifier == id.Verifier || adopted.RosterKey == id.RosterKey || len(adopted.Fingerprint) != 79 {
		t.Fatalf("the new keys are %+v", adopted)
	}
	w.must(w.city.AddTerminal(t.Context(), adopted.Terminal, adopted.Verifier))
	w.powerOn()

	w.enter(orders[0]) // a code of the dead board
	w.press(locker.ScreenRefused, locker.ChoiceCancel)

	stolen := at[orders[4]] // while nobody could know
	w.signIn()
	for i, task := range w.await(locker.ScreenRound).Round.Tasks {
		if task.Kind != locker.TaskInspect || at[task.Order] != task.Compartment {
			t.Fatalf("task %d is %+v", i, task)
		}
	}
	for range 24 {
		w.look(locker.ScreenInspect, func(n locker.CompartmentID) locker.Choice {
			if n == stolen {
				return locker.ChoiceNothing
			}
			return locker.ChoiceRemoved
		})
	}
	w.finish()
	for i, o := range orders {
		want := api.OrderRecovered
		if i == 4 {
			want = api.OrderMissing
		}
		eventually(t, fmt.Sprintf("order %d is %s", i, want), func() bool { return w.state(o) == want })
	}
	eventually(t, "the alarm about the missing document", func() bool {
		return slices.ContainsFunc(w.published().Alarms, func(a locker.AlarmRaised) bool {
			return a.Kind == locker.AlarmMissing && a.Compartment == stolen && a.Class == locker.Wake
		})
	})

	again := w.order("481516") // captured anew
	w.signIn()
	w.load(again)
	w.finish()
	w.post(again)
	w.collect(again)

	for _, log := range []string{"recovery-1", retired.Closed} {
		if tree, err := w.city.Verify(t.Context(), log); err != nil || tree.Size < 100 {
			t.Errorf("log %s: %d events, %v", log, tree.Size, err)
		}
	}
	if deposits, err := w.city.Deposits(t.Context(), "recovery-1"); err != nil || len(deposits) != 1 || deposits[0].Generation != 25 {
		t.Errorf("deposits of the new board: %+v, %v", deposits, err)
	}
}
