package kiosk_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/kiosk"
)

// constants are the values of a type of the locker, read from its source, so
// that a new one without words fails here.
func constants(t *testing.T, file, kind string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../"+file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == kind {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, text)
		}
		return true
	})
	if len(list) == 0 {
		t.Fatalf("%s has no constant of type %s", file, kind)
	}
	return list
}

// page asks as a browser that speaks a language.
func (f face) page(lang string) string {
	f.Helper()
	r := f.request("GET", "/", "")
	r.AddCookie(&http.Cookie{Name: "nachtfach_language", Value: lang})
	answer := f.do(r)
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		f.Fatalf("GET / answers %s, %v: %s", answer.Status, err, body)
	}
	return string(body)
}

func furnished(c *kiosk.Config) {
	c.Desk, c.Place, c.Zone = desk, "Rathaus Musterstadt", locker.Zone{Offset: 60, Summer: true}
}

var (
	rawKey     = regexp.MustCompile(`>[^<]*\b[a-z_]+\.(title|lead)\b|\b(hint|advice|choice|kind|finger|ordinal|help|round|weekday|month)\.[a-z_0-9]+`)
	unfilled   = regexp.MustCompile(`>[^<]*\{[a-z]+\}[^<]*<`)
	inline     = regexp.MustCompile(`(?i)\sstyle=|<style|<script(>| [^>]*>[^<])|\son[a-z]+=|javascript:|https?://`)
	citizenPIN = regexp.MustCompile(`\bPIN\b`)
)

func check(t *testing.T, what, body string) {
	t.Helper()
	for name, bad := range map[string]*regexp.Regexp{"a key without words": rawKey, "an unfilled name": unfilled, "something inline": inline} {
		if found := bad.FindString(body); found != "" {
			t.Errorf("%s shows %s: %q", what, name, found)
		}
	}
	if strings.Contains(body, "ZgotmplZ") {
		t.Errorf("%s holds what the template refused", what)
	}
}

func TestEveryScreenIsAPageInBothLanguages(t *testing.T) {
	term := newStage()
	f := open(t, term, furnished)
	var shown []string
	for _, sc := range scenes() {
		shown = append(shown, string(sc.screen.Name))
		term.set(sc.screen)
		titles := map[string]string{}
		for _, lang := range []string{"de", "en"} {
			body := f.page(lang)
			check(t, sc.name+" "+lang, body)
			if !strings.Contains(body, `<html lang="`+lang+`"`) || !strings.Contains(body, `data-name="`+string(sc.screen.Name)+`"`) {
				t.Errorf("%s %s is not marked as such", sc.name, lang)
			}
			if sc.screen.Name != locker.ScreenPINLetter && citizenPIN.MatchString(body) {
				t.Errorf("%s %s says PIN: citizens hold another one", sc.name, lang)
			}
			titles[lang] = regexp.MustCompile(`<h1[^>]*>([^<]*)</h1>`).FindString(body)
			for _, c := range sc.screen.Choices {
				if n := strings.Count(body, `value="`+string(c)+`"`); n != 1 {
					t.Errorf("%s %s offers %s %d times", sc.name, lang, c, n)
				}
			}
			if typed := strings.Contains(body, `id="field"`) || strings.Contains(body, "data-restart"); typed != (sc.screen.Expects != "") {
				t.Errorf("%s %s can be typed at: %v", sc.name, lang, typed)
			}
			if i := sc.screen.Incident; i != "" && (!strings.Contains(body, i) || !strings.Contains(body, "115") || !strings.Contains(body, desk.Phone)) {
				t.Errorf("%s %s names no way to a person", sc.name, lang)
			}
		}
		if titles["de"] == titles["en"] {
			t.Errorf("%s says %s in both languages", sc.name, titles["de"])
		}
	}
	for _, name := range constants(t, "screen.go", "ScreenName") {
		if !slices.Contains(shown, name) {
			t.Errorf("no scene shows %s", name)
		}
	}
}

// A metal keypad types digits, Enter and Escape. Each button of each screen has
// one of these, and no two have the same; Enter follows a digit where digits
// are typed.
func TestEveryButtonHasAKeyOfTheKeypad(t *testing.T) {
	term := newStage()
	f := open(t, term, furnished)
	button := regexp.MustCompile(`<(?:button|a)\b[^>]*>`)
	key := regexp.MustCompile(`data-key="([^"]*)"`)
	for _, sc := range scenes() {
		term.set(sc.screen)
		taken := map[string]bool{}
		for _, tag := range button.FindAllString(f.page("de"), -1) {
			if strings.Contains(tag, "data-digit") || strings.Contains(tag, " enter\"") {
				continue // the keypad on the glass
			}
			found := key.FindStringSubmatch(tag)
			if found == nil || len(found[1]) != 1 && found[1] != "Esc" || taken[found[1]] {
				t.Errorf("%s: no key, or one that is taken: %s", sc.name, tag)
				continue
			}
			taken[found[1]] = true
		}
		if !taken["0"] {
			t.Errorf("%s: no key for the language", sc.name)
		}
	}
}

