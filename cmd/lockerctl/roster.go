package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// description is a roster as admins write it.
type description struct {
	Terminal string        `toml:"terminal"`
	Version  int           `toml:"version"`
	RPID     string        `toml:"rp_id"`   // the town's domain, for security keys
	Revoked  []string      `toml:"revoked"` // public keys that were stolen or misused
	People   []personEntry `toml:"person"`
}

type personEntry struct {
	Person string   `toml:"name"` // a pseudonym
	Role   string   `toml:"role"` // clerk, admin, desk
	Cards  []string `toml:"cards"`
	Number string   `toml:"number"` // personal number, 6 to 12 digits
	Keys   []string `toml:"keys"`   // as in an authorized_keys or .pub file
	FIDO2  []string `toml:"fido2"`  // as fido2-cred -V writes it
	Leaves any      `toml:"leaves"` // the first day, or time, without access; a day begins at midnight UTC
}

func (t tool) rosterNew(_ context.Context, flags *flag.FlagSet, args []string) error {
	from, out := flags.String("from", "", ""), flags.String("o", "", "")
	given, err := parse(flags, args, "DESCRIPTION")
	if err != nil {
		return err
	}
	d, err := readDescription(given[0])
	if err != nil {
		return err
	}
	var before *envelope.Roster
	if *from != "" {
		if before, _, err = readRoster(*from); err != nil {
			return err
		}
		if before.Terminal != d.Terminal || d.Version <= before.Version {
			return fmt.Errorf("%s is version %d for terminal %q, which does not follow version %d for %q in %s",
				given[0], d.Version, d.Terminal, before.Version, before.Terminal, *from)
		}
	}
	r := envelope.Roster{Terminal: d.Terminal, Version: d.Version, Issued: t.now(), RPID: d.RPID}
	for _, line := range d.Revoked {
		k, err := envelope.PublicKey([]byte(line))
		if err != nil {
			return fmt.Errorf("%s: revoked: %w", given[0], err)
		}
		r.Revoked = append(r.Revoked, k)
	}
	for _, p := range d.People {
		e, err := t.entry(p, before)
		if err != nil {
			return fmt.Errorf("%s: %w", given[0], err)
		}
		r.People = append(r.People, e)
	}
	text, err := r.Text()
	if err != nil {
		return fmt.Errorf("%s: %w", given[0], err)
	}
	if *out == "" {
		_, err = t.stdout.Write(text)
		return err
	}
	return replace(*out, text)
}

// readDescription is strict: a misspelt "leaves" would let somebody in.
func readDescription(path string) (description, error) {
	var d description
	text, err := readFile(path)
	if err != nil {
		return d, err
	}
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	err = decoder.Decode(&d)
	if unknown := (*toml.StrictMissingError)(nil); errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		line, _ := unknown.Errors[0].Position()
		return d, fmt.Errorf("%s:%d: unknown key %q; known are terminal, version, rp_id, revoked, and in [[person]] name, role, cards, number, keys, fido2, leaves",
			path, line, strings.Join(unknown.Errors[0].Key(), "."))
	}
	if bad := (*toml.DecodeError)(nil); errors.As(err, &bad) {
		line, _ := bad.Position()
		return d, fmt.Errorf("%s:%d: %w", path, line, err)
	}
	if err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

func (t tool) entry(p personEntry, before *envelope.Roster) (envelope.Entry, error) {
	e := envelope.Entry{Person: locker.Person(p.Person), Role: locker.Role(p.Role), Cards: p.Cards}
	var err error
	if e.Leaves, err = leaves(p.Leaves); err != nil {
		return e, fmt.Errorf("%s: %w", p.Person, err)
	}
	for _, line := range p.Keys {
		k, err := envelope.PublicKey([]byte(line))
		if err != nil {
			return e, fmt.Errorf("%s: %w", p.Person, err)
		}
		e.Keys = append(e.Keys, k)
	}
	for _, text := range p.FIDO2 {
		k, err := envelope.ParseSecurityKey(text)
		if err != nil {
			return e, fmt.Errorf("%s: %w", p.Person, err)
		}
		e.SecurityKeys = append(e.SecurityKeys, k)
	}
	switch {
	case p.Number != "":
		if !locker.ValidNumber(p.Number) {
			return e, fmt.Errorf("%s: number: wants 6 to 12 digits", p.Person)
		}
		e.Number, err = seal.HashNumber(t.rand, seal.DefaultParams(), p.Number)
	case before != nil:
		if i := slices.IndexFunc(before.People, func(o envelope.Entry) bool { return o.Person == e.Person }); i >= 0 {
			e.Number = before.People[i].Number
		}
	}
	return e, err
}

