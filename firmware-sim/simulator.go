package firmwaresim

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DefaultPerBoard is how many compartments a Modbus board has.
const DefaultPerBoard = 8

// Config describes a simulated terminal.
type Config struct {
	Terminal     string // its id, part of the names of its lines
	Compartments int
	PerBoard     int    // compartments on one Modbus board; 0 means DefaultPerBoard
	Dir          string // where the serial devices are named; "" makes one that Close removes
	Lines        bool   // also register lines in gpioreg, for the same process
	Expanders    bool   // also register an I²C bus of port expanders in i2creg, for the same process
	ActiveLow    bool   // of the lock lines
	Baud         int    // speed of the fingerprint module; 0 means as fast as it is read
	Clock        Clock  // of doors and fingers; nil means RealTime

	// Finger draws an impression of a named finger, 500 dpi, dark ridges. If
	// nil, fingers come as images only.
	Finger func(name string, impression int) (image.Image, error)

	// What the picture of the wall shows beside the hardware; see Handler.
	Layout         []Place         // where each compartment is, the first one first; nil: rows of six
	People         []Person        // whose fingers can be laid
	Offers         []Offer         // what can be held up at first; SetOffers replaces them
	Power, Broker  *Switch         // of the terminal, and of its way to the city; nil: not shown
	Sensors        []CabinetSensor // that can be tripped by a click; nil: none
	Heating        bool            // the reader's heater is wired and shown
	FrameAncestors []string        // origins whose pages may frame the wall; nil: none
}

// Device is what can be unplugged and plugged in again.
type Device string

// The devices. The last three are scanners.
const (
	Locks   Device = "locks"   // the Modbus line, with locks and contacts
	Reader  Device = "reader"  // the fingerprint module
	Citizen Device = "citizen" // the citizens' QR scanner
	Badge   Device = "badge"   // the clerks' badge reader
	Barcode Device = "barcode" // the clerks' barcode scanner
)

// names are the devices' names in the directory.
func names() map[Device]string {
	return map[Device]string{
		Locks: "locks", Reader: "reader",
		Citizen: "scanner-citizen", Badge: "badge", Barcode: "scanner-barcode",
	}
}

// Addresses say where a driver finds the hardware. The paths stay the same
// when a device is unplugged and plugged in again.
type Addresses struct {
	Locks   string `json:"locks"`  // Modbus RTU, locks and contacts
	Reader  string `json:"reader"` // the fingerprint module
	Citizen string `json:"scanner_citizen"`
	Barcode string `json:"scanner_barcode"`
	Badge   string `json:"badge"`
	Boards  int    `json:"boards"`    // unit ids from 1
	PerUnit int    `json:"per_board"` // compartments on each
}

// Simulator is the hardware of one terminal.
type Simulator struct {
	Wall   *Wall
	Boards *Boards
	Module *Module
	// Expanders are nil unless the configuration asked for them.
	Expanders *Expanders

	cfg    Config
	ownDir string // to be removed
	lines  *Lines
	ports  map[Device]*port

	scene   *scene
	news    *news         // rings at every change of what State tells
	streams chan struct{} // one place for each page that watches
	closed  chan struct{} // by Close: pages are let go
	close   sync.Once
}

// New builds the hardware and plugs everything in.
func New(cfg Config) (*Simulator, error) {
	if cfg.Terminal == "" {
		return nil, errors.New("simulator: the terminal has no id")
	}
	if cfg.PerBoard == 0 {
		cfg.PerBoard = DefaultPerBoard
	}
	if cfg.Clock == nil {
		cfg.Clock = RealTime{}
	}
	s := &Simulator{
		cfg: cfg, ports: make(map[Device]*port),
		news: new(news), streams: make(chan struct{}, maxStreams), closed: make(chan struct{}),
	}
	if err := s.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("simulator: %w", err), s.Close())
	}
	return s, nil
}

func (s *Simulator) build() (err error) {
	if s.Wall, err = NewWall(s.cfg.Compartments, s.cfg.Clock); err != nil {
		return err
	}
	if s.Boards, err = NewBoards(s.Wall, s.cfg.PerBoard); err != nil {
		return err
	}
	s.Module = NewModule(s.cfg.Clock, s.cfg.Baud)
	if s.scene, err = newScene(s.cfg); err != nil {
		return err
	}
	if err := checkOrigins(s.cfg.FrameAncestors); err != nil {
		return err
	}
	s.Wall.news, s.Module.news = s.news, s.news
	if err := s.plugAll(); err != nil {
		return err
	}
	if s.cfg.Lines {
		if s.lines, err = s.Wall.RegisterLines(s.cfg.Terminal, s.cfg.ActiveLow); err != nil {
			return err
		}
	}
	if s.cfg.Expanders {
		s.Expanders, err = s.Wall.RegisterExpanders(s.cfg.Terminal, s.cfg.ActiveLow)
	}
	return err
}

func (s *Simulator) plugAll() (err error) {
	if s.cfg.Dir == "" {
		if s.ownDir, err = os.MkdirTemp("", "firmware-sim-"); err != nil {
			return err
		}
		s.cfg.Dir = s.ownDir
	} else if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	for device, name := range names() {
		var serve func(*os.File)
		switch device {
		case Locks:
			serve = s.serveLocks
		case Reader:
			serve = s.serveReader
		default:
			serve = swallow
		}
		p, err := newPort(filepath.Join(s.cfg.Dir, name), serve)
		if err != nil {
			return err
		}
		s.ports[device] = p
	}
	return nil
}

