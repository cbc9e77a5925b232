package firmwaresim_test

import (
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/hardware/modbus"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// A scan reads the 96 contacts of a wall on twelve boards anew, one request a
// board. The wire is a pseudo-terminal: what its bytes would take at a baud
// rate comes on top.
func BenchmarkScanOf96Inputs(b *testing.B) {
	const compartments, perBoard, poll = 96, 8, 10 * time.Millisecond
	s, err := firmwaresim.New(firmwaresim.Config{Terminal: b.Name(), Compartments: compartments, PerBoard: perBoard, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	line, err := modbus.Open(modbus.Config{Name: "locks", Path: s.Addresses().Locks, Baud: 115200, Poll: poll, Supply: supply.New()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { line.Close() })
	var contacts []*modbus.Contact
	for n := range compartments {
		unit, input := s.Boards.Address(n + 1)
		c, err := line.Contact(modbus.ContactConfig{Board: unit, Input: input})
		if err != nil {
			b.Fatal(err)
		}
		contacts = append(contacts, c)
	}
	asked := s.Boards.Requests()
	for b.Loop() {
		for _, c := range contacts {
			if open, err := c.Open(); err != nil || open {
				b.Fatal(open, err)
			}
		}
		b.StopTimer()
		time.Sleep(poll) // until every reading is too old
		b.StartTimer()
	}
	b.ReportMetric(float64(s.Boards.Requests()-asked)/float64(b.N), "requests/op")
}
