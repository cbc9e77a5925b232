package tour

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// troubles are what goes wrong in a terminal's life, after which it must go on.
var troubles = []scene{
	{"orders arrive, two clerks load, letters go out", (*story).prepared},
	{"an unknown card, a wrong number, a card in the citizen's flow", (*story).strangeCards},
	{"a slip at the citizen's scanner, a letter at the clerks'", (*story).wrongScanner},
	{"the letter's QR at the citizen's scanner", (*story).letterScanned},
	{"the reader is unplugged in mid-image", (*story).readerUnplugged},
	{"a door does not open", (*story).doorJammed},
	{"a door is left open", (*story).doorLeftOpen},
	{"a citizen says: not mine", (*story).notMine},
	{"an order is withdrawn while it lies here", (*story).withdrawn},
	{"two clerks find out what is true", (*story).foundOut},
	{"the city's record equals the journal", (*story).recordsAgree},
}

// PlayTroubles plays what goes wrong, as Play does the story.
func PlayTroubles(ctx context.Context, site *Site, out io.Writer) error {
	return play(ctx, site, troubles, out)
}

func (s *story) prepared(ctx context.Context) (string, error) {
	for _, step := range []func(context.Context) (string, error){s.orderArrives, s.clerksLoad, s.lettersPrinted} {
		if _, err := step(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d documents lie ready", len(s.People)), nil
}

func (s *story) strangeCards(ctx context.Context) (string, error) {
	if err := s.idle(ctx); err != nil {
		return "", err
	}
	if err := s.scan(ctx, locker.SourceBadge, "CARD-9999"); err != nil {
		return "", err
	}
	if err := s.awaitHint(ctx, locker.ScreenWelcome, locker.HintSignIn); err != nil {
		return "", err
	}
	if err := s.showCard(ctx, Clerk{Card: s.Clerks[0].Card, Number: "000000"}); err != nil {
		return "", err
	}
	if err := s.awaitHint(ctx, locker.ScreenClerk, locker.HintWrongNumber); err != nil {
		return "", err
	}
	if err := s.enter(ctx, s.code("anna")); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenFinger); err != nil {
		return "", err
	}
	if err := s.scan(ctx, locker.SourceBadge, s.Clerks[0].Card); err != nil {
		return "", err
	}
	if err := s.awaitHint(ctx, locker.ScreenFinger, locker.HintCardNotHere); err != nil {
		return "", err
	}
	for _, reason := range []string{"unknown", "number"} {
		if _, err := s.event(ctx, "de.nachtfach.clerk.refused.v1", func(f map[string]any) bool { return text(f, "reason") == reason }); err != nil {
			return "", err
		}
	}
	return "each refused with a word of its own, and in the record", s.idle(ctx)
}

func (s *story) wrongScanner(ctx context.Context) (string, error) {
	if err := s.scan(ctx, locker.SourceCitizen, string(s.orders["anna"])); err != nil {
		return "", err
	}
	err := until(ctx, "a hint", func() (bool, error) {
		sc, err := s.screen(ctx)
		return sc.Name == locker.ScreenWelcome && sc.Hint != "", err
	})
	if err != nil {
		return "", err
	}
	if err := s.signIn(ctx); err != nil {
		return "", err
	}
	if err := s.scan(ctx, locker.SourceBarcode, s.letters["anna"].QR); err != nil {
		return "", err
	}
	if err := s.awaitHint(ctx, locker.ScreenRound, locker.HintUnknownSlip); err != nil {
		return "", err
	}
	if err := s.scan(ctx, locker.SourceCitizen, s.letters["anna"].QR); err != nil { // nothing happens
		return "", err
	}
	return "no door, no attempt", s.finish(ctx)
}

func (s *story) letterScanned(ctx context.Context) (string, error) {
	if err := s.idle(ctx); err != nil {
		return "", err
	}
	if err := s.scan(ctx, locker.SourceCitizen, s.letters["anna"].QR); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenFinger); err != nil {
		return "", err
	}
	return "as good as typing", s.idle(ctx)
}

func (s *story) readerUnplugged(ctx context.Context) (string, error) {
	if err := s.enter(ctx, s.code("anna")); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenFinger); err != nil {
		return "", err
	}
	if err := s.control(ctx, "unplug", map[string]any{"after_packets": 20}); err != nil {
		return "", err
	}
	if err := s.lay(ctx, s.person("anna").Lay[0]); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenDefect); err != nil {
		return "", err
	}
	failed, err := s.event(ctx, "de.nachtfach.alarm.raised.v1", func(f map[string]any) bool { return text(f, "kind") == "part_failed" })
	if err != nil {
		return "", err
	}
	if err := s.control(ctx, "plug", map[string]any{}); err != nil {
		return "", err
	}
	if _, err := s.event(ctx, "de.nachtfach.alarm.cleared.v1", func(f map[string]any) bool { return number(f, "alarm") == number(failed.Data, "alarm") }); err != nil {
		return "", err
	}
	n, err := s.open(ctx, "anna", 0)
	if err != nil {
		return "", err
	}
	return "told at once, healed when plugged in, nothing charged", s.take(ctx, n)
}

func (s *story) control(ctx context.Context, what string, body any) error {
	return request(ctx, http.MethodPost, s.Control+"/api/"+what, "", body, nil)
}

