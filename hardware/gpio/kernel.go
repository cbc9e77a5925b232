package gpio

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Kernel is what a Line needs of the kernel's GPIO character devices. CharDev
// is the real one. Errors unwrap to the kernel's: EBUSY, EACCES, ENODEV.
type Kernel interface {
	Chips() []string // names as in /dev; none where there are none
	OpenChip(name string) (Chip, error)
}

// Chip is one GPIO controller, open for questions.
type Chip interface {
	Name() string // the kernel's: two files may lead to one chip
	Label() string
	Lines() int
	Info(offset int) (LineInfo, error)
	Take(offset int, r Request) (Held, error)
	Close() error // lines that were taken stay taken
}

// LineInfo is what the kernel tells of a line to everybody.
type LineInfo struct {
	Name     string
	Used     bool
	Consumer string // who has it, if that was told
}

// Request is how a line is taken.
type Request struct {
	Consumer string     // what other programs are told
	Output   bool       // else an input
	Level    gpio.Level // of an output, set together with its direction

	Pull     gpio.Pull     // of an input
	Edge     gpio.Edge     // of an input
	Debounce time.Duration // of an input; 0: none
	Notify   func()        // called after each edge; must not block
}

// Held is a line that is ours until it is closed. Levels are the wire's.
type Held interface {
	Level() (gpio.Level, error) // of an output: what is on the wire
	Set(gpio.Level) error
	Close() error
}

// place is where a line was found.
type place struct {
	chip   Chip // open
	offset int
}

func (p place) String() string { return fmt.Sprintf("%s line %d", p.chip.Name(), p.offset) }

// locate finds a line on all chips: by the name that the board's description
// gives it, or as LABEL:OFFSET by its chip's label. One name for two lines is
// an error: nobody knows which lock is meant. The chip of the place is left
// open, so that it is still this one when the line is taken.
func locate(k Kernel, name string) (place, error) {
	var named, numbered []place
	var chips []Chip
	var refused []error
	for _, file := range k.Chips() {
		chip, err := k.OpenChip(file)
		switch {
		case err != nil:
			refused = append(refused, fmt.Errorf("%s: %w", file, explain(err)))
		case slices.ContainsFunc(chips, func(c Chip) bool { return c.Name() == chip.Name() }):
			_ = chip.Close() // another file that leads to the same chip
		default:
			chips = append(chips, chip)
			named = append(named, byName(chip, name)...)
			numbered = append(numbered, byOffset(chip, name)...)
		}
	}
	found := named
	if len(found) == 0 {
		found = numbered
	}
	for _, chip := range chips {
		if len(found) != 1 || chip != found[0].chip {
			_ = chip.Close()
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return place{}, fmt.Errorf("the name stands for %d lines (%s and %s): write LABEL:OFFSET", len(found), found[0], found[1])
	case len(refused) > 0:
		return place{}, fmt.Errorf("no such line on the %d chips that can be opened: %w", len(chips), errors.Join(refused...))
	case len(chips) == 0:
		return place{}, fmt.Errorf("there is no GPIO chip: %w", syscall.ENODEV)
	}
	return place{}, fmt.Errorf("no such line on %d chips: %w", len(chips), syscall.ENODEV)
}

func byName(chip Chip, name string) []place {
	var found []place
	for offset := range chip.Lines() {
		if info, err := chip.Info(offset); err == nil && info.Name == name {
			found = append(found, place{chip, offset})
		}
	}
	return found
}

func byOffset(chip Chip, name string) []place {
	i := strings.LastIndexByte(name, ':')
	if i < 1 || name[:i] != chip.Label() {
		return nil
	}
	offset, err := strconv.Atoi(name[i+1:])
	if err != nil || offset < 0 || offset >= chip.Lines() {
		return nil
	}
	return []place{{chip, offset}}
}

// explain adds what an installer can do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("this user may not use it (is it in the chip's group?): %w", err)
	case gone(err):
		return fmt.Errorf("the chip is gone: %w", err)
	}
	return err
}

// gone says whether the error means that the chip was taken away.
func gone(err error) bool {
	return errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENOENT)
}
