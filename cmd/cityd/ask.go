package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/console"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// question is a command that asks the daemon that runs.
type question struct {
	name string
	args int
	flag func(*flag.FlagSet) // its own flags; nil: none
	do   func(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error

	// pdf is done in place of do when -pdf names a file.
	pdf func(ctx context.Context, c *api.Client, s settings, f *flag.FlagSet, file string) error
}

var questions = []question{
	{name: "identity", do: identity},
	{name: "terminal add", args: 2, do: func(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
		if err := c.AddTerminal(ctx, f.Arg(0), f.Arg(1)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s is known by %s\ncompare with what lockerd init printed at the terminal\n", f.Arg(0), envelope.Fingerprint(f.Arg(1)))
		return err
	}},
	{name: "terminal retire", args: 1, do: func(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
		return adoption(out)(c.Retire(ctx, f.Arg(0)))
	}},
	{name: "terminal adoption", args: 1, do: func(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
		return adoption(out)(c.Adoption(ctx, f.Arg(0)))
	}},
	{name: "terminals", flag: jsonFlag, do: terminals},
	{name: "events", args: 1, flag: func(f *flag.FlagSet) { f.Uint64("from", 0, "") }, do: events},
	{name: "verify", args: 1, do: verify},
	{name: "deposits", args: 1, flag: jsonFlag, do: deposits},
	{name: "alarms", flag: func(f *flag.FlagSet) {
		f.Bool("all", false, "")
		f.Bool("json", false, "")
		f.String("lang", "en", "")
	}, do: alarms},
	{name: "letter", args: 1, flag: func(f *flag.FlagSet) {
		f.Bool("json", false, "")
		f.String("pdf", "", "")
		f.String("to", "", "")
	}, do: letterText, pdf: letterPDF},
	{name: "slip", args: 1, flag: func(f *flag.FlagSet) { f.String("pdf", "", "") }, do: slip, pdf: slipPDF},
}

func (q question) ask(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet(q.name, flag.ContinueOnError)
	path := f.String("config", defaultConfig, "")
	if q.flag != nil {
		q.flag(f)
	}
	if err := flags(f, args, q.args); err != nil {
		return err
	}
	s, err := readSettings(*path)
	if err != nil {
		return err
	}
	c := api.Dial(s.Socket)
	if q.pdf != nil && value[string](f, "pdf") != "" {
		err = q.pdf(ctx, c, s, f, value[string](f, "pdf"))
	} else {
		err = q.do(ctx, c, f, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", q.name, err)
	}
	return nil
}

func jsonFlag(f *flag.FlagSet) { f.Bool("json", false, "") }

func value[T any](f *flag.FlagSet, name string) T {
	v, _ := f.Lookup(name).Value.(flag.Getter).Get().(T) // the table above defines it
	return v
}

func identity(ctx context.Context, c *api.Client, _ *flag.FlagSet, out io.Writer) error {
	id, err := c.Identity(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n%s", id.Verifier, envelope.EncodeKey(envelope.LetterKey, false, id.LetterKey))
	return err
}

// adoption prints the note for the next board.
func adoption(out io.Writer) func(api.Retired, error) error {
	return func(r api.Retired, err error) error {
		if err != nil {
			return err
		}
		_, err = out.Write(r.Adoption)
		return err
	}
}

// table writes columns under their titles.
func table(out io.Writer, titles string, rows func(row func(columns ...any))) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(titles, " ", "\t"))
	rows(func(columns ...any) {
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = fmt.Sprint(c)
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	})
	return w.Flush()
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func terminals(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
	all, err := c.Terminals(ctx)
	if err != nil {
		return err
	}
	if value[bool](f, "json") {
		return list(out, all)
	}
	return table(out, "TERMINAL LINE SINCE EVENTS", func(row func(...any)) {
		for _, t := range all {
			line := "offline"
			if t.Online {
				line = "online"
			}
			row(t.ID, line, when(t.Since), t.Size)
		}
	})
}

func events(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
	from := value[uint64](f, "from")
	for {
		some, err := c.Events(ctx, f.Arg(0), from, 1000)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, e := range some {
			if _, err := fmt.Fprintf(out, "%s\n", e.Body); err != nil {
				return err
			}
			from = e.Sequence + 1
		}
	}
}

func verify(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
	tree, err := c.Verify(ctx, f.Arg(0))
	if err != nil {
		return err
	}
	pruned := ""
	if tree.Pruned > 0 {
		pruned = fmt.Sprintf("; of the first %d, the hashes alone are left", tree.Pruned)
	}
	_, err = fmt.Fprintf(out, "%d events, root %s, as the device signed it%s\n", tree.Size, tree.Root, pruned)
	return err
}

func deposits(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
	all, err := c.Deposits(ctx, f.Arg(0))
	if err != nil {
		return err
	}
	if value[bool](f, "json") {
		return list(out, all)
	}
	return table(out, "GENERATION ORDER COMPARTMENT STATE SINCE POSTED SLOT", func(row func(...any)) {
		for _, d := range all {
			state, slot, posted := string(d.State), "living", d.Posted
			if d.Expired {
				state += ",expired"
			}
			if d.Erased {
				slot = "erased"
			}
			if posted == "" {
				posted = "-"
			}
			row(d.Generation, d.Order, d.Compartment, state, when(d.Since), posted, slot)
		}
	})
}

// alarms lists what the terminals raised and what the city found: what somebody
// should look at, or everything.
func alarms(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
	german := value[string](f, "lang") == "de"
	if !german && value[string](f, "lang") != "en" {
		return fmt.Errorf("-lang %q: wants en or de", value[string](f, "lang"))
	}
	all, err := c.Alarms(ctx)
	if err != nil {
		return err
	}
	if !value[bool](f, "all") {
		all = slices.DeleteFunc(all, func(t api.Trouble) bool { return !t.Open() })
	}
	if value[bool](f, "json") {
		return list(out, all)
	}
	return table(out, "SINCE STATE CLASS TERMINAL COMPARTMENT ALARM DETAIL", func(row func(...any)) {
		for _, t := range all {
			state := "stands"
			switch {
			case t.Counts():
				state = fmt.Sprintf("%d×, last %s", t.Times, when(t.Last))
			case !t.Cleared.IsZero():
				state = "over since " + when(t.Cleared)
			}
			door := "-"
			if t.Compartment != 0 {
				door = fmt.Sprint(t.Compartment)
			}
			words, english := console.AlarmWords(t.Kind)
			if !german {
				words = english
			}
			row(when(t.Since), state, t.Class, cmp.Or(t.Terminal, "-"), door, words, t.Detail)
		}
	})
}

// list writes one JSON array, also of nothing.
func list[T any](out io.Writer, all []T) error {
	if all == nil {
		all = []T{}
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

// letterText prints in German: it is for the citizen's envelope.
func letterText(ctx context.Context, c *api.Client, f *flag.FlagSet, out io.Writer) error {
	l, err := c.Letter(ctx, locker.OrderID(f.Arg(0)))
	if err != nil {
		return err
	}
	if value[bool](f, "json") {
		return json.NewEncoder(out).Encode(l)
	}
	fmt.Fprintf(out, "Abholstation  %s\nAbholauftrag  %s\nAbholcode     %s\nQR-Code       %s\n",
		l.Terminal, l.Order, strings.Join(l.Code[:], " "), l.QR)
	for _, p := range l.Fingers {
		fmt.Fprintf(out, "Finger        %s\n", finger(p))
	}
	if l.Training {
		fmt.Fprintln(out, "Übung         kein echtes Dokument")
	}
	if l.PINLetter {
		fmt.Fprintln(out, "PIN-Brief     Empfang wird an der Station bestätigt")
	}
	_, err = fmt.Fprintf(out, "Versandt      %s\n", l.Posted)
	return err
}

// finger names a position of ISO/IEC 19794-2:2005, table 5.
func finger(position int) string {
	if position < 1 || position > 10 {
		return fmt.Sprintf("Nummer %d", position)
	}
	hand := []string{"rechts", "links"}[(position-1)/5]
	return hand + ", " + []string{"Daumen", "Zeigefinger", "Mittelfinger", "Ringfinger", "kleiner Finger"}[(position-1)%5]
}
