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
	"slices"
	"strconv"
	"time"

	"github.com/nachtfach/nachtfach/locker/journal"

	"github.com/nachtfach/nachtfach/locker"
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

// serveSocket answers operators: GET /journal?from=N as JSON lines, GET /status,
// GET /listen?source=S as JSON lines of what scanners read, see Heard.
// POST /exercise {"compartments": [1, 2]} (none: all) asks the next round to
// exercise locks. Nothing else here changes anything, and this opens nothing:
// two clerks do.
func (d *Daemon) serveSocket(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(d.Status()) // a reader that went away is not our fault
	})
	mux.HandleFunc("GET /listen", d.serveListen)
	mux.HandleFunc("POST /exercise", d.askExercise)
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

// maxWish bounds what is read of a wish: room for every compartment.
const maxWish = 8 << 10

func (d *Daemon) askExercise(w http.ResponseWriter, r *http.Request) {
	var wish struct {
		Compartments []locker.CompartmentID `json:"compartments"`
	}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxWish))
	in.DisallowUnknownFields()
	if err := in.Decode(&wish); err != nil {
		http.Error(w, "wants {\"compartments\": [1, 2]}: "+err.Error(), http.StatusBadRequest)
		return
	}
	if d.broken != nil {
		http.Error(w, d.broken.Error(), http.StatusServiceUnavailable)
		return
	}
	for _, n := range wish.Compartments {
		if !slices.ContainsFunc(d.config.Compartments, func(k Compartment) bool { return k.Number == n }) {
			http.Error(w, fmt.Sprintf("there is no compartment %d", n), http.StatusBadRequest)
			return
		}
	}
	if _, err := d.control.Submit(r.Context(), locker.ExerciseAsked{Compartments: wish.Compartments}); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(d.Status()) // a reader that went away is not our fault
}
