package envelope_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/securitykey/virtualkey"
)

func TestRosterTravelsSealedAndSignedByTwoAdmins(t *testing.T) {
	o := newOffice(t)
	private, public := newKey(t)
	next := o.next()
	signed := o.signed(t, next, o.anna, o.bert)
	message, err := envelope.SealRoster(suite, public, signed)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(message), "c-1") || strings.Contains(string(message), "argon2id") {
		t.Error("the message shows people")
	}
	if !envelope.IsSealedRoster(message) || envelope.IsSealedRoster(signed) {
		t.Error("sealed and signed are mistaken")
	}
	text, err := envelope.UnsealRoster(suite, private, message)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.OpenRoster(suite, text, terminal, &o.roster, now)
	if err != nil || !reflect.DeepEqual(got, next) {
		t.Fatalf("%v", err)
	}
	if m := got.Members(); len(m) != 4 || m[3] != (locker.Member{Person: "c-1", Role: locker.Clerk}) {
		t.Errorf("members %+v", m)
	}
	if e, ok := got.Card("04A1B2C3"); !ok || e.Person != "c-1" {
		t.Errorf("card of %s", e.Person)
	}
	if _, ok := got.Card(""); ok {
		t.Error("no card is somebody's")
	}
	other, _ := newKey(t)
	_, err = envelope.UnsealRoster(suite, other, message)
	refused(t, err, "does not open with this terminal's key")
	flips(message, func(bad []byte) {
		if _, err := envelope.UnsealRoster(suite, private, bad); err == nil {
			t.Errorf("changed message opens: %.100q", bad)
		}
	})
}

func TestRosterWantsTwoDifferentAdminsOfTheOneBefore(t *testing.T) {
	o := newOffice(t)
	next := o.next()
	carl := newPerson(t)
	next.People = append(next.People, envelope.Entry{Person: "a-3", Role: locker.Admin, Keys: []string{carl.key}})
	second := newPerson(t)
	o.roster.People[1].Keys = append(o.roster.People[1].Keys, second.key) // anna has two keys
	open := func(by ...person) error {
		_, err := envelope.OpenRoster(suite, o.signed(t, next, by...), terminal, &o.roster, now)
		return err
	}
	if err := open(o.bert, o.anna); err != nil {
		t.Errorf("two admins: %v", err)
	}
	refused(t, open(), "bears no signature")
	refused(t, open(o.anna), "signed by a-1 alone")
	refused(t, open(o.anna, o.anna), "signed by a-1 alone")
	refused(t, open(o.anna, second), "signed by a-1 alone")
	refused(t, open(o.anna, carl), "roster 3 does not know")
	refused(t, open(o.anna, o.desk), "wants admin")
	refused(t, open(o.anna, o.stranger), "roster 3 does not know")
	refused(t, open(o.anna, o.bert, o.stranger), "roster 3 does not know")
	o.roster.People[2].Leaves = now.Add(-time.Hour)
	refused(t, open(o.anna, o.bert), "a-2, who left on 2026-11-20")
}

func TestRosterNeverGoesBack(t *testing.T) {
	o := newOffice(t)
	for _, version := range []int{2, 3} {
		old := o.roster
		old.Version = version
		_, err := envelope.OpenRoster(suite, o.signed(t, old, o.anna, o.bert), terminal, &o.roster, now)
		refused(t, err, "version 3 is in force")
	}
	_, err := envelope.OpenRoster(suite, o.signed(t, o.next(), o.anna, o.bert), "musterstadt-2", &o.roster, now)
	refused(t, err, "is for terminal")
}

func TestFirstRosterIsSignedByTwoOfItsOwnAdmins(t *testing.T) {
	o := newOffice(t)
	if _, err := envelope.OpenRoster(suite, o.signed(t, o.roster, o.anna, o.bert), terminal, nil, now); err != nil {
		t.Error(err)
	}
	_, err := envelope.OpenRoster(suite, o.signed(t, o.roster, o.anna), terminal, nil, now)
	refused(t, err, "two different admins of itself")
	_, err = envelope.OpenRoster(suite, o.signed(t, o.roster, o.anna, o.stranger), terminal, nil, now)
	refused(t, err, "admins of itself")
}

