package tour

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

func (s *story) orderArrives(ctx context.Context) (string, error) {
	for _, p := range s.People {
		id, err := s.order(ctx, p, s.Desk)
		if err != nil {
			return "", err
		}
		s.orders[p.Name] = id
	}
	for _, p := range s.People {
		if _, err := s.arrive(ctx, s.orders[p.Name], api.OrderAccepted); err != nil {
			return "", err
		}
	}
	for _, sent := range s.Sent("order") {
		if bytes.Contains(sent, []byte("FMR\x00")) { // ISO/IEC 19794-2:2005, 7.3.1: a template in clear
			return "", errors.New("a template went over the broker in clear")
		}
	}
	return fmt.Sprintf("%d orders accepted, no template in clear on the broker", len(s.People)), nil
}

// forgedOrder submits the order of another town's desk. The city refuses it at
// capture. Then a genuine desk's key signs its submission, which the city cannot
// tell from an order of that desk; the terminal refuses the order inside.
func (s *story) forgedOrder(ctx context.Context) (string, error) {
	id, submission, err := s.capture(ctx, s.People[0], s.Stranger)
	if err != nil {
		return "", err
	}
	var refused *api.Error
	switch _, err := s.City.SubmitOrder(ctx, submission); {
	case err == nil:
		return "", errors.New("the city took the order of another town's desk")
	case !errors.As(err, &refused), !strings.Contains(refused.Error(), "is no desk's in roster"):
		return "", fmt.Errorf("the city answered another town's desk: %w", err)
	}
	sealed, _, _ := bytes.Cut(submission, []byte("\n"))
	if submission, err = envelope.SignSubmission(s.Desk, sealed); err != nil {
		return "", err
	}
	if _, err := s.City.SubmitOrder(ctx, submission); err != nil {
		return "", fmt.Errorf("past the city: %w", err)
	}
	o, err := s.arrive(ctx, id, api.OrderRefused)
	if err != nil {
		return "", err
	}
	return "another town's desk: by the city, and by the terminal: " + o.Reason, nil
}

func (s *story) clerkAlone(ctx context.Context) (string, error) {
	if err := s.showCard(ctx, s.Clerks[0]); err != nil {
		return "", err
	}
	if err := s.press(ctx, locker.ScreenSecond, locker.ChoiceCancel); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenWelcome); err != nil {
		return "", err
	}
	f, err := s.event(ctx, "de.nachtfach.clerk.refused.v1", func(f map[string]any) bool { return text(f, "reason") == "alone" })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("no round opened, event %d says why", f.Sequence), nil
}

func (s *story) onePersonTwoCards(ctx context.Context) (string, error) {
	if err := s.showCard(ctx, s.Clerks[0]); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenSecond); err != nil {
		return "", err
	}
	if err := s.scan(ctx, locker.SourceBadge, s.Spare); err != nil {
		return "", err
	}
	if err := s.awaitHint(ctx, locker.ScreenSecond, locker.HintSamePerson); err != nil {
		return "", err
	}
	if err := s.press(ctx, locker.ScreenSecond, locker.ChoiceCancel); err != nil {
		return "", err
	}
	if n, err := s.count(ctx, "de.nachtfach.round.opened.v1"); err != nil || n != 0 {
		return "", fmt.Errorf("%d rounds opened: %w", n, err)
	}
	f, err := s.event(ctx, "de.nachtfach.clerk.refused.v1", func(f map[string]any) bool { return text(f, "reason") == "same_person" })
	return fmt.Sprintf("event %d, no round opened", f.Sequence), err
}

