package firmwaresim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Limits of the control plane.
const (
	maxJSON   = 16 << 10
	maxImage  = 8 << 20
	maxPixels = 16 << 20
	maxStay   = time.Hour
)

// State is what GET /api/state tells.
type State struct {
	Terminal   string    `json:"terminal"`
	Doors      []Door    `json:"doors"`
	Reader     Sensor    `json:"reader"`
	Unplugged  []Device  `json:"unplugged"`
	Faults     []string  `json:"faults"` // what the driver did that it must not do
	FaultCount int       `json:"fault_count"`
	Addresses  Addresses `json:"addresses"`

	Sensors map[CabinetSensor]bool `json:"sensors"` // whether they are tripped
	Heater  bool                   `json:"heater"`
	Wired   []CabinetSensor        `json:"wired"`   // the sensors that the page shows
	Heating bool                   `json:"heating"` // and whether it shows the heater

	Devices []Device `json:"devices"` // what can be unplugged with an effect
	Layout  []Place  `json:"layout"`  // of the doors, in their order
	People  []Person `json:"people"`
	Offers  []Offer  `json:"offers"`
	Power   *bool    `json:"power,omitempty"`  // on; absent: there is no switch
	Broker  *bool    `json:"broker,omitempty"` // likewise
}

// Sensor is the state of the fingerprint module.
type Sensor struct {
	Plugged bool   `json:"plugged"`
	Finger  string `json:"finger"` // what lies on it, "" for nothing
}

// State returns the state of everything.
func (s *Simulator) State() State {
	faults, count := s.Wall.Faults()
	s.scene.mu.Lock()
	offers := append([]Offer{}, s.scene.offers...)
	sensors := map[CabinetSensor]bool{}
	for _, sensor := range CabinetSensors() {
		sensors[sensor] = s.Wall.Tripped(sensor)
	}
	s.scene.mu.Unlock()
	return State{
		Terminal:   s.cfg.Terminal,
		Doors:      s.Wall.Doors(),
		Reader:     Sensor{Plugged: s.ports[Reader].Plugged(), Finger: s.Module.Finger()},
		Unplugged:  s.unplugged(),
		Faults:     faults,
		FaultCount: count,
		Addresses:  s.Addresses(),
		Sensors:    sensors,
		Heater:     s.Wall.Heater(),
		Wired:      append([]CabinetSensor{}, s.cfg.Sensors...),
		Heating:    s.cfg.Heating,
		Devices:    s.devices(),
		Layout:     s.scene.layout,
		People:     append([]Person{}, s.scene.people...),
		Offers:     offers,
		Power:      s.scene.switches[power].state(),
		Broker:     s.scene.switches[broker].state(),
	}
}

// devices leaves out a Modbus line that nobody uses, because the locks are on
// lines of the same process.
func (s *Simulator) devices() []Device {
	list := []Device{Reader, Citizen, Barcode, Badge}
	if !s.cfg.Lines {
		list = append(list, Locks)
	}
	return list
}

func (s *Simulator) unplugged() []Device {
	out := []Device{}
	for device, p := range s.ports {
		if !p.Plugged() {
			out = append(out, device)
		}
	}
	slices.Sort(out)
	return out
}

// Handler is the control plane, for a person's deeds (a finger without an
// impression is laid another way each time, if it is one of Config.People's):
//
//	GET  /api/state
//	POST /api/doors/{n}  {"do": a Deed}
//	POST /api/finger     {"finger": "anna", "impression": 2, "for": "3s"} or {"lift": true},
//	                     or a PNG image with Content-Type image/png, and ?for=3s
//	GET  /api/finger/{name}/{impression}  its picture, a PNG of 500 dpi, as the desk captures it
//	POST /api/scan       {"source": "citizen|badge|barcode", "text": "…"}
//	POST /api/unplug     {"device": a Device}, the reader if none is named, or
//	                     {"after_packets": 100}: the reader's, in the middle of an image
//	POST /api/plug       {"device": a Device}, the reader if none is named
//	POST /api/sensors/{name}  {"tripped": true}, a CabinetSensor
//	POST /api/power, /api/broker  {"on": false}, where Config has such a Switch
//
// and a picture of the wall for a browser:
//
//	GET  /, /wall        the page, which works by the paths above; ?lang=de or en
//	GET  /api/events     the state, and again at every change, as server-sent events
//
// Answers are JSON: the state of the door, or of the whole, or {"error": "…"}.
// Only requests from this machine, addressed to this machine, are answered.
func (s *Simulator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/state", s.answer(func(*http.Request) (any, error) { return s.State(), nil }))
	mux.HandleFunc("POST /api/doors/{n}", s.answer(s.postDoor))
	mux.HandleFunc("POST /api/finger", s.answer(s.postFinger))
	mux.HandleFunc("GET /api/finger/{name}/{impression}", s.getFinger)
	mux.HandleFunc("POST /api/scan", s.answer(s.postScan))
	mux.HandleFunc("POST /api/unplug", s.answer(s.postUnplug))
	mux.HandleFunc("POST /api/sensors/{name}", s.answer(s.postSensor))
	mux.HandleFunc("POST /api/plug", s.answer(s.postPlug))
	s.routesOfPage(mux)
	return local(http.NewCrossOriginProtection().Handler(mux))
}

// local lets through what comes from this machine and was meant for it: a
// foreign name in Host is a browser that was tricked into coming here.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) || r.Host != "localhost" && !isLoopback(r.Host) {
			reply(w, http.StatusForbidden, failure{"only for this machine"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

type failure struct {
	Error string `json:"error"`
}

// refusal is an error with the status that it is told with.
type refusal struct {
	status int
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func badRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

func (s *Simulator) answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxImage)
		body, err := f(r)
		if err != nil {
			reply(w, status(err), failure{err.Error()})
			return
		}
		reply(w, http.StatusOK, body)
	}
}

