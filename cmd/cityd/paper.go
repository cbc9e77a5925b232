package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/letter"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// town is what stands on paper: who writes, and for how long a document is kept.
type town struct {
	letter.Town
	Retention string `toml:"retention"` // as the terminals have it; "168h"
}

// station is one terminal as citizens know it.
type station struct {
	letter.Station
	Terminal string `toml:"terminal"`
}

// maxAddress bounds what is read of an address: no envelope shows more.
const maxAddress = 4096

// paper holds what a letter needs besides the code, checked.
func (s settings) paper(terminal string) (letter.Letter, time.Duration, error) {
	var l letter.Letter
	if err := s.Town.Validate(); err != nil {
		return l, 0, fmt.Errorf("[town] of the configuration: %w", err)
	}
	retention := 7 * 24 * time.Hour
	if s.Town.Retention != "" {
		var err error
		if retention, err = time.ParseDuration(s.Town.Retention); err != nil || retention < 48*time.Hour {
			return l, 0, fmt.Errorf("[town] of the configuration: retention %q: wants a time of 48h or more, like 168h", s.Town.Retention)
		}
	}
	for _, known := range s.Station {
		if known.Terminal == terminal {
			if err := known.Validate(); err != nil {
				return l, 0, fmt.Errorf("[[station]] of terminal %s: %w", terminal, err)
			}
			return letter.Letter{Town: s.Town.Town, Station: known.Station}, retention, nil
		}
	}
	return l, 0, fmt.Errorf("terminal %s has no [[station]] in the configuration", terminal)
}

// letterPDF prints the order's letter into a new file. Everything that can fail
// is tried with a sample first: the code comes only once.
func letterPDF(ctx context.Context, c *api.Client, s settings, f *flag.FlagSet, file string) error {
	id, to := locker.OrderID(f.Arg(0)), value[string](f, "to")
	switch {
	case to == "":
		return errors.New("-pdf wants -to FILE with the address, - for the input")
	case value[bool](f, "json"):
		return errors.New("-pdf or -json: the code comes only once")
	}
	order, err := c.Order(ctx, id)
	if err != nil {
		return err
	}
	paper, retention, err := s.paper(order.Terminal)
	if err != nil {
		return err
	}
	if paper.To, err = readAddress(to); err != nil {
		return err
	}
	paper.Order = id
	if err := trial(paper); err != nil {
		return err
	}
	out, err := newFile(file)
	if err != nil {
		return err
	}
	l, err := c.Letter(ctx, id)
	if err != nil {
		return errors.Join(err, out.Close(), os.Remove(file))
	}
	paper.Code, paper.QR, paper.Fingers, paper.PINLetter, paper.Training = l.Code, l.QR, l.Fingers, l.PINLetter, l.Training
	if paper.Date, err = time.Parse(time.DateOnly, l.Posted); err == nil {
		paper.LastDay = letter.LastDay(paper.Date, retention)
		err = letter.Write(out, paper)
	}
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("the code was given out and is lost, re-issue it: %w", err)
	}
	return nil
}

// trial prints the longest letter that this one can become, into nothing.
func trial(l letter.Letter) error {
	code, err := pin.New(0, 0)
	if err != nil {
		return err
	}
	l.Code, l.QR, l.PINLetter, l.Training = code.Groups(), code.QR(), true, true
	l.Date = time.Date(2026, 9, 23, 0, 0, 0, 0, time.UTC) // a Wednesday in September: nothing is longer
	l.LastDay = l.Date.AddDate(0, 0, 7)
	l.Fingers = []int{5, 10}
	if err := letter.Write(io.Discard, l); err != nil {
		return err
	}
	l.Fingers = nil
	return letter.Write(io.Discard, l)
}

// readAddress reads the lines of an address.
func readAddress(path string) ([]string, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read the address: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxAddress+1))
	if err != nil {
		return nil, fmt.Errorf("read the address: %w", err)
	}
	if len(text) > maxAddress {
		return nil, fmt.Errorf("read the address: more than %d bytes", maxAddress)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// slipPDF prints the order's slip into a new file.
func slipPDF(ctx context.Context, c *api.Client, s settings, f *flag.FlagSet, file string) error {
	id := locker.OrderID(f.Arg(0))
	order, err := c.Order(ctx, id)
	if err != nil {
		return err
	}
	paper, _, err := s.paper(order.Terminal)
	if err != nil {
		return err
	}
	out, err := newFile(file)
	if err != nil {
		return err
	}
	err = letter.WriteSlip(out, letter.Slip{
		Town: paper.Town.Name, Station: paper.Station.Place.German, Terminal: order.Terminal, Order: id, Arrived: order.Since.Local(),
		Training: order.Training,
	})
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// slip without a file has nothing to show.
func slip(context.Context, *api.Client, *flag.FlagSet, io.Writer) error {
	return fmt.Errorf("wants -pdf FILE: %w", errUsage)
}

func newFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s is there already; it is not replaced", path)
	}
	return f, err
}
