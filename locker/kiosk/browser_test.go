package kiosk_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker/kiosk"
	"github.com/nachtfach/nachtfach/locker/kiosk/chromium"
)

// The screens that a terminal has: tall in the street, wide on a desk.
var sizes = map[string][2]int64{"1080x1920": {1080, 1920}, "1280x800": {1280, 800}}

// shared is the one browser of these tests. Each test has a window of its
// own in it, and cookies of its own: those of two ports would mix.
var shared = sync.OnceValues(startChromium)

// stopChromium ends it, if it was ever started.
var stopChromium = func() {}

func TestMain(m *testing.M) {
	flag.Parse()
	// What runs side by side waits for a browser most of the time: more of it
	// than there are processors.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := flag.Set("test.parallel", "4"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	stopChromium()
	os.Exit(code)
}

func startChromium() (context.Context, error) {
	options := chromium.Options(chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("host-resolver-rules", "MAP "+kioskName+" 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", townCertificate().pin),
	)
	allocated, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocated)
	stopChromium = func() {
		_ = chromedp.Cancel(ctx) // waits until it has gone
		cancel()
	}
	return ctx, chromedp.Run(ctx)
}

// browser opens a window of this size in CSS pixels, or skips where there is
// no Chromium.
func browser(t testing.TB, width, height int64) context.Context {
	t.Helper()
	chromium.Need(t)
	ctx, err := shared()
	if err != nil {
		t.Fatalf("start a browser: %v", err)
	}
	tab := newWindow(t, ctx)
	do(t, tab, chromedp.EmulateViewport(width, height))
	return tab
}

// newWindow opens one with cookies of its own. Chromium wants to be told that a
// new window is meant, which chromedp does not do.
func newWindow(t testing.TB, browser context.Context) context.Context {
	t.Helper()
	c := chromedp.FromContext(browser)
	within, cancel := context.WithTimeout(cdp.WithExecutor(browser, c.Browser), patience)
	defer cancel()
	cookies, err := target.CreateBrowserContext().Do(within)
	if err != nil {
		t.Fatalf("open a window: %v", err)
	}
	t.Cleanup(func() {
		within, cancel := context.WithTimeout(cdp.WithExecutor(browser, c.Browser), patience)
		defer cancel()
		_ = target.DisposeBrowserContext(cookies).Do(within) // with the browser it would go as well
	})
	return openTab(t, browser, target.CreateTarget("about:blank").WithBrowserContextID(cookies).WithNewWindow(true))
}

// secondTab opens one beside another, with the same cookies.
func secondTab(t testing.TB, tab context.Context) context.Context {
	t.Helper()
	c := chromedp.FromContext(tab)
	within, cancel := context.WithTimeout(cdp.WithExecutor(tab, c.Browser), patience)
	defer cancel()
	info, err := target.GetTargetInfo().WithTargetID(c.Target.TargetID).Do(within)
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return openTab(t, tab, target.CreateTarget("about:blank").WithBrowserContextID(info.BrowserContextID).WithNewWindow(true))
}

func openTab(t testing.TB, beside context.Context, params *target.CreateTargetParams) context.Context {
	t.Helper()
	within, cancel := context.WithTimeout(cdp.WithExecutor(beside, chromedp.FromContext(beside).Browser), patience)
	defer cancel()
	id, err := params.Do(within)
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	tab, closeTab := chromedp.NewContext(beside, chromedp.WithTargetID(id))
	t.Cleanup(closeTab)
	if err := chromedp.Run(tab); err != nil { // whose context has to last as long as the tab
		t.Fatalf("open a tab: %v", err)
	}
	do(t, tab, emulation.SetFocusEmulationEnabled(true))
	return tab
}

// patience is for a machine that has more to do than this. No test waits for
// time to pass; each waits for what it wants to see.
const patience = 90 * time.Second

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
func serve(t testing.TB, term kiosk.Terminal, config ...func(*kiosk.Config)) string {
	t.Helper()
	l, err := kiosk.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, term, config...)
}

func serveOn(t testing.TB, l net.Listener, term kiosk.Terminal, config ...func(*kiosk.Config)) string {
	t.Helper()
	at, stop := startOn(t, l, term, config...)
	t.Cleanup(stop)
	return at
}

// startOn serves until stop is called.
func startOn(t testing.TB, l net.Listener, term kiosk.Terminal, config ...func(*kiosk.Config)) (at string, stop func()) {
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

func do(t testing.TB, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := chromedp.Run(within, actions...); err != nil {
		var shown string
		within, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_ = chromedp.Run(within, chromedp.Evaluate(`document.body.innerText`, &shown))
		t.Fatalf("%v; the page shows %q", err, shown)
	}
}
