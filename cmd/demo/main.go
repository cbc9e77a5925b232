// Command demo is a whole terminal with its city in one process: 24
// compartments of simulated hardware behind the real drivers, the real daemon,
// a broker and the city's end. It uses free ports and leaves nothing behind.
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

	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

const usage = `Usage:
    demo [-tour] [-verbose]

With -tour it plays the whole story by itself, from the order to the handover,
prints a line for each scene, and exits with 0 if every scene held. Without, it
stays up and prints how to talk to it.
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
	t, err := build(ctx, rules, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if *plays {
		return tour.Play(ctx, t.site(), stdout)
	}
	if err := t.prepare(ctx); err != nil {
		return err
	}
	t.explain(stdout)
	<-ctx.Done()
	return nil
}

// prepare lets three people apply, and their documents arrive.
func (t *town) prepare(ctx context.Context) error {
	c := t.site().City
	for _, p := range t.people[:3] {
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
		if err != nil {
			return err
		}
		t.slips = append(t.slips, string(id))
	}
	return nil
}

// retry waits for the terminal's keys to reach the city.
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

// explain says how to talk to the demo.
func (t *town) explain(w io.Writer) {
	k := t.kiosk()
	fmt.Fprintf(w, `A terminal with %d compartments is up. Nothing of it is left when you press Ctrl-C.

1. Two clerks sign in with card and personal number. At the badge reader, then at the screen:
     curl %[2]s/api/scan -d '{"source":"badge","text":"%[3]s"}'       number %[4]s
     curl %[2]s/api/scan -d '{"source":"badge","text":"%[5]s"}'       number %[6]s
2. The screen, and how to press or type at it (the number is the screen's):
     curl -H 'Authorization: Bearer %[7]s' %[8]s/screen
     curl -H 'Authorization: Bearer %[7]s' %[8]s/input --json '{"screen":NUMBER,"text":"%[4]s"}'
     curl -H 'Authorization: Bearer %[7]s' %[8]s/input --json '{"screen":NUMBER,"choice":"next"}'
3. The slips of three documents that have arrived, for the barcode scanner, and the doors:
     curl %[2]s/api/scan -d '{"source":"barcode","text":"%[9]s"}'      (anna; bernd: %[10]s, clara: %[11]s)
     curl %[2]s/api/doors/1 -d '{"do":"close"}'
4. The letter, and the finger:
     go run ./cmd/cityd letter -config %[12]s %[9]s
     curl %[2]s/api/finger -d '{"finger":"anna","impression":3}'
     curl %[2]s/api/state

go run ./cmd/demo -tour does all of this by itself, and twenty scenes more.
`, compartments, t.controlAt, t.cast.Clerks[0].Card, t.cast.Clerks[0].Number, t.cast.Clerks[1].Card, t.cast.Clerks[1].Number,
		k.Token, k.URL, t.slips[0], t.slips[1], t.slips[2], t.cityConfig())
}
