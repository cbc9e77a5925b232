package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

func (t tool) orderNew(ctx context.Context, flags *flag.FlagSet, args []string) error {
	city, keyFile, identity := flags.String("city", "", ""), flags.String("key", "", ""), flags.String("identity", "", "")
	a := desk.Application{Document: locker.IdentityCard, Size: locker.Small}
	dpi := flags.Float64("dpi", 500, "")
	fingers := fingerFlag{}
	flags.StringVar(&a.Terminal, "terminal", "", "")
	flags.Var(&fingers, "finger", "")
	number := flags.String("number", "", "")
	flags.Var((*kindFlag)(&a.Document), "kind", "")
	flags.Var((*sizeFlag)(&a.Size), "size", "")
	flags.BoolVar(&a.LowReach, "low-reach", false, "")
	flags.BoolVar(&a.PINLetter, "pin-letter", false, "")
	flags.BoolVar(&a.Training, "training", false, "")
	flags.BoolVar(&a.HandsChecked, "hands-checked", false, "")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	if err := require(flags, "city", "key", "identity", "terminal"); err != nil {
		return err
	}
	if (len(fingers) == 0) == (*number == "") {
		return misused("wants -finger, once or twice, or -number")
	}
	defer a.Wipe()
	if err := t.capture(&a, *number, fingers, *dpi); err != nil {
		return err
	}
	device, err := deviceKey(*identity, a.Terminal)
	if err != nil {
		return err
	}
	by, err := t.openKey(ctx, *keyFile)
	if err != nil {
		return err
	}
	ask := api.Dial(*city)
	if err := t.mayOrder(ctx, ask, a.Terminal, by); err != nil {
		return errors.Join(err, by.Close())
	}
	id, err := t.submit(ctx, ask, a, by, device)
	if err := errors.Join(err, by.Close()); err != nil {
		return err
	}
	return t.print("%s\n", id)
}

// mayOrder refuses a key that is no desk's by the roster in force at the
// terminal, as the city heard of it.
func (t tool) mayOrder(ctx context.Context, city *api.Client, terminal string, by key) error {
	roster, err := city.Roster(ctx, terminal)
	if err != nil {
		return fmt.Errorf("ask for the terminal's roster: %w", err)
	}
	if roster.Version == 0 { // the terminal has not told of it; it judges for itself
		return nil
	}
	if _, err := roster.Desk(envelope.KeyFingerprint(envelope.SignerKey(by.Signer)), t.now()); err != nil {
		return hint(fmt.Errorf("the terminal would refuse this order: %w", err), "two admins put the key into the next roster; until then another desk captures")
	}
	return nil
}

// submit leases a key, seals and hands over.
func (t tool) submit(ctx context.Context, city *api.Client, a desk.Application, by envelope.Signer, device note.Verifier) (locker.OrderID, error) {
	leased, err := city.LeaseKey(ctx, a.Terminal)
	if err != nil {
		return "", fmt.Errorf("lease a one-time key: %w", err)
	}
	if leased.Terminal != a.Terminal {
		return "", fmt.Errorf("lease a one-time key: the city gave one of terminal %s", leased.Terminal)
	}
	public, err := desk.Key(leased, device)
	if err != nil {
		return "", err
	}
	id, sealed, err := a.Order(by, public, t.now())
	if err != nil {
		return "", err
	}
	order, err := city.SubmitOrder(ctx, sealed)
	if err != nil {
		return "", fmt.Errorf("hand over order %s: %w", id, err)
	}
	if order.Order != id || order.State != api.OrderHeld {
		return "", fmt.Errorf("hand over order %s: the city answers that order %s is %s", id, order.Order, order.State)
	}
	return id, nil
}

// capture reads what the recipient proves. A key is leased for good, so what
// would be refused is found before: a picture of no finger, an impression that
// does not match the others, a number of the wrong length.
func (t tool) capture(a *desk.Application, number string, fingers fingerFlag, dpi float64) error {
	a.Number = []byte(number) // of the command line, where every process reads it
	if number == "-" {
		var err error
		if a.Number, err = readNumber(t.stdin); err != nil {
			return fmt.Errorf("read the number: %w", err)
		}
	}
	for _, f := range fingers {
		finger, err := f.read(dpi)
		if err != nil {
			return fmt.Errorf("%s: %w", positions[f.position-1], err)
		}
		a.Fingers = append(a.Fingers, finger)
	}
	return a.Validate()
}

