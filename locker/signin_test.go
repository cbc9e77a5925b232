package locker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

func (s *site) wantRefused(p locker.Person, why locker.RefusalReason) {
	s.t.Helper()
	r := has[locker.ClerkRefused](s)
	if len(r) == 0 || r[len(r)-1] != (locker.ClerkRefused{Person: p, Reason: why}) {
		s.t.Fatalf("refusals %v, want %s of %q last", r, why, p)
	}
	count[locker.RoundOpened](s, 0)
}

func TestCardsThatSignNobodyIn(t *testing.T) {
	for card, want := range map[string]locker.ClerkRefused{
		"none": {Reason: locker.RefusedUnknown}, "ca": {Person: "a1", Reason: locker.RefusedRole}, "cg": {Person: "gone", Reason: locker.RefusedLeft},
	} {
		s := newSite(t)
		s.badge(card)
		s.wantRefused(want.Person, want.Reason)
		if h := s.wantScreen(locker.ScreenWelcome).Hint; h != locker.HintSignIn {
			t.Errorf("card %s: hint %q", card, h)
		}
	}
}

func TestOneClerkAloneOpensNothing(t *testing.T) {
	s := newSite(t)
	s.signIn("c1")
	s.wantScreen(locker.ScreenSecond)
	s.pass(time.Minute)
	s.wantScreen(locker.ScreenWelcome)
	s.wantRefused("p1", locker.RefusedAlone)
	if len(s.pulses) != 0 {
		t.Fatal("a door was opened")
	}
}

func TestOnePersonWithTwoCardsIsOne(t *testing.T) {
	s := newSite(t)
	s.signIn("c1")
	for _, card := range []string{"c1", "c1b"} {
		s.badge(card)
		s.wantRefused("p1", locker.RefusedSamePerson)
		if h := s.wantScreen(locker.ScreenSecond).Hint; h != locker.HintSamePerson {
			t.Fatalf("hint %q", h)
		}
	}
	s.signIn("c2")
	s.wantScreen(locker.ScreenRound)
}

func TestACardThatIsReadTwiceChangesNothing(t *testing.T) {
	s := newSite(t)
	s.badge("c1")
	shown := s.wantScreen(locker.ScreenClerk)
	s.badge("c1")
	if again := s.term.Screen(); again.Number != shown.Number || again.Hint != "" {
		t.Fatalf("screen %+v became %+v", shown, again)
	}
	s.badge("c2")
	if h := s.wantScreen(locker.ScreenClerk).Hint; h != locker.HintCardNotHere {
		t.Errorf("another's card: hint %q", h)
	}
}

func TestFiveWrongNumbersBlockAClerkUntilAnAdminAndAColleagueHelp(t *testing.T) {
	s := newSite(t)
	s.badge("c1")
	for range 2 {
		s.typeIn("081547")
	}
	s.boot() // the count outlives a restart
	s.badge("c1")
	for range 3 {
		s.wantScreen(locker.ScreenClerk)
		s.typeIn("081547")
	}
	s.wantRefused("p1", locker.RefusedBlocked)
	s.badge("c1")
	s.wantRefused("p1", locker.RefusedBlocked)
	if b := s.term.Status().Blocked; !slices.Equal(b, []locker.Person{"p1"}) {
		t.Fatalf("blocked: %v", b)
	}
	people := []locker.Member{{Person: "p1", Role: locker.Clerk}, {Person: "p2", Role: locker.Clerk}, {Person: "a1", Role: locker.Admin}, {Person: "a2", Role: locker.Admin}}
	s.give(locker.RosterReceived{Version: 2, Hash: "s", People: people})
	s.signIn("c2")
	s.badge("c1")
	s.wantRefused("p1", locker.RefusedBlocked) // neither a roster nor a colleague alone
	s.choose(locker.ChoiceCancel)

	s.command(locker.Command{Kind: locker.CommandUnblock, Person: "p1"}, "a1")
	s.badge("c1")
	s.wantRefused("p1", locker.RefusedBlocked) // nor an admin alone
	s.signIn("c2", "c1")
	s.wantScreen(locker.ScreenRound)
	if u := has[locker.ClerkUnblocked](s); len(u) != 1 || u[0] != (locker.ClerkUnblocked{Person: "p1", Beside: "p2"}) {
		t.Fatalf("unblocked: %v", u)
	}
}

