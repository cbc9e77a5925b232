package envelope_test

import (
	"bytes"
	"crypto/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/pin/seal"
)

func TestWithdrawalIsTheDesks(t *testing.T) {
	o := newOffice(t)
	w := envelope.Withdrawal{Terminal: terminal, Order: "A-2026-0001", Issued: now}
	message, err := envelope.SignWithdrawal(o.desk, w)
	if err != nil {
		t.Fatal(err)
	}
	if !envelope.IsWithdrawal(message) || envelope.IsWithdrawal([]byte(`{"terminal":"t"}`)) || envelope.IsWithdrawal(nil) {
		t.Error("mistaken for an order")
	}
	got, desk, err := envelope.OpenWithdrawal(suite, message, terminal, &o.roster, now)
	if err != nil || got != w || desk != "d-1" {
		t.Errorf("%+v by %s, %v", got, desk, err)
	}
	_, _, err = envelope.OpenWithdrawal(suite, message, "musterstadt-2", &o.roster, now)
	refused(t, err, `for terminal "musterstadt-1", this is "musterstadt-2"`)
	flips(message, func(bad []byte) {
		if got, _, err := envelope.OpenWithdrawal(suite, bad, terminal, &o.roster, now); err == nil && got != w {
			t.Errorf("changed message is accepted: %q", bad)
		}
	})
	byAdmin, err := envelope.SignWithdrawal(o.anna, w)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = envelope.OpenWithdrawal(suite, byAdmin, terminal, &o.roster, now)
	refused(t, err, "wants desk")
	_, err = envelope.SignWithdrawal(o.desk, envelope.Withdrawal{Terminal: terminal, Order: "x\nissued y", Issued: now})
	refused(t, err, "order id")
}