func leaves(v any) (time.Time, error) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, nil
	case toml.LocalDate:
		return v.AsTime(time.UTC), nil
	case time.Time:
		return v.UTC().Truncate(time.Second), nil
	}
	return time.Time{}, errors.New("leaves: wants a day like 2027-06-30, or a time with its zone like 2027-06-30T17:00:00+02:00, without quotes")
}

// readRoster reads a roster that nobody has verified yet, and its whole file.
func readRoster(path string) (*envelope.Roster, []byte, error) {
	signed, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := envelope.ParseRoster(envelope.Body(signed))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, signed, nil
}

// replace writes a file of mode 0600 whole or not at all.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".lockerctl-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (t tool) rosterSign(ctx context.Context, flags *flag.FlagSet, args []string) error {
	keyFile := flags.String("key", "", "")
	given, err := parse(flags, args, "ROSTER")
	if err != nil {
		return err
	}
	if err := require(flags, "key"); err != nil {
		return err
	}
	r, signed, err := readRoster(given[0])
	if err != nil {
		return err
	}
	by, err := t.openKey(ctx, *keyFile)
	if err != nil {
		return err
	}
	defer by.Close()
	if signed, err = envelope.Sign(by, envelope.NamespaceRoster, signed); err != nil {
		return err
	}
	if err := replace(given[0], signed); err != nil {
		return err
	}
	return t.print("signed roster %d for terminal %s\n", r.Version, r.Terminal)
}

func (t tool) rosterCheck(ctx context.Context, flags *flag.FlagSet, args []string) error {
	before, city, lose := flags.String("before", "", ""), flags.String("city", "", ""), flags.Bool("lose-orders", false, "")
	given, err := parse(flags, args, "ROSTER")
	if err != nil {
		return err
	}
	r, signed, err := readRoster(given[0])
	if err != nil {
		return err
	}
	var last *envelope.Roster
	of := "itself, as a first roster is"
	if *before != "" {
		if last, _, err = readRoster(*before); err != nil {
			return err
		}
		of = fmt.Sprintf("roster %d", last.Version)
	}
	if _, err := envelope.OpenRoster(envelope.Standard{}, signed, r.Terminal, last, t.now()); err != nil {
		if *before == "" && r.Version > 1 {
			err = hint(err, "give -before and the roster that is in force: its admins sign the next one")
		}
		return fmt.Errorf("%s: %w", given[0], err)
	}
	if err := t.print("roster %d for terminal %s is signed by two admins of %s\n", r.Version, r.Terminal, of); err != nil || *city == "" {
		return err
	}
	return t.losesOrders(ctx, api.Dial(*city), *r, *lose)
}

// losesOrders lists the open orders that the terminal would refuse under a roster.
// It returns an error if there are some, unless they are to be lost.
func (t tool) losesOrders(ctx context.Context, city *api.Client, r envelope.Roster, lose bool) error {
	orders, err := city.Orders(ctx, r.Terminal)
	if err != nil {
		return fmt.Errorf("ask for the open orders: %w", err)
	}
	lost := 0
	for _, o := range orders {
		if o.State != api.OrderHeld && o.State != api.OrderSent {
			continue
		}
		why := worthless(r, o)
		if why == "" {
			continue
		}
		lost++
		if err := t.print("order %s, captured %s, would be worthless: %s\n", o.Order, o.Captured.UTC().Format(time.RFC3339), why); err != nil {
			return err
		}
	}
	if lost == 0 || lose {
		return nil
	}
	return hint(fmt.Errorf("%d open orders would be worthless under roster %d", lost, r.Version), "capture them again with another desk's key first, or give -lose-orders")
}

// worthless says why the terminal would refuse an order under a roster; empty if
// it would not. An order is judged by the roster that was in force when it was
// signed, unless the next one revokes its key or sets an earlier leave date.
func worthless(r envelope.Roster, o api.Order) string {
	for _, k := range r.Revoked {
		if envelope.KeyFingerprint(k) == o.Signer {
			return "its key " + o.Signer + " is revoked"
		}
	}
	for _, d := range r.Desks() {
		if d.Key == o.Signer && !d.Leaves.IsZero() && !o.Captured.Before(d.Leaves) {
			return fmt.Sprintf("it was captured after %s left on %s", d.Person, d.Leaves.Format(time.DateOnly))
		}
	}
	return ""
}

