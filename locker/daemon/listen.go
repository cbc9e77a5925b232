package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/hardware/scanner"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// Heard is what a scanner or badge reader sent, as an installer may see it.
type Heard struct {
	Time    time.Time     `json:"time"`
	Source  locker.Source `json:"source"`
	Scanner string        `json:"scanner"` // "badge", "badge 2"
	Length  int           `json:"length"`  // bytes
	Text    string        `json:"text,omitempty"`
	Refused string        `json:"refused,omitempty"` // why the text was refused
	Failed  string        `json:"failed,omitempty"`  // why the scanner is not there
}

// ears tells what the scanners send to the log and to whoever listens. Its zero
// value tells nobody.
type ears struct {
	logger *slog.Logger

	mu      sync.Mutex
	open    map[chan Heard]locker.Source
	refused map[string]*refusals // by the scanner's name
}

// refusals of one scanner.
type refusals struct {
	count  int
	logged time.Time
}

// logPause is how long the next refused text of one scanner is not logged.
const logPause = time.Second

// listen returns what is heard of one source from now on, or of all if source is
// empty, until stop is called. Whoever listens too slowly misses some.
func (e *ears) listen(source locker.Source) (heard <-chan Heard, stop func()) {
	c := make(chan Heard, 16)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		e.open = map[chan Heard]locker.Source{}
	}
	e.open[c] = source
	return c, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.open, c)
	}
}

// tell is called with all that a scanner's Watch tells.
func (e *ears) tell(source locker.Source, name string, text []byte, err error) {
	h := Heard{Time: time.Now(), Source: source, Scanner: name, Length: len(text)}
	var refused *scanner.RefusedError
	switch {
	case errors.As(err, &refused):
		h.Length, h.Refused = refused.Length, refused.Reason.Error()
	case err != nil:
		h.Failed = err.Error()
	case len(text) == 0:
		return // it was opened
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if h.Refused != "" {
		e.log(h)
	}
	for c, wanted := range e.open {
		if wanted != "" && wanted != source {
			continue
		}
		if err == nil {
			h.Text = masked(source, text)
		}
		select {
		case c <- h:
		default:
		}
	}
}

// log writes a refusal by its length and reason, at most once in logPause for each
// scanner; needs mu.
func (e *ears) log(h Heard) {
	if e.refused == nil {
		e.refused = map[string]*refusals{}
	}
	r := e.refused[h.Scanner]
	if r == nil {
		r = &refusals{}
		e.refused[h.Scanner] = r
	}
	if r.count++; e.logger == nil || h.Time.Sub(r.logged) < logPause {
		return
	}
	r.logged = h.Time
	e.logger.Warn("a scanner's text is refused", "scanner", h.Scanner, "bytes", h.Length, "reason", h.Refused, "refused since the start", r.count)
}

// masked is a text as an installer may see it: in full if it is an order's
// barcode, and otherwise its form, in which each digit is 9 and each letter A or
// a: a pickup code opens a door, and a card is half of a sign-in.
func masked(source locker.Source, text []byte) string {
	code := bytes.ContainsFunc(text, func(r rune) bool { return r >= '0' && r <= '9' })
	if _, err := pin.Parse(text); errors.Is(err, pin.ErrDigits) {
		code = false
	}
	if source == locker.SourceBarcode && !code {
		return string(text)
	}
	return string(bytes.Map(func(r rune) rune { // of the text itself no copy is left
		switch {
		case r >= '0' && r <= '9':
			return '9'
		case r >= 'A' && r <= 'Z':
			return 'A'
		case r >= 'a' && r <= 'z':
			return 'a'
		case r < 0x80:
			return r
		}
		return '?'
	}, text))
}

// serveListen streams what is heard, a JSON object a line, until the reader goes.
func (d *Daemon) serveListen(w http.ResponseWriter, r *http.Request) {
	source := locker.Source(r.URL.Query().Get("source"))
	switch source {
	case "", locker.SourceCitizen, locker.SourceBarcode, locker.SourceBadge:
	default:
		http.Error(w, fmt.Sprintf("source %q: wants %s, %s or %s", source, locker.SourceCitizen, locker.SourceBarcode, locker.SourceBadge), http.StatusBadRequest)
		return
	}
	if source != "" && len(d.parts.scanners[source]) == 0 {
		http.Error(w, fmt.Sprintf("the configuration has no scanner of source %q", source), http.StatusNotFound)
		return
	}
	heard, stop := d.parts.ears.listen(source)
	defer stop()
	w.Header().Set("Content-Type", "application/jsonl")
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	if out.Flush() != nil {
		return
	}
	for {
		select {
		case h := <-heard:
			if lines.Encode(h) != nil || out.Flush() != nil {
				return // the reader went away
			}
		case <-r.Context().Done():
			return
		}
	}
}

// Listen calls heard with each text that scanners of a source send, or of all
// sources if it is empty, until ctx ends; it returns ctx's error. ready is called
// when the daemon listens.
func (c *Client) Listen(ctx context.Context, source locker.Source, ready func(), heard func(Heard) error) error {
	return c.get(ctx, "/listen?source="+string(source), func(r io.Reader) error {
		ready()
		lines := json.NewDecoder(r)
		for {
			var h Heard
			if err := lines.Decode(&h); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return fmt.Errorf("lockerd ended: %w", err)
			}
			if err := heard(h); err != nil {
				return err
			}
		}
	})
}
