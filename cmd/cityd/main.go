// Command cityd is the city's daemon: it takes the terminals' events, signs for
// them, and sends what the desks have to say. Its other commands ask the daemon
// that runs, over its Unix socket.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/nachtfach/nachtfach/locker/secretmem"
)

const usage = `Usage:
    cityd init [-dir DIR] [-broker URL] NAME
    cityd run -config FILE
    cityd identity                      what a terminal must know of this city
    cityd terminal add ID VERIFIER-KEY  register a terminal (its key: lockerd init)
    cityd terminal retire ID            close its log, because its board is replaced; prints
                                        what lockerd init -adopt wants to know
    cityd terminal adoption ID.N        print that once more
    cityd terminals                     list the terminals
    cityd events [-from N] TERMINAL     print the events, one a line
    cityd verify TERMINAL               compute the tree anew, compare its root
    cityd deposits TERMINAL             list what lies where
    cityd alarms [-all] [-lang de] [-json]  list the alarms that stand or that nobody has noted
    cityd letter [-json] ORDER          print the Abholcode once, mark it posted
    cityd letter -pdf FILE -to ADDRESS ORDER  the same as a letter for a window envelope
    cityd slip -pdf FILE ORDER          the slip that clerks scan at the terminal

init makes the city's two keys and a configuration in DIR (default: here). The
note key signs acknowledgements and posted letters; terminals refuse any other.
Letters are sealed to the letter key. Keep copies of both in a safe.

All commands but init take -config FILE (default: /etc/nachtfach/cityd.toml);
there they find the socket of the daemon, which must run. Flags may stand before
or after the arguments.

alarms lists what the terminals raised and what the city found itself; with -all
also what is over and noted. events prints JSON, one event a line; terminals,
deposits and alarms take -json.

letter shows the code exactly once. It is forgotten before it is printed, and
from that day on the document is kept. If paper jams: re-issue it. ADDRESS is a
file with 2 to 6 lines, or - for the input. Paper needs [town] and [[station]]
in the configuration.

Example:
    $ cityd init -dir city -broker tls://broker.example:8883 musterstadt
    $ cityd run -config city/cityd.toml &
    $ cityd terminal add -config city/cityd.toml rathaus-1 nachtfach.de/rathaus-1+…
    $ cityd letter -config city/cityd.toml 7f3a9c20
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := secretmem.Protect(); err != nil {
		fmt.Fprintf(os.Stderr, "cityd: warning: %v\n", err)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// errUsage is answered with the usage text.
var errUsage = errors.New("see cityd -h")

// run is the program without the process around it; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "cityd: %v\n", err)
		return 2
	}
	fmt.Fprintf(stderr, "cityd: %v\n", err)
	return 1
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("no command: %w", errUsage)
	}
	name, rest := args[0], args[1:]
	if name == "terminal" {
		if len(rest) == 0 {
			return fmt.Errorf("terminal: wants add, retire or adoption: %w", errUsage)
		}
		name, rest = "terminal "+rest[0], rest[1:]
	}
	switch name {
	case "-h", "-help", "--help", "help":
		return flag.ErrHelp
	case "init":
		return initialise(rest, stdout)
	case "run":
		return daemon(ctx, rest, stderr)
	}
	for _, c := range questions {
		if c.name == name {
			return c.ask(ctx, rest, stdout)
		}
	}
	return fmt.Errorf("unknown command %q: %w", name, errUsage)
}

// flags parses the arguments of one command, which wants n beside its flags;
// these may stand before, between and after them. f.Arg gives the n.
func flags(f *flag.FlagSet, args []string, n int) error {
	f.SetOutput(io.Discard)
	var given []string
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return fmt.Errorf("%s: %w: %w", f.Name(), err, errUsage)
		}
		if f.NArg() == 0 {
			break
		}
		given, args = append(given, f.Arg(0)), f.Args()[1:]
	}
	if len(given) != n {
		return fmt.Errorf("%s: %d arguments, wants %d: %w", f.Name(), len(given), n, errUsage)
	}
	return f.Parse(append([]string{"--"}, given...))
}