func TestAnUnblockingLapsesAndCountsOnce(t *testing.T) {
	s := newSite(t)
	block := func() {
		s.badge("c1")
		for s.term.Screen().Name == locker.ScreenClerk {
			s.typeIn("081547")
		}
		s.wantRefused("p1", locker.RefusedBlocked)
	}
	block()
	s.command(locker.Command{Kind: locker.CommandUnblock, Person: "p1"}, "a1")
	s.pass(25 * time.Hour)
	s.signIn("c2")
	s.badge("c1")
	s.wantRefused("p1", locker.RefusedBlocked)
	s.choose(locker.ChoiceCancel)
	s.command(locker.Command{Kind: locker.CommandUnblock, Person: "p1"}, "a1")
	s.signIn("c2")
	block() // five new tries, and no more
	s.badge("c1")
	s.wantRefused("p1", locker.RefusedBlocked)
	count[locker.ClerkUnblocked](s, 1)
}

func TestANumberIsChargedBeforeItIsTried(t *testing.T) {
	s := newSite(t)
	for range 5 { // the power is cut before the answer, again and again
		s.badge("c1")
		actions := s.hold(locker.Typed{Screen: s.term.Screen().Number, Text: []byte("471108")})
		held[locker.CheckClerk](t, actions)
		s.boot()
	}
	count[locker.ClerkCharged](s, 5)
	s.badge("c1")
	s.wantRefused("p1", locker.RefusedBlocked)
}

func TestARightNumberForgivesTheWrongOnes(t *testing.T) {
	s := newSite(t)
	for range 3 {
		s.badge("c1")
		for range 3 {
			s.typeIn("081547")
		}
		s.typeIn("471108")
		s.choose(locker.ChoiceCancel)
	}
	count[locker.ClerkAdmitted](s, 3)
}

func TestNumbersThatAreNoneCostNothing(t *testing.T) {
	s := newSite(t)
	s.badge("c1")
	for _, text := range []string{"", "47", "47110", "4711a1", "1234567890123"} {
		s.typeIn(text)
		if h := s.wantScreen(locker.ScreenClerk).Hint; h != locker.HintDigits {
			t.Fatalf("%q: hint %q", text, h)
		}
	}
	count[locker.ClerkRefused](s, 0)
}

func TestAnOlderRosterIsRefusedAndTheSameIsNoNews(t *testing.T) {
	s := newSite(t)
	s.give(locker.RosterReceived{Version: 3, Hash: "s", People: []locker.Member{{Person: "p1", Role: locker.Clerk}}})
	s.give(locker.RosterReceived{Version: 2, Hash: "r"})
	s.give(locker.RosterReceived{Version: 3, Hash: "s"})
	count[locker.RosterAccepted](s, 2)
	if r := has[locker.MessageRefused](s); len(r) != 1 || r[0].Message != locker.MessageRoster || r[0].Version != 2 {
		t.Fatalf("refused %v", r)
	}
}

func TestAClerkWhoLeavesTheRosterEndsTheRound(t *testing.T) {
	s := newSite(t)
	s.order("ORDER-1", 1)
	s.signIn("c1", "c2")
	s.clear()
	s.slip("ORDER-1")
	s.wantScreen(locker.ScreenLay)
	s.give(locker.RosterReceived{Version: 2, Hash: "s", People: []locker.Member{{Person: "p2", Role: locker.Clerk}, {Person: "p3", Role: locker.Clerk}}})
	s.wantScreen(locker.ScreenWelcome)
	count[locker.RoundInterrupted](s, 1)
	if s.at(1).Custody != locker.CustodyUnknown {
		t.Fatal("what was half done is in doubt")
	}
}

