package daemon

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAScreenWithoutItsPageIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		last, ever := start, false
		var mu sync.Mutex // guards all of these
		var told []string
		shown := func() (time.Duration, bool) {
			mu.Lock()
			defer mu.Unlock()
			return time.Since(last), ever
		}
		tell := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				told = append(told, "works")
				return
			}
			told = append(told, err.Error())
		}
		want := func(when string, n int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(told) != n {
				t.Errorf("%s: told %q, want %d", when, told, n)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { watchPage(ctx, shown, tell); close(done) }()
		time.Sleep(pageNone)
		want("while a browser may still start", 0)
		time.Sleep(2 * time.Second)
		want("when it has not", 1)
		mu.Lock()
		last, ever = time.Now(), true
		mu.Unlock()
		time.Sleep(time.Second)
		want("when it shows the page", 2)
		time.Sleep(pageLate - 2*time.Second)
		want("while the unit starts it again", 2)
		time.Sleep(4 * time.Second)
		want("when that did not help", 3)
		time.Sleep(time.Hour)
		want("an hour later", 3)
		cancel()
		<-done
	})
}