func (s *story) doorJammed(ctx context.Context) (string, error) {
	n := s.places["bernd"]
	if err := s.door(ctx, n, "jam"); err != nil {
		return "", err
	}
	if err := s.enter(ctx, s.code("bernd")); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenFinger); err != nil {
		return "", err
	}
	if err := s.lay(ctx, s.person("bernd").Lay[0]); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenDefect); err != nil {
		return "", err
	}
	f, err := s.event(ctx, "de.nachtfach.compartment.faulted.v1", func(f map[string]any) bool { return number(f, "compartment") == uint64(n) })
	if err != nil {
		return "", err
	}
	return "tried twice, then: " + text(f.Data, "detail"), s.door(ctx, n, "heal")
}

func (s *story) doorLeftOpen(ctx context.Context) (string, error) {
	n, err := s.open(ctx, "clara", 0)
	if err != nil {
		return "", err
	}
	if err := s.lift(ctx); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenLeftOpen); err != nil {
		return "", err
	}
	f, err := s.event(ctx, "de.nachtfach.alarm.raised.v1", func(f map[string]any) bool {
		return text(f, "kind") == "door_left_open" && number(f, "compartment") == uint64(n)
	})
	if err != nil {
		return "", err
	}
	return "reminded, then alarm of class " + text(f.Data, "class") + "; custody unknown", s.door(ctx, n, "close")
}

func (s *story) notMine(ctx context.Context) (string, error) {
	n, err := s.open(ctx, "dora", 0)
	if err != nil {
		return "", err
	}
	if err := s.door(ctx, n, "close"); err != nil {
		return "", err
	}
	if err := s.press(ctx, locker.ScreenQuestion, locker.ChoiceNotMine); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenPutBack); err != nil {
		return "", err
	}
	if err := s.door(ctx, n, "close"); err != nil {
		return "", err
	}
	sc, err := s.await(ctx, locker.ScreenDisputed)
	if err != nil {
		return "", err
	}
	_, err = s.event(ctx, "de.nachtfach.alarm.raised.v1", func(f map[string]any) bool {
		return text(f, "kind") == "document_disputed" && text(f, "class") == "wake" && text(f, "incident") == sc.Incident
	})
	return "put back, quarantined, the slot lives until clerks look", err
}

func (s *story) withdrawn(ctx context.Context) (string, error) {
	id, g := s.orders["emil"], s.letters["emil"].Generation
	signed, err := s.signWithdrawal(id)
	if err != nil {
		return "", err
	}
	if _, err := s.City.Withdraw(ctx, id, signed); err != nil {
		return "", err
	}
	if _, err := s.event(ctx, "de.nachtfach.slot.erased.v1", func(f map[string]any) bool { return number(f, "generation") == uint64(g) }); err != nil {
		return "", err
	}
	if err := s.enter(ctx, s.code("emil")); err != nil {
		return "", err
	}
	_, err = s.await(ctx, locker.ScreenRefused)
	return "its finger is gone at once, its code is as unknown as any", err
}

// foundOut lets two clerks look into every compartment that is in doubt, and
// unload the withdrawn document.
func (s *story) foundOut(ctx context.Context) (string, error) {
	if err := s.signIn(ctx); err != nil {
		return "", err
	}
	var done []string
	for {
		sc, err := s.await(ctx, locker.ScreenRound)
		if err != nil {
			return "", err
		}
		i := 0
		for i < len(sc.Round.Tasks) && sc.Round.Tasks[i].Kind == locker.TaskClear {
			i++
		}
		if i == len(sc.Round.Tasks) || i > 0 {
			break
		}
		task := sc.Round.Tasks[0]
		if err := s.lookInto(ctx, task); err != nil {
			return "", err
		}
		done = append(done, fmt.Sprintf("%s %d", task.Kind, task.Compartment))
	}
	if len(done) != 4 {
		return "", fmt.Errorf("the round's tasks were %v", done)
	}
	if err := s.finish(ctx); err != nil {
		return "", err
	}
	doors, err := s.wall(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range doors {
		if d.Document && d.Number != s.places["frieda"] && d.Number != s.places["bernd"] {
			return "", fmt.Errorf("a document is left in compartment %d", d.Number)
		}
	}
	return strings.Join(done, ", "), nil
}

func (s *story) lookInto(ctx context.Context, task locker.Task) error {
	if err := s.press(ctx, locker.ScreenRound, locker.ChoiceNext); err != nil {
		return err
	}
	sc, err := s.await(ctx, locker.ScreenInspect, locker.ScreenUnload)
	if err != nil {
		return err
	}
	answer, deed := locker.ChoiceRemoved, "take"
	if task.Compartment == s.places["bernd"] { // a fault, and the document lies there
		answer, deed = locker.ChoicePresent, ""
	}
	if err := s.press(ctx, sc.Name, answer); err != nil {
		return err
	}
	if deed != "" {
		if err := s.door(ctx, task.Compartment, deed); err != nil {
			return err
		}
	}
	return s.door(ctx, task.Compartment, "close")
}

// signWithdrawal is the desk's word that an order is taken back.
func (s *story) signWithdrawal(id locker.OrderID) ([]byte, error) {
	return envelope.SignWithdrawal(s.Desk, envelope.Withdrawal{Terminal: s.Terminal, Order: id, Issued: time.Now().UTC().Truncate(time.Second)})
}
