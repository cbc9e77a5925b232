package city

import (
	"bytes"
	"testing"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// Whatever comes on the topic of events, it waits or it is refused, within bounds.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","source":"/terminal/rathaus-1/0badcafe","type":"de.nachtfach.clock.marked.v1","time":"2026-11-20T12:00:00Z","sequence":"00000000000000000000","data":{}}`))
	f.Add([]byte(`{"specversion":"1.0","source":"/terminal/rathaus-1/0badcafe","sequence":"18446744073709551615"}`))
	f.Add([]byte(`{"specversion":"1.0","source":"/terminal/rathaus-1/0badcafe","sequence":"511","time":"x"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in := newIntake("rathaus-1", nil, 0, nil)
		err := in.event(body)
		if len(in.pending) > 1 || in.bytes > maxPendingBytes || err != nil && len(in.pending) > 0 {
			t.Errorf("%d pending, %d bytes, %v", len(in.pending), in.bytes, err)
		}
		for seq, waiting := range in.pending {
			if seq >= maxPending || !bytes.Equal(waiting, body) {
				t.Errorf("event %d waits", seq)
			}
			if e, err := parseEvent(waiting); err == nil {
				_ = e.fact()
			}
		}
	})
}

// A roster is only passed on, but its addressee is read here.
func FuzzRoster(f *testing.F) {
	f.Add([]byte(`{"terminal":"rathaus-1","version":3,"sealed":"AAAA"}`))
	f.Add([]byte(`{"terminal":"rathaus-1","version":-3}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		terminal, version, err := parseRoster(message)
		if err == nil && (version < 1 || envelope.CheckTerminal(terminal) != nil) {
			t.Errorf("terminal %q, version %d", terminal, version)
		}
	})
}
