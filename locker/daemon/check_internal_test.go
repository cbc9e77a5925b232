package daemon

import (
	"testing"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
)

// The check of 24 compartments on three Modbus boards, at the pace of their
// wire's other end, a pseudo-terminal: each coil is written off and read back,
// the contacts of a board are read in one request.
func BenchmarkCheckOf24Compartments(b *testing.B) {
	const compartments = 24
	s, err := firmwaresim.New(firmwaresim.Config{Terminal: "bench", Compartments: compartments, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	c := Config{Terminal: "bench", Modbus: []Modbus{{Name: "locks", Path: s.Addresses().Locks, Baud: 115200}}}
	for n := range compartments {
		unit, address := s.Boards.Address(n + 1)
		at := Wire{Modbus: "locks", Board: int(unit), Address: int(address)}
		c.Compartments = append(c.Compartments, Compartment{Number: locker.CompartmentID(n + 1), Lock: at, Contact: at})
	}
	for b.Loop() {
		p, err := openParts(c)
		if err != nil {
			b.Fatal(err)
		}
		k := check{ctx: b.Context(), config: c, parts: p}
		k.doors()
		k.wires()
		for _, f := range k.findings {
			if f.Error != "" {
				b.Fatalf("%+v", f)
			}
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