func (s *story) clerksLoad(ctx context.Context) (string, error) {
	if err := s.signIn(ctx); err != nil {
		return "", err
	}
	if err := s.clear(ctx, len(s.People)); err != nil {
		return "", err
	}
	for _, p := range s.People {
		if err := s.load(ctx, p.Name); err != nil {
			return "", fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if err := s.finish(ctx); err != nil {
		return "", err
	}
	seen := map[locker.CompartmentID]bool{}
	for _, p := range s.People {
		if seen[s.places[p.Name]] {
			return "", fmt.Errorf("compartment %d was given twice", s.places[p.Name])
		}
		seen[s.places[p.Name]] = true
		o := s.orders[p.Name]
		if _, err := s.event(ctx, "de.nachtfach.order.erased.v1", func(f map[string]any) bool { return text(f, "order") == string(o) }); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d documents in compartments of their own, both confirmed, order keys erased", len(seen)), nil
}

func (s *story) lettersPrinted(ctx context.Context) (string, error) {
	for _, p := range s.People {
		if err := s.letter(ctx, p.Name); err != nil {
			return "", err
		}
	}
	if _, err := s.City.Letter(ctx, s.orders[s.People[0].Name]); err == nil {
		return "", errors.New("the city printed a code twice")
	}
	anna := s.letters["anna"]
	return fmt.Sprintf("code %s-%s-%s, printed once, posted on %s", anna.Code[0], anna.Code[1], anna.Code[2], anna.Posted), nil
}

// refusedAlike holds the two refusals against each other, byte by byte but for
// the numbers that count everything.
func (s *story) refusedAlike(ctx context.Context) (string, error) {
	selector, err := strconv.Atoi(s.letters["anna"].Code[0])
	if err != nil {
		return "", err
	}
	wrong, err := codeOf(selector, 1) // it is the right one once in ten million stories
	if err != nil {
		return "", err
	}
	unknown, err := s.unknownCode()
	if err != nil {
		return "", err
	}
	var shown [][]byte
	for _, code := range []string{wrong, unknown} {
		if err := s.enter(ctx, code); err != nil {
			return "", err
		}
		sc, err := s.await(ctx, locker.ScreenRefused)
		if err != nil {
			return "", err
		}
		sc.Number, sc.Until, sc.Incident = 0, 0, ""
		b, err := json.Marshal(sc)
		if err != nil {
			return "", err
		}
		shown = append(shown, b)
	}
	if !bytes.Equal(shown[0], shown[1]) {
		return "", fmt.Errorf("the screens differ: %s and %s", shown[0], shown[1])
	}
	return "the same screen, and both are in the record", nil
}

func (s *story) unknownCode() (string, error) {
	for selector := range 10000 {
		taken := false
		for _, l := range s.letters {
			taken = taken || l.Code[0] == fmt.Sprintf("%04d", selector)
		}
		if !taken {
			return codeOf(selector, 2)
		}
	}
	return "", errors.New("every selector is in use")
}

func (s *story) slip(ctx context.Context) (string, error) {
	before, err := s.count(ctx, "de.nachtfach.code.charged.v1")
	if err != nil {
		return "", err
	}
	code := []byte(s.code("anna"))
	code[6] = '0' + (code[6]-'0'+1)%10
	if err := s.enter(ctx, string(code)); err != nil {
		return "", err
	}
	if err := s.awaitHint(ctx, locker.ScreenWelcome, locker.HintSlip); err != nil {
		return "", err
	}
	if _, err := s.settle(ctx); err != nil {
		return "", err
	}
	after, err := s.count(ctx, "de.nachtfach.code.charged.v1")
	if after != before {
		return "", fmt.Errorf("charges went from %d to %d", before, after)
	}
	return fmt.Sprintf("told at once, still %d charges", after), err
}

func (s *story) otherFinger(ctx context.Context) (string, error) {
	if err := s.keepDisk(ctx); err != nil {
		return "", err
	}
	if err := s.enter(ctx, s.code("anna")); err != nil {
		return "", err
	}
	if err := s.reach(ctx); err != nil {
		return "", err
	}
	if err := s.lay(ctx, s.person("bernd").Lay[0]); err != nil {
		return "", err
	}
	if err := s.awaitHint(ctx, locker.ScreenFinger, locker.HintNoMatch); err != nil {
		return "", err
	}
	if err := s.lift(ctx); err != nil {
		return "", err
	}
	f, err := s.event(ctx, "de.nachtfach.factor.compared.v1", nil)
	if err != nil {
		return "", err
	}
	if accepted, _ := f.Data["accepted"].(bool); accepted {
		return "", errors.New("another's finger was accepted")
	}
	return fmt.Sprintf("similarity %.2f, false match rate %.2g", f.Data["similarity"], f.Data["fmr"]), nil
}

func (s *story) opens(ctx context.Context) (string, error) {
	before, err := s.wall(ctx)
	if err != nil {
		return "", err
	}
	n, err := s.open(ctx, "anna", 0)
	if err != nil {
		return "", err
	}
	if n != s.places["anna"] {
		return "", fmt.Errorf("compartment %d opened, her document is in %d", n, s.places["anna"])
	}
	after, err := s.wall(ctx)
	if err != nil {
		return "", err
	}
	for i, d := range after {
		if moved := d.Pulses - before[i].Pulses; moved != 0 && d.Number != n || d.Number == n && !d.Open {
			return "", fmt.Errorf("door %d: %d pulses, open: %v", d.Number, moved, d.Open)
		}
	}
	f, err := s.event(ctx, "de.nachtfach.factor.compared.v1", func(f map[string]any) bool { return f["accepted"] == true })
	return fmt.Sprintf("compartment %d alone, similarity %.2f", n, f.Data["similarity"]), err
}

func (s *story) opensAgain(ctx context.Context) (string, error) {
	n := s.places["anna"]
	if err := s.door(ctx, n, "close"); err != nil { // the document lies at the back, in the dark
		return "", err
	}
	if err := s.press(ctx, locker.ScreenQuestion, locker.ChoiceAgain); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenTake); err != nil {
		return "", err
	}
	return fmt.Sprintf("compartment %d open once more", n), nil
}

func (s *story) handedOver(ctx context.Context) (string, error) {
	if err := s.take(ctx, s.places["anna"]); err != nil {
		return "", err
	}
	g := s.letters["anna"].Generation
	ours := func(f map[string]any) bool { return number(f, "generation") == uint64(g) }
	taken, err := s.event(ctx, "de.nachtfach.document.taken.v1", ours)
	if err != nil {
		return "", err
	}
	if taken.Data["confirmed"] != true {
		return "", errors.New("the handover is not confirmed")
	}
	erased, err := s.event(ctx, "de.nachtfach.slot.erased.v1", ours)
	return fmt.Sprintf("event %d, the slot erased in event %d", taken.Sequence, erased.Sequence), err
}

func (s *story) lostLetter(ctx context.Context) (string, error) {
	old := s.code("bernd")
	draft, err := s.City.DraftReissue(ctx, s.orders["bernd"])
	if err != nil {
		return "", err
	}
	signed, err := signDraft(s.Admin, draft)
	if err != nil {
		return "", err
	}
	if err := s.City.Reissue(ctx, s.orders["bernd"], signed); err != nil {
		return "", err
	}
	if _, err := s.event(ctx, "de.nachtfach.deposit.reissued.v1", nil); err != nil {
		return "", err
	}
	if err := s.letter(ctx, "bernd"); err != nil {
		return "", err
	}
	if s.code("bernd") == old {
		return "", errors.New("the new code is the old one")
	}
	if err := s.enter(ctx, old); err != nil {
		return "", err
	}
	if _, err := s.await(ctx, locker.ScreenRefused); err != nil {
		return "", err
	}
	n, err := s.open(ctx, "bernd", 0)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("the old code is refused, the new one opens %d", n), s.take(ctx, n)
}

func (s *story) forced(ctx context.Context) (string, error) {
	doors, err := s.wall(ctx)
	if err != nil {
		return "", err
	}
	n := doors[len(doors)-1].Number
	if err := s.door(ctx, n, "force"); err != nil {
		return "", err
	}
	f, err := s.event(ctx, "de.nachtfach.alarm.raised.v1", func(f map[string]any) bool {
		return text(f, "kind") == "door_forced" && number(f, "compartment") == uint64(n)
	})
	if err != nil {
		return "", err
	}
	if text(f.Data, "class") != "wake" {
		return "", fmt.Errorf("the alarm's class is %s", text(f.Data, "class"))
	}
	return fmt.Sprintf("door %d, class wake", n), s.door(ctx, n, "close")
}

func (s *story) expired(ctx context.Context) (string, error) {
	g := s.letters["frieda"].Generation
	if _, err := s.event(ctx, "de.nachtfach.deposit.expired.v1", func(f map[string]any) bool { return number(f, "generation") == uint64(g) }); err != nil {
		return "", err
	}
	if err := s.signIn(ctx); err != nil {
		return "", err
	}
	sc, err := s.await(ctx, locker.ScreenRound)
	if err != nil {
		return "", err
	}
	n := s.places["frieda"]
	if len(sc.Round.Tasks) == 0 || sc.Round.Tasks[0].Kind != locker.TaskUnload || sc.Round.Tasks[0].Compartment != n {
		return "", fmt.Errorf("the first task is not to unload %d: %v", n, sc.Round.Tasks)
	}
	if err := s.press(ctx, locker.ScreenRound, locker.ChoiceNext); err != nil {
		return "", err
	}
	if err := s.press(ctx, locker.ScreenUnload, locker.ChoiceRemoved); err != nil {
		return "", err
	}
	for _, deed := range []string{"take", "close"} {
		if err := s.door(ctx, n, deed); err != nil {
			return "", err
		}
	}
	if err := s.finish(ctx); err != nil {
		return "", err
	}
	_, err = s.event(ctx, "de.nachtfach.document.unloaded.v1", func(f map[string]any) bool { return number(f, "generation") == uint64(g) })
	return fmt.Sprintf("out of compartment %d, back at the desk", n), err
}

func (s *story) recordsAgree(ctx context.Context) (string, error) {
	lines, err := s.settle(ctx)
	if err != nil {
		return "", err
	}
	var held [][]byte
	for len(held) < len(lines) {
		events, err := s.City.Events(ctx, s.Terminal, uint64(len(held)), 1000)
		if err != nil {
			return "", err
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			held = append(held, e.Body)
		}
	}
	if !slices.EqualFunc(lines, held, bytes.Equal) {
		return "", fmt.Errorf("%d events in the journal and %d at the city are not the same", len(lines), len(held))
	}
	tree, err := s.City.Verify(ctx, s.Terminal)
	if err != nil {
		return "", err
	}
	if _, err := s.wall(ctx); err != nil { // the drivers did nothing that they must not
		return "", err
	}
	return fmt.Sprintf("%d events, byte by byte, root %s", tree.Size, tree.Root[:12]), nil
}
