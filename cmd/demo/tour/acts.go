package tour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin"
)

// story is a tour under way.
type story struct {
	*Site
	orders  map[string]locker.OrderID       // by person
	letters map[string]api.Letter           // by person, the latest
	before  *disk                           // of the terminal, while a deposit lay in it
	places  map[string]locker.CompartmentID // by person
}

// order lets a person apply at the desk.
func (s *story) order(ctx context.Context, p Person, by envelope.Signer) (locker.OrderID, error) {
	id, submission, err := s.capture(ctx, p, by)
	if err != nil {
		return "", err
	}
	_, err = s.City.SubmitOrder(ctx, submission)
	return id, err
}

// capture leases a key, and returns an order that by signed and sealed, as the
// city takes it.
func (s *story) capture(ctx context.Context, p Person, by envelope.Signer) (id locker.OrderID, submission []byte, err error) {
	var key api.Key
	err = until(ctx, "an order key of the terminal", func() (ok bool, err error) {
		key, err = s.City.LeaseKey(ctx, s.Terminal)
		return err == nil, err
	})
	if err != nil {
		return "", nil, err
	}
	a := desk.Application{Terminal: s.Terminal, Document: locker.IdentityCard, Size: locker.Small}
	finger, err := p.Enrolled()
	if err != nil {
		return "", nil, err
	}
	a.Fingers = []desk.Finger{finger}
	return a.Order(by, envelope.PublishedKey{ID: key.Key, Public: key.Public, Expires: key.Expires}, time.Now())
}

// arrive says that the document is at the desk, and waits for the terminal's answer.
func (s *story) arrive(ctx context.Context, id locker.OrderID, want api.OrderState) (api.Order, error) {
	if _, err := s.City.Arrived(ctx, id); err != nil {
		return api.Order{}, err
	}
	var o api.Order
	err := until(ctx, fmt.Sprintf("order %s %s", id, want), func() (ok bool, err error) {
		o, err = s.City.Order(ctx, id)
		return o.State == want, err
	})
	return o, err
}

// signIn brings two clerks to the round.
func (s *story) signIn(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	if err := s.showCard(ctx, s.Clerks[0]); err != nil {
		return err
	}
	if _, err := s.await(ctx, locker.ScreenSecond); err != nil {
		return err
	}
	if err := s.showCard(ctx, s.Clerks[1]); err != nil {
		return err
	}
	_, err := s.await(ctx, locker.ScreenRound)
	return err
}

func (s *story) showCard(ctx context.Context, c Clerk) error {
	if err := s.scan(ctx, locker.SourceBadge, c.Card); err != nil {
		return err
	}
	return s.typeIn(ctx, locker.ScreenClerk, c.Number)
}

// idle waits for the welcome, ending what stands before it.
func (s *story) idle(ctx context.Context) error {
	if err := s.lift(ctx); err != nil {
		return err
	}
	return until(ctx, "the welcome screen", func() (bool, error) {
		sc, err := s.screen(ctx)
		if err == nil && sc.Name != locker.ScreenWelcome && slices.Contains(sc.Choices, locker.ChoiceCancel) {
			_ = s.press(ctx, sc.Name, locker.ChoiceCancel) // it may have gone by itself
		}
		return sc.Name == locker.ScreenWelcome, err
	})
}

// clear confirms that the first n vacated compartments are empty.
func (s *story) clear(ctx context.Context, n int) error {
	for range n {
		sc, err := s.await(ctx, locker.ScreenRound)
		if err != nil {
			return err
		}
		if len(sc.Round.Tasks) == 0 || sc.Round.Tasks[0].Kind != locker.TaskClear {
			return fmt.Errorf("the round's tasks are %v", sc.Round.Tasks)
		}
		if err := s.press(ctx, locker.ScreenRound, locker.ChoiceNext); err != nil {
			return err
		}
		if sc, err = s.await(ctx, locker.ScreenClear); err != nil {
			return err
		}
		if err := s.press(ctx, locker.ScreenClear, locker.ChoiceEmpty); err != nil {
			return err
		}
		if err := s.door(ctx, sc.Compartment, "close"); err != nil {
			return err
		}
	}
	return nil
}

// load scans the slip, lays the document in and closes the door.
func (s *story) load(ctx context.Context, who string) error {
	if _, err := s.await(ctx, locker.ScreenRound); err != nil {
		return err
	}
	if err := s.scan(ctx, locker.SourceBarcode, string(s.orders[who])); err != nil {
		return err
	}
	sc, err := s.await(ctx, locker.ScreenLay)
	if err != nil {
		return err
	}
	if err := s.door(ctx, sc.Compartment, "lay"); err != nil {
		return err
	}
	s.places[who] = sc.Compartment
	return s.door(ctx, sc.Compartment, "close")
}

// finish lets both clerks confirm the round.
func (s *story) finish(ctx context.Context) error {
	if err := s.press(ctx, locker.ScreenRound, locker.ChoiceFinish); err != nil {
		return err
	}
	if _, err := s.await(ctx, locker.ScreenConfirm); err != nil {
		return err
	}
	if err := s.showCard(ctx, s.Clerks[0]); err != nil {
		return err
	}
	err := until(ctx, "the first clerk's confirmation", func() (bool, error) {
		sc, err := s.screen(ctx)
		return err == nil && sc.Round != nil && len(sc.Round.Confirmed) == 1, err
	})
	if err != nil {
		return err
	}
	if err := s.showCard(ctx, s.Clerks[1]); err != nil {
		return err
	}
	_, err = s.await(ctx, locker.ScreenRoundDone, locker.ScreenWelcome)
	return err
}