func TestEveryWordOfTheTerminalHasWords(t *testing.T) {
	term := newStage()
	f := open(t, term, furnished)
	each := func(kind, file string, screen func(value string) locker.Screen) {
		for _, value := range constants(t, file, kind) {
			term.set(screen(value))
			for _, lang := range []string{"de", "en"} {
				check(t, kind+" "+value+" "+lang, f.page(lang))
			}
		}
	}
	each("Hint", "screen.go", func(v string) locker.Screen {
		return locker.Screen{Name: locker.ScreenWelcome, Hint: locker.Hint(v)}
	})
	each("Choice", "screen.go", func(v string) locker.Screen {
		return locker.Screen{Name: locker.ScreenQuestion, Choices: []locker.Choice{locker.Choice(v)}}
	})
	each("FingerAdvice", "input.go", func(v string) locker.Screen {
		return locker.Screen{Name: locker.ScreenFinger, Finger: 3, Advice: locker.FingerAdvice(v)}
	})
	each("TaskKind", "screen.go", func(v string) locker.Screen {
		return locker.Screen{Name: locker.ScreenRound, Round: &locker.RoundView{Tasks: []locker.Task{{Kind: locker.TaskKind(v), Compartment: 3}}}}
	})
	for finger := range 12 {
		term.set(locker.Screen{Name: locker.ScreenFinger, Finger: finger})
		check(t, "finger "+strconv.Itoa(finger), f.page("de"))
	}
}

func TestShowsTheDoorOnThePictureOfTheWall(t *testing.T) {
	term := newStage()
	f := open(t, term)
	term.set(locker.Screen{Number: 1, Name: locker.ScreenTake, Compartment: 7})
	body := f.page("de")
	if !strings.Contains(body, `door--marked"><rect x="270" y="98" width="120" height="76" rx="5"/><text x="330" y="136">7<`) {
		t.Errorf("door 7 is not marked in the second row, third column: %s", body)
	}
	if n := strings.Count(body, "door--marked"); n != 1 {
		t.Errorf("%d doors are marked", n)
	}
	if !strings.Contains(body, "Zweite Reihe von oben, dritte von links") {
		t.Error("the words do not say where door 7 is")
	}
	term.set(locker.Screen{Number: 2, Name: locker.ScreenWelcome})
	if strings.Contains(f.page("de"), `class="wall"`) {
		t.Error("the welcome shows the wall")
	}
	bare := open(t, newTerminal()) // of a terminal that does not tell its layout
	if strings.Contains(bare.page("de"), `class="wall"`) {
		t.Error("a wall is shown that nobody knows")
	}
}

func TestKeepsTheChosenLanguage(t *testing.T) {
	f := open(t, newStage())
	for lang, words := range map[string]string{"en": "Collect a document", "de": "Dokument abholen"} {
		answer := f.do(f.request("GET", "/language/"+lang, ""))
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(answer.Cookies()) != 1 || !answer.Cookies()[0].HttpOnly {
			t.Fatalf("answered %s with %v", answer.Status, answer.Header)
		}
		if !strings.Contains(f.page(answer.Cookies()[0].Value), words) {
			t.Errorf("after /language/%s the page does not say %q", lang, words)
		}
	}
	f.want(f.do(f.request("GET", "/language/fr", "")), 404)
	if !strings.Contains(f.page("<script>"), `<html lang="de"`) {
		t.Error("an unknown language is not German")
	}
}

// press sends a form as htmx does.
func (f face) press(form string) *http.Response {
	r := f.request("POST", "/press", form)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("HX-Request", "true")
	return f.do(r)
}

func TestAPressIsAnsweredWithTheNextScreen(t *testing.T) {
	term := newTerminal()
	f := open(t, term)
	for _, form := range []string{"screen=7&choice=yes", "text=1234+5678+9012&screen=8"} {
		answer := f.press(form)
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusOK || strings.Contains(string(body), "<html") || !strings.Contains(string(body), `id="face"`) {
			t.Errorf("%s is answered with %s: %s", form, answer.Status, body)
		}
	}
	want := []locker.Input{locker.Chosen{Screen: 7, Choice: locker.ChoiceYes}, locker.Typed{Screen: 8, Text: []byte("1234 5678 9012")}}
	if got := term.given(); !reflect.DeepEqual(got, want) {
		t.Errorf("the terminal got %v, want %v", got, want)
	}
	r := f.request("POST", "/press", "screen=9&choice=yes") // without script
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if answer := f.do(r); answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(term.given()) != 3 {
		t.Errorf("a plain form is answered with %s", answer.Status)
	}
}

