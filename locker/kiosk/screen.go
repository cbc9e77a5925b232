package kiosk

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/locker"
)

// view is a screen as a browser gets it, which does not know the terminal's
// uptime: Until is left out and what remains of it given in its place.
type view struct {
	locker.Screen
	Until     *time.Duration `json:"until,omitempty"`        // shadows the screen's
	Remaining *int64         `json:"remaining_ms,omitempty"` // absent: the screen does not end by itself
}

func (s *Server) view(screen locker.Screen) view {
	v := view{Screen: screen}
	if screen.Until != 0 {
		left := max(0, (screen.Until-s.config.Uptime()+time.Millisecond-1)/time.Millisecond)
		v.Remaining = (*int64)(&left)
	}
	return v
}

func (s *Server) getScreen(w http.ResponseWriter, r *http.Request) {
	after := r.URL.Query().Get("after")
	if after == "" {
		screen, _ := s.config.Terminal.Screen()
		answer(w, http.StatusOK, s.view(screen))
		return
	}
	number, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, "after: wants the number of a screen")
		return
	}
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "too many pages wait for the screen")
		return
	}
	answer(w, http.StatusOK, s.view(s.newer(r.Context(), number)))
}

// newer waits until the screen is another than number or something on it
// changes, such as its end; after longestWait it is the present one.
func (s *Server) newer(ctx context.Context, number uint64) locker.Screen {
	screen, changed := s.config.Terminal.Screen()
	if screen.Number != number {
		return screen
	}
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	select {
	case <-changed:
	case <-ctx.Done():
	}
	screen, _ = s.config.Terminal.Screen()
	return screen
}

// refusal says why, and for an input to a former screen what is shown now.
type refusal struct {
	Error  string `json:"error"`
	Screen *view  `json:"screen,omitempty"`
}

func refuse(w http.ResponseWriter, status int, reason string) {
	answer(w, status, refusal{Error: reason})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a browser that went away asks again
}
