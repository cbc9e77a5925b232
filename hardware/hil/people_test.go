//go:build hil

package hil_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// paper is one document and where it truly is.
type paper struct {
	order  locker.OrderID
	person tour.Person
	code   string // once the letter was printed
	inside int    // compartment, or 0
	done   bool   // with its owner, or back at the desk for good
}

// people are two clerks and the citizens. They do what the screens say, tell
// the truth, and go on after a power cut with what they find.
type people struct {
	site   *tour.Site
	papers []*paper
	mu     sync.Mutex // guards what a cut looks at: papers and doors

	want  func(context.Context) (*paper, bool) // whom the next visit is for; true: the clerks
	clerk int                                  // whose card was shown last
	saw   string                               // the last screen
}

// tell sends JSON, and reads JSON into out if it is not nil.
func tell(ctx context.Context, method, url, token string, in io.Reader, kind string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s: %s: %s", url, resp.Status, bytes.TrimSpace(text))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func (p *people) control(ctx context.Context, path string, in any) error {
	return tell(ctx, http.MethodPost, p.site.Control+path, "", bytes.NewReader(must(json.Marshal(in))), "application/json", nil)
}

func (p *people) scan(ctx context.Context, source locker.Source, text string) error {
	return p.control(ctx, "/api/scan", map[string]string{"source": string(source), "text": text})
}

func (p *people) door(ctx context.Context, n locker.CompartmentID, deed string) error {
	return p.control(ctx, fmt.Sprintf("/api/doors/%d", n), map[string]string{"do": deed})
}

// doors are the wall's, as they truly are.
func (p *people) doors(ctx context.Context) ([]protocol.Door, error) {
	var state struct {
		Doors []struct {
			Number         int
			Open, Document bool
		}
	}
	err := tell(ctx, http.MethodGet, p.site.Control+"/api/state", "", nil, "application/json", &state)
	var doors []protocol.Door
	for _, d := range state.Doors {
		doors = append(doors, protocol.Door{Number: d.Number, Open: d.Open, Document: d.Document})
	}
	return doors, err
}

func (p *people) in(n locker.CompartmentID) *paper {
	for _, d := range p.papers {
		if d.inside == int(n) {
			return d
		}
	}
	return nil
}

