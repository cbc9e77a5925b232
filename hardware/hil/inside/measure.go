//go:build linux

package main

import (
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
