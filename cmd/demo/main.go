// Command demo is a whole terminal with its city in one process: 24
// compartments of simulated hardware behind the real drivers, the real daemon,
// a broker and the city's end, with a start page that shows the kiosk beside a
// wall to click on. It uses free loopback ports and leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

const usage = `Usage:
    demo [-tour] [-expanders] [-verbose]

With -tour it plays the whole story by itself, from the order to the handover,
prints a line for each scene, and exits with 0 if every scene held. Without, it
stays up and prints the links to open in a browser. With -expanders locks and
contacts hang on port expanders instead of lines of their own.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "demo: error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	plays := flags.Bool("tour", false, "play the whole story and exit")
	expanders := flags.Bool("expanders", false, "hang locks and contacts on port expanders")
	verbose := flags.Bool("verbose", false, "log what the daemons say")
	if err := flags.Parse(args); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	rules := usual
	if *plays {
		rules = hurried
	}
	if !*plays {
		fmt.Fprintf(stdout, "Putting together a terminal with %d compartments, its city and a broker …\n", compartments)
		// Whoever presses Ctrl-C meant it: that is no error.
		defer func() {
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				fmt.Fprintln(stdout, "Stopped. Nothing is left.")
				err = nil
			}
		}()
	}
	t, err := buildOn(ctx, *expanders, rules, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if *plays {
		return tour.Play(ctx, t.site(), stdout)
	}
	t.serveStart()
	t.explain(stdout)
	if err := t.welcome(ctx); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "Everything is ready.")
	<-ctx.Done()
	return nil
}

// welcome makes everything ready for a newcomer: the terminal's first round is
// over, so that each slip finds a compartment, and one letter is already there.
func (t *town) welcome(ctx context.Context) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	if err := tour.FirstRound(ctx, t.site(), applicants, locker.OrderID(t.slips[applicants-1])); err != nil {
		return err
	}
	t.handOut(ctx)
	t.serveStart()
	t.ready.Store(true)
	return nil
}

// prepare lets three people apply, and their documents arrive.
func (t *town) prepare(ctx context.Context) error {
	c := t.site().City
	for _, p := range t.people[:applicants] {
		finger, err := p.Enrolled()
		if err != nil {
			return err
		}
		var id locker.OrderID
		err = retry(ctx, func() error {
			key, err := c.LeaseKey(ctx, terminal)
			if err != nil {
				return err
			}
			a := desk.Application{Terminal: terminal, Document: locker.IdentityCard, Size: locker.Small}
			a.Fingers = []desk.Finger{finger}
			var sealed []byte
			if id, sealed, err = a.Order(t.cast.Desk, envelope.PublishedKey{ID: key.Key, Public: key.Public, Expires: key.Expires}, time.Now()); err != nil {
				return err
			}
			_, err = c.SubmitOrder(ctx, sealed)
			return err
		})
		if err == nil {
			_, err = c.Arrived(ctx, id)
		}
		if err == nil {
			err = retry(ctx, func() error { return accepted(ctx, c, id) })
		}
		if err != nil {
			return err
		}
		t.slips = append(t.slips, string(id))
	}
	return nil
}

// accepted says whether the terminal has an order, whose slip is known there.
func accepted(ctx context.Context, c *api.Client, id locker.OrderID) error {
	o, err := c.Order(ctx, id)
	if err == nil && o.State != api.OrderAccepted {
		err = fmt.Errorf("order %s is %s: %s", id, o.State, o.Reason)
	}
	return err
}

// retry waits for what the terminal and the city tell each other.
func retry(ctx context.Context, f func() error) error {
	var err error
	for range 200 {
		if err = f(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}

// explain says where everything is.
func (t *town) explain(w io.Writer) {
	l := t.links()
	fmt.Fprintf(w, `A terminal with %d compartments is up. Open this in a browser; it says what to try:

    start    %s/

    kiosk    %s
    wall     %s
`, compartments, t.startAt, l.Kiosk, l.Wall)
	if l.Console != "" {
		fmt.Fprintf(w, "    console  %s\n", l.Console)
	}
	fmt.Fprintf(w, `
In some seconds, when two clerks have made the terminal ready, their cards (personal
numbers %s and %s), three people's fingers, two slips and one letter lie at the wall;
more letters come when documents are loaded.
lockerctl and cityd find the city with -config %s

go run ./cmd/demo -tour does all of this by itself, and twenty scenes more.
Nothing is left when you press Ctrl-C.
`, l.Numbers[0], l.Numbers[1], t.cityConfig())
}
