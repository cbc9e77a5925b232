package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// keysFlag collects -key, which may be given once for each admin present.
type keysFlag []string

// String implements flag.Value.
func (k *keysFlag) String() string { return strings.Join(*k, ",") }

// Set implements flag.Value.
func (k *keysFlag) Set(path string) error {
	if len(*k) == 2 {
		return errors.New("two admins are enough")
	}
	*k = append(*k, path)
	return nil
}

// commandNew has the city draft a command, shows what it says, has it signed,
// and sends it when all signatures are there that it wants.
func (t tool) commandNew(ctx context.Context, flags *flag.FlagSet, args []string) error {
	socket, terminal, out := flags.String("city", "", ""), flags.String("terminal", "", ""), flags.String("o", "", "")
	wait := flags.Duration("wait", defaultWait, "")
	var keys keysFlag
	flags.Var(&keys, "key", "")
	given, err := parse(flags, args, "KIND…")
	if err != nil {
		return err
	}
	if err := require(flags, "city", "terminal"); err != nil {
		return err
	}
	asked, err := readCommand(given)
	if err != nil {
		return err
	}
	wanted := 1
	if asked.Kind.Grave() {
		wanted = 2
	}
	if len(keys) < wanted && *out == "" {
		return misused("command %s wants %d keys, or -o FILE to have it signed elsewhere", asked.Kind, wanted)
	}
	city := api.Dial(*socket)
	draft, err := city.DraftCommand(ctx, *terminal, asked)
	if err != nil {
		return err
	}
	text := draft.Text
	if err := sameCommand(text, *terminal, asked); err != nil {
		return err
	}
	if err := t.print("%s", text); err != nil {
		return err
	}
	for _, path := range keys {
		if text, err = t.signWith(ctx, path, text); err != nil {
			return err
		}
	}
	if len(keys) >= wanted {
		return t.sendCommand(ctx, city, text, *wait)
	}
	if err := replace(*out, text); err != nil {
		return err
	}
	return t.print("written to %s: %d of %d signatures; valid until %s\n", *out, len(keys), wanted, draft.Expires.UTC().Format("15:04:05 UTC"))
}

// signWith adds a key's signature. The namespace is ours: what the city drafts
// is signed as a command or not at all.
func (t tool) signWith(ctx context.Context, path string, text []byte) ([]byte, error) {
	by, err := t.openKey(ctx, path)
	if err != nil {
		return nil, err
	}
	defer by.Close()
	return envelope.Sign(by, envelope.NamespaceCommand, text)
}

// readCommand turns the command line's words into a command.
func readCommand(words []string) (locker.Command, error) {
	c := locker.Command{Kind: locker.CommandKind(words[0])}
	object := words[1:]
	number := func(i int) int {
		n, err := strconv.Atoi(object[i])
		if err != nil {
			return -1
		}
		return n
	}
	wants := map[locker.CommandKind][]string{
		locker.CommandReissue: {"ORDER"}, locker.CommandRevoke: {"ORDER"}, locker.CommandExtend: {"ORDER", "DAYS"},
		locker.CommandDisable: {"COMPARTMENT"}, locker.CommandEnable: {"COMPARTMENT"},
		locker.CommandHours: {"HOURS"}, locker.CommandUnblock: {"PERSON"}, locker.CommandClock: {"forward|back", "DURATION"},
	}[c.Kind]
	if len(object) != len(wants) {
		return c, misused("command %s: %d words follow, wants %s", c.Kind, len(object), strings.Join(append(wants, "no more"), ", "))
	}
	switch c.Kind {
	case locker.CommandReissue, locker.CommandRevoke:
		c.Order = locker.OrderID(object[0])
	case locker.CommandExtend:
		c.Order, c.Days = locker.OrderID(object[0]), number(1)
	case locker.CommandDisable, locker.CommandEnable:
		c.Compartment = locker.CompartmentID(number(0))
	case locker.CommandHours:
		c.Hours = object[0]
	case locker.CommandUnblock:
		c.Person = locker.Person(object[0])
	case locker.CommandClock:
		by, err := time.ParseDuration(object[1])
		if err != nil || by <= 0 || object[0] != "forward" && object[0] != "back" {
			return c, misused("command clock: %q %q: wants forward or back, and a duration such as 2h or 1h30m", object[0], object[1])
		}
		if object[0] == "back" {
			by = -by
		}
		c.Shift = locker.Duration(by)
	case locker.CommandLock, locker.CommandUnlock, locker.CommandDiagnose, locker.CommandResend, locker.CommandBurglary, locker.CommandDeclare:
	}
	checked := c
	if c.Order != "" {
		checked.Generation = 1 // the city fills it in
		if err := envelope.CheckOrderID(c.Order); err != nil {
			return c, misused("%w", err)
		}
	}
	if err := checked.Validate(); err != nil {
		return c, misused("%w", err)
	}
	return c, nil
}