func (s *Simulator) serveLocks(f *os.File) {
	_ = s.Boards.Serve(f) // it ends when the plug is pulled, and says just that
}

// inTransit is what a module that is unplugged in the middle of an image is
// left, so that what it has sent arrives: with the end of a pseudo-terminal
// the kernel also throws away what was not read.
const inTransit = 100 * time.Millisecond

// serveReader unplugs the module when it is cut off in the middle of an image.
func (s *Simulator) serveReader(f *os.File) {
	if err := s.Module.Serve(f); err == nil {
		time.Sleep(inTransit)
		// It waits for this function to return; whoever looks finds a link that
		// could not be removed.
		go func() {
			_ = s.ports[Reader].unplug(f)
			s.news.ring()
		}()
	}
}

// swallow reads what is sent to a device that does not listen.
func swallow(f *os.File) {
	var scrap [256]byte
	for {
		if _, err := f.Read(scrap[:]); err != nil {
			return
		}
	}
}

// Addresses returns where the hardware is found.
func (s *Simulator) Addresses() Addresses {
	return Addresses{
		Locks:   s.ports[Locks].Path(),
		Reader:  s.ports[Reader].Path(),
		Citizen: s.ports[Citizen].Path(),
		Barcode: s.ports[Barcode].Path(),
		Badge:   s.ports[Badge].Path(),
		Boards:  s.Boards.Count(),
		PerUnit: s.cfg.PerBoard,
	}
}

// Errors of Scan, Unplug and Plug.
var (
	ErrUnknownSource = errors.New("unknown source")
	ErrUnknownDevice = errors.New("unknown device")
)

// MaxScan is the longest text that a simulated scanner reads, in bytes. It is
// longer than what the driver accepts.
const MaxScan = 1024

// Scan has a scanner read a text: it sends it with a CR. It returns when the
// text is on the line, which does not mean that it was read there.
func (s *Simulator) Scan(source Device, text string) error {
	switch source {
	case Citizen, Badge, Barcode:
	default:
		return fmt.Errorf("scan from %q: %w: there are citizen, badge and barcode", source, ErrUnknownSource)
	}
	if len(text) > MaxScan {
		return fmt.Errorf("scan of %d bytes: at most %d", len(text), MaxScan)
	}
	if err := s.ports[source].send(append([]byte(text), '\r')); err != nil {
		return fmt.Errorf("scan from %s: %w", source, err)
	}
	return nil
}

// Unplug pulls a device's plug at once: who has it open gets an error. It does
// nothing if the device is not plugged in.
func (s *Simulator) Unplug(device Device) error {
	p, err := s.port(device)
	if err != nil {
		return fmt.Errorf("unplug: %w", err)
	}
	defer s.news.ring()
	return p.Unplug()
}

// Plug plugs a device in again, under the same path. It does nothing if it is.
func (s *Simulator) Plug(device Device) error {
	p, err := s.port(device)
	if err != nil {
		return fmt.Errorf("plug in: %w", err)
	}
	defer s.news.ring()
	return p.Plug()
}

func (s *Simulator) port(device Device) (*port, error) {
	if p, ok := s.ports[device]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownDevice, device)
}

// ErrNoFingers means that a finger was asked for by name, and that the
// simulator was built without any.
var ErrNoFingers = errors.New("there are no fingers with names here: lay an image")

// MaxImpression bounds the number of an impression.
const MaxImpression = 1_000_000

// LayFinger lays an impression of a named finger on the reader; see Module.Lay.
func (s *Simulator) LayFinger(name string, impression int, stay time.Duration) error {
	img, err := s.picture(name, impression)
	if err != nil {
		return err
	}
	return s.Module.Lay(img, fmt.Sprintf("%s/%d", name, impression), stay)
}

// picture is an impression of a finger by its name, dark ridges on light ground.
func (s *Simulator) picture(name string, impression int) (image.Image, error) {
	if s.cfg.Finger == nil {
		return nil, ErrNoFingers
	}
	if name == "" || impression < 0 || impression > MaxImpression {
		return nil, badRequest("finger %q, impression %d: a finger has a name, and impressions 0 to %d", name, impression, MaxImpression)
	}
	img, err := s.cfg.Finger(name, impression)
	if err != nil {
		return nil, fmt.Errorf("finger %q, impression %d: %w", name, impression, err)
	}
	return img, nil
}

// Close unplugs everything, takes the lines out of the registry and lets go of
// the pages that watch.
func (s *Simulator) Close() error {
	s.close.Do(func() { close(s.closed) })
	var errs []error
	if s.lines != nil {
		errs = append(errs, s.lines.Close())
		s.lines = nil
	}
	if s.Expanders != nil {
		errs = append(errs, s.Expanders.Close())
	}
	for _, p := range s.ports {
		errs = append(errs, p.Unplug())
	}
	if s.ownDir != "" {
		errs = append(errs, os.RemoveAll(s.ownDir))
		s.ownDir = ""
	}
	return errors.Join(errs...)
}
