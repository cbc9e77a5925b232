// Command lockerd runs one terminal.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"text/tabwriter"

	"github.com/nachtfach/nachtfach/hardware/watchdog"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/secretmem"
)

const usage = `Usage:
    lockerd run   -config FILE
    lockerd init  -config FILE -roster FILE [-adopt FILE]
    lockerd check -config FILE [-json]
    lockerd rekey -config FILE
    lockerd calibrate -config FILE
    lockerd clear-tpm -config FILE
    lockerd certificate-request -config FILE
    lockerd version

run starts the terminal and works until it is told to stop.

init makes the state folder of a new terminal: its keys, its key slots, its
journal, and its first roster, signed by two admins (lockerctl roster sign).
It prints what the city must know: compare the fingerprint at the desk. With
-adopt it takes over the wall of a terminal whose board died, was stolen or is
believed no more: FILE is what "cityd terminal retire" printed. Two clerks then
look into every compartment.

check tests the configuration and every lock, contact, light, sensor, reader and
scanner, heating, clock, wires, store and the broker, moves nothing, and prints a
table of what it found, by kind of part. It exits with 0 if all is well and with 1
if something is wrong or could not be checked. With -json it prints one list of
objects: kind, compartment, part, state, note, error, advice. The daemon must not
run: beside it check looks at nothing but says so.

rekey gives the terminal new keys of its own; no deposit is lost. The old key
signs for the new one in the journal, and the city follows. The daemon must not
run. It prints what "lockerctl roster submit" must know from then on.

calibrate measures key derivations on this board, idle, and prints what to put
into the configuration.

certificate-request prints the request (PKCS #10, PEM) for the certificate of
the terminal's connection to the broker, whose key lies in the TPM.

clear-tpm forgets what the hardware key holds, so that another state folder can
use it. What is sealed under its root key opens never again.

The keys of the configuration file are in docs/configuration.md.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := secretmem.Protect(); err != nil {
		fmt.Fprintf(os.Stderr, "lockerd: warning: %v\n", err)
	}
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, errFound) {
			fmt.Fprintf(os.Stderr, "lockerd: error: %v\n", err)
		}
		os.Exit(1)
	}
}

// errFound ends a check that found something; its table has said what.
var errFound = errors.New("something is wrong")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 1 && args[0] == "version" {
		_, err := fmt.Fprintln(stdout, version())
		return err
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		_, err := io.WriteString(stdout, usage)
		return err
	}
	flags := flag.NewFlagSet("lockerd "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	config := flags.String("config", "/etc/nachtfach/lockerd.toml", "configuration `file`")
	roster := flags.String("roster", "", "first roster, for init")
	adopt := flags.String("adopt", "", "what the city signed of the board before, for init")
	asJSON := flags.Bool("json", false, "print JSON, for check")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is one word too many; see lockerd help", flags.Arg(0))
	}
	commands := map[string]func(daemon.Config) error{
		"run":       func(c daemon.Config) error { return serve(ctx, c, stdout, stderr) },
		"init":      func(c daemon.Config) error { return initialise(c, *roster, *adopt, stdout) },
		"rekey":     func(c daemon.Config) error { return identity(stdout)(daemon.Rekey(c)) },
		"calibrate": func(daemon.Config) error { return daemon.Calibrate(stdout) },
		"clear-tpm": daemon.ClearTPM,
		"certificate-request": func(c daemon.Config) error {
			request, err := daemon.CertificateRequest(c)
			if err == nil {
				_, err = stdout.Write(request)
			}
			return err
		},
		"check": func(c daemon.Config) error { return check(ctx, c, *asJSON, stdout) },
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("no command %q; see lockerd help", args[0])
	}
	c, err := daemon.LoadConfig(*config)
	if err != nil {
		return err
	}
	return command(c)
}

func serve(ctx context.Context, c daemon.Config, stdout, stderr io.Writer) (err error) {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	service, err := watchdog.Systemd(os.Getenv, os.Getpid())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	d, err := daemon.Open(c, daemon.Options{Software: version(), Logger: log, Strict: true, Service: service})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "terminal %s ready, kiosk at http://%s/, token in %s\n", c.Terminal, d.Kiosk(), c.Token())
	err = d.Run(ctx)
	return errors.Join(err, d.Close())
}

func initialise(c daemon.Config, roster, adopt string, stdout io.Writer) error {
	if roster == "" {
		return errors.New("init: wants -roster FILE, signed by two admins; lockerctl roster sign makes it")
	}
	signed, err := os.ReadFile(roster)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	var id daemon.Identity
	if adopt == "" {
		id, err = daemon.Init(c, signed)
	} else {
		var note []byte
		if note, err = os.ReadFile(adopt); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		id, err = daemon.Adopt(c, signed, note)
	}
	return identity(stdout)(id, err)
}

// identity prints what the city must know.
func identity(stdout io.Writer) func(daemon.Identity, error) error {
	return func(id daemon.Identity, err error) error {
		if err != nil {
			return err
		}
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return out.Encode(id)
	}
}

func check(ctx context.Context, c daemon.Config, asJSON bool, stdout io.Writer) error {
	findings, err := daemon.Check(ctx, c)
	if err != nil {
		return err
	}
	wrong := 0
	for _, f := range findings {
		if f.Error != "" {
			wrong++
		}
	}
	if asJSON {
		err = json.NewEncoder(stdout).Encode(findings)
	} else {
		err = table(stdout, findings, wrong)
	}
	if err == nil && wrong > 0 {
		err = errFound
	}
	return err
}

func table(w io.Writer, findings []daemon.Finding, wrong int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tPART\tSTATE")
	kind := ""
	for _, f := range findings {
		shown := f.Kind
		if f.Kind == kind {
			shown = "" // the table is read by kind
		}
		kind = f.Kind
		fmt.Fprintf(t, "%s\t%s\t%s\n", shown, f.Part, verdict(f))
	}
	fmt.Fprintf(t, "\n%d parts, %d wrong\n", len(findings), wrong)
	return t.Flush()
}

// verdict is what a line says of its part.
func verdict(f daemon.Finding) string {
	switch {
	case f.Error != "" && f.Advice != "":
		return fmt.Sprintf("WRONG: %s (%s)", f.Error, f.Advice)
	case f.Error != "":
		return "WRONG: " + f.Error
	case f.Note != "":
		return fmt.Sprintf("ok: %s (%s)", f.State, f.Note)
	}
	return "ok: " + f.State
}

// release is what deploy/package calls this build, by the linker's -X.
var release string //nolint:gochecknoglobals // the linker can set nothing else

// version is what the build recorded of itself.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}
