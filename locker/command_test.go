package locker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// command gives one that the vault verified, under a nonce of its own.
func (s *site) command(c locker.Command, admins ...locker.Person) locker.CommandReceived {
	s.t.Helper()
	in := locker.CommandReceived{Command: c, Admins: admins, Nonce: fmt.Sprintf("%032x", len(s.events)), Expires: s.term.Now().Add(5 * time.Minute)}
	s.give(in)
	return in
}

func (s *site) wantFollowed(kinds ...locker.CommandKind) {
	s.t.Helper()
	var got []locker.CommandKind
	for _, f := range has[locker.CommandFollowed](s) {
		got = append(got, f.Kind)
	}
	if !slices.Equal(got, kinds) {
		s.t.Fatalf("followed %v, want %v; refused: %v", got, kinds, has[locker.CommandRefused](s))
	}
}

func (s *site) wantCommandRefused(reason string) {
	s.t.Helper()
	r := has[locker.CommandRefused](s)
	if len(r) == 0 || !strings.Contains(r[len(r)-1].Reason, reason) {
		s.t.Fatalf("commands refused: %v, want last %q", r, reason)
	}
}

func TestNoCommandMovesADoor(t *testing.T) {
	s, n, g := loaded(t)
	pulses := len(s.pulses)
	all := []locker.Command{
		{Kind: locker.CommandReissue, Order: "ORDER-1", Generation: g},
		{Kind: locker.CommandExtend, Order: "ORDER-1", Generation: g, Days: 3},
		{Kind: locker.CommandDisable, Compartment: n}, {Kind: locker.CommandEnable, Compartment: n},
		{Kind: locker.CommandLock}, {Kind: locker.CommandUnlock}, {Kind: locker.CommandHours, Hours: "mon 08:00-12:00"},
		{Kind: locker.CommandUnblock, Person: "p1"}, {Kind: locker.CommandDiagnose}, {Kind: locker.CommandResend},
		{Kind: locker.CommandRevoke, Order: "ORDER-1", Generation: g}, {Kind: locker.CommandBurglary},
		{Kind: locker.CommandClock, Shift: locker.Duration(-time.Hour)}, {Kind: locker.CommandDeclare},
	}
	seen := map[locker.CommandKind]bool{}
	for _, c := range all {
		seen[c.Kind] = true
		s.command(c, "a1", "a2")
	}
	for _, k := range locker.CommandKinds() {
		if !seen[k] {
			t.Errorf("%s is not tried here", k)
		}
	}
	if len(s.pulses) != pulses || len(has[locker.CompartmentReleased](s)) != pulses {
		t.Fatal("a command moved a door")
	}
	s.wantFollowed(locker.CommandExtend, locker.CommandDisable, locker.CommandEnable, locker.CommandLock, locker.CommandUnlock,
		locker.CommandHours, locker.CommandDiagnose, locker.CommandResend, locker.CommandRevoke, locker.CommandBurglary, locker.CommandClock, locker.CommandDeclare)
}

