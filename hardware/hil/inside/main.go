//go:build linux

// Command inside does in the laboratory what a test wants of the drivers alone:
// it pulses locks, watches chattering doors and measures, and says what it saw
// line by line. What it says is never the evidence for what a line did.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

func main() {
	tasks := map[string]func([]string) error{
		"pulse": pulse, "chatter": chatter, "edges": edges, "outputs": outputs, "contacts": contacts, "hold": hold, "killer": killer,
		"keyboard": keyboard, "eavesdrop": eavesdrop, "typist": typist, "clock": clock,
	}
	task := tasks[os.Args[1]]
	if err := task(os.Args[2:]); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// pulse pulses the locks in turn, -count times each.
func pulse(args []string) error {
	flags := flag.NewFlagSet("pulse", flag.ExitOnError)
	low := flags.Bool("low", false, "the locks move at low level")
	lasts := flags.Duration("lasts", 400*time.Millisecond, "of a pulse")
	count := flags.Int("count", 1, "of pulses of each lock")
	lines := flags.String("lines", "", "names")
	_ = flags.Parse(args) // it exits
	coils, err := openCoils(strings.Split(*lines, ","), *low, *lasts)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for range *count {
		for _, c := range coils {
			if err := c.Pulse(context.Background()); err != nil {
				fmt.Printf("%s: %v\n", c.Name(), err)
			}
		}
	}
	fmt.Println("done")
	return nil
}

// hold has a line, until it is killed.
func hold(args []string) error {
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	name := flags.String("line", "", "name of the line")
	_ = flags.Parse(args) // it exits
	if _, err := openCoils([]string{*name}, false, 0); err != nil {
		return err
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
	return nil
}

func openCoils(names []string, low bool, lasts time.Duration) ([]*gpio.Coil, error) {
	power := supply.New()
	var coils []*gpio.Coil
	for _, name := range names {
		if _, err := gpio.RegisterLine(gpio.LineConfig{Name: name, Consumer: "inside"}); err != nil {
			return nil, err
		}
		c, err := gpio.OpenCoil(gpio.CoilConfig{Line: name, ActiveLow: low, Pulse: lasts, Supply: power})
		if err != nil {
			return nil, err
		}
		coils = append(coils, c)
	}
	return coils, nil
}
