package kiosk_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker/kiosk"
)

// The screens that a terminal has: tall in the street, wide on a desk.
var sizes = map[string][2]int64{"1080x1920": {1080, 1920}, "1280x800": {1280, 800}}

// browser starts Chromium, or skips where there is none.
func browser(t *testing.T, width, height int64) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "chromium") {
			t.Fatal("chromium is required and not installed")
		}
		t.Skip("chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(int(width), int(height)),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	tab, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	t.Cleanup(func() { _ = chromedp.Cancel(tab) }) // waits until it has gone
	ctx, cancel = context.WithTimeout(tab, 2*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx, chromedp.EmulateViewport(width, height), emulation.SetFocusEmulationEnabled(true)); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// textOf reads an element's text in one go: between finding a node and reading
// it the page may have been drawn anew.
func textOf(selector string, out *string) chromedp.Action {
	return chromedp.Evaluate(fmt.Sprintf(`(document.querySelector(%q) || {innerText: ""}).innerText`, selector), out)
}

// saying waits until an element's text holds the words.
func saying(selector, words string) chromedp.Action {
	return chromedp.Poll(fmt.Sprintf(`(document.querySelector(%q) || {innerText: ""}).innerText.includes(%q)`, selector, words), nil)
}

// serve puts a kiosk on a port and returns the address that a browser opens first.
func serve(t *testing.T, term kiosk.Terminal, config ...func(*kiosk.Config)) string {
	t.Helper()
	l, err := kiosk.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, term, config...)
}

func serveOn(t *testing.T, l net.Listener, term kiosk.Terminal, config ...func(*kiosk.Config)) string {
	t.Helper()
	at, stop := startOn(t, l, term, config...)
	t.Cleanup(stop)
	return at
}

// startOn serves until stop is called.
func startOn(t *testing.T, l net.Listener, term kiosk.Terminal, config ...func(*kiosk.Config)) (at string, stop func()) {
	t.Helper()
	config = append([]func(*kiosk.Config){furnished, func(c *kiosk.Config) { c.Addr = l.Addr().String() }}, config...)
	f := open(t, term, config...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx, l) }()
	return "http://" + l.Addr().String() + "/?token=" + f.token, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
}

// ready waits until the page shows a screen and takes presses.
func ready(name string) chromedp.Action {
	return chromedp.WaitVisible(`#face[data-name="`+name+`"][data-ready]`, chromedp.ByQuery)
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	within, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	if err := chromedp.Run(within, actions...); err != nil {
		var shown string
		_ = chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &shown))
		t.Fatalf("%v; the page shows %q", err, shown)
	}
}
