package console

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/nachtfach/nachtfach/locker"
)

// maxFollow bounds the events that are read to bring a state up to date. A
// terminal shows its state once a second at most, and events go out at once.
const maxFollow = 200

// follow brings the doors of the state up to the last event of the record, so
// that a door that moves is seen as soon as its event is here.
func (c *Console) follow(r *http.Request, t *terminal) error {
	from := t.Status.Recorded
	if from == 0 || from >= t.Size || t.Size-from > maxFollow {
		return nil
	}
	events, err := c.config.City.Events(r.Context(), t.ID, from, maxFollow)
	if err != nil {
		return err
	}
	for _, e := range events {
		var body struct {
			Data json.RawMessage `json:"data"`
		}
		if json.Unmarshal(e.Body, &body) != nil {
			continue
		}
		fact, err := locker.DecodeFact(e.Type, body.Data)
		if err != nil {
			continue // of a newer terminal
		}
		turn(t.Status.Compartments, fact)
	}
	return nil
}

// turn changes what a fact says of a door.
func turn(doors []locker.CompartmentStatus, fact locker.Fact) {
	set := func(n locker.CompartmentID, change func(*locker.CompartmentStatus)) {
		for i := range doors {
			if doors[i].Number == n {
				change(&doors[i])
			}
		}
	}
	switch f := fact.(type) {
	case locker.CompartmentOpened:
		set(f.Compartment, func(d *locker.CompartmentStatus) { d.Open = true })
	case locker.CompartmentClosed:
		set(f.Compartment, func(d *locker.CompartmentStatus) { d.Open = false })
	case locker.CompartmentFaulted:
		set(f.Compartment, func(d *locker.CompartmentStatus) { d.Fault = f.Fault })
	case locker.CompartmentRestored:
		set(f.Compartment, func(d *locker.CompartmentStatus) { d.Fault = "" })
	}
}

// row is one row of the wall, from the left; nil where there is no door.
type row struct {
	Size  locker.Size // its largest
	Doors []*door
}

// door is one as the wall shows it.
type door struct{ locker.CompartmentStatus }

// Class is its look in the style sheet.
func (d *door) Class() string {
	if d == nil {
		return "gap"
	}
	class := d.Use
	if d.Open {
		class += " open"
	}
	if d.Fault != "" {
		class += " fault"
	}
	return class
}

const (
	maxSide = 60 // of a wall whose picture is drawn by rows and columns
	perRow  = 8  // of a wall whose terminal does not tell its places
)

// Rows is the wall as it stands in the street. The places come from outside:
// one that cannot be, or that is there twice, makes it a list in rows of eight.
func (t terminal) Rows() []row {
	doors := t.Status.Compartments
	high, wide := 0, 0
	for _, d := range doors {
		if d.Row < 1 || d.Column < 1 || d.Row > maxSide || d.Column > maxSide {
			return listed(doors)
		}
		high, wide = max(high, d.Row), max(wide, d.Column)
	}
	rows := make([]row, high)
	for i := range rows {
		rows[i] = row{Size: locker.Small, Doors: make([]*door, wide)}
	}
	for i, d := range doors {
		at := &rows[d.Row-1]
		if at.Doors[d.Column-1] != nil {
			return listed(doors)
		}
		at.Doors[d.Column-1] = &door{doors[i]}
		at.Size = max(at.Size, min(d.Size, locker.Large))
	}
	return rows
}

// uses are what a compartment can be, in the order of the legend.
var uses = []string{"occupied", "reserved", "empty", "vacated", "doubt", "unknown"}

// Kinds are the uses that there are.
func (t terminal) Kinds() []string {
	none := func(use string) bool { return t.Uses[use] == 0 }
	return slices.DeleteFunc(slices.Clone(uses), none)
}

// Odd are the doors that want a look.
func (t terminal) Odd() []locker.CompartmentStatus {
	sound := func(d locker.CompartmentStatus) bool {
		return !d.Open && d.Fault == "" && !d.Waived && !d.Disabled && !d.Expired && !d.Revoked && d.Use != "doubt"
	}
	return slices.DeleteFunc(slices.Clone(t.Status.Compartments), sound)
}

func listed(doors []locker.CompartmentStatus) []row {
	var rows []row
	for i := range doors {
		if i%perRow == 0 {
			rows = append(rows, row{Size: locker.Small})
		}
		last := &rows[len(rows)-1]
		last.Doors = append(last.Doors, &door{doors[i]})
	}
	if n := len(rows); n > 1 {
		for len(rows[n-1].Doors) < perRow {
			rows[n-1].Doors = append(rows[n-1].Doors, nil)
		}
	}
	return rows
}
