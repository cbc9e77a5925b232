package kiosk

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

const (
	maxStreams   = 16               // pages that are kept up to date
	heartbeat    = 4 * time.Second  // of a stream; the page gives up after three
	longestWrite = 10 * time.Second // to a browser that does not read
)

// screenHeader carries the number of the screen that an answer shows, so that
// a page never goes back to a former one.
const screenHeader = "Nachtfach-Screen"

// frameData is what the templates get: a page and what surrounds it.
type frameData struct {
	page
	Static string
	Place  string
	Desk   Desk
	Other  language
	Home   language // that the page goes back to after a visit
}

// Say, in the page's language.
func (f frameData) Say(key string, fill ...string) string { return f.Language.say(key, fill...) }

// OtherSay is for the switch of the language.
func (f frameData) OtherSay(key string) string { return f.Other.say(key) }

// Digits are the keypad's first three rows.
func (f frameData) Digits() []string { return strings.Split("123456789", "") }

// Listed tells whether the round's lists are shown.
func (f frameData) Listed() bool { return f.Round != nil && (f.Round.Menu || f.Round.Confirm) }

func (s *Server) frame(screen locker.Screen, l language) frameData {
	return frameData{page: s.compose(s.view(screen), l), Static: s.assets.prefix, Place: s.config.Place, Desk: s.config.Desk, Other: l.other(), Home: german}
}

// render executes a template whole before the first byte is sent.
func (s *Server) render(name string, f frameData) ([]byte, error) {
	var b bytes.Buffer
	if err := s.markup.ExecuteTemplate(&b, name, f); err != nil {
		return nil, fmt.Errorf("render screen %s: %w", f.Name, err)
	}
	return b.Bytes(), nil
}

func (s *Server) getPage(w http.ResponseWriter, r *http.Request) {
	screen, _ := s.config.Terminal.Screen()
	f := s.frame(screen, languageOf(r))
	if c, err := r.Cookie(homeCookie); err == nil && language(c.Value) == english && len(s.config.FrameAncestors) > 0 {
		f.Home = english
	}
	s.show(w, http.StatusOK, "page", f)
}

func (s *Server) show(w http.ResponseWriter, status int, name string, f frameData) {
	body, err := s.render(name, f)
	if err != nil {
		s.config.Logger.Error("kiosk: show a screen", "error", err)
		refuse(w, http.StatusInternalServerError, "this screen cannot be shown")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set(screenHeader, strconv.FormatUint(f.Number, 10))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a browser that went away asks again
}

// homeCookie keeps the language that a frame's page wants after each visit.
const homeCookie = "nachtfach_home"

// getLanguage switches the words and goes back to the screen. A page that frames
// the kiosk and loads this into the frame also chooses the language that comes
// after each visit. A terminal, which nobody may frame, always goes back to German.
func (s *Server) getLanguage(w http.ResponseWriter, r *http.Request) {
	to := language(r.PathValue("language"))
	if to != german && to != english {
		refuse(w, http.StatusNotFound, "no such language")
		return
	}
	http.SetCookie(w, cookie(r, languageCookie, string(to)))
	if r.Header.Get("Sec-Fetch-Dest") == "iframe" && len(s.config.FrameAncestors) > 0 {
		http.SetCookie(w, cookie(r, homeCookie, string(to)))
	}
	http.Redirect(w, r, front, http.StatusSeeOther)
}

func (s *Server) getAlive(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNoContent)
}

// postPress takes a form: screen, and choice or text. The answer is the screen
// after it; a press that does not fit is answered with the present one.
func (s *Server) postPress(w http.ResponseWriter, r *http.Request) {
	l := languageOf(r)
	status := http.StatusOK
	p, err := parseForm(w, r)
	defer clear(p.text)
	screen, _ := s.config.Terminal.Screen()
	mute := false
	if err != nil {
		status = http.StatusBadRequest
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			status = http.StatusRequestEntityTooLarge
		}
	} else {
		ctx, cancel := context.WithTimeout(r.Context(), longestSubmit)
		defer cancel()
		var bad *misfit
		if screen, err = s.hand(ctx, p); errors.As(err, &bad) {
			status = bad.status
			mute = status == http.StatusServiceUnavailable
		}
	}
	if r.Header.Get("HX-Request") == "" {
		http.Redirect(w, r, front, http.StatusSeeOther)
		return
	}
	f := s.frame(screen, l)
	if mute {
		f.Hint, f.HintTone = l.say("mute"), "warning"
	}
	s.show(w, status, "face", f)
}

