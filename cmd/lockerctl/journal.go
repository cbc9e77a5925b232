package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/locker/journal"
)

func (t tool) journalDump(ctx context.Context, flags *flag.FlagSet, args []string) error {
	socket, file := flags.String("socket", "", ""), flags.String("file", "", "")
	from := flags.Uint64("from", 0, "")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	if (*socket == "") == (*file == "") {
		return misused("wants -socket of a daemon that runs, or -file of one that does not")
	}
	out := bufio.NewWriter(t.stdout)
	if *socket != "" {
		return errors.Join(dumpSocket(ctx, out, *socket, *from), out.Flush())
	}
	j, err := openJournal(*file)
	if err != nil {
		return err
	}
	return errors.Join(j.Dump(out, *from), out.Flush(), j.Close())
}

func openJournal(file string) (*journal.Journal, error) {
	j, err := journal.OpenReadOnly(file)
	return j, locked(err)
}

// locked says what to do about a journal that is in use.
func locked(err error) error {
	if errors.Is(err, journal.ErrLocked) {
		return hint(err, "lockerd runs; ask it with: lockerctl journal dump -socket SOCKET")
	}
	return err
}

// dumpSocket asks the terminal's daemon. An answer that breaks off looks like a
// short one, so the events' numbers are counted.
func dumpSocket(ctx context.Context, out io.Writer, socket string, from uint64) error {
	var dialer net.Dialer
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://lockerd/journal?from=%d", from), nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return hint(fmt.Errorf("ask lockerd: %w", err), "if lockerd does not run, read its journal with -file")
	case err != nil:
		return fmt.Errorf("ask lockerd: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(answer.Body, 1000)) // the status alone will do
		return fmt.Errorf("ask lockerd: %s: %s", answer.Status, bytes.TrimSpace(reason))
	}
	if first, err := strconv.ParseUint(answer.Header.Get(journal.FirstHeader), 10, 64); err == nil {
		from = max(from, first) // those before it were pruned
	}
	return copyEvents(out, answer.Body, from)
}

func copyEvents(out io.Writer, in io.Reader, next uint64) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 2*journal.MaxEvent)
	for ; lines.Scan(); next++ {
		sequence, _, _, err := journal.Decode(lines.Bytes())
		if err != nil {
			return fmt.Errorf("event %d: %w", next, err)
		}
		if sequence != next {
			return fmt.Errorf("event %d: lockerd sent event %d in its place", next, sequence)
		}
		if _, err := fmt.Fprintf(out, "%s\n", lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("event %d: the answer breaks off: %w", next, err)
	}
	return nil
}

// maxStack ends a walk over pages that lead in a circle before it eats the memory.
const maxStack = 16 << 20

// journalCheck looks for damage below the events, on a file that may bring down
// the process that reads it; journal verify therefore runs it apart.
func (t tool) journalCheck(_ context.Context, flags *flag.FlagSet, args []string) error {
	file := flags.String("file", "", "")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	if err := require(flags, "file"); err != nil {
		return err
	}
	debug.SetMaxStack(maxStack)
	if err := locked(journal.Check(*file)); err != nil {
		return err
	}
	return t.print("pages of %s: whole\n", *file)
}

// checkApart runs journal check in a process of its own. That it dies, or takes
// longer than reading so many bytes can, is damage too.
func (t tool) checkApart(ctx context.Context, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("check the pages of %s: %w", file, err)
	}
	limit := t.patience + time.Duration(info.Size()>>20)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	var says bytes.Buffer
	check := exec.CommandContext(ctx, self, "journal", "check", "-file", file) //nolint:gosec // G702: it runs itself, on the file it was given
	check.Args[0], check.Stderr = os.Args[0], &says
	err = check.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return retold(says.String())
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errTooLong):
		return fmt.Errorf("check the pages of %s: %w: reading them did not end within %v", file, journal.ErrCorrupt, limit)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("check the pages of %s: %w: reading them ended with %w", file, journal.ErrCorrupt, err)
}

var errTooLong = errors.New("took too long")

// retold is the error that another lockerctl printed.
func retold(says string) error {
	err := errors.New("journal check failed")
	for line := range strings.Lines(says) {
		line = strings.TrimSpace(line)
		if what, ok := strings.CutPrefix(line, "lockerctl: error: journal check: "); ok {
			err = errors.New(what)
		} else if what, ok := strings.CutPrefix(line, "lockerctl: hint: "); ok {
			err = hint(err, "%s", what)
		}
	}
	return err
}
