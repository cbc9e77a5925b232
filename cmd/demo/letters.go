package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nachtfach/nachtfach/city/api"
	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
)

// printEvery is how often the demo's city looks for letters to print.
const printEvery = 400 * time.Millisecond

// layout is where the wall shows the compartments, as the terminal has them.
func layout() []firmwaresim.Place {
	var list []firmwaresim.Place
	for i := range compartments {
		list = append(list, firmwaresim.Place{Row: i/perRow + 1, Column: i%perRow + 1, Size: rows[i/perRow].word})
	}
	return list
}

// wallPeople are the three who have applied. The impressions that they lay are
// others than those that the desk took.
func (t *town) wallPeople() []firmwaresim.Person {
	var list []firmwaresim.Person
	for _, p := range t.people[:applicants] {
		list = append(list, firmwaresim.Person{Name: p.Name, Label: label(p.Name), Finger: p.Finger, First: len(p.Enrol)})
	}
	return list
}

func label(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// hands are what people at the wall hold: clerks their cards and the slips of
// what is not loaded yet, citizens their letters.
type hands struct {
	town    *town
	letters map[locker.OrderID]api.Letter // the latest
}

// offers is what the wall shows of them.
func (h *hands) offers(loaded map[locker.OrderID]bool) []firmwaresim.Offer {
	var list []firmwaresim.Offer
	for _, c := range h.town.cast.Clerks {
		list = append(list, firmwaresim.Offer{Source: firmwaresim.Badge, Label: string(c.Person), Text: c.Card, Note: c.Number})
	}
	for i, slip := range h.town.slips {
		id, who := locker.OrderID(slip), label(h.town.people[i].Name)
		if !loaded[id] {
			list = append(list, firmwaresim.Offer{Source: firmwaresim.Barcode, Label: who, Text: slip})
		}
		if l, ok := h.letters[id]; ok {
			list = append(list, firmwaresim.Offer{Source: firmwaresim.Citizen, Label: who, Text: l.QR, Note: strings.Join(l.Code[:], " ")})
		}
	}
	return list
}

// handOut begins to deliver.
func (t *town) handOut(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&hands{t, map[locker.OrderID]api.Letter{}}).deliver(ctx)
	}()
	t.letters = func() {
		cancel()
		<-done
	}
}

// deliver prints each letter as soon as there is one and gives it to its
// citizen, and takes slips of loaded documents away, until ctx ends.
func (h *hands) deliver(ctx context.Context) {
	tick := time.NewTicker(printEvery)
	defer tick.Stop()
	var last []firmwaresim.Offer
	for {
		now := h.offers(h.look(ctx))
		if !slices.Equal(now, last) {
			if err := h.town.sim.SetOffers(now); err != nil {
				h.town.log.Error("the wall's offers", "error", err)
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look prints what there is to print, and says which orders were loaded.
func (h *hands) look(ctx context.Context) map[locker.OrderID]bool {
	city := h.town.site().City
	loaded := map[locker.OrderID]bool{}
	deposits, err := city.Deposits(ctx, terminal)
	if err != nil && ctx.Err() == nil {
		h.town.log.Warn("deposits", "error", err)
	}
	for _, d := range deposits {
		switch d.State {
		case api.DepositReserved, api.DepositPrepared, api.DepositAbandoned:
		default:
			loaded[d.Order] = true
		}
	}
	for id := range loaded {
		if l, err := city.Letter(ctx, id); err == nil { // else there is none, or it was printed
			h.letters[id] = l
		}
	}
	return loaded
}
