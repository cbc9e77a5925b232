// Command lockerctl is the command line of desks and admins: it makes orders,
// commands and rosters, signs them with a person's SSH key and hands them to the city's
// daemon; it reads a terminal's journal; and it shows what the fingerprint
// engine sees.
//
// It opens no door, and nobody trusts it: the terminal verifies each signature.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/locker/secretmem"
)

const usage = `Usage:
    lockerctl order new -city SOCKET -key KEY -terminal T -identity FILE
                        (-finger POSITION=IMAGE,IMAGE,IMAGE... | -number N)
                        [-kind KIND] [-size SIZE] [-low-reach] [-pin-letter] [-training] [-dpi N]
                        [-hands-checked]
    lockerctl order list     -city SOCKET [-json] TERMINAL
    lockerctl order show     -city SOCKET [-json] ORDER
    lockerctl order arrived  -city SOCKET ORDER
    lockerctl order withdraw -city SOCKET -key KEY ORDER
    lockerctl order reissue  -city SOCKET -key KEY ORDER
    lockerctl order receipt  -city SOCKET [-json] ORDER

    lockerctl roster new [-from ROSTER] [-o ROSTER] DESCRIPTION
    lockerctl roster sign -key KEY ROSTER
    lockerctl roster check [-before ROSTER] [-city SOCKET [-lose-orders]] ROSTER
    lockerctl roster show [-json] ROSTER
    lockerctl roster submit -city SOCKET -identity FILE [-lose-orders] ROSTER
    lockerctl roster signers ROSTER

    lockerctl command new  -city SOCKET -terminal T [-key KEY]... [-o FILE] [-wait TIME] KIND [OBJECT]
    lockerctl command sign -key KEY FILE
    lockerctl command send -city SOCKET [-wait TIME] FILE [SIGNATURE...]

    lockerctl terminal inside    -city SOCKET [-json] TERMINAL
    lockerctl terminal recovered -city SOCKET TERMINAL

    lockerctl journal dump (-socket SOCKET | -file FILE) [-from N]
    lockerctl journal verify (-file FILE | -export EXPORT) [-identity FILE] [-city-identity FILE]
    lockerctl journal export -file FILE [-order ORDER] -o EXPORT
    lockerctl journal timeline (-socket SOCKET | -file FILE | -export EXPORT -identity FILE) [-json] ORDER
    lockerctl journal incident (-socket SOCKET | -file FILE | -export EXPORT -identity FILE) [-json] NUMBER
    lockerctl journal check -file FILE

    lockerctl wiring -config FILE -o PAGE
    lockerctl exercise -socket SOCKET [COMPARTMENT...]
    lockerctl listen -socket SOCKET [SOURCE]

    lockerctl fingerprint extract [-dpi N] [-plain] -o TEMPLATE IMAGE
    lockerctl fingerprint compare [-dpi N] [-fmr RATE] [-json] PROBE CANDIDATE
    lockerctl fingerprint quality [-dpi N] [-json] IMAGE
    lockerctl fingerprint show [-dpi N] -o PICTURE IMAGE
    lockerctl fingerprint score [-dpi N] [-crop PIXELS] [-plain] [-only SET,...] -o SCORES DIR...
    lockerctl fingerprint curves [-only PREFIX] -o PICTURE NAME=SCORES...

SOCKET is the Unix socket of the city's daemon (cityd), for journal, exercise
and listen the one of the terminal's (lockerd). SOURCE is citizen, barcode or badge. Flags may stand before or after the arguments.

KEY is the file of a private SSH key, Ed25519 or ECDSA, of mode 0600 and without
passphrase. If it is a public key (.pub), ssh-agent signs: for keys with a
passphrase and for security keys. Desks sign orders and withdrawals, admins
re-issues and rosters.

wiring writes a page to print: which lock, contact, light and sensor hangs on which
chip or board, line and terminal block, from lockerd's configuration. exercise
asks a running lockerd that the next round of two clerks pulses the locks of empty
and vacated compartments, all or those named, and measures their doors; it moves
nothing by itself.

order new makes an order of a finger's pictures, three of each finger, one or
two fingers, and prints its id. The city holds it until "order arrived". It is
sealed to a key that the terminal signed for, which is held against what
"lockerd init" printed there (-identity): the city cannot read it. With
-number N a number of 6 to 12 digits takes the place of fingers; "-" reads it
from standard input, where nobody else on the machine sees it.
    POSITION  1 to 10, or right-thumb, right-index, … left-little
    KIND      identity_card (default), passport, residence_permit, other
    SIZE      small (default), medium, large

order show prints what became of the order, and where its document is.

order reissue makes a new letter with a new code; the one before it dies.

order receipt prints a deletion's receipt for each generation of the order's
deposit: a commitment to the key without which its factor is noise, since when
the key is erased, and how: "logical" is overwritten in place, "physical" is
also gone from a chip that the copies of a disk lack.

command new shows the text of an admin's command, signs it with each KEY and
sends it. It lives for nine minutes and until the terminal's next start. None
opens a door. enable, unlock, declare and clock want two different admins: give two
keys, or -o FILE, and the second admin signs the file. What is signed with
"ssh-keygen -Y sign -n command@nachtfach.de FILE" is sent with its SIGNATURE.
    revoke ORDER              its code dies; two clerks take the document out
    extend ORDER DAYS         of retention
    disable|enable NUMBER     of a compartment: not loaded, not opened for citizens
    lock|unlock               the terminal for citizens
    hours HOURS               "mon 06:00-22:00, sat 08:00-14:00", always, configured
    unblock PERSON            a clerk after five wrong numbers, beside a colleague
    reissue ORDER             a new letter with a new code
    diagnose, resend          what the parts say; the whole journal once more
    burglary                  visits end, the list of what lies inside goes out
    clock forward|back TIME   sets the terminal's clock, by a duration such as 2h30m
    declare                   stolen: all its codes, letters and keys die, here and there
Once sent, it waits for the terminal's answer, for a minute or the TIME of -wait
(0s: not at all), and prints it. It exits with 0 if the terminal followed the
command, 1 if it refused, 3 if there was no answer in time.
terminal inside prints the last such list; terminal recovered takes a
declaration back, not what it ended. roster signers prints the roster for
"ssh-keygen -Y verify -f".

roster new turns a description in TOML into a roster; the personal numbers leave
it as argon2id hashes. Who has no number there keeps the hash of the roster
given by -from. A clerk's security key is given in fido2, as "fido2-cred -V"
writes it, with the town's domain in rp_id. Two admins of the roster before it, for the first one of itself,
sign it one after the other. roster submit seals it to the terminal, whose keys
are in FILE as "lockerd init" printed them.

An order counts if its desk was in the roster in force when it was signed: who
leaves keeps the orders captured before. A key that was stolen or misused goes
into the description's revoked = ["ssh-ed25519 …"]: nothing that it signed counts.
roster check with -city, and roster submit, list the open orders that this would
make worthless, and refuse unless -lose-orders is given.

journal verify reads every event, computes the tree anew and prints its root, to
be compared with "cityd verify". With the terminal's public key, in what
"lockerd init" printed (-identity), it holds the log against the device's
signatures too, and with the city's, in what "cityd identity" prints, against
the last acknowledgement. It names the first event that does not hold. Before,
it has journal check look at the file's pages, in a process of its own: a
damaged file can bring its reader down.

journal export writes the events of one order, or all that were not pruned, with
the device's signed checkpoint and for each event the proof of its place in it:
journal verify -export checks that anywhere, with nothing but the public key.
journal timeline tells who had the documents of an order, from when to when,
and both clerks by their pseudonyms. journal incident tells the events of one
matter by the incident number that the kiosk printed.

A fingerprint is a picture (PNG, PGM) or a template (ISO/IEC 19794-2:2005).
fingerprint compare says "match" up to the estimated false match rate RATE,
1 in 10,000 unless given.

fingerprint show draws, side by side, the picture with its minutiae (endings
orange, forks blue), the ridges after enhancement, and the quality map from red
to green.

fingerprint score compares every pair of pictures FINGER_IMPRESSION.png of each
folder and writes database,probe,candidate,score, where database is the folder's
path below DIR. With -crop only so many pixels a side around the middle of each
print are used, with -plain minutiae alone. -only limits it to the databases
whose names begin with one of the given prefixes. fingerprint curves draws the
error rates of such scores (DET) as SVG, of the databases whose names begin with
PREFIX.

order new refuses pictures of a wrong resolution, negatives and pictures upside
down. It refuses two fingers whose loops open to the wrong side for their hands,
as mirrored scans do; -hands-checked takes them after a person has looked.

Example:
    $ lockerctl order new -city desk.sock -key ~/.ssh/desk -terminal rathaus-1 \
        -identity rathaus-1.json -finger right-index=a1.png,a2.png,a3.png
    JRGX2ZWNY6Q3TD5A
    $ lockerctl order arrived -city desk.sock JRGX2ZWNY6Q3TD5A
`

