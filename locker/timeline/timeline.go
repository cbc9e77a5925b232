// Package timeline tells the history of one document from a terminal's events:
// who had it in custody from when to when, by whose hands it went, and what
// happened to its compartment meanwhile. People are the pseudonyms of the
// roster; who stands behind one, the town alone knows.
//
// It reads facts and decides nothing. It finds what a fact is about by the names
// of its fields (Order, Generation, Compartment, Round), so that a new kind of
// fact takes its place in a timeline by itself.
package timeline

import (
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/nachtfach/nachtfach/locker"
)

// Custody is who has the document after an entry.
type Custody string

// A document is always with exactly one of these.
const (
	WithClerks    Custody = "clerks"
	InCompartment Custody = "compartment"
	WithCitizen   Custody = "citizen"
	Unknown       Custody = "unknown" // an alarm stands
)

// Entry is one event of the document's history.
type Entry struct {
	Sequence    uint64               `json:"sequence"` // in the terminal's journal, from 0
	Event       locker.Event         `json:"-"`
	What        string               `json:"what"` // "document laid": the event's type without its frame
	Generation  locker.Generation    `json:"generation,omitempty"`
	Compartment locker.CompartmentID `json:"compartment,omitempty"`
	Round       locker.RoundID       `json:"round,omitempty"`
	People      []locker.Person      `json:"people,omitempty"`  // both clerks, the desk or the admin
	Custody     Custody              `json:"custody,omitempty"` // of an order's history
	Incident    string               `json:"incident,omitempty"`
	Detail      string               `json:"detail,omitempty"` // reason, if the fact has one
}

// Of is the history of the order's documents, in the order of the events, which
// are given with their numbers; empty for an order that they do not name.
func Of(order locker.OrderID, events iter.Seq2[uint64, locker.Event]) []Entry {
	h := history{
		order: order, custody: WithClerks,
		generations: map[locker.Generation]bool{}, places: map[locker.CompartmentID]bool{},
		opened: map[locker.RoundID]Entry{}, told: map[locker.RoundID]bool{},
	}
	for sequence, e := range events {
		h.add(sequence, e)
	}
	slices.SortStableFunc(h.entries, func(a, b Entry) int {
		switch {
		case a.Sequence < b.Sequence:
			return -1
		case a.Sequence > b.Sequence:
			return 1
		}
		return 0
	})
	return h.entries
}

// OfIncident are the events of a matter by its incident number, as the kiosk
// prints it. They may be of several visits, and of no order.
func OfIncident(number string, events iter.Seq2[uint64, locker.Event]) (entries []Entry) {
	number = strings.ToLower(strings.TrimSpace(number))
	terminal := number[:max(0, strings.LastIndex(number, "-"))]
	for sequence, e := range events {
		if slices.Contains(locker.Incidents(terminal, e.Fact), number) {
			entries = append(entries, entryOf(sequence, e, aboutOf(e.Fact)))
		}
	}
	return entries
}

func entryOf(sequence uint64, e locker.Event, a about) Entry {
	return Entry{
		Sequence: sequence, Event: e, What: What(e.Fact), Generation: a.generation, Compartment: a.compartment,
		Round: a.round, People: a.people, Detail: a.detail, Incident: a.incident,
	}
}

type history struct {
	order       locker.OrderID
	generations map[locker.Generation]bool
	places      map[locker.CompartmentID]bool // where a document of the order may lie; false: until the door is closed
	opened      map[locker.RoundID]Entry      // every round so far, to be told when it concerns us
	told        map[locker.RoundID]bool
	custody     Custody
	entries     []Entry
}