// readNumber reads one line, a byte at a time: what follows is not ours.
func readNumber(in io.Reader) ([]byte, error) {
	line := make([]byte, 0, 100)
	for len(line) < cap(line) {
		n, err := in.Read(line[len(line) : len(line)+1])
		line = line[:len(line)+n]
		if n == 1 && line[len(line)-1] == '\n' || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return bytes.TrimSpace(line), nil
}

// pictures is one -finger.
type pictures struct {
	position int // ISO/IEC 19794-2:2005, table 5
	paths    []string
}

func (p pictures) read(dpi float64) (desk.Finger, error) {
	images := make([]biometrics.Image, len(p.paths))
	for i, path := range p.paths {
		var err error
		if images[i], err = readPicture(path, dpi); err != nil {
			return desk.Finger{}, err
		}
	}
	finger, err := desk.Enrol(p.position, images...)
	if bad := (*desk.PictureError)(nil); errors.As(err, &bad) && bad.Picture >= 1 && bad.Picture <= len(p.paths) {
		return finger, fmt.Errorf("%s: %w", p.paths[bad.Picture-1], bad.Err)
	}
	return finger, err
}

func readPicture(path string, dpi float64) (biometrics.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return biometrics.Image{}, err
	}
	defer f.Close()
	picture, err := biometrics.DecodeImage(f, dpi)
	if err != nil {
		return picture, fmt.Errorf("%s: %w", path, err)
	}
	return picture, nil
}

// positions are the fingers in the order of ISO/IEC 19794-2:2005, table 5, from 1.
var positions = [...]string{
	"right-thumb", "right-index", "right-middle", "right-ring", "right-little",
	"left-thumb", "left-index", "left-middle", "left-ring", "left-little",
}

// fingerFlag is -finger POSITION=IMAGE,IMAGE,IMAGE, given once or twice.
type fingerFlag []pictures

// String implements flag.Value.
func (f *fingerFlag) String() string { return "" }

// Set implements flag.Value.
func (f *fingerFlag) Set(s string) error {
	where, list, ok := strings.Cut(s, "=")
	p := pictures{position: slices.Index(positions[:], where) + 1, paths: strings.Split(list, ",")}
	if n, err := strconv.Atoi(where); err == nil {
		p.position = n
	}
	switch {
	case !ok || slices.Contains(p.paths, ""):
		return errors.New("wants POSITION=IMAGE,IMAGE,IMAGE")
	case p.position < 1 || p.position > len(positions):
		return fmt.Errorf("there is no finger %q, wants 1 to 10 or one of %s", where, strings.Join(positions[:], ", "))
	case len(p.paths) != biometrics.Impressions:
		return fmt.Errorf("%d pictures, an enrolment wants %d of each finger", len(p.paths), biometrics.Impressions)
	case len(*f) == envelope.MaxFingers:
		return fmt.Errorf("a recipient has at most %d fingers", envelope.MaxFingers)
	case slices.ContainsFunc(*f, func(other pictures) bool { return other.position == p.position }):
		return fmt.Errorf("%s is given twice", positions[p.position-1])
	}
	*f = append(*f, p)
	return nil
}

// kindFlag is a kind of document.
type kindFlag locker.DocumentKind

// String implements flag.Value.
func (k *kindFlag) String() string { return string(*k) }

// Set implements flag.Value.
func (k *kindFlag) Set(s string) error {
	switch kind := locker.DocumentKind(s); kind {
	case locker.IdentityCard, locker.Passport, locker.ResidencePermit, locker.OtherDocument:
		*k = kindFlag(kind)
		return nil
	}
	return errors.New("wants identity_card, passport, residence_permit or other")
}

// sizeFlag is a compartment's size by its word.
type sizeFlag locker.Size

var sizes = map[string]locker.Size{"small": locker.Small, "medium": locker.Medium, "large": locker.Large}

// String implements flag.Value.
func (s *sizeFlag) String() string {
	for word, size := range sizes {
		if size == locker.Size(*s) {
			return word
		}
	}
	return ""
}

// Set implements flag.Value.
func (s *sizeFlag) Set(word string) error {
	size, ok := sizes[word]
	if !ok {
		return errors.New("wants small, medium or large")
	}
	*s = sizeFlag(size)
	return nil
}

// orderAt parses the flags of a command on one order.
func orderAt(flags *flag.FlagSet, args []string, needed ...string) (*api.Client, locker.OrderID, error) {
	city := flags.String("city", "", "")
	given, err := parse(flags, args, "ORDER")
	if err != nil {
		return nil, "", err
	}
	if err := require(flags, append([]string{"city"}, needed...)...); err != nil {
		return nil, "", err
	}
	id := locker.OrderID(given[0])
	if err := envelope.CheckOrderID(id); err != nil {
		return nil, "", err
	}
	return api.Dial(*city), id, nil
}

// orderList lists a terminal's orders, the latest first.
func (t tool) orderList(ctx context.Context, flags *flag.FlagSet, args []string) error {
	asJSON := flags.Bool("json", false, "")
	city, terminal, err := terminalAt(flags, args)
	if err != nil {
		return err
	}
	orders, err := city.Orders(ctx, terminal)
	if err != nil {
		return err
	}
	if *asJSON {
		return t.printJSON(append([]api.Order{}, orders...))
	}
	w := tabwriter.NewWriter(t.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ORDER\tSTATE\tSINCE\tREASON")
	for _, o := range orders {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.Order, o.State, o.Since.UTC().Format(time.RFC3339), cmp.Or(o.Reason, "-"))
	}
	return w.Flush()
}

// shownOrder is an order with its deposits, as order show and order receipt print
// it as JSON.
type shownOrder struct {
	api.Order
	Deposits []api.Deposit `json:"deposits"`
}

