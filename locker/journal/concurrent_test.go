package journal_test

import (
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/nachtfach/nachtfach/locker/journal"
)

func TestReadersAndWritersDoNotDisturbEachOther(t *testing.T) {
	c := config(t)
	j := create(t, c)
	const steps = 150
	var group sync.WaitGroup
	appended := make(chan struct{})
	group.Go(func() {
		defer close(appended)
		for n := range steps {
			if _, err := j.Append(events(2*n, 2*n+2), nil); err != nil {
				t.Error(err)
				return
			}
		}
	})
	group.Go(func() {
		r := j.Records()
		for n := range steps {
			name := fmt.Sprint(n)
			if err := r.Put("b", name, []byte(name)); err != nil {
				t.Error(err)
				return
			}
			if v, err := r.Get("b", name); err != nil || string(v) != name {
				t.Errorf("record %s is %q, %v", name, v, err)
			}
		}
	})
	group.Go(func() { // as the reporter does
		for next := uint64(0); next < 2*steps && !t.Failed(); {
			select {
			case <-j.Changed():
			case <-appended:
			}
			for next < j.Size() && !t.Failed() {
				read, err := j.Read(next, 10)
				if err != nil {
					t.Error(err)
				}
				for _, body := range read {
					if n, _, e, err := journal.Decode(body); err != nil || n != next || e != event(int(n)) {
						t.Errorf("event %d is %d %+v, %v", next, n, e, err)
					}
					next++
				}
			}
		}
	})
	group.Go(func() { // as somebody at the daemon's socket does
		for j.Size() < 2*steps && !t.Failed() {
			if _, _, err := j.Verify(journal.Trust{}); err != nil {
				t.Error(err)
			}
			if err := j.Dump(io.Discard, 0); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	if size, _, err := j.Verify(journal.Trust{}); err != nil || size != 2*steps {
		t.Errorf("%d events, %v, want %d", size, err, 2*steps)
	}
}
