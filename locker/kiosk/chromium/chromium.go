// Package chromium is a browser without a window, for tests of the pages.
package chromium

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// AxeRun checks what WCAG 2.2 asks for at levels A and AA, on a page into which
// axe-core was loaded; it lists what is violated.
const AxeRun = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
	.then(r => r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html.slice(0, 120) + " " + (n.any[0]?.message || "")).join(" | ")))`

// Path is where it is, or "".
func Path() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Need skips a test where there is none, unless NACHTFACH_REQUIRE names it.
func Need(t testing.TB) {
	t.Helper()
	switch {
	case testing.Short():
		t.Skip("a browser takes its time")
	case Path() != "":
	case slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "chromium"):
		t.Fatal("chromium is required here, and not installed")
	default:
		t.Skip("no chromium here (Debian: apt-get install chromium)")
	}
}

// Options are what every test's browser is started with, and more.
func Options(more ...chromedp.ExecAllocatorOption) []chromedp.ExecAllocatorOption {
	return slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(Path()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	}, more)
}

// Start starts one that lives as long as the test, with a window of this size
// in CSS pixels.
func Start(t testing.TB, width, height int, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	Need(t)
	// Not the test's context, which ends before the cleanup: the browser is to end by itself.
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(Options(more...), chromedp.WindowSize(width, height))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser to end; it is killed otherwise
		cancel()
	})
	if err := chromedp.Run(ctx); err != nil { // it lives as long as the context that starts it
		t.Fatalf("start %s: %v", Path(), err)
	}
	return ctx
}
