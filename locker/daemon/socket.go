package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/locker/journal"
)

// listenSocket listens for operators. A socket that a killed daemon left is
// taken over; the journal's lock says that there is no second daemon.
func listenSocket(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("operators' socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("operators' socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("operators' socket: %w", err), l.Close())
	}
	return l, nil
}

// serveSocket answers operators: GET /journal?from=N as JSON lines, GET /status.
// Nothing here changes anything.
func (d *Daemon) serveSocket(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(d.Status()) // a reader that went away is not our fault
	})
	mux.HandleFunc("GET /journal", func(w http.ResponseWriter, r *http.Request) {
		if d.broken != nil {
			http.Error(w, d.broken.Error(), http.StatusServiceUnavailable)
			return
		}
		from, err := strconv.ParseUint(cmp.Or(r.URL.Query().Get("from"), "0"), 10, 64)
		if err != nil {
			http.Error(w, "from: wants a number of events", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/jsonl")
		w.Header().Set(journal.FirstHeader, strconv.FormatUint(max(from, d.store.journal.Pruned()), 10))
		if err := d.store.journal.Dump(w, from); err != nil {
			d.options.Logger.Error("dump the journal", "error", err)
			panic(http.ErrAbortHandler) // so that what was sent does not pass for the whole
		}
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // nothing is lost by an answer cut short
	defer stop()
	if err := s.Serve(d.socket); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