func (t tool) rosterShow(_ context.Context, flags *flag.FlagSet, args []string) error {
	asJSON := flags.Bool("json", false, "")
	given, err := parse(flags, args, "ROSTER")
	if err != nil {
		return err
	}
	r, signed, err := readRoster(given[0])
	if err != nil {
		return err
	}
	if *asJSON { // without the hashes of numbers
		shown := *r
		shown.People = slices.Clone(r.People)
		for i := range shown.People {
			shown.People[i].Number = ""
		}
		return t.printJSON(shown)
	}
	signatures := bytes.Count(signed[len(envelope.Body(signed)):], []byte("-----BEGIN SSH SIGNATURE-----"))
	if err := t.print("roster %d for terminal %s, issued %s, signatures: %d\n", r.Version, r.Terminal, r.Issued.UTC().Format(time.RFC3339), signatures); err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PERSON\tROLE\tCARDS\tNUMBER\tLEAVES\tKEYS")
	for _, e := range r.People {
		number, last := "-", "-"
		if e.Number != "" {
			number = "yes"
		}
		if !e.Leaves.IsZero() {
			last = e.Leaves.UTC().Format(time.RFC3339)
		}
		cards := cmp.Or(strings.Join(e.Cards, " "), "-")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Person, e.Role, cards, number, last, fingerprints(e.Keys))
	}
	return w.Flush()
}

// fingerprints are those that ssh-keygen -l prints.
func fingerprints(keys []string) string {
	var all []string
	for _, k := range keys {
		if public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k)); err == nil {
			all = append(all, ssh.FingerprintSHA256(public))
		}
	}
	return cmp.Or(strings.Join(all, " "), "-")
}

func (t tool) rosterSubmit(ctx context.Context, flags *flag.FlagSet, args []string) error {
	city, identity, lose := flags.String("city", "", ""), flags.String("identity", "", ""), flags.Bool("lose-orders", false, "")
	given, err := parse(flags, args, "ROSTER")
	if err != nil {
		return err
	}
	if err := require(flags, "city", "identity"); err != nil {
		return err
	}
	r, signed, err := readRoster(given[0])
	if err != nil {
		return err
	}
	public, err := terminalKey(*identity, r.Terminal)
	if err != nil {
		return err
	}
	if err := t.losesOrders(ctx, api.Dial(*city), *r, *lose); err != nil {
		return err
	}
	sealed, err := envelope.SealRoster(envelope.Standard{}, public, signed)
	if err != nil {
		return err
	}
	if err := api.Dial(*city).SubmitRoster(ctx, sealed); err != nil {
		return err
	}
	return t.print("roster %d is on its way to terminal %s\n", r.Version, r.Terminal)
}

// identity is what lockerd init printed.
type identity struct {
	Terminal  string `json:"terminal"`
	Verifier  string `json:"verifier"`
	RosterKey string `json:"roster_key"`
}

// readIdentity reads that of this terminal.
func readIdentity(path, terminal string) (id identity, err error) {
	text, err := readFile(path)
	if err != nil {
		return id, err
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return id, fmt.Errorf("%s: wants what \"lockerd init\" printed: %w", path, err)
	}
	if id.Terminal != terminal {
		return id, fmt.Errorf("%s: belongs to terminal %q, wanted is that of %q", path, id.Terminal, terminal)
	}
	return id, nil
}

// deviceKey is the key by which the terminal's notes are known.
func deviceKey(path, terminal string) (note.Verifier, error) {
	id, err := readIdentity(path, terminal)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(id.Verifier)
	if err != nil {
		return nil, fmt.Errorf("%s: verifier: %w", path, err)
	}
	return v, nil
}

// terminalKey is the key that rosters are sealed to.
func terminalKey(path, terminal string) ([]byte, error) {
	id, err := readIdentity(path, terminal)
	if err != nil {
		return nil, err
	}
	public, err := envelope.DecodeKey(envelope.TerminalKey, false, id.RosterKey)
	if err != nil {
		return nil, fmt.Errorf("%s: roster_key: %w", path, err)
	}
	return public, nil
}