func TestAPressThatDoesNotFitChangesNothing(t *testing.T) {
	for form, status := range map[string]int{
		"screen=6&choice=yes":                              409,
		"screen=8&choice=yes":                              409,
		"screen=7&choice=not_mine":                         422,
		"screen=7":                                         400,
		"choice=yes":                                       400,
		"screen=7&choice=yes&text=1":                       400,
		"screen=7&choice=yes&choice=yes":                   400,
		"screen=7&choice=yes&source=badge":                 400,
		"screen=-7&choice=yes":                             400,
		"screen=7&choice=%zz":                              400,
		"screen=7&text=" + strings.Repeat("1", 10_000):     413,
		"screen=7&choice=yes&" + strings.Repeat("x", 5000): 413,
	} {
		term := newTerminal()
		f := open(t, term)
		answer := f.press(form)
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != status || !strings.Contains(string(body), `data-screen="7"`) || answer.Header.Get("Nachtfach-Screen") != "7" {
			t.Errorf("%.60s is answered with %s, want %d and the present screen", form, answer.Status, status)
		}
		if strings.Contains(string(body), "11111") {
			t.Errorf("%.60s comes back", form)
		}
		if got := term.given(); len(got) != 0 {
			t.Errorf("%.60s: the terminal got %v", form, got)
		}
	}
}

func TestAPressNobodyAnswersSaysSo(t *testing.T) {
	term := newTerminal()
	term.err = errors.New("the controller has stopped")
	f := open(t, term)
	answer := f.press("screen=7&choice=yes")
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "antwortet gerade nicht") || strings.Contains(string(body), "controller") {
		t.Errorf("answered %s: %s", answer.Status, body)
	}
}

func TestTheStreamSendsEachNewScreen(t *testing.T) {
	term := newStage()
	f := open(t, term)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = addr
		f.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/stream", nil)
	r.Header.Set("Authorization", "Bearer "+f.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("the stream is %q", kind)
	}
	lines := bufio.NewScanner(answer.Body)
	next := func(want ...string) {
		t.Helper()
		var event []string
		for lines.Scan() && lines.Text() != "" {
			event = append(event, lines.Text())
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(event, "\n"), w) {
				t.Fatalf("the stream sent %q, want %q in it", event, w)
			}
		}
	}
	next("id: 2", `data-name="welcome"`)
	take := locker.Screen{Number: 90, Name: locker.ScreenQuestion, Compartment: 7, Until: 60 * time.Second}
	term.set(take)
	next("id: 90", `data-name="question"`, `data-remaining="30000"`)
	take.Until = 75 * time.Second
	term.set(take)
	next("event: time", "id: 90", "data: 45000")
}

func TestKeepsManyPagesUpToDateButNotAny(t *testing.T) {
	f := open(t, newStage())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 20)
	started := make(chan struct{}, 20)
	for range 16 {
		go func() {
			w := &signal{ResponseRecorder: httptest.NewRecorder(), started: started}
			f.ServeHTTP(w, f.request("GET", "/stream", "").WithContext(ctx))
			done <- struct{}{}
		}()
	}
	for range 16 {
		<-started
	}
	f.want(f.do(f.request("GET", "/stream", "")), 503)
	cancel()
	for range 16 {
		<-done
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if got := f.do(f.request("GET", "/stream", "").WithContext(ctx)).StatusCode; got != 200 {
		t.Errorf("after they went a stream answers %d", got)
	}
}

// signal tells when the first byte is written.
type signal struct {
	*httptest.ResponseRecorder
	started chan<- struct{}
	told    bool
}

func (s *signal) Write(b []byte) (int, error) {
	if !s.told {
		s.told = true
		s.started <- struct{}{}
	}
	return s.ResponseRecorder.Write(b)
}

func TestTheFirstLoadIsSmall(t *testing.T) {
	f := open(t, newStage(), furnished)
	body := f.page("de")
	total := len(body)
	for _, file := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`/static/[^"]+`).FindAllString(body, -1)))) {
		r := f.request("GET", file, "")
		r.Header.Set("Accept-Encoding", "gzip, deflate, br")
		answer := f.do(r)
		sent, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusOK || !strings.Contains(answer.Header.Get("Cache-Control"), "immutable") || answer.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %s %v", file, answer.Status, answer.Header)
		}
		if answer.Header.Get("Content-Encoding") == "gzip" {
			if _, err := gzip.NewReader(strings.NewReader(string(sent))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		t.Logf("%s: %d bytes", file, len(sent))
		total += len(sent)
	}
	if total > 300_000 || total < 50_000 {
		t.Errorf("the first load is %d bytes, want at most 300 000, and fonts", total)
	}
	t.Logf("in all %d bytes", total)
	for _, file := range []string{"/static/0/kern.min.css", "/static/../kiosk.go", "/static/x/licences/", "/static/kern.min.css"} {
		r := f.request("GET", "/", "")
		r.URL = &url.URL{Path: file}
		if got := f.do(r).StatusCode; got == 200 {
			t.Errorf("%s is answered with %d", file, got)
		}
	}
}