// sameCommand looks at what an admin is about to sign: this command to this
// terminal, and nothing else. Of an order's deposit only the city knows the
// generation; it stands in the text that is shown.
func sameCommand(text []byte, terminal string, asked locker.Command) error {
	drafted, err := envelope.ParseCommand(text)
	if err != nil {
		return fmt.Errorf("the city drafts something that is no command: %w", err)
	}
	if asked.Order != "" && asked.Generation == 0 {
		asked.Generation = drafted.Generation
	}
	if drafted.Terminal != terminal || drafted.Command != asked {
		return fmt.Errorf("the city drafts command %s for terminal %s, asked was %s for %s; it is not signed", drafted.Kind, drafted.Terminal, asked.Kind, terminal)
	}
	return nil
}

// commandSign adds a signature to a command in a file, after showing it.
func (t tool) commandSign(ctx context.Context, flags *flag.FlagSet, args []string) error {
	key := flags.String("key", "", "")
	given, err := parse(flags, args, "FILE")
	if err != nil {
		return err
	}
	if err := require(flags, "key"); err != nil {
		return err
	}
	text, err := readFile(given[0])
	if err != nil {
		return err
	}
	if _, err := envelope.ParseCommand(envelope.Body(text)); err != nil {
		return fmt.Errorf("%s: %w", given[0], err)
	}
	if err := t.print("%s", envelope.Body(text)); err != nil {
		return err
	}
	if text, err = t.signWith(ctx, *key, text); err != nil {
		return err
	}
	if err := replace(given[0], text); err != nil {
		return err
	}
	return t.print("signed: %d signatures\n", envelope.Signatures(text))
}

// commandSend sends a signed command; signatures that ssh-keygen wrote into
// files of their own are put behind the text.
func (t tool) commandSend(ctx context.Context, flags *flag.FlagSet, args []string) error {
	socket, wait := flags.String("city", "", ""), flags.Duration("wait", defaultWait, "")
	given, err := parse(flags, args, "FILE…")
	if err != nil {
		return err
	}
	if err := require(flags, "city"); err != nil {
		return err
	}
	var text []byte
	for _, path := range given {
		part, err := readFile(path)
		if err != nil {
			return err
		}
		text = append(text, part...)
	}
	return t.sendCommand(ctx, api.Dial(*socket), text, *wait)
}

// sendCommand sends a signed command and waits so long for the terminal's answer;
// 0 waits for none.
func (t tool) sendCommand(ctx context.Context, city *api.Client, text []byte, wait time.Duration) error {
	c, err := envelope.ParseCommand(envelope.Body(text))
	if err != nil {
		return err
	}
	var from uint64
	if wait > 0 {
		if from, err = recorded(ctx, city, c.Terminal); err != nil {
			return err
		}
	}
	if err := city.Command(ctx, c.Terminal, text); err != nil {
		return err
	}
	if err := t.print("sent %s to terminal %s\n", c.Kind, c.Terminal); err != nil || wait <= 0 {
		return err
	}
	return t.awaitAnswer(ctx, city, c, from, wait)
}

// terminalInside prints the latest list of what lay inside.
func (t tool) terminalInside(ctx context.Context, flags *flag.FlagSet, args []string) error {
	asJSON := flags.Bool("json", false, "")
	city, terminal, err := terminalAt(flags, args)
	if err != nil {
		return err
	}
	b, err := city.Burglary(ctx, terminal)
	if err != nil {
		return err
	}
	if *asJSON {
		return t.printJSON(b)
	}
	if err := t.print("terminal %s, event %d of %s: %s; %d orders inside\n",
		b.Terminal, b.Sequence, b.Time.UTC().Format("2006-01-02 15:04:05 UTC"), b.Cause, len(b.Inside)); err != nil {
		return err
	}
	for _, i := range b.Inside {
		if err := t.print("compartment %d\torder %s\tgeneration %d\t%s\n", i.Compartment, i.Order, i.Generation, i.Custody); err != nil {
			return err
		}
	}
	return nil
}

// terminalRecovered takes back a declaration.
func (t tool) terminalRecovered(ctx context.Context, flags *flag.FlagSet, args []string) error {
	city, terminal, err := terminalAt(flags, args)
	if err != nil {
		return err
	}
	if err := city.Recovered(ctx, terminal); err != nil {
		return err
	}
	return t.print("terminal %s is no longer declared stolen; what was declared dead stays dead\n", terminal)
}

func terminalAt(flags *flag.FlagSet, args []string) (*api.Client, string, error) {
	socket := flags.String("city", "", "")
	given, err := parse(flags, args, "TERMINAL")
	if err != nil {
		return nil, "", err
	}
	if err := require(flags, "city"); err != nil {
		return nil, "", err
	}
	return api.Dial(*socket), given[0], envelope.CheckTerminal(given[0])
}

// rosterSigners prints a roster's people as OpenSSH's allowed_signers (see
// ssh-keygen(1)): with it, anybody verifies their signatures with ssh-keygen alone.
func (t tool) rosterSigners(_ context.Context, flags *flag.FlagSet, args []string) error {
	given, err := parse(flags, args, "ROSTER")
	if err != nil {
		return err
	}
	r, _, err := readRoster(given[0])
	if err != nil {
		return err
	}
	_, err = t.stdout.Write(envelope.AllowedSigners(*r))
	return err
}