func (t tool) showJSON(ctx context.Context, city *api.Client, o api.Order) error {
	all, err := city.Deposits(ctx, o.Terminal)
	if err != nil {
		return err
	}
	shown := shownOrder{o, []api.Deposit{}}
	for _, d := range slices.Backward(all) { // the first generation first
		if d.Order == o.Order {
			shown.Deposits = append(shown.Deposits, d)
		}
	}
	return t.printJSON(shown)
}

func (t tool) orderShow(ctx context.Context, flags *flag.FlagSet, args []string) error {
	asJSON := flags.Bool("json", false, "")
	city, id, err := orderAt(flags, args)
	if err != nil {
		return err
	}
	o, err := city.Order(ctx, id)
	if err != nil {
		return err
	}
	if *asJSON {
		return t.showJSON(ctx, city, o)
	}
	reason := ""
	if o.Reason != "" {
		reason = ": " + o.Reason
	}
	if err := t.print("order %s for terminal %s is %s since %s%s\n", o.Order, o.Terminal, o.State, o.Since.UTC().Format(time.RFC3339), reason); err != nil {
		return err
	}
	deposits, err := city.Deposits(ctx, o.Terminal)
	if err != nil {
		return err
	}
	for _, d := range deposits {
		if d.Order != id {
			continue
		}
		if err := t.print("generation %d, compartment %d: %s since %s\n", d.Generation, d.Compartment, d.State, d.Since.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	return nil
}

// orderReceipt prints what the terminal told of the deletion of the order's slots.
func (t tool) orderReceipt(ctx context.Context, flags *flag.FlagSet, args []string) error {
	asJSON := flags.Bool("json", false, "")
	city, id, err := orderAt(flags, args)
	if err != nil {
		return err
	}
	o, err := city.Order(ctx, id)
	if err != nil {
		return err
	}
	if *asJSON {
		return t.showJSON(ctx, city, o)
	}
	deposits, err := city.Deposits(ctx, o.Terminal)
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(deposits) { // the first generation first
		switch {
		case d.Order != id:
			continue
		case d.Erased:
			err = t.print("generation %d: key %s is erased (%s) since %s\n", d.Generation, cmp.Or(d.Slot, "without commitment"), d.Quality, d.Settled.UTC().Format(time.RFC3339))
		default:
			err = t.print("generation %d: its key lives\n", d.Generation)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t tool) orderArrived(ctx context.Context, flags *flag.FlagSet, args []string) error {
	city, id, err := orderAt(flags, args)
	if err != nil {
		return err
	}
	o, err := city.Arrived(ctx, id)
	if err != nil {
		return err
	}
	return t.print("order %s is %s\n", o.Order, o.State)
}

func (t tool) orderWithdraw(ctx context.Context, flags *flag.FlagSet, args []string) error {
	keyFile := flags.String("key", "", "")
	city, id, err := orderAt(flags, args, "key")
	if err != nil {
		return err
	}
	by, err := t.openKey(ctx, *keyFile)
	if err != nil {
		return err
	}
	defer by.Close()
	o, err := city.Order(ctx, id)
	if err != nil {
		return err
	}
	if envelope.CheckTerminal(o.Terminal) != nil { // a closed log's name
		return fmt.Errorf("order %s is %s since its terminal's board was replaced: nothing is left to withdraw", id, o.State)
	}
	w := envelope.Withdrawal{Terminal: o.Terminal, Order: id, Issued: t.now().UTC().Truncate(time.Second)}
	signed, err := envelope.SignWithdrawal(by, w)
	if err != nil {
		return err
	}
	if o, err = city.Withdraw(ctx, id, signed); err != nil {
		return err
	}
	if o.State == api.OrderWithdrawn {
		return t.print("order %s is withdrawn\n", o.Order)
	}
	return t.print("order %s: asked terminal %s to give it up\n", o.Order, o.Terminal)
}

func (t tool) orderReissue(ctx context.Context, flags *flag.FlagSet, args []string) error {
	keyFile := flags.String("key", "", "")
	city, id, err := orderAt(flags, args, "key")
	if err != nil {
		return err
	}
	by, err := t.openKey(ctx, *keyFile)
	if err != nil {
		return err
	}
	defer by.Close()
	draft, err := city.DraftReissue(ctx, id)
	if err != nil {
		return err
	}
	drafted, err := envelope.ParseCommand(draft.Text)
	if err != nil {
		return fmt.Errorf("the city drafts something that is no command: %w", err)
	}
	if err := sameCommand(draft.Text, drafted.Terminal, locker.Command{Kind: locker.CommandReissue, Order: id}); err != nil {
		return err
	}
	// The namespace is ours: what the city drafts is signed as a command or not at all.
	signed, err := envelope.Sign(by, envelope.NamespaceCommand, draft.Text)
	if err != nil {
		return err
	}
	if err := city.Reissue(ctx, id, signed); err != nil {
		return err
	}
	return t.print("order %s: asked terminal %s for a new letter in place of generation %d, valid until %s\n",
		id, drafted.Terminal, drafted.Generation, drafted.Expires.Format(time.RFC3339))
}
