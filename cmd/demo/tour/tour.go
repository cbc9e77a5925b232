package tour

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
)

// scene is a piece of the story. play returns what was checked.
type scene struct {
	title string
	play  func(*story, context.Context) (string, error)
}

var scenes = []scene{
	{"an order arrives, signed and sealed", (*story).orderArrives},
	{"a forged order is refused", (*story).forgedOrder},
	{"one clerk alone is refused", (*story).clerkAlone},
	{"the same person with two cards is refused", (*story).onePersonTwoCards},
	{"two clerks load", (*story).clerksLoad},
	{"letters are printed, the clocks start", (*story).lettersPrinted},
	{"unknown and wrong code are refused alike", (*story).refusedAlike},
	{"a slip in a digit costs no attempt", (*story).slip},
	{"the right code with another's finger is refused", (*story).otherFinger},
	{"code and finger open exactly that compartment", (*story).opens},
	{"\"not yet\": it opens again", (*story).opensAgain},
	{"taken, closed, \"yes\": the handover is recorded", (*story).handedOver},
	{"nothing left opens the template", (*story).nothingLeft},
	{"a lost letter is replaced without a new finger", (*story).lostLetter},
	{"a door is forced: alarm at the city", (*story).forced},
	{"the network is away for 10 s: nothing lost, nothing double", (*story).networkAway},
	{"power cut between code and door, found open", (*story).powerCutOpen},
	{"power cut between code and door, found closed", (*story).powerCutClosed},
	{"an expired document is unloaded by two clerks", (*story).expired},
	{"the city's record equals the journal", (*story).recordsAgree},
}

// Play plays every scene and writes a line for each. The first one that does
// not hold ends the tour.
func Play(ctx context.Context, site *Site, out io.Writer) error {
	return play(ctx, site, scenes, out)
}

func play(ctx context.Context, site *Site, scenes []scene, out io.Writer) error {
	s := &story{
		Site: site, orders: map[string]locker.OrderID{}, letters: map[string]api.Letter{},
		places: map[string]locker.CompartmentID{},
	}
	defer func() { s.before.remove() }()
	start := time.Now()
	for i, sc := range scenes {
		if site.Began != nil {
			site.Began(sc.title)
		}
		began := time.Now()
		checked, err := sc.play(s, ctx)
		if err != nil {
			fmt.Fprintf(out, "%2d  FAILED  %s: %v\n", i+1, sc.title, err)
			return fmt.Errorf("scene %d, %s: %w", i+1, sc.title, err)
		}
		fmt.Fprintf(out, "%2d  %-58s %s  (%.1f s)\n", i+1, sc.title, checked, time.Since(began).Seconds())
	}
	fmt.Fprintf(out, "%d scenes held in %.0f s\n", len(scenes), time.Since(start).Seconds())
	return nil
}

// Day plays what a good day has: orders for all people, a round of two clerks,
// letters, and the first person's pickup, opened twice. It asks nothing of the
// site beyond the kiosk, the control plane and the city.
func Day(ctx context.Context, site *Site, out io.Writer) error {
	return play(ctx, site, []scene{
		{"orders arrive", (*story).orderArrives},
		{"two clerks load", (*story).clerksLoad},
		{"letters are printed", (*story).lettersPrinted},
		{"code and finger open exactly that compartment", (*story).opens},
		{"\"not yet\": it opens again", (*story).opensAgain},
		{"taken, closed, \"yes\"", (*story).handedOver},
	}, out)
}

// FirstRound lets two clerks see that the first n compartments of a new terminal
// are empty, without which nothing can be laid there, and lay in the documents
// of these orders.
func FirstRound(ctx context.Context, site *Site, n int, orders ...locker.OrderID) error {
	s := &story{Site: site, orders: map[string]locker.OrderID{}, places: map[string]locker.CompartmentID{}}
	acts := []func(context.Context) error{s.firstCard, s.signIn, func(ctx context.Context) error { return s.clear(ctx, n) }}
	for _, o := range orders {
		s.orders[string(o)] = o
		acts = append(acts, func(ctx context.Context) error { return s.load(ctx, string(o)) })
	}
	for _, act := range append(acts, s.finish, s.idle) {
		if err := act(ctx); err != nil {
			return fmt.Errorf("the first round of a terminal: %w", err)
		}
	}
	return nil
}

// firstCard shows a card until the badge reader of a terminal that has just
// started reads it.
func (s *story) firstCard(ctx context.Context) error {
	return until(ctx, "the badge reader's first card", func() (bool, error) {
		sc, err := s.screen(ctx)
		if err != nil || sc.Name == locker.ScreenClerk {
			return err == nil, err
		}
		if err := s.scan(ctx, locker.SourceBadge, s.Clerks[0].Card); err != nil {
			return false, err
		}
		pause(ctx, time.Second)
		return false, nil
	})
}
