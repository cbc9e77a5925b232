// Package tour plays the whole story of a terminal, from the order to the
// handover, and checks each scene.
//
// It acts only where people act: at the kiosk's interface, at the doors, the
// reader and the scanners (the simulator's control plane), and at the city's
// desk. So the same story holds for the demo in one process and for daemons
// that share nothing but wires.
package tour

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Person is somebody with a finger.
type Person struct {
	Name   string
	Finger int          // position
	Enrol  []image.Gray // three impressions, taken at the desk
	Lay    []image.Gray // others, laid on the terminal's reader
}

// Clerk is somebody with a card.
type Clerk struct {
	Person locker.Person
	Card   string
	Number string
}

// Site is a terminal, its city, and the people of the story.
type Site struct {
	Terminal string
	Verifier string      // of the device's notes
	Kiosk    func() Door // where the kiosk is, anew after each start
	Control  string      // base URL of the simulator's control plane
	City     *api.Client
	Desk     envelope.Signer
	Stranger envelope.Signer // a desk of another town
	Admin    envelope.Signer
	Clerks   [2]Clerk
	Spare    string   // a second card of the first clerk
	People   []Person // anna, bernd, clara, dora, emil, frieda

	// PowerOff ends the terminal without a word; PowerOn starts it again.
	PowerOff, PowerOn func(context.Context) error
	// BrokerOff and BrokerOn take the network away and bring it back.
	BrokerOff, BrokerOn func(context.Context) error
	// Journal writes the terminal's events, one a line.
	Journal func(context.Context, io.Writer) error
	// Disks names the terminal's state folder, and the city's letter key.
	State     string
	LetterKey []byte
	// Sent are all messages that went over the broker on a topic.
	Sent func(topic string) [][]byte
	// Began, if not nil, is told the title of each scene before it is played.
	Began func(title string)
}

// Door is how to reach a kiosk.
type Door struct{ URL, Token string }

// patience is how long anything may take, on an emulated machine too; scenes
// are checked, not timed.
const patience = 2 * time.Minute

// request sends JSON, or nothing, and reads JSON.
func request(ctx context.Context, method, url, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return do(r, out)
}

func do(r *http.Request, out any) error {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return &statusError{resp.StatusCode, fmt.Sprintf("%s %s: %s: %s", r.Method, r.URL.Path, resp.Status, bytes.TrimSpace(text))}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// screen is what the kiosk shows.
func (s *Site) screen(ctx context.Context) (locker.Screen, error) {
	var sc locker.Screen
	k := s.Kiosk()
	err := request(ctx, http.MethodGet, k.URL+"/screen", k.Token, nil, &sc)
	return sc, err
}

// await waits until the kiosk shows one of the screens.
func (s *Site) await(ctx context.Context, names ...locker.ScreenName) (locker.Screen, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last locker.Screen
	var lastErr error
	for ctx.Err() == nil {
		if last, lastErr = s.screen(ctx); lastErr == nil && slices.Contains(names, last.Name) {
			return last, nil
		}
		pause(ctx, 20*time.Millisecond)
	}
	return last, fmt.Errorf("waited for screen %v, the kiosk shows %s (hint %q): %w", names, last.Name, last.Hint, errors.Join(lastErr, ctx.Err()))
}

// awaitHint waits until the kiosk shows the screen with the hint.
func (s *Site) awaitHint(ctx context.Context, name locker.ScreenName, hint locker.Hint) error {
	return until(ctx, fmt.Sprintf("hint %q on screen %s", hint, name), func() (bool, error) {
		sc, err := s.screen(ctx)
		return sc.Name == name && sc.Hint == hint, err
	})
}

// until waits until the condition holds.
func until(ctx context.Context, what string, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		var ok bool
		if ok, err = holds(); ok && err == nil {
			return nil
		}
		pause(ctx, 25*time.Millisecond)
	}
	return fmt.Errorf("%s: did not come: %w", what, errors.Join(err, ctx.Err()))
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// act presses or types at the screen that is shown now. A screen that changed
// in between is looked at again.
func (s *Site) act(ctx context.Context, on locker.ScreenName, choice locker.Choice, text string) error {
	for {
		sc, err := s.await(ctx, on)
		if err != nil {
			return err
		}
		in := map[string]any{"screen": sc.Number}
		if choice != "" {
			in["choice"] = choice
		} else {
			in["text"] = text
		}
		k := s.Kiosk()
		err = request(ctx, http.MethodPost, k.URL+"/input", k.Token, in, nil)
		if stale := (*statusError)(nil); errors.As(err, &stale) && stale.code == http.StatusConflict {
			continue
		}
		if err != nil {
			return fmt.Errorf("at screen %s: %w", on, err)
		}
		return nil
	}
}

// statusError is an answer that is not OK.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

func (s *Site) press(ctx context.Context, on locker.ScreenName, choice locker.Choice) error {
	return s.act(ctx, on, choice, "")
}

func (s *Site) typeIn(ctx context.Context, on locker.ScreenName, text string) error {
	return s.act(ctx, on, "", text)
}

func (s *Site) scan(ctx context.Context, source locker.Source, text string) error {
	return request(ctx, http.MethodPost, s.Control+"/api/scan", "", map[string]string{"source": string(source), "text": text}, nil)
}

func (s *Site) door(ctx context.Context, n locker.CompartmentID, deed string) error {
	return request(ctx, http.MethodPost, fmt.Sprintf("%s/api/doors/%d", s.Control, n), "", map[string]string{"do": deed}, nil)
}

// wallDoor is a door as the simulator sees it.
type wallDoor struct {
	Number   locker.CompartmentID `json:"number"`
	Open     bool                 `json:"open"`
	Document bool                 `json:"document"`
	Coil     bool                 `json:"coil"`
	Pulses   int                  `json:"pulses"`
	Openings int                  `json:"openings"`
}

func (s *Site) wall(ctx context.Context) ([]wallDoor, error) {
	var state struct {
		Doors  []wallDoor `json:"doors"`
		Faults []string   `json:"faults"`
	}
	if err := request(ctx, http.MethodGet, s.Control+"/api/state", "", nil, &state); err != nil {
		return nil, err
	}
	if len(state.Faults) > 0 {
		return nil, fmt.Errorf("the drivers did what they must not: %v", state.Faults)
	}
	return state.Doors, nil
}

// lay puts a finger on the reader, and lift takes it away.
func (s *Site) lay(ctx context.Context, finger image.Gray) error {
	var b bytes.Buffer
	if err := png.Encode(&b, &finger); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Control+"/api/finger", &b)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "image/png")
	return do(r, nil)
}

func (s *Site) lift(ctx context.Context) error {
	return request(ctx, http.MethodPost, s.Control+"/api/finger", "", map[string]bool{"lift": true}, nil)
}

// Enrolled is the person's finger as the desk captures it.
func (p Person) Enrolled() (desk.Finger, error) {
	var pictures []biometrics.Image
	for _, g := range p.Enrol {
		pictures = append(pictures, biometrics.Image{Pix: g.Pix, Width: g.Rect.Dx(), Height: g.Rect.Dy(), DPI: 500})
	}
	return desk.Enrol(p.Finger, pictures...)
}