// apply is a visit to the city's desk: order, arrival, the terminal's answer.
func (p *people) apply(ctx context.Context, person tour.Person) error {
	var key api.Key
	var err error
	for ctx.Err() == nil {
		if key, err = p.site.City.LeaseKey(ctx, terminal); err == nil {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	if err != nil {
		return err
	}
	finger, err := person.Enrolled()
	if err != nil {
		return err
	}
	a := desk.Application{Terminal: terminal, Document: locker.IdentityCard, Size: locker.Small, Fingers: []desk.Finger{finger}}
	id, sealed, err := a.Order(p.site.Desk, envelope.PublishedKey{ID: key.Key, Public: key.Public, Expires: key.Expires}, time.Now())
	if err != nil {
		return err
	}
	if _, err := p.site.City.SubmitOrder(ctx, sealed); err != nil {
		return err
	}
	if _, err := p.site.City.Arrived(ctx, id); err != nil {
		return err
	}
	p.papers = append(p.papers, &paper{order: id, person: person})
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// work does what the screens say until done says that it is enough.
func (p *people) work(ctx context.Context, done func(locker.Screen) bool) error {
	var last uint64
	var since time.Time // the screen was last acted at
	var doing error
	for ctx.Err() == nil {
		k := p.site.Kiosk()
		var s locker.Screen
		if err := tell(ctx, http.MethodGet, k.URL+"/screen", k.Token, nil, "application/json", &s); err != nil {
			doing = err
			pause(ctx, 50*time.Millisecond)
			continue
		}
		if done(s) {
			return nil
		}
		if s.Number == last {
			pause(ctx, 30*time.Millisecond)
			if doing == nil && time.Since(since) < 5*time.Second { // a scan may have come too early
				continue
			}
		}
		last, since = s.Number, time.Now()
		p.saw = string(must(json.Marshal(s)))
		doing = p.act(ctx, k, s)
	}
	return errors.Join(doing, ctx.Err())
}

// act does one thing at a screen.
func (p *people) act(ctx context.Context, k tour.Door, s locker.Screen) error {
	answer := func(choice locker.Choice, text string) error {
		in := map[string]any{"screen": s.Number}
		if choice != "" {
			in["choice"] = choice
		} else {
			in["text"] = text
		}
		return tell(ctx, http.MethodPost, k.URL+"/input", k.Token, bytes.NewReader(must(json.Marshal(in))), "application/json", nil)
	}
	card := func(i int) error {
		p.clerk = i
		return p.scan(ctx, locker.SourceBadge, p.site.Clerks[i].Card)
	}
	visitor, clerks := p.want(ctx)
	switch s.Name {
	case locker.ScreenWelcome:
		if clerks {
			return card(0)
		}
		if visitor != nil {
			return answer("", visitor.code)
		}
	case locker.ScreenClerk:
		return answer("", p.site.Clerks[p.clerk].Number)
	case locker.ScreenSecond:
		return card(1)
	case locker.ScreenRound:
		return p.round(ctx, s, answer)
	case locker.ScreenClear, locker.ScreenUnload, locker.ScreenInspect:
		return p.look(ctx, s, answer)
	case locker.ScreenLay:
		return p.lay(ctx, s.Compartment)
	case locker.ScreenConfirm:
		return card(len(s.Round.Confirmed) % 2)
	case locker.ScreenFinger:
		var b bytes.Buffer
		if visitor == nil {
			return answer(locker.ChoiceCancel, "")
		}
		if err := png.Encode(&b, &visitor.person.Lay[0]); err != nil {
			return err
		}
		return tell(ctx, http.MethodPost, p.site.Control+"/api/finger", "", &b, "image/png", nil)
	case locker.ScreenTake:
		return p.take(ctx, s.Compartment)
	case locker.ScreenQuestion:
		return answer(locker.ChoiceYes, "")
	case locker.ScreenLeftOpen:
		return p.door(ctx, s.Compartment, "close")
	case locker.ScreenTaskDefect:
		return answer(locker.ChoiceSkip, "")
	case locker.ScreenDone, locker.ScreenRefused, locker.ScreenDesk, locker.ScreenDefect, locker.ScreenRoundDone:
		if len(s.Choices) > 0 {
			return answer(s.Choices[0], "")
		}
	}
	return nil
}

// round does the tasks, then lays in what waits, then finishes.
func (p *people) round(ctx context.Context, s locker.Screen, answer func(locker.Choice, string) error) error {
	if len(s.Round.Tasks) > 0 {
		return answer(locker.ChoiceNext, "")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.papers {
		if d.inside == 0 && !d.done && s.Round.Free > 0 && s.Hint != locker.HintUnknownSlip {
			return p.scan(ctx, locker.SourceBarcode, string(d.order))
		}
	}
	return answer(locker.ChoiceFinish, "")
}

// look tells what lies in an open compartment, and leaves it as it is but for
// what is to be taken out.
func (p *people) look(ctx context.Context, s locker.Screen, answer func(locker.Choice, string) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	there := p.in(s.Compartment)
	said := locker.ChoiceEmpty
	switch {
	case there != nil && slices.Contains(s.Choices, locker.ChoicePresent):
		said = locker.ChoicePresent
	case there != nil && slices.Contains(s.Choices, locker.ChoiceRemoved):
		if err := p.door(ctx, s.Compartment, "take"); err != nil {
			return err
		}
		there.inside, there.done = 0, true
		said = locker.ChoiceRemoved
	case there != nil:
		said = locker.ChoiceNotEmpty
	case slices.Contains(s.Choices, locker.ChoiceNothing):
		said = locker.ChoiceNothing
	}
	if err := answer(said, ""); err != nil {
		return err
	}
	return p.door(ctx, s.Compartment, "close")
}

func (p *people) lay(ctx context.Context, n locker.CompartmentID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.in(n) == nil {
		for _, d := range p.papers {
			if d.inside == 0 && !d.done {
				if err := p.door(ctx, n, "lay"); err != nil {
					return err
				}
				d.inside = int(n)
				break
			}
		}
	}
	return p.door(ctx, n, "close")
}

func (p *people) take(ctx context.Context, n locker.CompartmentID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.in(n); d != nil {
		if err := p.door(ctx, n, "take"); err != nil {
			return err
		}
		d.inside, d.done = 0, true
	}
	return p.door(ctx, n, "close")
}
