package gpio_test

import (
	"context"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	hardware "github.com/nachtfach/nachtfach/hardware/gpio"
	"github.com/nachtfach/nachtfach/hardware/supply"
)

// BenchmarkEdge is from the kernel's word of an edge to the level read after
// it, in the goroutine that waited.
func BenchmarkEdge(b *testing.B) {
	k := newBoard()
	k.add("gpiochip0", "soc", "DOOR1")
	l := registerLine(b, k, "DOOR1")
	if err := l.In(gpio.PullUp, gpio.BothEdges); err != nil {
		b.Fatal(err)
	}
	read := make(chan gpio.Level)
	go func() {
		defer close(read)
		for l.WaitForEdge(time.Second) {
			level, _ := l.ReadLevel()
			read <- level
		}
	}()
	level := gpio.Low
	for b.Loop() {
		level = !level
		k.drive("DOOR1", level)
		if <-read != level {
			b.Fatal("another level was read")
		}
	}
	b.StopTimer()
	for range read { // until its wait is over
		b.Error("an edge that did not happen")
	}
}

// BenchmarkDoor is from the edge to what a contact tells, with the usual
// debouncing, most of which is waiting.
func BenchmarkDoor(b *testing.B) {
	k := newBoard()
	k.add("gpiochip0", "soc", "DOOR1")
	registerLine(b, k, "DOOR1")
	c, err := hardware.OpenContact(hardware.ContactConfig{Line: "DOOR1"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	told, done := make(chan bool), make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Watch(ctx, func(open bool, _ error) {
			select {
			case told <- open:
			case <-ctx.Done():
			}
		})
	}()
	level := gpio.Level(<-told)
	for b.Loop() {
		level = !level
		k.drive("DOOR1", level)
		if gpio.Level(<-told) != level {
			b.Fatal("another state was told")
		}
	}
	cancel()
	<-done
}

// BenchmarkSwitch is a coil switched on or off, to the kernel's door.
func BenchmarkSwitch(b *testing.B) {
	k := newBoard()
	k.add("gpiochip0", "soc", "LOCK1")
	registerLine(b, k, "LOCK1")
	c, err := hardware.OpenCoil(hardware.CoilConfig{Line: "LOCK1", Supply: supply.New()})
	if err != nil {
		b.Fatal(err)
	}
	on := false
	for b.Loop() {
		on = !on
		if err := c.Switch(on); err != nil {
			b.Fatal(err)
		}
		k.wire = k.wire[:0]
	}
}
