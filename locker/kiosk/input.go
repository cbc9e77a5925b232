package kiosk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/secretmem"
)

// press is an input as a page sends it: a choice, a text or a security key's
// answer, on a screen.
type press struct {
	screen    uint64
	choice    *string
	text      []byte // nil: none
	assertion json.RawMessage
}

func (s *Server) postInput(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "wants Content-Type: application/json")
		return
	}
	body, err := readInput(w, r)
	defer clear(body)
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("an input has at most %d bytes", maxBody))
		return
	} else if err != nil {
		refuse(w, http.StatusBadRequest, "the input did not arrive whole")
		return
	}
	var p press
	secretmem.Do(func() { p, err = parse(body) }) // encoding/json copies
	defer clear(p.text)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), longestSubmit)
	defer cancel()
	s.submit(ctx, w, p)
}

// submit answers a press as JSON.
func (s *Server) submit(ctx context.Context, w http.ResponseWriter, p press) {
	screen, err := s.hand(ctx, p)
	now := s.view(screen)
	var bad *misfit
	switch {
	case err == nil:
		answer(w, http.StatusOK, now)
	case !errors.As(err, &bad):
		refuse(w, http.StatusInternalServerError, "this press went wrong")
	case bad.status == http.StatusConflict:
		answer(w, bad.status, refusal{Error: bad.reason, Screen: &now})
	default:
		refuse(w, bad.status, bad.reason)
	}
}

// misfit is a press that changed nothing, and why.
type misfit struct {
	status int
	reason string
}

func (m *misfit) Error() string { return m.reason }

// hand checks a press against the screen and hands it over, one at a time: of
// a double press the second finds the screen that the first led to. It returns
// what is shown afterwards; its error is a [misfit].
func (s *Server) hand(ctx context.Context, p press) (locker.Screen, error) {
	screen, _ := s.config.Terminal.Screen()
	select {
	case s.inputs <- struct{}{}:
		defer func() { <-s.inputs }()
	case <-ctx.Done():
		return screen, &misfit{http.StatusServiceUnavailable, "the terminal does not answer"}
	}
	screen, _ = s.config.Terminal.Screen()
	if p.screen != screen.Number {
		return screen, &misfit{http.StatusConflict, "this screen is no longer shown"}
	}
	in, reason := p.input(screen)
	if reason != "" {
		return screen, &misfit{http.StatusUnprocessableEntity, reason}
	}
	// Between the check and this a door or a deadline may have changed the
	// screen; the terminal then ignores the input and answers with what it shows.
	after, err := s.config.Terminal.Submit(ctx, in)
	if err != nil {
		s.config.Logger.Error("kiosk: submit an input", "error", err)
		return screen, &misfit{http.StatusServiceUnavailable, "the terminal does not answer"}
	}
	return after, nil
}

// input is the press as the terminal's word, or the reason why the screen has
// no place for it.
func (p press) input(s locker.Screen) (locker.Input, string) {
	switch {
	case p.choice != nil && !slices.Contains(s.Choices, locker.Choice(*p.choice)):
		return nil, "this choice is not on the screen"
	case p.choice != nil:
		return locker.Chosen{Screen: p.screen, Choice: locker.Choice(*p.choice)}, ""
	case p.assertion != nil && s.Key == nil:
		return nil, "no security key is asked on this screen"
	case p.assertion != nil:
		return locker.Asserted{Screen: p.screen, Assertion: p.assertion}, ""
	case s.Expects == "":
		return nil, "nothing is to be typed on this screen"
	}
	return locker.Typed{Screen: p.screen, Text: bytes.Clone(p.text)}, ""
}

// parse reads {"screen":N,"choice":"…"}, {"screen":N,"text":"…"} or
// {"screen":N,"assertion":{…}} and nothing else: no other member, none twice, nothing after it. Its errors repeat
// nothing of the input, which may be a code.
func parse(body []byte) (press, error) {
	var p press
	var screen *uint64
	var text *string
	members := map[string]any{"screen": &screen, "choice": &p.choice, "text": &text, "assertion": &p.assertion}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') || !utf8.Valid(body) {
		return p, errors.New("wants a JSON object in UTF-8")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return p, errors.New("wants a JSON object")
		}
		key, _ := name.(string)
		target, ok := members[key]
		if !ok {
			return p, errors.New("wants screen once, and choice, text or assertion once, and nothing else")
		}
		delete(members, key)
		if err := d.Decode(target); err != nil {
			return p, fmt.Errorf("%s: wants %s", key, map[string]string{"screen": "a number", "choice": "a string", "text": "a string", "assertion": "an object"}[key])
		}
	}
	if _, err := d.Token(); err != nil {
		return p, errors.New("wants a whole JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, errors.New("wants one JSON object and nothing after it")
	}
	if p.assertion != nil && p.assertion[0] != '{' {
		return p, errors.New("assertion: wants an object")
	}
	given := 0
	for _, is := range []bool{p.choice != nil, text != nil, p.assertion != nil} {
		if is {
			given++
		}
	}
	if screen == nil || given != 1 {
		return p, errors.New("wants screen, and either choice, text or assertion")
	}
	p.screen = *screen
	if text != nil {
		p.text = []byte(*text)
	}
	return p, nil
}