// add takes an event into the history if it is part of it.
func (h *history) add(sequence uint64, e locker.Event) {
	a := aboutOf(e.Fact)
	if r, ok := e.Fact.(locker.DepositReserved); ok {
		delete(h.places, r.Compartment)
		if r.Order == h.order {
			h.generations[r.Generation] = true
			h.places[r.Compartment] = true
		}
	}
	entry := entryOf(sequence, e, a)
	if _, ok := e.Fact.(locker.RoundOpened); ok {
		h.opened[a.round] = entry
		return
	}
	if !h.concerns(a) {
		return
	}
	if opened, ok := h.opened[a.round]; ok {
		if !h.told[a.round] {
			h.told[a.round] = true
			opened.Custody = h.custody
			h.entries = append(h.entries, opened)
		}
		if len(entry.People) == 0 {
			entry.People = opened.People
		}
	}
	h.custody = after(h.custody, e.Fact)
	entry.Custody = h.custody
	h.entries = append(h.entries, entry)
	h.leave(e.Fact, a.compartment)
}

// leave forgets a compartment in which nothing of the order can lie any more.
func (h *history) leave(f locker.Fact, c locker.CompartmentID) {
	switch f.(type) {
	case locker.CompartmentCleared:
		delete(h.places, c)
	case locker.DocumentUnloaded, locker.DocumentMissing, locker.DepositAbandoned:
		for place := range h.places {
			h.places[place] = false
		}
	case locker.CompartmentClosed:
		if !h.places[c] {
			delete(h.places, c)
		}
	}
}

// concerns tells whether a fact about this is part of the history.
func (h *history) concerns(a about) bool {
	if a.order != "" || a.generation != 0 {
		return a.order == h.order || h.generations[a.generation] || h.generations[a.replaces]
	}
	if a.compartment != 0 {
		_, ours := h.places[a.compartment]
		return ours
	}
	return a.round != 0 && h.told[a.round]
}

// after is who has the document once this happened.
func after(before Custody, f locker.Fact) Custody {
	switch f.(type) {
	case locker.OrderAccepted, locker.DocumentUnloaded, locker.DepositAbandoned:
		return WithClerks
	case locker.DocumentLaid, locker.DepositLoaded:
		return InCompartment
	case locker.DocumentTaken:
		return WithCitizen
	case locker.CustodyDoubted, locker.DocumentUnconfirmed, locker.DocumentDisputed, locker.DocumentMissing:
		return Unknown
	}
	return before
}

// What is a fact's type as a phrase: "de.nachtfach.document.laid.v1" is
// "document laid".
func What(f locker.Fact) string {
	parts := strings.Split(f.Type(), ".")
	if len(parts) < 4 {
		return f.Type()
	}
	return strings.Join(parts[2:len(parts)-1], " ")
}

// about is what a fact names.
type about struct {
	order                locker.OrderID
	generation, replaces locker.Generation
	compartment          locker.CompartmentID
	round                locker.RoundID
	people               []locker.Person
	detail               string
	incident             string
}

func aboutOf(f locker.Fact) about {
	var a about
	v := reflect.ValueOf(f)
	for _, field := range reflect.VisibleFields(v.Type()) {
		if !field.IsExported() || field.Anonymous {
			continue
		}
		switch x := v.FieldByIndex(field.Index).Interface().(type) {
		case locker.OrderID:
			a.order = x
		case locker.Generation:
			if field.Name == "Replaces" {
				a.replaces = x
			} else {
				a.generation = x
			}
		case locker.CompartmentID:
			a.compartment = x
		case locker.RoundID:
			a.round = x
		case locker.Person:
			if x != "" {
				a.people = append(a.people, x)
			}
		case [2]locker.Person:
			a.people = append(a.people, x[:]...)
		case string:
			switch field.Name {
			case "Reason", "Detail":
				a.detail = x
			case "Incident":
				a.incident = x
			}
		case locker.AlarmKind:
			a.detail = string(x)
		case locker.RefusalReason:
			a.detail = string(x)
		case locker.Purpose:
			a.detail = string(x)
		case locker.Dispute:
			a.detail = string(x)
		}
	}
	return a
}
