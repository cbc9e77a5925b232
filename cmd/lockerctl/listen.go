package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

// listen shows what scanners and badge readers send while lockerd runs.
func (t tool) listen(ctx context.Context, flags *flag.FlagSet, args []string) error {
	socket := flags.String("socket", "", "")
	if err := flags.Parse(args); err != nil {
		return misused("%v", err)
	}
	if *socket == "" || flags.NArg() > 1 {
		return misused("wants -socket of the terminal's daemon, and one source or none")
	}
	ready := func() {
		fmt.Fprintln(t.stderr, "listening: hold something up to the reader; 9 stands for a digit, A and a for a letter")
	}
	err := daemon.Dial(*socket).Listen(ctx, locker.Source(flags.Arg(0)), ready, t.heard)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (t tool) heard(h daemon.Heard) error {
	at := h.Time.Format("15:04:05")
	switch {
	case h.Failed != "":
		return t.print("%s %s is not there: %s\n", at, h.Scanner, h.Failed)
	case h.Refused != "":
		return t.print("%s %s refused %d bytes: %s\n", at, h.Scanner, h.Length, h.Refused)
	}
	return t.print("%s %s read %d bytes: %s\n", at, h.Scanner, h.Length, h.Text)
}
