package kiosk_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
)

const addr = "127.0.0.1:8480"

// terminal shows one screen after the other, one for each input.
type terminal struct {
	mu      sync.Mutex
	screen  locker.Screen
	changed chan struct{}
	inputs  []locker.Input
	takes   time.Duration // an input
	err     error
}

func newTerminal() *terminal {
	return &terminal{changed: make(chan struct{}), screen: locker.Screen{
		Number: 7, Name: locker.ScreenQuestion, Expects: locker.ExpectsCode,
		Choices: []locker.Choice{locker.ChoiceYes, locker.ChoiceAgain}, Until: 90 * time.Second,
	}}
}

func (t *terminal) Screen() (locker.Screen, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen, t.changed
}

func (t *terminal) Submit(ctx context.Context, in locker.Input) (locker.Screen, error) {
	if t.takes > 0 {
		select {
		case <-time.After(t.takes):
		case <-ctx.Done():
			return locker.Screen{}, ctx.Err()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return locker.Screen{}, t.err
	}
	t.inputs = append(t.inputs, in)
	t.next()
	return t.screen, nil
}

func (t *terminal) next() {
	t.screen.Number++
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *terminal) given() []locker.Input {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inputs
}

// face is a kiosk and what its browser knows.
type face struct {
	testing.TB
	*kiosk.Server
	token string
}

func open(t testing.TB, term kiosk.Terminal, config ...func(*kiosk.Config)) face {
	t.Helper()
	c := kiosk.Config{
		Terminal: term, Addr: addr, TokenFile: filepath.Join(t.TempDir(), "token"),
		Rand: rand.Reader, Uptime: func() time.Duration { return 30 * time.Second },
	}
	for _, f := range config {
		f(&c)
	}
	s, err := kiosk.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return face{t, s, readToken(t, c.TokenFile)}
}

func readToken(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (f face) request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = addr
	r.Header.Set("Authorization", "Bearer "+f.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (f face) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result()
}

type shown struct {
	Number    uint64  `json:"number"`
	Name      string  `json:"name"`
	Until     *int64  `json:"until"`
	Remaining *int64  `json:"remaining_ms"`
	Error     string  `json:"error"`
	Screen    *shown  `json:"screen"`
	Expects   *string `json:"expects"`
}

func (f face) want(r *http.Response, status int) shown {
	f.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.Fatal(err)
	}
	if r.StatusCode != status {
		f.Fatalf("answered %s with %s, want %d", r.Status, body, status)
	}
	var s shown
	if err := json.Unmarshal(body, &s); err != nil {
		f.Fatalf("answered %q: %v", body, err)
	}
	if status >= 400 && s.Error == "" {
		f.Errorf("answered %s without a reason", r.Status)
	}
	return s
}

func TestShowsTheScreenWithWhatRemainsOfIt(t *testing.T) {
	term := newTerminal()
	f := open(t, term)
	s := f.want(f.do(f.request("GET", "/screen", "")), 200)
	if s.Number != 7 || s.Name != "question" || s.Until != nil || s.Remaining == nil || *s.Remaining != 60_000 {
		t.Errorf("shows %+v, want screen 7 for 60000 ms and no uptime", s)
	}
	term.screen.Until = 10 * time.Second // in the past: the tick is on its way
	if s := f.want(f.do(f.request("GET", "/screen", "")), 200); s.Remaining == nil || *s.Remaining != 0 {
		t.Errorf("an ended screen remains %v, want 0", s.Remaining)
	}
	term.screen.Until = 0
	if s := f.want(f.do(f.request("GET", "/screen", "")), 200); s.Remaining != nil {
		t.Errorf("a screen without end remains %d ms", *s.Remaining)
	}
}

func TestHandsOverChoicesAndTexts(t *testing.T) {
	term := newTerminal()
	f := open(t, term)
	if s := f.want(f.do(f.request("POST", "/input", `{"screen":7,"choice":"yes"}`)), 200); s.Number != 8 {
		t.Errorf("shows screen %d afterwards, want 8", s.Number)
	}
	f.want(f.do(f.request("POST", "/input", ` {"text":"1234 5678 9012","screen":8} `)), 200)
	want := []locker.Input{
		locker.Chosen{Screen: 7, Choice: locker.ChoiceYes},
		locker.Typed{Screen: 8, Text: []byte("1234 5678 9012")},
	}
	if got := term.given(); !reflect.DeepEqual(got, want) {
		t.Errorf("the terminal got %v, want %v", got, want)
	}
}

func TestAnswersAStalePageWithThePresentScreen(t *testing.T) {
	term := newTerminal()
	f := open(t, term)
	for _, number := range []string{"6", "8", "0", "18446744073709551615"} {
		s := f.want(f.do(f.request("POST", "/input", `{"screen":`+number+`,"choice":"yes"}`)), 409)
		if s.Screen == nil || s.Screen.Number != 7 || s.Screen.Name != "question" {
			t.Errorf("to a press on screen %s: %+v, want the present screen", number, s)
		}
	}
	if got := term.given(); len(got) != 0 {
		t.Errorf("the terminal got %v", got)
	}
}

func TestADoublePressCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := newTerminal()
		term.takes = 100 * time.Millisecond
		f := open(t, term)
		var mu sync.Mutex
		var wg sync.WaitGroup
		answers := map[int]int{}
		for range 20 {
			wg.Go(func() {
				status := f.do(f.request("POST", "/input", `{"screen":7,"choice":"yes"}`)).StatusCode
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
			})
		}
		wg.Wait()
		if got := term.given(); len(got) != 1 {
			t.Errorf("the terminal got %d inputs, want 1", len(got))
		}
		if answers[200] != 1 || answers[409] != 19 {
			t.Errorf("answered %v, want once 200 and 19 times 409", answers)
		}
	})
}

func TestGivesUpOnATerminalThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := newTerminal()
		term.takes = time.Minute
		f := open(t, term)
		var first sync.WaitGroup
		first.Go(func() { f.want(f.do(f.request("POST", "/input", `{"screen":7,"choice":"yes"}`)), 503) })
		synctest.Wait()
		start := time.Now()
		f.want(f.do(f.request("POST", "/input", `{"screen":7,"choice":"yes"}`)), 503)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
		f.want(f.do(f.request("GET", "/screen", "")), 200)
		first.Wait()
	})
}

func TestRefusesWhatIsNoInput(t *testing.T) {
	for body, status := range map[string]int{
		`{"screen":7,"text":"` + strings.Repeat("1", 10_000) + `"}`:             413,
		`{"screen":7,"choice":"yes"` + strings.Repeat(" ", 5_000) + `}`:         413,
		`{"screen":7,"choice":"not_mine"}`:                                      422, // no choice of this screen
		`{"screen":7}`:                                                          400,
		`{"choice":"yes"}`:                                                      400,
		`{"screen":7,"choice":"yes","text":"1"}`:                                400,
		`{"screen":7,"choice":null}`:                                            400,
		`{"screen":null,"choice":"yes"}`:                                        400,
		`{"screen":7,"screen":7,"choice":"yes"}`:                                400,
		`{"Screen":7,"choice":"yes"}`:                                           400,
		`{"screen":7,"scan":"badge"}`:                                           400,
		`{"screen":7,"source":"badge","text":"A1"}`:                             400,
		`{"screen":-7,"choice":"yes"}`:                                          400,
		`{"screen":7.5,"choice":"yes"}`:                                         400,
		`{"screen":"7","choice":"yes"}`:                                         400,
		`{"screen":7,"choice":["yes"]}`:                                         400,
		`{"screen":7,"choice":"yes"}{"screen":8,"choice":"yes"}`:                400,
		`{"screen":7,"choice":"yes"`:                                            400,
		`[7,"yes"]`:                                                             400,
		`"yes"`:                                                                 400,
		"{\"screen\":7,\"text\":\"\xff\xfe\"}":                                  400,
		strings.Repeat(`{"screen":`, 400):                                       400,
		`{"screen":7,"choice":"yes","` + strings.Repeat("x", 1000) + `":"yes"}`: 400,
		"\x00": 400,
	} {
		term := newTerminal()
		f := open(t, term)
		f.want(f.do(f.request("POST", "/input", body)), status)
		if got := term.given(); len(got) != 0 {
			t.Errorf("%.60s: the terminal got %v", body, got)
		}
	}
}

func FuzzAnInputIsUnderstoodOrRefused(f *testing.F) {
	for _, seed := range []string{`{"screen":7,"choice":"yes"}`, `{"screen":7,"text":"1234 5678 9012"}`, `{"screen":7,"text":"\ud800"}`, `{}`, `[`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		term := newTerminal()
		k := open(t, term)
		r := k.request("POST", "/input", body)
		r.Header.Set("Content-Type", "application/json")
		status, given := k.do(r).StatusCode, len(term.given())
		switch status {
		case 200:
			if given != 1 || !json.Valid([]byte(body)) {
				t.Errorf("%q led to %d inputs", body, given)
			}
		case 400, 409, 413, 422:
			if given != 0 {
				t.Errorf("%q was refused with %d and led to %d inputs", body, status, given)
			}
		default:
			t.Errorf("%q is answered with %d", body, status)
		}
	})
}

func TestTakesNoTextWhereNothingIsToBeTyped(t *testing.T) {
	term := newTerminal()
	term.screen.Expects = ""
	f := open(t, term)
	f.want(f.do(f.request("POST", "/input", `{"screen":7,"text":"1"}`)), 422)
	if got := term.given(); len(got) != 0 {
		t.Errorf("the terminal got %v", got)
	}
}