func TestRosterIsCheckedBeforeItIsSigned(t *testing.T) {
	o := newOffice(t)
	for says, spoil := range map[string]func(*envelope.Roster){
		"1 admins":            func(r *envelope.Roster) { r.People[1].Role = locker.Desk },
		"1 admins with a key": func(r *envelope.Roster) { r.People[1].Leaves = now },
		"0 admins with a key": func(r *envelope.Roster) { r.People = nil },
		"person d-1 of d-1":   func(r *envelope.Roster) { r.People = append(r.People, r.People[0]) },
		"there already": func(r *envelope.Roster) {
			r.People[0].Cards, r.People[0].Number = r.People[3].Cards, r.People[3].Number
		},
		"key ssh-ed25519":           func(r *envelope.Roster) { r.People[0].Keys = r.People[1].Keys },
		"neither a personal number": func(r *envelope.Roster) { r.People[3].Number = "" },
		"not a sealed box":          func(r *envelope.Roster) { r.People[3].Number = "246813" },
		"role \"mayor\"":            func(r *envelope.Roster) { r.People[0].Role = "mayor" },
		"printable":                 func(r *envelope.Roster) { r.People[0].Person = "Erika Mustermann" },
		"a card wants":              func(r *envelope.Roster) { r.People[3].Cards = []string{"1"} },
		"type and base64 alone":     func(r *envelope.Roster) { r.People[0].Keys[0] += " desk@city" },
		"public ssh key":            func(r *envelope.Roster) { r.People[0].Keys = []string{"anna"} },
		"version 0":                 func(r *envelope.Roster) { r.Version = 0 },
		"issued":                    func(r *envelope.Roster) { r.Issued = time.Time{} },
		"9 cards":                   func(r *envelope.Roster) { r.People[3].Cards = make([]string, 9) },
		"2001 people":               func(r *envelope.Roster) { r.People = make([]envelope.Entry, 2001) },
	} {
		r := newOffice(t).roster
		spoil(&r)
		_, err := r.Text()
		refused(t, err, says)
	}
	_, err := envelope.SealRoster(suite, nil, []byte("{}"))
	refused(t, err, "seal roster")
	_, err = envelope.SealRoster(suite, nil, o.signed(t, o.roster, o.anna))
	refused(t, err, "public sealing key")
}

func TestSecurityKeysAreCheckedBeforeTheRosterIsSigned(t *testing.T) {
	key := func() envelope.SecurityKey { return virtualkey.New().Credential() }
	long, broken, same := key(), key(), key()
	long.ID = make([]byte, 1024)
	broken.Public = broken.Public[1:]
	with := func(keys ...envelope.SecurityKey) func(*envelope.Roster) {
		return func(r *envelope.Roster) {
			r.RPID, r.People[3].SecurityKeys = "musterstadt.example", keys
		}
	}
	for says, spoil := range map[string]func(*envelope.Roster){
		"no rp_id":          func(r *envelope.Roster) { r.People[3].SecurityKeys = []envelope.SecurityKey{key()} },
		"the town's domain": func(r *envelope.Roster) { r.RPID = "https://musterstadt.example" },
		"for clerks": func(r *envelope.Roster) {
			r.RPID, r.People[0].SecurityKeys = "a.example", []envelope.SecurityKey{key()}
		},
		"id of 1024 bytes":        with(long),
		"id of 0 bytes":           with(envelope.SecurityKey{Public: key().Public}),
		"public key":              with(broken),
		"public key of 200 bytes": with(envelope.SecurityKey{ID: []byte{1}, Public: make([]byte, 200)}),
		"there already":           with(same, same),
		"9 security keys":         with(make([]envelope.SecurityKey, 9)...),
	} {
		r := newOffice(t).roster
		spoil(&r)
		_, err := r.Text()
		refused(t, err, says)
	}
	r := newOffice(t).roster
	with(key(), virtualkey.NewEd25519().Credential())(&r)
	r.People[3].Number = "" // who has a key needs none
	if _, err := r.Text(); err != nil {
		t.Error(err)
	}
}

func TestASecurityKeyIsReadAsFido2CredWritesIt(t *testing.T) {
	k := virtualkey.New().Credential()
	text := base64.StdEncoding.EncodeToString(k.ID) + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.Public}))
	got, err := envelope.ParseSecurityKey("\n" + text)
	if err != nil || !bytes.Equal(got.ID, k.ID) || !bytes.Equal(got.Public, k.Public) {
		t.Errorf("read: %+v, %v", got, err)
	}
	for says, bad := range map[string]string{
		"first line": "", "one public key": base64.StdEncoding.EncodeToString(k.ID), "in base64": "!" + text, "in PEM": text + text,
	} {
		_, err := envelope.ParseSecurityKey(bad)
		refused(t, err, says)
	}
}

func TestTextBearsAtMostFourSignatures(t *testing.T) {
	o := newOffice(t)
	text := o.signed(t, o.roster, o.anna, o.bert, o.anna, o.bert)
	_, err := envelope.Sign(o.anna, envelope.NamespaceRoster, text)
	refused(t, err, "4 signatures already")
	_, err = envelope.Sign(o.anna, envelope.NamespaceRoster, []byte("no end of line"))
	refused(t, err, "newline")
}

func FuzzOpenRoster(f *testing.F) {
	o := newOffice(f)
	f.Add(o.signed(f, o.next(), o.anna, o.bert))
	f.Add([]byte("{}\n-----BEGIN SSH SIGNATURE-----\n-----BEGIN SSH SIGNATURE-----\n"))
	private, public := newKey(f)
	sealed, err := envelope.SealRoster(suite, public, o.signed(f, o.next(), o.anna, o.bert))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, message []byte) {
		_, _ = envelope.UnsealRoster(suite, private, message)
		_, _ = envelope.OpenRoster(suite, message, terminal, &o.roster, now)
		if r, err := envelope.ParseRoster(message); err == nil {
			if _, err := r.Text(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
