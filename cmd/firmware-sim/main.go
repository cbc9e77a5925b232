// Command firmware-sim is a terminal's hardware without the hardware: locks
// and contacts on Modbus RTU, a fingerprint module, scanners and a badge reader
// on pseudo-terminals, and a control plane on loopback through which a person
// opens, closes, jams and forces doors, lays fingers and scans codes: by hand at
// the picture of the wall that a browser finds there, or by programs.
//
// When it is ready it prints one line of JSON with all addresses. It ends on
// SIGINT or SIGTERM and leaves nothing behind.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "firmware-sim:", err)
		os.Exit(1)
	}
}

// errUsage means that the flags were wrong, and that this has been said.
var errUsage = errors.New("wrong usage")

// options are the command line.
type options struct {
	sim    firmwaresim.Config
	listen string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("firmware-sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.sim.Terminal, "terminal", "terminal-1", "`id` of the terminal")
	flags.IntVar(&o.sim.Compartments, "compartments", 24, "`number` of compartments")
	flags.IntVar(&o.sim.PerBoard, "per-board", firmwaresim.DefaultPerBoard, "compartments on one Modbus board")
	flags.StringVar(&o.sim.Dir, "dir", "", "`directory` for the names of the serial devices; a temporary one if empty")
	flags.IntVar(&o.sim.Baud, "reader-baud", 0, "speed of the fingerprint module's wire; 0 is as fast as it is read")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback `address` of the control plane and the wall")
	flags.Func("person", "`name` of somebody whose finger the wall offers; may be repeated", func(name string) error {
		o.sim.People = append(o.sim.People, firmwaresim.Person{Name: name})
		return nil
	})
	flags.Func("offer", "`source:label:text` of what the wall offers to hold up, the source citizen, badge or barcode; may be repeated", func(text string) error {
		part := strings.SplitN(text, ":", 3)
		if len(part) != 3 {
			return errors.New("wants source:label:text")
		}
		o.sim.Offers = append(o.sim.Offers, firmwaresim.Offer{Source: firmwaresim.Device(part[0]), Label: part[1], Text: part[2]})
		return nil
	})
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "firmware-sim: unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return o, errUsage
	}
	return o, nil
}

// run is the whole program. It returns nil when ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	listener, err := listenLoopback(ctx, o.listen)
	if err != nil {
		return err
	}
	defer listener.Close() // Serve closes it too; then this is nothing
	o.sim.Finger = new(hands).impression
	o.sim.Sensors, o.sim.Heating = firmwaresim.CabinetSensors(), true // its boards carry them all
	sim, err := firmwaresim.New(o.sim)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sim.Close()) }()

	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer server.Close() // requests in progress are a person's: they can be cut off

	if err := announce(stdout, listener.Addr().String(), o.sim.Terminal, sim); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return fmt.Errorf("control plane: %w", err)
	}
}

// listenLoopback refuses every address that others could reach.
func listenLoopback(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("-listen %q: %w", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("-listen %q: not a loopback address, like 127.0.0.1:8090", address)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-listen %q: %w", address, err)
	}
	return listener, nil
}

// announce prints the line that says that everything is ready.
func announce(out io.Writer, control, terminal string, sim *firmwaresim.Simulator) error {
	line, err := json.Marshal(struct {
		Terminal string `json:"terminal"`
		Control  string `json:"control"`
		Wall     string `json:"wall"` // for a browser
		firmwaresim.Addresses
	}{terminal, "http://" + control, "http://" + control + "/wall", sim.Addresses()})
	if err != nil {
		return fmt.Errorf("print the addresses: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
		return fmt.Errorf("print the addresses: %w", err)
	}
	return nil
}

// maxHands bounds the fingers that are kept; making one takes time.
const maxHands = 100

// hands are the fingers that were asked for by name.
type hands struct {
	mu      sync.Mutex
	fingers map[string]*finger.Finger
}

func (h *hands) impression(name string, n int) (image.Image, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.fingers[name]
	if f == nil {
		if h.fingers == nil || len(h.fingers) >= maxHands {
			h.fingers = make(map[string]*finger.Finger)
		}
		f = finger.Named(name)
		h.fingers[name] = f
	}
	return f.Impression(n), nil
}
