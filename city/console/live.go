package console

import (
	"io"
	"net/http"
	"time"
)

const (
	calm      = 100 * time.Millisecond // between two that are told, so that many are told as one
	heartbeat = 10 * time.Second       // after which a page that hears nothing knows that it is cut off
)

// listen tells a page each change, as server-sent events. The page then loads
// itself anew.
func (c *Console) listen(w http.ResponseWriter, r *http.Request) {
	select {
	case c.live <- struct{}{}:
		defer func() { <-c.live }()
	default:
		c.wrong(w, r, http.StatusServiceUnavailable, errBusy)
		return
	}
	out := http.NewResponseController(w)
	say := func(text string) error {
		// Time is the server's own here: the deadline is the connection's.
		if err := out.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		return out.Flush()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	changed := c.config.City.Changed()
	// The page may have been read before this began: it looks once more.
	if say("retry: 1000\nevent: change\ndata:\n\n") != nil {
		return
	}
	told := time.Now()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		text := "event: beat\ndata:\n\n"
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
		case <-changed:
			select {
			case <-time.After(calm - time.Since(told)):
			case <-r.Context().Done():
				return
			}
			changed = c.config.City.Changed()
			text = "event: change\ndata:\n\n"
		}
		told = time.Now()
		if say(text) != nil {
			return
		}
	}
}
