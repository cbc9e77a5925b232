package kiosk

import (
	"net/http"
	"sync"
	"time"
)

// A page that is shown sends a beat every few seconds, from its own script: a
// renderer that crashed or hangs does not, although its browser still holds the
// stream open.
const (
	pageSilent   = 10 * time.Second // without a beat; the page sends one every 4 s
	pageRejoins  = 20 * time.Second // that a page has after a restart of the terminal
	shownUnknown = http.StatusAccepted
)

// shown remembers when a page was last known to be shown.
type shown struct {
	uptime func() time.Duration

	mu    sync.Mutex
	start time.Duration // uptime
	last  time.Duration // uptime of the last beat
	ever  bool
}

func (s *shown) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.ever = s.uptime(), true
}

// Shown tells how long ago a page was last known to be shown. Without one since
// the server was made it is the time since then, and ever is false.
func (s *Server) Shown() (ago time.Duration, ever bool) {
	s.shown.mu.Lock()
	defer s.shown.mu.Unlock()
	now := s.shown.uptime()
	if !s.shown.ever {
		return now - s.shown.start, false
	}
	return now - s.shown.last, true
}

func (s *Server) postBeat(w http.ResponseWriter, _ *http.Request) {
	s.shown.beat()
	w.WriteHeader(http.StatusNoContent)
}

// getShown is for the program that runs the browser: 204 while the page is
// shown, 503 when it is not, 202 when that cannot be known yet.
func (s *Server) getShown(w http.ResponseWriter, _ *http.Request) {
	ago, ever := s.Shown()
	switch {
	case ever && ago <= pageSilent:
		w.WriteHeader(http.StatusNoContent)
	case !ever && ago <= pageRejoins:
		w.WriteHeader(shownUnknown)
	default:
		refuse(w, http.StatusServiceUnavailable, "no browser shows the page")
	}
}
