package kiosk_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/chromedp"

	"github.com/nachtfach/nachtfach/locker"
)

// client is a browser without a screen: it keeps its cookie and connection.
type client struct {
	testing.TB
	http.Client
	at string
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{TB: t, Client: http.Client{Jar: jar}, at: u.Scheme + "://" + u.Host}
	c.get("/?" + u.RawQuery)
	return c
}

func (c *client) get(path string) string {
	c.Helper()
	answer, err := c.Get(c.at + path)
	if err != nil {
		c.Fatal(err)
	}
	return c.body(answer)
}

// press sends a form as the page does.
func (c *client) press(values url.Values) string {
	c.Helper()
	r, err := http.NewRequest(http.MethodPost, c.at+"/press", strings.NewReader(values.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("HX-Request", "true")
	r.Header.Set("Origin", c.at)
	answer, err := c.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	return c.body(answer)
}

func (c *client) body(answer *http.Response) string {
	c.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		c.Fatalf("%s: %s, %v: %s", answer.Request.URL.Path, answer.Status, err, text)
	}
	return string(text)
}

// report gives the median and two high percentiles in milliseconds.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-ms": .5, "p95-ms": .95, "p99-ms": .99} {
		b.ReportMetric(float64(took[int(share*float64(len(took)-1))])/float64(time.Millisecond), name)
	}
}

// processor is the time that this process has had of them so far.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Every screen by turns, as a whole page over loopback. The processors' time is
// that of both ends.
func BenchmarkPage(b *testing.B) {
	term := newStage()
	c := dial(b, serve(b, term))
	list := scenes()
	var took []time.Duration
	before := processor(b)
	for n := 0; b.Loop(); n++ {
		term.set(list[n%len(list)].screen)
		start := time.Now()
		c.get("/")
		took = append(took, time.Since(start))
	}
	b.ReportMetric(float64(processor(b)-before)/float64(len(took))/float64(time.Millisecond), "processor-ms")
	report(b, took)
}

// From the terminal's new screen to the page that shows it.
func BenchmarkAChangeOnThePage(b *testing.B) {
	ctx := browser(b, 1080, 1920)
	term := newStage()
	do(b, ctx, chromedp.Navigate(serve(b, term)), settled("welcome"), chromedp.Evaluate(`window.swaps = {}; document.addEventListener("htmx:after:swap", () => { swaps[document.getElementById("face").dataset.screen] = Date.now(); })`, nil))
	var took []time.Duration
	for n := uint64(1000); b.Loop(); n++ {
		sent := time.Now()
		term.set(question(n))
		var at int64
		do(b, ctx, chromedp.WaitVisible(`#face[data-screen="`+itoa(n)+`"]`, chromedp.ByQuery), chromedp.Evaluate(`swaps[`+itoa(n)+`]`, &at))
		took = append(took, time.Duration(at-sent.UnixMilli())*time.Millisecond)
	}
	report(b, took)
}

var shownNumber = regexp.MustCompile(`data-screen="(\d+)" data-name="([a-z_]+)"`)

// A visit is a page, a code, and going away from the finger that is asked for:
// terminal, vault's lanes and kiosk, without a browser. Run it with
// -benchtime 10000x: what is on the heap afterwards says whether visits leave
// anything behind.
func BenchmarkVisit(b *testing.B) {
	h := newHouse(b, 1)
	h.forget = true
	h.load()
	c := dial(b, serve(b, h, h.clocked))
	code := h.letter(1)
	visit := func() {
		number := shownNumber.FindStringSubmatch(c.get("/"))
		if number[2] != string(locker.ScreenWelcome) {
			b.Fatalf("a visit begins at %s", number[2])
		}
		c.press(url.Values{"screen": {number[1]}, "text": {code}})
		screen := h.await(locker.ScreenFinger)
		c.press(url.Values{"screen": {itoa(screen.Number)}, "choice": {string(locker.ChoiceCancel)}})
	}
	for range 200 {
		visit()
	}
	before := heap()
	for b.Loop() {
		visit()
	}
	b.ReportMetric(float64(before)/1e6, "MB-before")
	b.ReportMetric(float64(heap())/1e6, "MB-after")
}

// heap is what lies on it after a collection, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers held is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The browser's side of visits: each shows four screens, of which one is typed
// at. Run it with -benchtime 10000x.
func BenchmarkVisitInTheBrowser(b *testing.B) {
	ctx := browser(b, 1080, 1920)
	term := newStage()
	do(b, ctx, chromedp.Navigate(serve(b, term)), settled("welcome"))
	var shows []locker.Screen
	for _, sc := range scenes() {
		if slices.Contains([]string{"welcome", "finger", "take", "question"}, sc.name) {
			shows = append(shows, sc.screen)
		}
	}
	number := uint64(1000)
	visit := func() {
		for _, screen := range shows {
			number++
			screen.Number = number
			term.set(screen)
			do(b, ctx, chromedp.WaitReady(`#face[data-screen="`+itoa(number)+`"]`, chromedp.ByQuery))
		}
	}
	for range 50 {
		visit()
	}
	before, nodes := page(b, ctx)
	for b.Loop() {
		visit()
	}
	after, nodesAfter := page(b, ctx)
	b.ReportMetric(before, "MB-before")
	b.ReportMetric(after, "MB-after")
	b.ReportMetric(nodes, "nodes-before")
	b.ReportMetric(nodesAfter, "nodes-after")
}

// page is what the page's scripts hold after a collection, in megabytes, and
// the nodes of its document.
func page(b *testing.B, ctx context.Context) (megabytes, nodes float64) {
	b.Helper()
	do(b, ctx, heapprofiler.CollectGarbage(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, n, _, err := memory.GetDOMCounters().Do(ctx)
		nodes = float64(n)
		return err
	}), chromedp.Evaluate(`performance.memory.usedJSHeapSize / 1e6`, &megabytes))
	return megabytes, nodes
}
