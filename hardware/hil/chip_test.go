//go:build hil

package hil_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
)

// chip is a simulated GPIO chip.
type chip struct {
	m      *machine
	name   string
	label  string
	lines  []string
	folder string // the simulator's wires, in sysfs
	base   int    // of its lines in the kernel's trace
	live   bool
}

// chip makes one whose lines bear the names.
func (m *machine) chip(t *testing.T, label string, lines ...string) *chip {
	t.Helper()
	c := &chip{m: m, name: label, label: label, lines: lines}
	c.plug(t)
	t.Cleanup(func() {
		if c.live && !m.dead {
			c.unplug(t)
		}
	})
	return c
}

// config is the chip's folder in configfs (the kernel's
// Documentation/admin-guide/gpio/gpio-sim.rst).
func (c *chip) config() string { return "/sys/kernel/config/gpio-sim/" + c.name }

func (c *chip) plug(t *testing.T) {
	t.Helper()
	bank := c.config() + "/bank"
	c.m.call(t, "Folder", bank, nil)
	c.m.write(t, bank+"/num_lines", strconv.Itoa(len(c.lines)))
	c.m.write(t, bank+"/label", c.label)
	for i, name := range c.lines {
		line := fmt.Sprintf("%s/line%d", bank, i)
		c.m.call(t, "Folder", line, nil)
		c.m.write(t, line+"/name", name)
	}
	c.m.write(t, c.config()+"/live", "1")
	c.live = true
	c.folder = "/sys/devices/platform/" + c.m.read(t, c.config()+"/dev_name") + "/" + c.m.read(t, bank+"/chip_name")
	var labels []string
	c.m.call(t, "Glob", "/sys/class/gpio/gpiochip*/label", &labels)
	for _, path := range labels {
		if c.m.read(t, path) == c.label {
			c.base = must(strconv.Atoi(c.m.read(t, strings.TrimSuffix(path, "label")+"base")))
			return
		}
	}
	t.Fatalf("chip %s does not appear among %v", c.label, labels)
}

// unplug takes the chip away with all that belongs to it.
func (c *chip) unplug(t *testing.T) {
	t.Helper()
	c.m.write(t, c.config()+"/live", "0")
	c.live = false
	for i := range c.lines {
		c.m.call(t, "Remove", fmt.Sprintf("%s/bank/line%d", c.config(), i), nil)
	}
	c.m.call(t, "Remove", c.config()+"/bank", nil)
	c.m.call(t, "Remove", c.config(), nil)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (c *chip) offset(name string) int {
	for i, n := range c.lines {
		if n == name {
			return i
		}
	}
	panic("no line " + name)
}

// pull puts a level on a line from outside.
func (c *chip) pull(t *testing.T, name string, high bool) {
	t.Helper()
	text := "pull-down"
	if high {
		text = "pull-up"
	}
	c.m.write(t, fmt.Sprintf("%s/sim_gpio%d/pull", c.folder, c.offset(name)), text)
}

// level is what is on the wire.
func (c *chip) level(t *testing.T, name string) bool {
	t.Helper()
	return c.m.read(t, fmt.Sprintf("%s/sim_gpio%d/value", c.folder, c.offset(name))) == "1"
}

// wire is how the guest's wall names the line.
func (c *chip) wire(name string) protocol.Wire {
	return protocol.Wire{Chip: c.folder, Number: c.offset(name)}
}

// edge is a change that the kernel saw a driver make.
type edge struct {
	at     float64 // seconds of the monotonic clock
	line   string
	output bool // the line became, or is, an output
	high   bool // the level that was set; of a direction: unknown
	set    bool // a level was set; else the direction
}

// What the kernel's gpio tracepoints print (include/trace/events/gpio.h).
var (
	traceValue     = regexp.MustCompile(`([0-9.]+): gpio_value: (\d+) (set|get) ([01])`)
	traceDirection = regexp.MustCompile(`([0-9.]+): gpio_direction: (\d+) +(in|out) \((-?\d+)\)`)
)

// forget empties the kernel's trace.
func (m *machine) forget(t *testing.T) {
	t.Helper()
	m.write(t, "/sys/kernel/tracing/trace", "")
}

// edges are the changes on the chip's lines since forget, oldest first. Lost
// events would be a hole in the evidence: the test ends.
func (c *chip) edges(t *testing.T) []edge {
	t.Helper()
	var found []edge
	text := c.m.read(t, "/sys/kernel/tracing/trace")
	if strings.Contains(text, "LOST") {
		t.Fatal("the kernel's trace has lost events")
	}
	for _, row := range strings.Split(text, "\n") {
		if v := traceValue.FindStringSubmatch(row); v != nil && v[3] == "set" {
			if name, ours := c.named(v[2]); ours {
				found = append(found, edge{at: must(strconv.ParseFloat(v[1], 64)), line: name, output: true, set: true, high: v[4] == "1"})
			}
		} else if d := traceDirection.FindStringSubmatch(row); d != nil {
			if name, ours := c.named(d[2]); ours {
				found = append(found, edge{at: must(strconv.ParseFloat(d[1], 64)), line: name, output: d[3] == "out"})
			}
		}
	}
	return found
}

func (c *chip) named(number string) (string, bool) {
	n := must(strconv.Atoi(number)) - c.base
	if n < 0 || n >= len(c.lines) {
		return "", false
	}
	return c.lines[n], true
}