func TestTextsHaveOneForm(t *testing.T) {
	o := newOffice(t)
	text := string(envelope.Withdrawal{Terminal: terminal, Order: "A-2026-0001", Issued: now}.Text())
	for _, bad := range []string{
		"",
		"\n",
		text + "more\n",
		strings.Replace(text, "\nissued", "\n\nissued", 1),
		strings.Replace(text, "order ", "order  ", 1),
		strings.Replace(text, "v1", "v2", 1),
		strings.Replace(text, "22:00:00Z", "22:00:00+00:00", 1),
		strings.Replace(text, "22:00:00Z", "22:00:00.0Z", 1),
		strings.Replace(text, "terminal", "Terminal", 1),
		strings.Replace(text, "\n", "\r\n", 1),
	} {
		signed, err := envelope.Sign(o.desk, envelope.NamespaceWithdrawal, []byte(bad))
		if err != nil {
			continue
		}
		if _, _, err := envelope.OpenWithdrawal(suite, signed, terminal, &o.roster, now); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// challenge is what the terminal drew at its last start.
const challenge = "00112233445566778899aabbccddeeff"

func aReissue(t testing.TB, expires time.Time) (command envelope.Command, share envelope.Share, private []byte) {
	t.Helper()
	share, err := envelope.NewShare(bytes.Repeat([]byte{5}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	private, public := newKey(t)
	command, err = envelope.NewReissue(suite, rand.Reader, terminal, challenge, "A-2026-0001", 12, expires, envelope.PublishedKey{ID: 9, Public: public}, share)
	if err != nil {
		t.Fatal(err)
	}
	return command, share, private
}

func TestReissueCarriesTheShareToTheTerminal(t *testing.T) {
	o := newOffice(t)
	command, share, private := aReissue(t, now.Add(5*time.Minute))
	message, err := envelope.SignCommand(o.anna, command)
	if err != nil {
		t.Fatal(err)
	}
	got, admins, err := envelope.OpenCommand(suite, message, terminal, challenge, &o.roster, now)
	if err != nil || !slices.Equal(admins, []locker.Person{"a-1"}) || !reflect.DeepEqual(got, command) {
		t.Fatalf("%+v by %s, %v", got, admins, err)
	}
	opened, err := got.OpenShare(suite, private)
	if err != nil || !bytes.Equal(opened.Bytes(), share.Bytes()) {
		t.Errorf("share: %v", err)
	}
	moved := got
	moved.Generation++
	_, err = moved.OpenShare(suite, private)
	refused(t, err, "sealed for another")
	flips(message, func(bad []byte) {
		if got, _, err := envelope.OpenCommand(suite, bad, terminal, challenge, &o.roster, now); err == nil && !reflect.DeepEqual(got, command) {
			t.Errorf("changed message is accepted: %q", bad)
		}
	})
}

func TestCommandIsRefused(t *testing.T) {
	o := newOffice(t)
	command, _, _ := aReissue(t, now.Add(5*time.Minute))
	sign := func(p person, c envelope.Command) []byte {
		message, err := envelope.Sign(p, envelope.NamespaceCommand, c.Text())
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	open := func(message []byte, at time.Time) error {
		_, _, err := envelope.OpenCommand(suite, message, terminal, challenge, &o.roster, at)
		return err
	}
	message := sign(o.anna, command)
	refused(t, open(message, now.Add(5*time.Minute+time.Second)), "expired at 2026-11-20T22:05:00Z")
	refused(t, open(message, now.Add(-5*time.Minute-time.Second)), "more than 10m0s from now")
	refused(t, open(sign(o.desk, command), now), "wants admin")
	refused(t, open(sign(o.stranger, command), now), "does not know")
	for says, spoil := range map[string]func(*envelope.Command){
		"is for terminal":        func(c *envelope.Command) { c.Terminal = "musterstadt-2" },
		`command "open-door" is`: func(c *envelope.Command) { c.Kind = "open-door" },
		"of another start":       func(c *envelope.Command) { c.Challenge = "f" + challenge[1:] },
		"generation 0 does not":  func(c *envelope.Command) { c.Generation = 0 },
		"32 hex digits":          func(c *envelope.Command) { c.Nonce = "1" },
		"key 0":                  func(c *envelope.Command) { c.Key = 0 },
	} {
		bad := command
		spoil(&bad)
		refused(t, open(sign(o.anna, bad), now), says)
	}
}

// someCommands has one of each kind but re-issue.
func someCommands(t testing.TB) []envelope.Command {
	t.Helper()
	var list []envelope.Command
	for _, what := range []locker.Command{
		{Kind: locker.CommandRevoke, Order: "A-2026-0001"}, {Kind: locker.CommandRevoke, Order: "A-2026-0001", Generation: 12},
		{Kind: locker.CommandExtend, Order: "A-2026-0001", Generation: 12, Days: 7},
		{Kind: locker.CommandDisable, Compartment: 3}, {Kind: locker.CommandEnable, Compartment: 3},
		{Kind: locker.CommandLock}, {Kind: locker.CommandUnlock}, {Kind: locker.CommandHours, Hours: "mon 06:00-22:00, sun 00:00-24:00"},
		{Kind: locker.CommandUnblock, Person: "c-1"}, {Kind: locker.CommandDiagnose}, {Kind: locker.CommandResend},
		{Kind: locker.CommandBurglary}, {Kind: locker.CommandDeclare},
		{Kind: locker.CommandClock, Shift: locker.Duration(-2 * time.Hour)}, {Kind: locker.CommandClock, Shift: locker.Duration(90 * time.Second)},
	} {
		c, err := envelope.NewCommand(rand.Reader, terminal, challenge, what, now.Add(5*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

func TestEveryKindOfCommandTravels(t *testing.T) {
	o := newOffice(t)
	seen := map[locker.CommandKind]bool{locker.CommandReissue: true}
	for _, c := range someCommands(t) {
		seen[c.Kind] = true
		one, err := envelope.SignCommand(o.anna, c)
		if err != nil {
			t.Fatal(err)
		}
		both, err := envelope.Sign(o.bert, envelope.NamespaceCommand, one)
		if err != nil {
			t.Fatal(err)
		}
		got, admins, err := envelope.OpenCommand(suite, both, terminal, challenge, &o.roster, now)
		if err != nil || !reflect.DeepEqual(got, c) || !slices.Equal(admins, []locker.Person{"a-1", "a-2"}) {
			t.Errorf("%+v by %v, %v", got, admins, err)
		}
		_, _, err = envelope.OpenCommand(suite, one, terminal, challenge, &o.roster, now)
		if c.Kind.Grave() {
			refused(t, err, "two different admins")
			twice, err := envelope.Sign(o.anna, envelope.NamespaceCommand, one)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = envelope.OpenCommand(suite, twice, terminal, challenge, &o.roster, now)
			refused(t, err, "two different admins")
		} else if err != nil {
			t.Errorf("%s by one: %v", c.Kind, err)
		}
		mixed, err := envelope.Sign(o.desk, envelope.NamespaceCommand, both)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = envelope.OpenCommand(suite, mixed, terminal, challenge, &o.roster, now)
		refused(t, err, "wants admin")
	}
	for _, k := range locker.CommandKinds() {
		if !seen[k] {
			t.Errorf("%s is not tried", k)
		}
	}
}

func FuzzOpenCommand(f *testing.F) {
	o := newOffice(f)
	command, _, _ := aReissue(f, now.Add(time.Minute))
	f.Add(command.Text())
	for _, c := range someCommands(f) {
		f.Add(c.Text())
	}
	f.Add(envelope.Withdrawal{Terminal: terminal, Order: "A-2026-0001", Issued: now}.Text())
	f.Fuzz(func(t *testing.T, text []byte) {
		// whatever a signer signs, what is understood is what was written
		if signed, err := envelope.Sign(o.anna, envelope.NamespaceCommand, text); err == nil {
			if c, _, err := envelope.OpenCommand(suite, signed, terminal, challenge, &o.roster, now); err == nil && !bytes.Equal(c.Text(), envelope.Body(text)) {
				t.Fatalf("%q is understood as %q", text, c.Text())
			}
		}
		if signed, err := envelope.Sign(o.desk, envelope.NamespaceWithdrawal, text); err == nil {
			if w, _, err := envelope.OpenWithdrawal(suite, signed, terminal, &o.roster, now); err == nil && !bytes.Equal(w.Text(), envelope.Body(text)) {
				t.Fatalf("%q is understood as %q", text, w.Text())
			}
		}
		_, _, _ = envelope.OpenCommand(suite, text, terminal, challenge, &o.roster, now)
	})
}

func FuzzVerify(f *testing.F) {
	o := newOffice(f)
	sig, err := o.desk.Sign(envelope.NamespaceOrder, []byte("x\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig)
	f.Add([]byte("SSHSIG"))
	f.Fuzz(func(t *testing.T, signature []byte) {
		key, err := suite.Verify(envelope.NamespaceOrder, []byte("x\n"), signature)
		if err != nil {
			return // else it is the seed, by a key of another process
		}
		if canonical, err := envelope.PublicKey([]byte(key)); err != nil || canonical != key {
			t.Fatalf("%x is a signature by %s: %v", signature, key, err)
		}
	})
}
