package daemon_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

// listening is a daemon with scanners, and what its operators' socket tells of them.
func listening(t *testing.T, source locker.Source) (*bench, <-chan daemon.Heard) {
	t.Helper()
	b := newBench(t, "listen")
	a := b.sim.Addresses()
	b.config.Scanners = []daemon.Scanner{
		{Source: daemon.Source(locker.SourceBadge), Path: a.Badge},
		{Source: daemon.Source(locker.SourceCitizen), Path: a.Citizen},
		{Source: daemon.Source(locker.SourceBarcode), Path: a.Barcode},
	}
	b.init()
	b.run()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	heard, ready, done := make(chan daemon.Heard, 100), make(chan bool), make(chan error, 1)
	go func() {
		done <- daemon.Dial(b.config.Socket()).Listen(ctx, source, func() { close(ready) }, func(h daemon.Heard) error {
			heard <- h
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Listen ended with %v", err)
		}
	})
	<-ready
	return b, heard
}

// scans holds something up until it is heard: a scanner forgets what came before
// it was opened.
func (b *bench) scans(at firmwaresim.Device, text string, heard <-chan daemon.Heard) daemon.Heard {
	b.t.Helper()
	for range 60 {
		if err := b.sim.Scan(at, text); err != nil {
			b.t.Fatal(err)
		}
		select {
		case h := <-heard:
			return h
		case <-time.After(time.Second):
		}
	}
	b.t.Fatal("nothing was heard")
	return daemon.Heard{}
}

func TestAnInstallerSeesWhatAReaderReadsAndNoSecret(t *testing.T) {
	b, heard := listening(t, "")
	for _, c := range []struct {
		at         firmwaresim.Device
		text, want string
	}{
		{firmwaresim.Badge, "0005207B326C", "9999999A999A"},
		{firmwaresim.Citizen, "nf1:000000005724", "aa9:999999999999"},
		{firmwaresim.Barcode, "0000 0000 5724", "9999 9999 9999"},
		{firmwaresim.Barcode, "ORDER-00001", "ORDER-00001"},
	} {
		h := b.scans(c.at, c.text, heard)
		for h.Scanner != string(c.at) || h.Length != len(c.text) { // the last one, heard twice
			h = b.scans(c.at, c.text, heard)
		}
		if h.Text != c.want || h.Refused != "" {
			t.Errorf("%q: heard %+v, want %q", c.text, h, c.want)
		}
	}
}

func TestARefusedScanIsLoggedByLengthAndReasonAlone(t *testing.T) {
	b, heard := listening(t, locker.SourceBadge)
	h := b.scans(firmwaresim.Badge, "geheim\x1b[2J", heard)
	if h.Refused == "" || h.Length != len("geheim\x1b[2J") || h.Text != "" {
		t.Errorf("heard %+v", h)
	}
	eventually(t, "the refusal in the log", func() bool { return strings.Contains(b.log.String(), "a scanner's text is refused") })
	if log := b.log.String(); !strings.Contains(log, "bytes=10") || strings.Contains(log, "geheim") {
		t.Errorf("log: %s", log)
	}
}

func TestAnUnknownSourceIsRefused(t *testing.T) {
	b := newBench(t, "listen-none")
	b.init()
	b.run()
	none := func(daemon.Heard) error { return nil }
	for source, want := range map[locker.Source]string{"badger": "wants citizen, barcode or badge", locker.SourceBadge: "has no scanner of source"} {
		if err := daemon.Dial(b.config.Socket()).Listen(t.Context(), source, func() {}, none); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}