// parseForm reads screen and either choice or text, each once, and nothing else.
func parseForm(w http.ResponseWriter, r *http.Request) (press, error) {
	var p press
	body, err := readInput(w, r)
	defer clear(body)
	if err != nil {
		return p, err
	}
	wrong := errors.New("wants screen, and either choice or text")
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return p, wrong
	}
	seen := map[string]bool{}
	for field := range bytes.SplitSeq(body, []byte("&")) {
		name, value, _ := bytes.Cut(field, []byte("="))
		if value, err = unescape(value); err != nil || seen[string(name)] {
			return p, wrong
		}
		seen[string(name)] = true
		switch string(name) {
		case "screen":
			if p.screen, err = strconv.ParseUint(string(value), 10, 64); err != nil {
				return p, wrong
			}
		case "choice":
			choice := string(value)
			p.choice = &choice
		case "text":
			p.text = append(make([]byte, 0, len(value)+1), value...) // never nil
		default:
			return p, wrong
		}
	}
	if !seen["screen"] || seen["choice"] == seen["text"] {
		return p, wrong
	}
	return p, nil
}

// unescape decodes a form's value in place.
func unescape(b []byte) ([]byte, error) {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '+':
			out = append(out, ' ')
		case '%':
			var one [1]byte
			if i+2 >= len(b) {
				return nil, errors.New("a form's value ends within an escape")
			}
			if _, err := hex.Decode(one[:], b[i+1:i+3]); err != nil {
				return nil, fmt.Errorf("a form's value: %w", err)
			}
			out = append(out, one[0])
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

// getStream sends each new screen as it comes, "time" when only its end moved,
// and "alive" in between.
func (s *Server) getStream(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "too many pages are open")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := &stream{w: w, control: http.NewResponseController(w)}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	l := languageOf(r)
	shown := locker.Screen{}
	for first := true; ; first = false {
		screen, changed := s.config.Terminal.Screen()
		if first || screen.Number != shown.Number {
			body, err := s.render("face", s.frame(screen, l))
			if err != nil {
				s.config.Logger.Error("kiosk: show a screen", "error", err)
				return
			}
			out.send(screen.Number, "", string(body))
		} else if screen.Until != shown.Until {
			if left := s.compose(s.view(screen), l).Remaining; left != nil {
				out.send(screen.Number, "time", strconv.FormatInt(*left, 10))
			}
		}
		shown = screen
		if !out.wait(r.Context(), changed, beat.C) {
			return
		}
	}
}

// stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (o *stream) send(number uint64, event, data string) {
	var b strings.Builder
	if event != "" {
		fmt.Fprintf(&b, "event: %s\n", event)
	}
	fmt.Fprintf(&b, "id: %d\n", number)
	for line := range strings.Lines(data) {
		fmt.Fprintf(&b, "data: %s\n", strings.TrimRight(line, "\r\n"))
	}
	o.write(b.String() + "\n")
}

func (o *stream) write(text string) {
	if o.err != nil {
		return
	}
	// Without a deadline to set, as in a test, the server's own holds.
	if err := o.control.SetWriteDeadline(time.Now().Add(longestWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		o.err = err
		return
	}
	if _, o.err = o.w.Write([]byte(text)); o.err == nil {
		o.err = o.control.Flush()
	}
}

// wait returns at the next change; false: nobody listens any more.
func (o *stream) wait(ctx context.Context, changed <-chan struct{}, beat <-chan time.Time) bool {
	for o.err == nil {
		select {
		case <-ctx.Done():
			return false
		case <-changed:
			return true
		case <-beat:
			o.write("event: alive\ndata: .\n\n")
		}
	}
	return false
}

// A Layouter is a [Terminal] that tells how its wall was built. Without one,
// or without rows and columns, the pages show no picture of it.
type Layouter interface {
	Layout() []locker.CompartmentSpec
}

// Desk is where a person helps. All of it is optional.
type Desk struct {
	Name         string // "Bürgerbüro, Zimmer 12"
	Phone        string
	Hours        string // "Montag bis Freitag 8–12 Uhr"
	HoursEnglish string // empty: Hours
}

// Declaration is the town's own text of the screen before handover.
type Declaration struct{ Question, Text, QuestionEnglish, TextEnglish string }

// Known tells whether there is anything to show.
func (d Desk) Known() bool {
	return slices.ContainsFunc([]string{d.Name, d.Phone, d.Hours}, func(s string) bool { return s != "" })
}
