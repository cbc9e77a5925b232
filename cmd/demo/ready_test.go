package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
)

// listener acts on what the demo prints, while the demo waits.
type listener struct {
	bytes.Buffer
	heard func(text string)
}

func (l *listener) Write(b []byte) (int, error) {
	n, err := l.Buffer.Write(b)
	l.heard(string(b))
	return n, err
}

func TestAnInterruptedStartSaysNothingFrightening(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &listener{heard: func(string) { cancel() }} // at the first line
	if err := run(ctx, nil, out, out); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if text := out.String(); strings.Contains(text, "error") || !strings.Contains(text, "Stopped") {
		t.Errorf("it says %q", text)
	}
}

var startAddress = regexp.MustCompile(`start +(http://\S+)`)

func TestTheStartPageAnswersBeforeEverythingIsReady(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var lines []string
	var l links
	out := &listener{heard: func(text string) {
		lines = append(lines, text)
		at := startAddress.FindStringSubmatch(text)
		if at == nil {
			return
		}
		answer, err := http.Get(at[1] + "links")
		if err == nil {
			err = json.NewDecoder(answer.Body).Decode(&l)
			answer.Body.Close()
		}
		if err != nil {
			t.Error(err)
		}
		cancel()
	}}
	if err := run(ctx, nil, out, out); err != nil {
		t.Error(err)
	}
	if len(lines) < 2 || !strings.HasPrefix(lines[0], "Putting together") {
		t.Errorf("it says %q", lines)
	}
	if l.Ready || l.Wall == "" || l.Kiosk == "" {
		t.Errorf("the start page is told %+v", l)
	}
}

func TestTheStepsMarkWhereTheVisitorIs(t *testing.T) {
	v := visit(t)
	step := func() int {
		t.Helper()
		var l links
		if _, _, text := v.ask(http.MethodGet, v.startAt+"/links", ""); json.Unmarshal([]byte(text), &l) != nil || !l.Ready {
			t.Fatalf("links: %s", text)
		}
		return l.Step
	}
	v.await(locker.ScreenWelcome)
	if n := step(); n != 1 {
		t.Errorf("at the start it is step %d", n)
	}
	v.until("Clara's letter", func() bool { return len(v.offered(firmwaresim.Citizen)) == 1 })
	v.hold(firmwaresim.Citizen, "Clara")
	v.await(locker.ScreenFinger)
	if n := step(); n != 4 {
		t.Errorf("with a letter it is step %d", n)
	}
}
