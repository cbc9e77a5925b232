//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	periph "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/host/v3"

	"github.com/nachtfach/nachtfach/hardware/gpio"
)

// spread is of durations, in microseconds.
type spread struct {
	Count    int
	P50, P99 float64
	Lost     int
}

func spreadOf(d []time.Duration, lost int) spread {
	slices.Sort(d)
	s := spread{Count: len(d), Lost: lost}
	if len(d) > 0 {
		s.P50 = float64(d[len(d)/2].Nanoseconds()) / 1000
		s.P99 = float64(d[len(d)*99/100].Nanoseconds()) / 1000
	}
	return s
}

// pin is a line by our driver, or by periph's own.
func pin(name string, own bool) (periph.PinIO, error) {
	if own {
		if _, err := host.Init(); err != nil {
			return nil, err
		}
		if p := gpioreg.ByName(name); p != nil {
			return p, nil
		}
		return nil, fmt.Errorf("periph has no line %s", name)
	}
	if _, err := gpio.RegisterLine(gpio.LineConfig{Name: name, Consumer: "inside"}); err != nil {
		return nil, err
	}
	return gpioreg.ByName(name), nil
}

// edges measures from the wire's change to the return of WaitForEdge.
func edges(args []string) error {
	flags := flag.NewFlagSet("edges", flag.ExitOnError)
	folder := flags.String("chip", "", "folder of the simulator")
	number := flags.Int("number", 0, "of the line")
	name := flags.String("line", "", "name of the line")
	count := flags.Int("count", 500, "of edges")
	own := flags.Bool("periph", false, "use periph's own driver")
	_ = flags.Parse(args) // it exits
	p, err := pin(*name, *own)
	if err != nil {
		return err
	}
	c := chip{*folder, *number}
	if err := errors.Join(c.pull(0, false), p.In(periph.PullNoChange, periph.BothEdges)); err != nil {
		return err
	}
	var took []time.Duration
	lost := 0
	seen := make(chan time.Time, 1)
	for i := range *count {
		go func() {
			if !p.WaitForEdge(2 * time.Second) {
				seen <- time.Time{}
				return
			}
			seen <- time.Now()
		}()
		time.Sleep(2 * time.Millisecond) // so that it waits
		began := time.Now()
		if err := c.pull(0, i%2 == 0); err != nil {
			return err
		}
		if at := <-seen; at.IsZero() {
			lost++
		} else {
			took = append(took, at.Sub(began))
		}
	}
	return json.NewEncoder(os.Stdout).Encode(spreadOf(took, lost))
}

// contacts measures from the wire's change to what a door contact tells, which
// is debounced.
func contacts(args []string) error {
	flags := flag.NewFlagSet("contacts", flag.ExitOnError)
	folder := flags.String("chip", "", "folder of the simulator")
	name := flags.String("line", "", "name of the line, the chip's first")
	count := flags.Int("count", 200, "of movements")
	_ = flags.Parse(args) // it exits
	if _, err := gpio.RegisterLine(gpio.LineConfig{Name: *name, Consumer: "inside"}); err != nil {
		return err
	}
	contact, err := gpio.OpenContact(gpio.ContactConfig{Line: *name, Pull: periph.PullNoChange})
	if err != nil {
		return err
	}
	c := chip{*folder, 0}
	if err := c.pull(0, false); err != nil {
		return err
	}
	type word struct {
		open bool
		err  error
		at   time.Time
	}
	words := make(chan word, 16)
	go func() {
		_ = contact.Watch(context.Background(), func(open bool, err error) { words <- word{open, err, time.Now()} }) // until the end
	}()
	var took []time.Duration
	for i := range *count + 1 {
		open := i%2 == 1 // the first word is how the door stands
		began := time.Now()
		if i > 0 {
			if err := c.pull(0, open); err != nil {
				return err
			}
		}
		w := <-words
		if w.err == nil && w.open != open {
			w.err = fmt.Errorf("told as open: %v", w.open)
		}
		if w.err != nil {
			return fmt.Errorf("movement %d: %w", i, w.err)
		}
		if i > 0 {
			took = append(took, w.at.Sub(began))
		}
		time.Sleep(20 * time.Millisecond) // so that it waits
	}
	return json.NewEncoder(os.Stdout).Encode(spreadOf(took, 0))
}

// outputs measures one Out, which returns when the line has its level.
func outputs(args []string) error {
	flags := flag.NewFlagSet("outputs", flag.ExitOnError)
	name := flags.String("line", "", "name of the line")
	count := flags.Int("count", 2000, "of changes")
	own := flags.Bool("periph", false, "use periph's own driver")
	_ = flags.Parse(args) // it exits
	p, err := pin(*name, *own)
	if err != nil {
		return err
	}
	if err := p.Out(periph.Low); err != nil {
		return err
	}
	var took []time.Duration
	for i := range *count {
		began := time.Now()
		if err := p.Out(i%2 == 0); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	return json.NewEncoder(os.Stdout).Encode(spreadOf(took, 0))
}
