//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nachtfach/nachtfach/hardware/hil/protocol"
)

// wall is doors on simulated lines. A lock that is driven opens its door, and
// the contact follows; people close, force and jam doors over the control plane,
// which speaks as firmware-sim's does.
type wall struct {
	server *http.Server
	done   chan struct{}
	gone   chan struct{}

	mu     sync.Mutex
	doors  []*door
	levels [4]uint16 // what the doors put on each expander's pins
}

// door is one door, in firmware-sim's words.
type door struct {
	Number   int  `json:"number"`
	Open     bool `json:"open"`
	Document bool `json:"document"`
	Coil     bool `json:"coil"`
	Pulses   int  `json:"pulses"`
	Openings int  `json:"openings"`
	Jammed   bool `json:"jammed"`

	wiring protocol.Door
}

func newWall(c protocol.Wall) (*wall, error) {
	behind, err := url.Parse(c.Behind)
	if err != nil {
		return nil, err
	}
	w := &wall{done: make(chan struct{}), gone: make(chan struct{})}
	for _, d := range c.Doors {
		w.doors = append(w.doors, &door{Number: d.Number, Open: d.Open, Document: d.Document, wiring: d})
	}
	for _, d := range w.doors {
		if err := w.contact(d); err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/state", w.state)
	mux.HandleFunc("POST /api/doors/{n}", w.deed)
	mux.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Host = behind.Host
	}})
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
	if err != nil {
		return nil, err
	}
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = w.server.Serve(listener) }() // until it is closed
	go w.watch()
	return w, nil
}

func (w *wall) close() {
	close(w.done)
	<-w.gone
	_ = w.server.Close()
}

// watch is the mechanics: it looks at each lock every few milliseconds, which a
// pulse outlasts by far.
func (w *wall) watch() {
	defer close(w.gone)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		for _, d := range w.doors {
			driven, err := moved(d.wiring)
			if err != nil {
				continue // its chip is gone, and with it what could drive it
			}
			if driven && !d.Coil {
				d.Pulses++
				if !d.Jammed && !d.Open {
					_ = w.swing(d, true) // likewise
				}
			}
			d.Coil = driven
		}
		w.mu.Unlock()
	}
}

// moved says whether a lock is driven: what the simulator has on the line, or
// what an expander drives.
func moved(d protocol.Door) (bool, error) {
	if d.Lock.Chip == "" {
		text, err := trimmed("/sys/module/expanders/parameters/driven")
		if err != nil {
			return false, err
		}
		n, err := strconv.ParseUint(strings.Split(text, ",")[d.Lock.Number/16], 10, 32)
		pin := uint(d.Lock.Number % 16)
		return n>>(16+pin)&1 == 0 && (n>>pin&1 == 1) != d.Low, err
	}
	level, err := trimmed(fmt.Sprintf("%s/sim_gpio%d/value", d.Lock.Chip, d.Lock.Number))
	return (level == "1") != d.Low, err
}

// swing opens or closes a door, and its contact follows.
func (w *wall) swing(d *door, open bool) error {
	if open && !d.Open {
		d.Openings++
	}
	d.Open = open
	return w.contact(d)
}

// contact puts an open door's contact at high level, a closed one's at low.
func (w *wall) contact(d *door) error {
	at := d.wiring.Contact
	if at.Chip != "" {
		pull := "pull-down"
		if d.Open {
			pull = "pull-up"
		}
		return os.WriteFile(fmt.Sprintf("%s/sim_gpio%d/pull", at.Chip, at.Number), []byte(pull), 0o600)
	}
	bit := uint16(1) << (at.Number % 16)
	w.levels[at.Number/16] &^= bit
	if d.Open {
		w.levels[at.Number/16] |= bit
	}
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(w.levels), " ", ","), "[]")
	return os.WriteFile("/sys/module/expanders/parameters/levels", []byte(text), 0o600)
}

func (w *wall) state(out http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(map[string]any{"doors": w.doors}) // whoever asked may have gone
}

var errDeed = errors.New("that cannot be done at this door")

func (w *wall) deed(out http.ResponseWriter, r *http.Request) {
	var in struct {
		Do string `json:"do"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.doors {
		if strconv.Itoa(d.Number) != r.PathValue("n") {
			continue
		}
		if err := w.do(d, in.Do); err != nil {
			http.Error(out, fmt.Sprintf("%s door %d: %v", in.Do, d.Number, err), http.StatusConflict)
			return
		}
		out.WriteHeader(http.StatusNoContent)
		return
	}
	http.NotFound(out, r)
}

func (w *wall) do(d *door, deed string) error {
	switch {
	case deed == "close":
		for d.Coil { // while the lock is drawn back the door does not stay shut
			w.mu.Unlock()
			time.Sleep(5 * time.Millisecond)
			w.mu.Lock()
		}
		return w.swing(d, false)
	case deed == "force":
		return w.swing(d, true)
	case deed == "jam" || deed == "heal":
		d.Jammed = deed == "jam"
	case (deed == "lay" || deed == "take") && d.Open:
		d.Document = deed == "lay"
	default:
		return errDeed
	}
	return nil
}
