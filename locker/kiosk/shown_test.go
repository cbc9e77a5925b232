package kiosk_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/inspector"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/locker/kiosk/chromium"
)

// clock is an uptime that passes when a test says so.
type clock struct{ atomic.Int64 }

func (c *clock) pass(d time.Duration)       { c.Add(int64(d)) }
func (c *clock) now() time.Duration         { return time.Duration(c.Load()) }
func (c *clock) clocked(to *kiosk.Config)   { to.Uptime = c.now }
func (f face) status(method, at string) int { return f.do(f.request(method, at, "")).StatusCode }

func TestTheTerminalKnowsWhetherItsPageIsShown(t *testing.T) {
	var c clock
	c.pass(time.Hour)
	f := open(t, newTerminal(), c.clocked)
	want := func(when string, status int) {
		t.Helper()
		if got := f.status("GET", "/shown"); got != status {
			t.Errorf("%s: answered %d, want %d", when, got, status)
		}
	}
	want("after the start", http.StatusAccepted)
	c.pass(21 * time.Second)
	want("21 s later", http.StatusServiceUnavailable)
	if ago, ever := f.Shown(); ever || ago != 21*time.Second {
		t.Errorf("shown %v ago, ever %v", ago, ever)
	}
	if got := f.status("POST", "/beat"); got != http.StatusNoContent {
		t.Errorf("a beat is answered %d", got)
	}
	want("after a beat", http.StatusNoContent)
	c.pass(9 * time.Second)
	want("9 s later", http.StatusNoContent)
	c.pass(2 * time.Second)
	want("11 s later", http.StatusServiceUnavailable)
}

func TestAPageWhoseRendererDiedIsNotShown(t *testing.T) {
	t.Parallel()
	var c clock
	l, err := kiosk.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	term := newStage()
	ctx := chromium.Start(t, 1280, 800) // its own browser: a renderer may serve several windows
	f := open(t, term, furnished, c.clocked, func(k *kiosk.Config) { k.Addr = l.Addr().String() })
	done := make(chan error, 1)
	serving, stop := context.WithCancel(context.Background())
	go func() { done <- f.Serve(serving, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	do(t, ctx, chromedp.Navigate("http://"+l.Addr().String()+"/?token="+f.token), settled("welcome"))
	isShown := func() bool {
		ago, ever := f.Shown()
		return ever && ago == 0
	}
	eventually(t, "beat", isShown)
	c.pass(time.Minute)
	eventually(t, "beat a minute later", isShown)

	crashed := make(chan struct{})
	chromedp.ListenTarget(ctx, func(event any) {
		if _, ok := event.(*inspector.EventTargetCrashed); ok {
			close(crashed)
		}
	})
	go func() { _ = chromedp.Run(ctx, cdppage.Crash()) }() // which nobody answers
	<-crashed
	c.pass(11 * time.Second)
	if ago, _ := f.Shown(); ago != 11*time.Second {
		t.Errorf("the page was shown %v ago", ago)
	}
}