func TestACommandCountsOnce(t *testing.T) {
	s := newSite(t)
	in := s.command(locker.Command{Kind: locker.CommandLock}, "a1")
	s.command(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2")
	s.give(in)
	s.boot()
	s.give(in)
	s.wantFollowed(locker.CommandLock, locker.CommandUnlock)
	if r := has[locker.MessageRefused](s); len(r) != 2 || r[0].Nonce != in.Nonce || !strings.Contains(r[0].Reason, "counts once") {
		t.Fatalf("refused: %v", r)
	}
	s.wantScreen(locker.ScreenWelcome)
	s.pass(20 * time.Minute)
	s.give(in) // forgotten by now, and expired
	s.wantCommandRefused("expired")
}

func TestARefusedCommandDoesNotCountLater(t *testing.T) {
	s := newSite(t)
	in := s.command(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2")
	s.wantCommandRefused("not locked")
	s.command(locker.Command{Kind: locker.CommandLock}, "a1")
	s.give(in)
	s.wantFollowed(locker.CommandLock)
	s.wantScreen(locker.ScreenLocked)
}

func TestGraveCommandsWantTwoDifferentAdmins(t *testing.T) {
	for _, kind := range []locker.CommandKind{locker.CommandUnlock, locker.CommandDeclare} {
		s := newSite(t)
		s.command(locker.Command{Kind: locker.CommandLock}, "a1")
		for _, admins := range [][]locker.Person{{"a1"}, {"a1", "a1"}} {
			s.command(locker.Command{Kind: kind}, admins...)
			s.wantCommandRefused("wants two different admins")
		}
		s.wantFollowed(locker.CommandLock)
		s.command(locker.Command{Kind: kind}, "a1", "a2")
		s.wantFollowed(locker.CommandLock, kind)
	}
}

func TestWhoIsNoAdminCommandsNothing(t *testing.T) {
	s := newSite(t)
	for _, admins := range [][]locker.Person{nil, {"p1"}, {"a1", "p1"}, {"nobody"}, {"left"}} {
		s.command(locker.Command{Kind: locker.CommandLock}, admins...)
	}
	s.wantFollowed()
	count[locker.CommandRefused](s, 5)
}

func TestALockedTerminalServesClerksOnly(t *testing.T) {
	s, n, g := loaded(t)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	s.command(locker.Command{Kind: locker.CommandLock}, "a1")
	s.give(locker.FingerCaptured{Attempt: has[locker.CodeProved](s)[0].Attempt})
	s.wantScreen(locker.ScreenLocked) // what had begun ends before the door
	s.pass(time.Minute)
	if sc := s.wantScreen(locker.ScreenLocked); sc.Expects != "" || s.term.Status().Locked != locker.LockedAdmin || s.term.Status().Open {
		t.Fatalf("%+v, %+v", sc, s.term.Status())
	}
	s.enter(g)
	s.wantScreen(locker.ScreenLocked)
	s.boot()
	s.wantScreen(locker.ScreenLocked)
	s.pass(20 * day) // nobody's retention
	count[locker.DepositExpired](s, 0)
	s.signIn("c1", "c2")
	s.wantScreen(locker.ScreenRound)
	s.choose(locker.ChoiceFinish)
	s.badge("c1")
	s.badge("c2")
	s.choose(locker.ChoiceCancel)
	s.wantScreen(locker.ScreenLocked)
	s.command(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2")
	s.wantScreen(locker.ScreenWelcome)
	s.enter(g)
	if sc := s.wantScreen(locker.ScreenTake); sc.Compartment != n {
		t.Fatalf("opened %d", sc.Compartment)
	}
}

func TestADisabledCompartmentIsNeitherLoadedNorOpened(t *testing.T) {
	s, n, g := loaded(t)
	s.command(locker.Command{Kind: locker.CommandDisable, Compartment: n}, "a1")
	if !s.at(n).Disabled {
		t.Fatal("the state does not tell")
	}
	s.enter(g)
	s.wantScreen(locker.ScreenDefect)
	s.pass(10 * day)
	count[locker.DepositExpired](s, 0)
	s.command(locker.Command{Kind: locker.CommandDisable, Compartment: n}, "a1")
	s.wantCommandRefused("already")
	s.command(locker.Command{Kind: locker.CommandEnable, Compartment: n}, "a1")
	s.wantCommandRefused("two different")
	s.command(locker.Command{Kind: locker.CommandEnable, Compartment: n}, "a1", "a2")
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.command(locker.Command{Kind: locker.CommandDisable, Compartment: 99}, "a1")
	s.wantCommandRefused("no compartment 99")

	s = newSite(t)
	s.order("ORDER-1", 1)
	for _, c := range s.term.Status().Compartments {
		s.command(locker.Command{Kind: locker.CommandDisable, Compartment: c.Number}, "a1")
	}
	s.signIn("c1", "c2")
	s.clear()
	s.slip("ORDER-1")
	if h := s.wantScreen(locker.ScreenRound).Hint; h != locker.HintNoSpace {
		t.Fatalf("hint %q", h)
	}
}

func TestARevokedOrderDiesAndIsTakenOut(t *testing.T) {
	s, _, g := loaded(t)
	s.command(locker.Command{Kind: locker.CommandRevoke, Order: "ORDER-1", Generation: g + 1}, "a1")
	s.wantCommandRefused("not the order's deposit")
	s.command(locker.Command{Kind: locker.CommandRevoke, Order: "ORDER-1", Generation: g}, "a1")
	if s.codes[g] != "" {
		t.Fatal("the slot lives")
	}
	s.enter(g)
	s.pass(3 * time.Second)
	s.wantScreen(locker.ScreenRefused)
	s.signIn("c1", "c2")
	if tasks := s.wantScreen(locker.ScreenRound).Round.Tasks; len(tasks) != 1 || tasks[0].Kind != locker.TaskUnload {
		t.Fatalf("tasks %v", tasks)
	}
	s.order("ORDER-2", 2)
	s.command(locker.Command{Kind: locker.CommandRevoke, Order: "ORDER-2"}, "a1")
	s.wantFollowed(locker.CommandRevoke, locker.CommandRevoke)
	s.command(locker.Command{Kind: locker.CommandRevoke, Order: "ORDER-2"}, "a1")
	s.wantCommandRefused("has ended")
	s.command(locker.Command{Kind: locker.CommandRevoke, Order: "ORDER-9"}, "a1")
	s.wantCommandRefused("no such order")
}

func TestRetentionIsExtended(t *testing.T) {
	s, _, g := loaded(t)
	s.pass(6 * day)
	s.command(locker.Command{Kind: locker.CommandExtend, Order: "ORDER-1", Generation: g, Days: 7}, "a1")
	s.pass(7 * day)
	count[locker.DepositExpired](s, 0)
	s.pass(2 * day)
	count[locker.DepositExpired](s, 1)
	s.command(locker.Command{Kind: locker.CommandExtend, Order: "ORDER-1", Generation: g, Days: 3}, "a1")
	if s.term.Status().Compartments[0].Expired {
		t.Fatal("still expired")
	}
	s.pass(4 * day)
	count[locker.DepositExpired](s, 2)
}

func TestOpeningHoursAreSet(t *testing.T) {
	s, _, _ := loaded(t) // a Monday, 10:00 UTC or so
	s.command(locker.Command{Kind: locker.CommandHours, Hours: "tue 00:00-24:00"}, "a1")
	if sc := s.wantScreen(locker.ScreenShut); sc.Opens.IsZero() {
		t.Fatalf("%+v", sc)
	}
	s.boot() // the configuration does not bring the old ones back
	s.wantScreen(locker.ScreenShut)
	s.command(locker.Command{Kind: locker.CommandHours, Hours: locker.OpeningConfigured}, "a1")
	s.wantScreen(locker.ScreenWelcome)
}

func TestOpeningHoursHaveOneForm(t *testing.T) {
	for _, good := range []string{"always", "configured", "mon 06:00-22:00", "mon 06:00-12:00, mon 12:00-22:00, sun 00:00-24:00"} {
		if _, _, err := locker.ParseOpening(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "Mon 06:00-22:00", "mon 6:00-22:00", "mon 22:00-06:00", "mon 06:00-24:01", "mon 06:60-07:00", "mon 06:00-22:00,tue 06:00-22:00",
		"tue 06:00-22:00, mon 06:00-22:00", "mon 06:00-12:00, mon 11:00-13:00", "mon 06:00-22:00 ", "may 06:00-22:00", "mon 06:00",
	} {
		if _, _, err := locker.ParseOpening(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestADiagnosisIsRecordedAndBounded(t *testing.T) {
	s := newSite(t)
	actions := s.hold(locker.CommandReceived{Command: locker.Command{Kind: locker.CommandDiagnose}, Admins: []locker.Person{"a1"}, Nonce: "n", Expires: s.term.Now().Add(time.Minute)})
	held[locker.Diagnose](t, actions)
	findings := map[string]string{"reader": strings.Repeat("x", 10_000)}
	for i := range 200 {
		findings[fmt.Sprint("part ", i)] = "well"
	}
	s.give(locker.DiagnosisMade{Findings: findings})
	d := has[locker.TerminalDiagnosed](s)
	if len(d) != 1 || len(d[0].Findings) != 64 {
		t.Fatalf("diagnosed: %v", d)
	}
	for _, text := range d[0].Findings {
		if len(text) > 500 {
			t.Errorf("%d bytes", len(text))
		}
	}
	actions = s.hold(locker.CommandReceived{Command: locker.Command{Kind: locker.CommandResend}, Admins: []locker.Person{"a1"}, Nonce: "m", Expires: s.term.Now().Add(time.Minute)})
	held[locker.ResendAll](t, actions)
}

func TestCommandsThatSayTooMuchOrTooLittle(t *testing.T) {
	for _, bad := range []locker.Command{
		{}, {Kind: "open"}, {Kind: locker.CommandLock, Compartment: 1}, {Kind: locker.CommandDisable}, {Kind: locker.CommandDisable, Compartment: -1},
		{Kind: locker.CommandRevoke}, {Kind: locker.CommandExtend, Order: "ORDER-1", Generation: 1}, {Kind: locker.CommandExtend, Order: "ORDER-1", Generation: 1, Days: 91},
		{Kind: locker.CommandExtend, Order: "ORDER-1", Days: 1}, {Kind: locker.CommandLock, Generation: 3}, {Kind: locker.CommandUnblock},
		{Kind: locker.CommandLock, Person: "p1"}, {Kind: locker.CommandHours}, {Kind: locker.CommandHours, Hours: "never"}, {Kind: locker.CommandLock, Hours: "always"},
	} {
		if err := bad.Validate(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestABurglaryEndsTheVisitAndTellsWhatLiesInside(t *testing.T) {
	s, n, g := loaded(t)
	s.order("ORDER-2", 2)
	s.image = locker.AdviceLay
	s.typeIn(code(int(g)))
	s.wantScreen(locker.ScreenFinger)
	s.command(locker.Command{Kind: locker.CommandBurglary}, "a1")
	s.wantScreen(locker.ScreenLocked)
	s.wantAlarm(locker.AlarmBurglary, locker.Wake)
	b := has[locker.BurglaryDeclared](s)
	if len(b) != 1 || !slices.Equal(b[0].Inside, []locker.Inside{{Compartment: n, Order: "ORDER-1", Generation: g, Custody: locker.CustodyCompartment}}) {
		t.Fatalf("declared %+v", b)
	}
	s.command(locker.Command{Kind: locker.CommandBurglary}, "a1")
	s.wantCommandRefused("already")
	s.command(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2")
	s.wantAlarm(locker.AlarmBurglary, "")
	s.wantScreen(locker.ScreenWelcome)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
}

func TestABurglaryDuringAHandoverDoubtsTheDocument(t *testing.T) {
	s, n, g := loaded(t)
	s.enter(g)
	s.wantScreen(locker.ScreenTake)
	s.command(locker.Command{Kind: locker.CommandBurglary}, "a1")
	s.wantScreen(locker.ScreenLocked)
	s.wantAlarm(locker.AlarmCustody, locker.Wake)
	if b := has[locker.BurglaryDeclared](s); len(b) != 1 || len(b[0].Inside) != 1 || b[0].Inside[0].Custody != locker.CustodyUnknown {
		t.Fatalf("declared %+v", b)
	}
	s.door(n, false)
	s.wantScreen(locker.ScreenLocked)
}

func TestAStolenTerminalGivesUpAllItsSecrets(t *testing.T) {
	s, n, g := loaded(t)
	s.order("ORDER-2", 2)
	s.command(locker.Command{Kind: locker.CommandDeclare}, "a1", "a2")
	s.wantScreen(locker.ScreenLocked)
	if s.codes[g] != "" || len(s.term.UnusedKeys()) != 0 || len(s.term.Living().Keys) != 0 || len(s.term.Living().Generations) != 0 {
		t.Fatalf("what lives: %+v", s.term.Living())
	}
	s.boot()
	if len(s.term.UnusedKeys()) != 0 {
		t.Fatal("new keys are on offer")
	}
	s.order("ORDER-3", 3)
	s.command(locker.Command{Kind: locker.CommandUnlock}, "a1", "a2") // it was found again
	if len(s.term.UnusedKeys()) == 0 {
		t.Fatal("no new keys")
	}
	s.signIn("c1", "c2")
	s.choose(locker.ChoiceNext)
	if sc := s.wantScreen(locker.ScreenUnload); sc.Compartment != n {
		t.Fatalf("%+v", sc)
	}
	s.choose(locker.ChoiceRemoved)
	s.door(n, false)
	count[locker.DocumentUnloaded](s, 1)
}
