package firmwaresim

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed page
var page embed.FS

const (
	maxStreams     = 32                    // pages that watch at once
	streamPause    = 20 * time.Millisecond // between two events, so that bounces come as one
	streamBeat     = 15 * time.Second      // a comment, so that a dead page is found out
	streamPatience = 5 * time.Second       // for a page that does not read
)

// routesOfPage serves the picture of the wall:
//
//	GET  /, /wall     the page; /wall.css, /wall.js, /words.js belong to it
//	GET  /api/events  the state, and again at every change, as server-sent events
//	POST /api/power, /api/broker   {"on": false}: turns a switch
func (s *Simulator) routesOfPage(mux *http.ServeMux) {
	for _, at := range []string{"/{$}", "/wall"} {
		mux.HandleFunc("GET "+at, s.serve("wall.html"))
	}
	for _, name := range []string{"wall.css", "wall.js", "words.js"} {
		mux.HandleFunc("GET /"+name, s.serve(name))
	}
	mux.HandleFunc("GET /api/events", s.getEvents)
	for _, name := range []string{power, broker} {
		mux.HandleFunc("POST /api/"+name, s.answer(func(r *http.Request) (any, error) { return s.postSwitch(r, name) }))
	}
}

// serve answers with a file of the page, which loads nothing from elsewhere.
func (s *Simulator) serve(name string) http.HandlerFunc {
	ancestors := "'none'"
	if len(s.cfg.FrameAncestors) > 0 {
		ancestors = strings.Join(s.cfg.FrameAncestors, " ")
	}
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors " + ancestors
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, page, path.Join("page", name))
	}
}

// checkOrigins refuses what would say something else in the page's policy.
func checkOrigins(origins []string) error {
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || o != u.Scheme+"://"+u.Host || strings.ContainsAny(o, " ;,'*") {
			return fmt.Errorf("frame ancestor %q: wants an origin like http://127.0.0.1:8080", o)
		}
	}
	return nil
}

func (s *Simulator) postSwitch(r *http.Request, name string) (any, error) {
	var in struct {
		On *bool `json:"on"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.On == nil {
		return nil, badRequest("on: wants true or false")
	}
	if err := s.turn(r.Context(), name, *in.On); err != nil {
		return nil, err
	}
	return s.State(), nil
}

// getEvents sends the whole state at every change: a page that missed one has
// missed nothing.
func (s *Simulator) getEvents(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		reply(w, http.StatusServiceUnavailable, failure{fmt.Sprintf("%d pages watch already", maxStreams)})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	line := http.NewResponseController(w)
	_ = line.SetReadDeadline(time.Time{}) // the server's limit is for requests; without one there is none to lift
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	var last []byte
	for {
		changed := s.news.changed()
		now, err := json.Marshal(s.State())
		if err != nil {
			return
		}
		if !bytes.Equal(now, last) {
			if push(w, line, "data: %s\n\n", now) != nil {
				return
			}
			last = now
		}
		select {
		case <-changed:
		case <-beat.C:
			if push(w, line, ": still here%s\n\n", nil) != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.closed:
			return
		}
		time.Sleep(streamPause)
	}
}

func push(w http.ResponseWriter, line *http.ResponseController, format string, data []byte) error {
	_ = line.SetWriteDeadline(time.Now().Add(streamPatience)) // where there is none, the page's end ends it
	if _, err := fmt.Fprintf(w, format, data); err != nil {
		return err
	}
	return line.Flush()
}