// tool is what the program is given.
type tool struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	rand           io.Reader
	agent          string        // ssh-agent's socket; empty: none
	patience       time.Duration // with a journal whose pages may lead in a circle
}

func main() {
	if err := secretmem.Protect(); err != nil {
		fmt.Fprintf(os.Stderr, "lockerctl: warning: %v\n", err)
	}
	os.Exit(start(10 * time.Second))
}

func start(patience time.Duration) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := tool{os.Stdin, os.Stdout, os.Stderr, time.Now, rand.Reader, os.Getenv("SSH_AUTH_SOCK"), patience}
	return t.run(ctx, os.Args[1:])
}

// run is the program without the process around it; it returns the exit code:
// 0 done, 1 failed or refused,
// 2 not understood, 3 no answer of a terminal in time.
func (t tool) run(ctx context.Context, args []string) int {
	err := t.dispatch(ctx, args)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		if _, err := io.WriteString(t.stdout, usage); err != nil {
			return 1
		}
		return 0
	}
	t.complain(err)
	switch {
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errNoAnswer):
		return 3
	}
	return 1
}

// complain says what is wrong, and what may help.
func (t tool) complain(err error) {
	fmt.Fprintf(t.stderr, "lockerctl: error: %v\n", err)
	var h *hintError
	for ; errors.As(err, &h); err = h.error {
		fmt.Fprintf(t.stderr, "lockerctl: hint: %s\n", h.hint)
	}
}