func TestAClerkWhoLeavesTheRosterBeforeTheSecondComesOpensNoRound(t *testing.T) {
	s := newSite(t)
	s.signIn("c1")
	s.give(locker.RosterReceived{Version: 2, Hash: "s", People: []locker.Member{{Person: "p2", Role: locker.Clerk}, {Person: "p3", Role: locker.Clerk}}})
	s.signIn("c2")
	s.wantScreen(locker.ScreenSecond)
	s.wantRefused("p1", locker.RefusedRole)
	s.signIn("c3")
	s.wantScreen(locker.ScreenRound)
	if r := has[locker.RoundOpened](s); r[0].Clerks != [2]locker.Person{"p2", "p3"} {
		t.Fatalf("round of %v", r[0].Clerks)
	}
}

func TestALeaveDateThatPassesInARoundForbidsTheConfirmation(t *testing.T) {
	s := newSite(t)
	s.give(locker.RosterReceived{Version: 2, Hash: "s", People: []locker.Member{
		{Person: "p1", Role: locker.Clerk, Leaves: s.term.Now().Add(time.Minute)}, {Person: "p2", Role: locker.Clerk},
	}})
	s.signIn("c1", "c2")
	s.pass(90 * time.Second)
	s.choose(locker.ChoiceFinish)
	s.badge("c2")
	s.badge("c1")
	if h := s.wantScreen(locker.ScreenConfirm).Hint; h != locker.HintSignIn {
		t.Fatalf("hint %q", h)
	}
	count[locker.RoundConfirmed](s, 0)
}

func TestAVaultThatCannotCheckRefusesAndSaysSo(t *testing.T) {
	s := newSite(t)
	s.badge("c1")
	c := held[locker.CheckClerk](t, s.hold(locker.Typed{Screen: s.term.Screen().Number, Text: []byte("471108")}))
	s.give(locker.ClerkChecked{Check: c.Check, Err: "roster unreadable"})
	s.wantRefused("p1", locker.RefusedBroken)
	s.wantAlarm(locker.AlarmVault, locker.Morning)
	s.hold(locker.Scanned{Source: locker.SourceBadge, Text: []byte("c2")})
	s.pass(31 * time.Second) // no answer at all
	s.wantRefused("", locker.RefusedBroken)
	s.pass(time.Minute)
	s.wantScreen(locker.ScreenWelcome)
}

func TestACardInTheMiddleOfAVisitWaits(t *testing.T) {
	s, _, g := loaded(t)
	s.typeIn(code(int(g)))
	s.badge("c1")
	if h := s.wantScreen(locker.ScreenFinger).Hint; h != locker.HintCardNotHere {
		t.Fatalf("hint %q", h)
	}
}

func TestACardLeftOnTheReaderHindersNobody(t *testing.T) {
	for _, card := range []string{"stranger", "c1"} {
		s, n, g := loaded(t)
		lies := func(d time.Duration) {
			for range d / time.Second {
				s.badge(card)
				s.pass(time.Second)
			}
		}
		lies(time.Minute)
		number, events := s.wantScreen(locker.ScreenWelcome).Number, len(s.events)
		lies(time.Minute)
		if now := s.wantScreen(locker.ScreenWelcome).Number; now != number {
			t.Errorf("%s: the screen became another: what was being typed is lost", card)
		}
		if len(s.events) > events {
			t.Errorf("%s: %d events", card, len(s.events)-events)
		}
		s.enter(g)
		lies(10 * time.Second)
		s.wantScreen(locker.ScreenTake)
		s.door(n, false)
		s.choose(locker.ChoiceYes)
		s.pass(time.Minute)
		s.signIn("c1") // taken away, and shown again
	}
}
