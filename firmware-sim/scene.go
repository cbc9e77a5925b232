package firmwaresim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"
)

// Place is where a compartment's door is on the wall, and how large it is.
type Place struct {
	Row    int    `json:"row"`    // from 1, at the top
	Column int    `json:"column"` // from 1, on the left
	Size   string `json:"size"`   // small, medium or large; "" is small
}

// Person is somebody whose finger can be laid on the reader at the wall.
type Person struct {
	Name   string `json:"name"`   // as Config.Finger knows the finger
	Label  string `json:"label"`  // as the wall shows it; "" shows the name
	Finger int    `json:"finger"` // its position, ISO/IEC 19794-2:2005, table 5; 0 says nothing
	First  int    `json:"first"`  // impressions from this one on are laid, each time another
}

// Offer is something that can be held up to a scanner or the badge reader: a
// letter, a slip, a card.
type Offer struct {
	Source Device `json:"source"`
	Label  string `json:"label"` // whose it is
	Text   string `json:"text"`  // what is read
	Note   string `json:"note"`  // what a person reads on it: a pickup code, a personal number
}

// Switch turns something outside the hardware off and on again. Each is called
// when the other has returned.
type Switch struct {
	Off, On func(context.Context) error
}

// Limits of what the wall shows.
const (
	MaxOffers = 200
	maxPeople = 50
	maxLabel  = 80 // bytes
	maxRows   = 200
	rowLength = 6 // of the wall without a layout
)

// turns is after how many impressions of a person's finger the first comes again.
const turns = 8

var sizes = []string{"small", "medium", "large"}

// scene is what the wall's page shows beside the hardware.
type scene struct {
	layout   []Place
	people   []Person
	switches map[string]*breaker

	mu     sync.Mutex
	offers []Offer
	laid   map[string]int // how often a person's finger was
}

// The names of the switches.
const (
	power  = "power"
	broker = "broker"
)

func newScene(c Config) (*scene, error) {
	s := &scene{people: slices.Clone(c.People), switches: map[string]*breaker{}, laid: map[string]int{}}
	var err error
	if s.layout, err = layoutOf(c); err != nil {
		return nil, err
	}
	if len(c.People) > maxPeople {
		return nil, fmt.Errorf("%d people: at most %d can be shown", len(c.People), maxPeople)
	}
	for i, p := range s.people {
		if p.Label == "" {
			s.people[i].Label = p.Name
		}
		if p.Name == "" || badLabel(s.people[i].Label) || p.Finger < 0 || p.Finger > 10 || p.First < 0 || p.First > MaxImpression-turns {
			return nil, fmt.Errorf("person %d, %q: wants a name, a label of 1 to %d bytes, a finger 0 to 10 and a first impression", i+1, p.Name, maxLabel)
		}
	}
	if err := checkOffers(c.Offers); err != nil {
		return nil, err
	}
	s.offers = slices.Clone(c.Offers)
	for name, sw := range map[string]*Switch{power: c.Power, broker: c.Broker} {
		switch {
		case sw == nil:
		case sw.Off == nil || sw.On == nil:
			return nil, fmt.Errorf("switch %s: wants both Off and On", name)
		default:
			s.switches[name] = &breaker{Switch: *sw, on: true}
		}
	}
	return s, nil
}

// layoutOf is the layout that was given, or rows of six.
func layoutOf(c Config) ([]Place, error) {
	if c.Layout == nil {
		var list []Place
		for i := range c.Compartments {
			list = append(list, Place{i/rowLength + 1, i%rowLength + 1, sizes[0]})
		}
		return list, nil
	}
	if len(c.Layout) != c.Compartments {
		return nil, fmt.Errorf("a layout with %d places for %d compartments", len(c.Layout), c.Compartments)
	}
	list := slices.Clone(c.Layout)
	taken := map[[2]int]int{}
	for i, p := range list {
		if p.Size == "" {
			list[i].Size = sizes[0]
		}
		at := [2]int{p.Row, p.Column}
		switch {
		case p.Row < 1 || p.Row > maxRows || p.Column < 1 || p.Column > maxRows:
			return nil, fmt.Errorf("layout: compartment %d in row %d, column %d: both are 1 to %d", i+1, p.Row, p.Column, maxRows)
		case !slices.Contains(sizes, list[i].Size):
			return nil, fmt.Errorf("layout: compartment %d of size %q: wants %q", i+1, p.Size, sizes)
		case taken[at] != 0:
			return nil, fmt.Errorf("layout: compartments %d and %d are in the same place", taken[at], i+1)
		}
		taken[at] = i + 1
	}
	return list, nil
}

func checkOffers(offers []Offer) error {
	if len(offers) > MaxOffers {
		return fmt.Errorf("%d offers: at most %d can be shown", len(offers), MaxOffers)
	}
	for i, o := range offers {
		switch {
		case !slices.Contains([]Device{Citizen, Badge, Barcode}, o.Source):
			return fmt.Errorf("offer %d: %w: %q: there are citizen, badge and barcode", i+1, ErrUnknownSource, o.Source)
		case badLabel(o.Label) || o.Note != "" && badLabel(o.Note):
			return fmt.Errorf("offer %d: label %q and note %q: wants text of at most %d bytes each", i+1, o.Label, o.Note, maxLabel)
		case o.Text == "" || len(o.Text) > MaxScan:
			return fmt.Errorf("offer %d, %q: a text of %d bytes: 1 to %d can be scanned", i+1, o.Label, len(o.Text), MaxScan)
		}
	}
	return nil
}

func badLabel(text string) bool { return text == "" || len(text) > maxLabel || !utf8.ValidString(text) }

// SetOffers replaces what the wall offers to hold up. It is refused as a whole
// if one of them cannot be scanned, or if there are more than MaxOffers.
func (s *Simulator) SetOffers(offers []Offer) error {
	if err := checkOffers(offers); err != nil {
		return fmt.Errorf("what the wall offers: %w", err)
	}
	s.scene.mu.Lock()
	s.scene.offers = slices.Clone(offers)
	s.scene.mu.Unlock()
	s.news.ring()
	return nil
}

// impression is the next one of a person's finger, and 0 of a stranger's.
func (c *scene) impression(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.people, func(p Person) bool { return p.Name == name })
	if i < 0 {
		return 0
	}
	n := c.laid[name] % turns
	c.laid[name]++
	return c.people[i].First + n
}

// breaker is a switch and where it stands.
type breaker struct {
	Switch
	turning sync.Mutex // held while it is turned
	mu      sync.Mutex
	on      bool
}

// state is on or off; nil without a switch.
func (b *breaker) state() *bool {
	if b == nil {
		return nil
	}
	on := b.isOn()
	return &on
}

func (b *breaker) isOn() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.on
}

// turn does nothing if the switch stands there already. A failed one stays.
func (b *breaker) turn(ctx context.Context, on bool) error {
	b.turning.Lock()
	defer b.turning.Unlock()
	if b.isOn() == on {
		return nil
	}
	f := b.Off
	if on {
		f = b.On
	}
	if err := f(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on = on
	return nil
}

var errNoSwitch = errors.New("there is no such switch here")

// turn turns a switch. What it has begun it ends, whoever goes away meanwhile.
func (s *Simulator) turn(ctx context.Context, name string, on bool) error {
	b := s.scene.switches[name]
	if b == nil {
		return fmt.Errorf("%s: %w", name, errNoSwitch)
	}
	if err := b.turn(context.WithoutCancel(ctx), on); err != nil {
		return fmt.Errorf("turn %s: %w", name, err)
	}
	s.news.ring()
	return nil
}