func TestRefusalsRepeatNothingThatWasTyped(t *testing.T) {
	var log bytes.Buffer
	f := open(t, newTerminal(), withLog(&log))
	for _, body := range []string{
		`{"screen":6,"text":"481516234299"}`, `{"screen":7,"text":"481516234299","x":1}`, `{"screen":481516234299,"text":4}`,
		`{"screen":7,"choice":"481516234299"}`, `{"screen":7,"text":481516234299}`, `481516234299`,
	} {
		answer, err := io.ReadAll(f.do(f.request("POST", "/input", body)).Body)
		if err != nil || bytes.Contains(answer, []byte("481516234299")) {
			t.Errorf("%s is answered with %s, %v", body, answer, err)
		}
	}
	if strings.Contains(log.String(), "481516234299") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestWantsJSON(t *testing.T) {
	f := open(t, newTerminal())
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", ";"} {
		r := f.request("POST", "/input", `{"screen":7,"choice":"yes"}`)
		r.Header.Set("Content-Type", kind)
		f.want(f.do(r), 415)
	}
}

func TestSaysThatTheTerminalIsAway(t *testing.T) {
	term := newTerminal()
	term.err = errors.New("the controller has stopped")
	f := open(t, term)
	s := f.want(f.do(f.request("POST", "/input", `{"screen":7,"choice":"yes"}`)), 503)
	if strings.Contains(s.Error, "controller") {
		t.Errorf("a citizen's screen is told %q", s.Error)
	}
}

func TestHasOneWayInAndOneOut(t *testing.T) {
	f := open(t, newTerminal())
	for target, status := range map[string]int{
		"POST /screen": 405, "PUT /input": 405, "GET /input": 405, "DELETE /screen": 405,
		"GET /journal": 404, "POST /scan": 404, "GET /screen/../input": 405, "GET /": 200, "POST /": 405, "GET /press": 405, "POST /stream": 405,
	} {
		method, path, _ := strings.Cut(target, " ")
		r := f.request(method, path, "")
		r.URL.Path = strings.Replace(path, "/screen/..", "", 1)
		if got := f.do(r).StatusCode; got != status {
			t.Errorf("%s is answered with %d, want %d", target, got, status)
		}
	}
}

func TestWaitsForTheNextScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := newTerminal()
		f := open(t, term)
		start := time.Now()
		if s := f.want(f.do(f.request("GET", "/screen?after=6", "")), 200); s.Number != 7 || time.Since(start) != 0 {
			t.Errorf("a newer screen took %v", time.Since(start))
		}
		go func() {
			time.Sleep(3 * time.Second)
			term.mu.Lock()
			defer term.mu.Unlock()
			term.next()
		}()
		if s := f.want(f.do(f.request("GET", "/screen?after=7", "")), 200); s.Number != 8 || time.Since(start) != 3*time.Second {
			t.Errorf("shows screen %d after %v, want 8 after 3s", s.Number, time.Since(start))
		}
		start = time.Now()
		if s := f.want(f.do(f.request("GET", "/screen?after=8", "")), 200); s.Number != 8 || time.Since(start) != 25*time.Second {
			t.Errorf("shows screen %d after %v, want 8 again after 25s", s.Number, time.Since(start))
		}
	})
}

func TestWaitsForManyPagesButNotForAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, newTerminal())
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { f.do(f.request("GET", "/screen?after=7", "")) })
		}
		synctest.Wait()
		f.want(f.do(f.request("GET", "/screen?after=7", "")), 503)
		f.want(f.do(f.request("GET", "/screen", "")), 200)
		wg.Wait()
		f.want(f.do(f.request("GET", "/screen?after=7", "")), 200)
	})
}

func TestWantsANumberToWaitFor(t *testing.T) {
	f := open(t, newTerminal())
	for _, after := range []string{"-1", "x", "1e3", "18446744073709551616"} {
		f.want(f.do(f.request("GET", "/screen?after="+after, "")), 400)
	}
}

func TestServesUntilToldToStop(t *testing.T) {
	l, err := kiosk.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, newTerminal(), func(c *kiosk.Config) { c.Addr = l.Addr().String() })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, l) }()
	get := func(path string) (*http.Response, error) {
		r, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+f.token)
		return http.DefaultClient.Do(r)
	}
	first, err := get("/screen")
	if err != nil {
		t.Fatal(err)
	}
	f.want(first, 200)
	waited := make(chan int, 1)
	go func() {
		r, err := get("/screen?after=7")
		if err != nil {
			waited <- 0
			return
		}
		waited <- r.StatusCode
	}()
	time.Sleep(20 * time.Millisecond) // most often the request waits by now; either way it is answered or refused
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if status := <-waited; status != 200 && status != 0 {
		t.Errorf("a waiting page is answered with %d", status)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still listens")
	}
}
