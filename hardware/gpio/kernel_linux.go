package gpio

import (
	"errors"

	"github.com/warthog618/go-gpiocdev"
	"periph.io/x/conn/v3/gpio"
)

// CharDev is the kernel's own character devices, /dev/gpiochip0 and on.
func CharDev() Kernel { return charDev{} }

type charDev struct{}

func (charDev) Chips() []string {
	var chips []string
	for _, name := range gpiocdev.Chips() {
		// A link to another chip's file, as one board's compatibility has it, is none.
		if err := gpiocdev.IsChip(name); !errors.Is(err, gpiocdev.ErrNotCharacterDevice) {
			chips = append(chips, name)
		}
	}
	return chips
}

func (charDev) OpenChip(name string) (Chip, error) {
	c, err := gpiocdev.NewChip(name)
	if err != nil {
		return nil, err
	}
	return charChip{c}, nil
}

type charChip struct{ *gpiocdev.Chip }

func (c charChip) Name() string  { return c.Chip.Name }
func (c charChip) Label() string { return c.Chip.Label }

func (c charChip) Info(offset int) (LineInfo, error) {
	info, err := c.LineInfo(offset)
	return LineInfo{Name: info.Name, Used: info.Used, Consumer: info.Consumer}, err
}

func (c charChip) Take(offset int, r Request) (Held, error) {
	options := []gpiocdev.LineReqOption{gpiocdev.WithConsumer(r.Consumer)}
	if r.Output {
		options = append(options, gpiocdev.AsOutput(value(r.Level)))
	} else {
		options = append(options, gpiocdev.AsInput)
		options = append(options, inputOptions(r)...)
	}
	l, err := c.RequestLine(offset, options...)
	if err != nil {
		return nil, err
	}
	return charLine{l}, nil
}

func inputOptions(r Request) []gpiocdev.LineReqOption {
	var options []gpiocdev.LineReqOption
	switch r.Pull {
	case gpio.PullUp:
		options = append(options, gpiocdev.WithPullUp)
	case gpio.PullDown:
		options = append(options, gpiocdev.WithPullDown)
	case gpio.Float:
		options = append(options, gpiocdev.WithBiasDisabled)
	case gpio.PullNoChange:
	}
	switch r.Edge {
	case gpio.RisingEdge:
		options = append(options, gpiocdev.WithRisingEdge)
	case gpio.FallingEdge:
		options = append(options, gpiocdev.WithFallingEdge)
	case gpio.BothEdges:
		options = append(options, gpiocdev.WithBothEdges)
	case gpio.NoEdge:
		return options
	}
	notify := r.Notify
	options = append(options, gpiocdev.WithEventHandler(func(gpiocdev.LineEvent) { notify() }))
	if r.Debounce > 0 {
		options = append(options, gpiocdev.WithDebounce(r.Debounce))
	}
	return options
}

type charLine struct{ line *gpiocdev.Line }

func (l charLine) Level() (gpio.Level, error) {
	v, err := l.line.Value()
	return v != 0, err
}

func (l charLine) Set(level gpio.Level) error { return l.line.SetValue(value(level)) }
func (l charLine) Close() error               { return l.line.Close() }

func value(level gpio.Level) int {
	if level {
		return 1
	}
	return 0
}