func status(err error) int {
	var refused *refusal
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &refused):
		return refused.status
	case errors.Is(err, ErrNoCompartment), errors.Is(err, ErrUnknownSource), errors.Is(err, ErrUnknownDevice), errors.Is(err, ErrNoSensor), errors.Is(err, errNoSwitch):
		return http.StatusNotFound
	case errors.Is(err, ErrUnknownDeed):
		return http.StatusBadRequest
	case errors.Is(err, ErrRefused), errors.Is(err, errUnplugged), errors.Is(err, ErrNoFingers):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that left needs no answer
}

// decode reads one JSON object, strictly.
func decode(r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, errors.New("the body must be application/json")}
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxJSON+1))
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	if len(text) > maxJSON {
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", maxJSON)}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is not what this path takes: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("the body has more than one JSON value")
	}
	return nil
}

func (s *Simulator) postDoor(r *http.Request) (any, error) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		return nil, badRequest("%q is no compartment's number", r.PathValue("n"))
	}
	var in struct {
		Do Deed `json:"do"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := s.Wall.Do(n, in.Do); err != nil {
		return nil, err
	}
	return s.Wall.Door(n)
}

func (s *Simulator) postFinger(r *http.Request) (any, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "image/png" {
		return s.postImage(r)
	}
	var in struct {
		Finger     string `json:"finger"`
		Impression *int   `json:"impression"`
		For        string `json:"for"`
		Lift       bool   `json:"lift"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Lift {
		if in.Finger != "" || in.Impression != nil || in.For != "" {
			return nil, badRequest("either a finger or lift, not both")
		}
		s.Module.Lift()
		return s.State().Reader, nil
	}
	if in.Finger == "" || in.Impression != nil && (*in.Impression < 0 || *in.Impression > MaxImpression) {
		return nil, badRequest("a finger has a name, and impressions 0 to %d", MaxImpression)
	}
	stay, err := parseStay(in.For)
	if err != nil {
		return nil, err
	}
	if in.Impression == nil {
		n := s.scene.impression(in.Finger)
		in.Impression = &n
	}
	if err := s.LayFinger(in.Finger, *in.Impression, stay); err != nil {
		return nil, err
	}
	return s.State().Reader, nil
}

// getFinger gives a finger with a name to the desk, which makes an order of it.
func (s *Simulator) getFinger(w http.ResponseWriter, r *http.Request) {
	impression, err := strconv.Atoi(r.PathValue("impression"))
	if err != nil {
		reply(w, http.StatusBadRequest, failure{fmt.Sprintf("%q is no impression's number", r.PathValue("impression"))})
		return
	}
	img, err := s.picture(r.PathValue("name"), impression)
	if err != nil {
		reply(w, status(err), failure{err.Error()})
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_ = png.Encode(w, img) // a client that left needs no answer
}

func parseStay(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	stay, err := time.ParseDuration(text)
	if err != nil || stay <= 0 || stay > maxStay {
		return 0, badRequest("for: %q is not a time up to %v, like 3s", text, maxStay)
	}
	return stay, nil
}

func (s *Simulator) postImage(r *http.Request) (any, error) {
	stay, err := parseStay(r.URL.Query().Get("for"))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	img, err := decodePNG(text)
	if err != nil {
		return nil, err
	}
	if err := s.Module.Lay(img, "image", stay); err != nil {
		return nil, badRequest("%w", err)
	}
	return s.State().Reader, nil
}

// decodePNG looks at the size before it makes room for the pixels.
func decodePNG(text []byte) (image.Image, error) {
	size, err := png.DecodeConfig(bytes.NewReader(text))
	if err != nil {
		return nil, badRequest("the image is no PNG: %w", err)
	}
	if size.Width*size.Height > maxPixels {
		return nil, badRequest("an image of %d × %d pixels is too large", size.Width, size.Height)
	}
	img, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, badRequest("the image is damaged: %w", err)
	}
	return img, nil
}

func (s *Simulator) postScan(r *http.Request) (any, error) {
	var in struct {
		Source Device `json:"source"`
		Text   string `json:"text"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Text == "" || len(in.Text) > MaxScan {
		return nil, badRequest("the text has %d bytes: 1 to %d can be scanned", len(in.Text), MaxScan)
	}
	if err := s.Scan(in.Source, in.Text); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

func (s *Simulator) postUnplug(r *http.Request) (any, error) {
	in := struct {
		Device       Device `json:"device"`
		AfterPackets int    `json:"after_packets"`
	}{Device: Reader}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.AfterPackets < 0 || in.AfterPackets > 0 && in.Device != Reader {
		return nil, badRequest("after_packets: %d: it is for the reader, and not negative", in.AfterPackets)
	}
	if in.AfterPackets > 0 {
		s.Module.CutAfter(in.AfterPackets)
		return s.State(), nil
	}
	if err := s.Unplug(in.Device); err != nil {
		return nil, err
	}
	return s.State(), nil
}

func (s *Simulator) postSensor(r *http.Request) (any, error) {
	var in struct {
		Tripped *bool `json:"tripped"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Tripped == nil {
		return nil, badRequest("tripped: wants true or false")
	}
	if err := s.Wall.Trip(CabinetSensor(r.PathValue("name")), *in.Tripped); err != nil {
		return nil, err
	}
	return s.State(), nil
}

func (s *Simulator) postPlug(r *http.Request) (any, error) {
	in := struct {
		Device Device `json:"device"`
	}{Device: Reader}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := s.Plug(in.Device); err != nil {
		return nil, err
	}
	return s.State(), nil
}