// letter prints a person's letter, which starts the clock.
func (s *story) letter(ctx context.Context, who string) error {
	var l api.Letter
	err := until(ctx, "the letter for "+who, func() (ok bool, err error) {
		l, err = s.City.Letter(ctx, s.orders[who])
		return err == nil, err
	})
	if err != nil {
		return err
	}
	s.letters[who] = l
	_, err = s.event(ctx, "de.nachtfach.letter.posted.v1", func(f map[string]any) bool {
		return number(f, "generation") == uint64(l.Generation)
	})
	return err
}

func (s *story) code(who string) string {
	c := s.letters[who].Code
	return c[0] + c[1] + c[2]
}

// enter types a code at the welcome.
func (s *story) enter(ctx context.Context, code string) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	return s.typeIn(ctx, locker.ScreenWelcome, code)
}

// open goes through code and finger to the open door.
func (s *story) open(ctx context.Context, who string, finger int) (locker.CompartmentID, error) {
	if err := s.enter(ctx, s.code(who)); err != nil {
		return 0, err
	}
	if err := s.reach(ctx); err != nil {
		return 0, err
	}
	if err := s.lay(ctx, s.person(who).Lay[finger]); err != nil {
		return 0, err
	}
	sc, err := s.await(ctx, locker.ScreenTake)
	return sc.Compartment, err
}

// reach goes to where the finger is asked for: on a slow machine the story's
// short retention may be over by then, and the citizen goes on all the same.
func (s *story) reach(ctx context.Context) error {
	sc, err := s.await(ctx, locker.ScreenFinger, locker.ScreenExpired)
	if err != nil || sc.Name == locker.ScreenFinger {
		return err
	}
	if err := s.press(ctx, locker.ScreenExpired, locker.ChoiceGoOn); err != nil {
		return err
	}
	_, err = s.await(ctx, locker.ScreenFinger)
	return err
}

// take takes the document, closes the door and says yes.
func (s *story) take(ctx context.Context, n locker.CompartmentID) error {
	for _, deed := range []string{"take", "close"} {
		if err := s.door(ctx, n, deed); err != nil {
			return err
		}
	}
	if err := s.press(ctx, locker.ScreenQuestion, locker.ChoiceYes); err != nil {
		return err
	}
	_, err := s.await(ctx, locker.ScreenDone)
	return err
}

func (s *story) person(who string) Person {
	for _, p := range s.People {
		if p.Name == who {
			return p
		}
	}
	return Person{}
}

// fact is one event as the city holds it.
type fact struct {
	Sequence uint64
	Type     string
	Data     map[string]any
}

// facts are the terminal's events at the city.
func (s *story) facts(ctx context.Context) ([]fact, error) {
	var all []fact
	for {
		events, err := s.City.Events(ctx, s.Terminal, uint64(len(all)), 1000)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			var body struct {
				Data map[string]any `json:"data"`
			}
			if err := json.Unmarshal(e.Body, &body); err != nil {
				return nil, err
			}
			all = append(all, fact{e.Sequence, e.Type, body.Data})
		}
		if len(events) < 1000 {
			return all, nil
		}
	}
}

// event waits until the city holds an event of the type that fits.
func (s *story) event(ctx context.Context, typ string, fits func(map[string]any) bool) (fact, error) {
	var found fact
	err := until(ctx, "event "+typ+" at the city", func() (bool, error) {
		all, err := s.facts(ctx)
		for _, f := range slices.Backward(all) {
			if f.Type == typ && (fits == nil || fits(f.Data)) {
				found = f
				return true, nil
			}
		}
		return false, err
	})
	return found, err
}

// count is how many events of a type the city holds.
func (s *story) count(ctx context.Context, typ string) (int, error) {
	all, err := s.facts(ctx)
	n := 0
	for _, f := range all {
		if f.Type == typ {
			n++
		}
	}
	return n, err
}

func number(f map[string]any, key string) uint64 {
	n, _ := f[key].(float64)
	return uint64(n)
}

func text(f map[string]any, key string) string {
	t, _ := f[key].(string)
	return t
}

// settle waits until the city holds all that the terminal has recorded.
func (s *story) settle(ctx context.Context) ([][]byte, error) {
	var lines [][]byte
	err := until(ctx, "the city's record to catch up", func() (bool, error) {
		var b bytes.Buffer
		if err := s.Journal(ctx, &b); err != nil {
			return false, err
		}
		lines = bytes.Split(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte("\n"))
		t, err := s.City.Verify(ctx, s.Terminal)
		return err == nil && t.Size == uint64(len(lines)), err
	})
	return lines, err
}

// codeOf is a code that passes its check digit.
func codeOf(selector int, secret uint32) (string, error) {
	c, err := pin.New(selector, secret)
	if err != nil {
		return "", err
	}
	g := c.Groups()
	return g[0] + g[1] + g[2], nil
}
