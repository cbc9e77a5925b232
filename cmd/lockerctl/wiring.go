package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

//go:embed wiring.html
var wiringPage string

// wiringPlan is what the page shows.
type wiringPlan struct {
	Terminal    string
	Connections []daemon.Connection
	Blocks      []wiringBlock
}

// wiringBlock is one device with what hangs on it, in the order of its terminals.
type wiringBlock struct {
	Name, Device, Where string
	Connections         []daemon.Connection
}

// wiring writes the plan of what is connected where, from the configuration.
func (t tool) wiring(_ context.Context, flags *flag.FlagSet, args []string) error {
	config, to := flags.String("config", "/etc/nachtfach/lockerd.toml", ""), flags.String("o", "", "")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	if *to == "" {
		return misused("wants -o PAGE.html")
	}
	c, err := daemon.LoadConfig(*config)
	if err != nil {
		return err
	}
	page, err := template.New("wiring").Parse(wiringPage)
	if err != nil {
		return err
	}
	plan := newWiringPlan(c)
	if err := writeFile(*to, func(w io.Writer) error { return page.Execute(w, plan) }); err != nil {
		return err
	}
	return t.print("%s: %d connections of terminal %s on %d terminal blocks\n", *to, len(plan.Connections), c.Terminal, len(plan.Blocks))
}

func newWiringPlan(c daemon.Config) wiringPlan {
	p := wiringPlan{Terminal: c.Terminal, Connections: c.Plan()}
	for _, k := range p.Connections {
		name, _, _ := strings.Cut(k.Block, ":")
		i := slices.IndexFunc(p.Blocks, func(b wiringBlock) bool { return b.Name == name })
		if i < 0 {
			i = len(p.Blocks)
			p.Blocks = append(p.Blocks, wiringBlock{Name: name, Device: k.Device, Where: k.Where})
		}
		p.Blocks[i].Connections = append(p.Blocks[i].Connections, k)
	}
	slices.SortFunc(p.Blocks, func(a, b wiringBlock) int { return naturally(a.Name, b.Name) })
	for _, b := range p.Blocks {
		slices.SortFunc(b.Connections, func(x, y daemon.Connection) int { return naturally(x.Block, y.Block) })
	}
	return p
}

// naturally orders X2:A10 behind X2:A9.
func naturally(a, b string) int {
	if len(a) != len(b) && strings.TrimRight(a, "0123456789") == strings.TrimRight(b, "0123456789") {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// exercise asks a terminal's daemon that the next round exercises locks.
func (t tool) exercise(ctx context.Context, flags *flag.FlagSet, args []string) error {
	socket := flags.String("socket", "", "")
	var wanted []locker.CompartmentID
	if err := flags.Parse(args); err != nil {
		return misused("%v", err)
	}
	for _, arg := range flags.Args() {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return misused("%q is no number of a compartment", arg)
		}
		wanted = append(wanted, locker.CompartmentID(n))
	}
	if *socket == "" {
		return misused("wants -socket of the terminal's daemon")
	}
	asked, err := daemon.Dial(*socket).Exercise(ctx, wanted)
	if err != nil {
		return err
	}
	return t.print("the next round of two clerks is asked to exercise the locks of compartments %s, as far as they are empty or vacated then\n",
		strings.Trim(fmt.Sprint(asked), "[]"))
}