// errUsage tells a command line that was not understood.
var errUsage = errors.New("wrong usage")

// usageError is an errUsage that says what is wrong in its place.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }

func misused(form string, args ...any) error {
	return hint(usageError{fmt.Errorf(form, args...)}, `see "lockerctl -h"`)
}

// hintError says beside what is wrong what may help.
type hintError struct {
	error
	hint string
}

func (h *hintError) Unwrap() error { return h.error }

func hint(err error, form string, args ...any) error {
	return &hintError{err, fmt.Sprintf(form, args...)}
}

func (t tool) dispatch(ctx context.Context, args []string) error {
	commands := map[string]map[string]func(context.Context, *flag.FlagSet, []string) error{
		"order": {
			"receipt": t.orderReceipt, "list": t.orderList,
			"new": t.orderNew, "show": t.orderShow, "arrived": t.orderArrived,
			"withdraw": t.orderWithdraw, "reissue": t.orderReissue,
		},
		"command":  {"new": t.commandNew, "sign": t.commandSign, "send": t.commandSend},
		"terminal": {"inside": t.terminalInside, "recovered": t.terminalRecovered},
		"roster": {
			"new": t.rosterNew, "sign": t.rosterSign, "check": t.rosterCheck,
			"show": t.rosterShow, "submit": t.rosterSubmit, "signers": t.rosterSigners,
		},
		"wiring":   {"": t.wiring},
		"exercise": {"": t.exercise},
		"listen":   {"": t.listen},
		"journal": {
			"dump": t.journalDump, "verify": t.journalVerify, "check": t.journalCheck,
			"export": t.journalExport, "timeline": t.journalTimeline, "incident": t.journalIncident,
		},
		"fingerprint": {"extract": t.extract, "compare": t.compare, "quality": t.quality, "show": t.show, "score": t.score, "curves": t.curves},
	}
	if len(args) == 0 {
		return misused("no command")
	}
	if slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
		return flag.ErrHelp
	}
	group, ok := commands[args[0]]
	if !ok {
		return misused("there is no command %q; wants order, command, terminal, roster, journal, wiring, exercise or fingerprint", args[0])
	}
	if _, alone := group[""]; alone { // a command of one word
		args = slices.Insert(slices.Clone(args), 1, "")
	}
	if len(args) == 1 {
		return misused("%s: no command", args[0])
	}
	if len(args) > 1 && slices.ContainsFunc(args[1:min(3, len(args))], func(a string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, a) }) {
		return flag.ErrHelp
	}
	command, ok := group[args[1]]
	if !ok {
		return misused("there is no command %q", args[0]+" "+args[1])
	}
	flags := flag.NewFlagSet(strings.TrimSpace(args[0]+" "+args[1]), flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	if err := command(ctx, flags, args[2:]); err != nil {
		return fmt.Errorf("%s: %w", flags.Name(), err)
	}
	return nil
}

// parse reads flags, which may stand before, between and after the arguments,
// and wants as many of these as it is given names; the last may end in "…" and
// then stands for one or more.
func parse(flags *flag.FlagSet, args []string, names ...string) ([]string, error) {
	var given []string
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, misused("%w", err)
		}
		rest := flags.Args()
		if len(rest) == 0 {
			break
		}
		if len(rest) < len(args) && args[len(args)-len(rest)-1] == "--" {
			given = append(given, rest...)
			break
		}
		given, args = append(given, rest[0]), rest[1:]
	}
	many := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "…")
	switch {
	case len(given) < len(names):
		return nil, misused("%s is missing", names[len(given)])
	case len(given) > len(names) && !many:
		return nil, misused("%q is one argument too many", given[len(names)])
	}
	return given, nil
}

// require fails if one of these flags was not given.
func require(flags *flag.FlagSet, names ...string) error {
	for _, name := range names {
		if flags.Lookup(name).Value.String() == "" {
			return misused("-%s is missing", name)
		}
	}
	return nil
}

func (t tool) print(form string, args ...any) error {
	_, err := fmt.Fprintf(t.stdout, form, args...)
	return err
}

// printJSON prints a value for other programs.
func (t tool) printJSON(v any) error {
	e := json.NewEncoder(t.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
