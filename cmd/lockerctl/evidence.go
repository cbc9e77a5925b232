package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
	"github.com/nachtfach/nachtfach/locker/timeline"
)

func (t tool) journalVerify(ctx context.Context, flags *flag.FlagSet, args []string) error {
	file, export := flags.String("file", "", ""), flags.String("export", "", "")
	identity, city := flags.String("identity", "", ""), flags.String("city-identity", "", "")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	if (*file == "") == (*export == "") {
		return misused("wants -file of a journal or -export of one")
	}
	trust, err := trusted(*identity, *city)
	if err != nil {
		return err
	}
	if *export != "" {
		return t.verifyExport(*export, trust)
	}
	if err := t.checkApart(ctx, *file); err != nil {
		return err
	}
	j, err := openJournal(*file)
	if err != nil {
		return err
	}
	size, root, err := j.Verify(trust)
	if err := errors.Join(err, j.Close()); err != nil {
		return err
	}
	said := "whole"
	if trust.Device != nil {
		said += ", signed by the device"
	}
	if trust.City != nil {
		said += fmt.Sprintf(", the first %d acknowledged by the city", j.Cursor())
	}
	if n := j.Pruned(); n > 0 {
		said += fmt.Sprintf("; of the first %d, the hashes alone are left", n)
	}
	return t.print("journal of terminal %s: %d events, root %s: %s\n", j.Terminal(), size, root, said)
}

func (t tool) verifyExport(path string, trust journal.Trust) error {
	x, err := readExport(path, trust, nil)
	if err != nil {
		return err
	}
	said := "the city's word is not asked"
	switch {
	case trust.City != nil && x.Acknowledged == 0:
		said = "the city has acknowledged none"
	case trust.City != nil:
		said = fmt.Sprintf("the city has acknowledged %d", x.Acknowledged)
	}
	return t.print("export of terminal %s: %d of %d events, root %s: each proved, signed by the device; %s\n",
		x.Terminal, x.Events, x.Size, x.Root, said)
}

// readExport verifies an export; a key is wanted.
func readExport(path string, trust journal.Trust, visit func(uint64, []byte) error) (journal.Exported, error) {
	if trust.Device == nil {
		return journal.Exported{}, misused("-identity is missing: an export proves nothing without the device's key")
	}
	f, err := os.Open(path)
	if err != nil {
		return journal.Exported{}, err
	}
	defer f.Close()
	x, err := journal.ReadExport(f, trust, visit)
	if err != nil {
		return x, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// trusted reads public keys from what "lockerd init" and "cityd identity"
// printed; a path that is empty gives none.
func trusted(identity, city string) (journal.Trust, error) {
	var trust journal.Trust
	if identity != "" {
		text, err := readFile(identity)
		if err != nil {
			return trust, err
		}
		var id struct {
			Verifier string `json:"verifier"`
		}
		if err := json.Unmarshal(text, &id); err != nil {
			return trust, fmt.Errorf("%s: wants what \"lockerd init\" printed: %w", identity, err)
		}
		if trust.Device, err = verifiers(id.Verifier); err != nil {
			return trust, fmt.Errorf("%s: verifier: %w", identity, err)
		}
	}
	if city != "" {
		text, err := readFile(city)
		if err != nil {
			return trust, err
		}
		first, _, _ := strings.Cut(string(text), "\n")
		if trust.City, err = verifiers(first); err != nil {
			return trust, fmt.Errorf("%s: wants what \"cityd identity\" printed: %w", city, err)
		}
	}
	return trust, nil
}

func verifiers(key string) (note.Verifiers, error) {
	v, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return nil, err
	}
	return note.VerifierList(v), nil
}

func (t tool) journalExport(_ context.Context, flags *flag.FlagSet, args []string) (err error) {
	file, order, to := flags.String("file", "", ""), flags.String("order", "", ""), flags.String("o", "", "")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	if err := require(flags, "file", "o"); err != nil {
		return err
	}
	j, err := openJournal(*file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	var sequences []uint64
	if *order != "" {
		history, err := historyOf("the order", *order, ofOrder, j.Events)
		if err != nil {
			return err
		}
		for _, e := range history {
			sequences = append(sequences, e.Sequence)
		}
	}
	if err := writeFile(*to, func(w io.Writer) error { return j.Export(w, sequences) }); err != nil {
		return err
	}
	n := uint64(len(sequences))
	if *order == "" {
		n = j.Size() - j.Pruned()
	}
	return t.print("%s: %d of %d events of terminal %s, with their proofs\n", *to, n, j.Size(), j.Terminal())
}

// writeFile makes a file that must not be there yet; one that was not
// completed does not stay.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	err = errors.Join(write(out), out.Flush(), f.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// reading gives a reader of events by the flags -socket, -file and -export, and
// its end.
func (t tool) reading(ctx context.Context, flags *flag.FlagSet) func() (read func(from uint64, f func(uint64, locker.Event) error) error, end func() error, err error) {
	socket, file := flags.String("socket", "", ""), flags.String("file", "", "")
	export, identity := flags.String("export", "", ""), flags.String("identity", "", "")
	return func() (read func(uint64, func(uint64, locker.Event) error) error, end func() error, err error) {
		end = func() error { return nil }
		switch {
		case *socket != "" && *file+*export == "":
			return func(from uint64, f func(uint64, locker.Event) error) error {
				var dump bytes.Buffer
				if err := dumpSocket(ctx, &dump, *socket, from); err != nil {
					return err
				}
				return decoded(bytes.Lines(dump.Bytes()), f)
			}, end, nil
		case *file != "" && *socket+*export == "":
			j, err := openJournal(*file)
			if err != nil {
				return nil, nil, err
			}
			return j.Events, j.Close, nil
		case *export != "" && *socket+*file == "":
			trust, err := trusted(*identity, "")
			if err != nil {
				return nil, nil, err
			}
			return func(_ uint64, f func(uint64, locker.Event) error) error {
				_, err := readExport(*export, trust, func(_ uint64, body []byte) error { return decode(body, f) })
				return err
			}, end, nil
		}
		return nil, nil, misused("wants one of -socket, -file and -export")
	}
}

func (t tool) journalTimeline(ctx context.Context, flags *flag.FlagSet, args []string) error {
	return t.journalTells(ctx, flags, args, "ORDER", "the order", ofOrder)
}

func ofOrder(order string, events iter.Seq2[uint64, locker.Event]) []timeline.Entry {
	return timeline.Of(locker.OrderID(order), events)
}

func (t tool) journalIncident(ctx context.Context, flags *flag.FlagSet, args []string) error {
	return t.journalTells(ctx, flags, args, "NUMBER", "the incident", timeline.OfIncident)
}

// journalTells prints the events that belong to what is named.
func (t tool) journalTells(ctx context.Context, flags *flag.FlagSet, args []string, name, what string, of func(string, iter.Seq2[uint64, locker.Event]) []timeline.Entry) (err error) {
	reading, asJSON := t.reading(ctx, flags), flags.Bool("json", false, "")
	given, err := parse(flags, args, name)
	if err != nil {
		return err
	}
	read, end, err := reading()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	history, err := historyOf(what, given[0], of, read)
	if err != nil {
		return err
	}
	return t.tell(history, *asJSON)
}

func decoded(lines func(func([]byte) bool), f func(uint64, locker.Event) error) (err error) {
	for line := range lines {
		if err = decode(line, f); err != nil {
			break
		}
	}
	return err
}

func decode(body []byte, f func(uint64, locker.Event) error) error {
	sequence, _, e, err := journal.Decode(body)
	if err != nil {
		return err
	}
	return f(sequence, e)
}

// errEnough ends a reader whose events nobody wants any more.
var errEnough = errors.New("enough")

// historyOf are the events of an order or a matter; one that is not there is an
// error.
func historyOf(what, name string, of func(string, iter.Seq2[uint64, locker.Event]) []timeline.Entry, read func(from uint64, f func(uint64, locker.Event) error) error) ([]timeline.Entry, error) {
	var failed error
	history := of(name, func(yield func(uint64, locker.Event) bool) {
		failed = read(0, func(n uint64, e locker.Event) error {
			if !yield(n, e) {
				return errEnough
			}
			return nil
		})
	})
	switch {
	case failed != nil && !errors.Is(failed, errEnough):
		return nil, failed
	case len(history) == 0:
		return nil, fmt.Errorf("no event names %s %.40q", what, name)
	}
	return history, nil
}

func (t tool) tell(history []timeline.Entry, asJSON bool) error {
	if asJSON {
		type told struct {
			Time  string             `json:"time"`
			Clock locker.TimeQuality `json:"clock"`
			timeline.Entry
		}
		out := json.NewEncoder(t.stdout)
		for _, e := range history {
			if err := out.Encode(told{e.Event.Time.Format("2006-01-02T15:04:05.000Z07:00"), e.Event.Quality, e}); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "EVENT\tTIME (UTC)\tCLOCK\tWHAT\tCOMPARTMENT\tWHO\tTHEN WITH\tDETAIL")
	for _, e := range history {
		place := "-"
		if e.Compartment != 0 {
			place = fmt.Sprint(e.Compartment)
		}
		who := make([]string, len(e.People))
		for i, p := range e.People {
			who[i] = string(p)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Sequence, e.Event.Time.UTC().Format("2006-01-02 15:04:05"), e.Event.Quality,
			e.What, place, orDash(strings.Join(who, ", ")), orDash(string(e.Custody)), orDash(printable(e.Detail)))
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable keeps a text from outside from steering the terminal that shows it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
