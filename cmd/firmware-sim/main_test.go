package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/zfm"
)

// ready is the line that is printed.
type ready struct {
	Terminal string `json:"terminal"`
	Control  string `json:"control"`
	Wall     string `json:"wall"`
	Locks    string `json:"locks"`
	Reader   string `json:"reader"`
	Badge    string `json:"badge"`
}

func TestItRunsAloneAndLeavesNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "devices")
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var complaints bytes.Buffer
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-terminal", "berlin-1", "-compartments", "10", "-dir", dir, "-person", "anna", "-offer", "badge:clerk 1:CARD:1"}, in, &complaints)
		in.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	text, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var at ready
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatal(err)
	}
	if at.Terminal != "berlin-1" || at.Reader != filepath.Join(dir, "reader") || at.Badge != filepath.Join(dir, "badge") {
		t.Errorf("printed %s", text)
	}
	answer, err := http.Post(at.Control+"/api/finger", "application/json", strings.NewReader(`{"finger":"anna","impression":2}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("a finger: %s", answer.Status)
	}
	if text := get(t, at.Wall); !strings.Contains(text, "wall.js") {
		t.Errorf("the wall: %s", text)
	}
	if text := get(t, at.Control+"/api/state"); !strings.Contains(text, `{"source":"badge","label":"clerk 1","text":"CARD:1","note":""}`) || !strings.Contains(text, `"label":"anna"`) {
		t.Errorf("state: %s", text)
	}
	reader := zfm.New(zfm.Config{Name: "finger", Path: at.Reader})
	img, err := reader.Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if flat(img.Pix) {
		t.Error("the finger has no ridges")
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if complaints.Len() > 0 {
		t.Errorf("it complained: %s", complaints.String())
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func flat(pixels []byte) bool {
	for _, p := range pixels {
		if p != pixels[0] {
			return false
		}
	}
	return true
}

func TestWrongUsageIsSaid(t *testing.T) {
	for _, args := range [][]string{{"-nonsense"}, {"extra"}, {"-compartments", "many"}, {"-offer", "badge"}} {
		var complaints bytes.Buffer
		if err := run(t.Context(), args, io.Discard, &complaints); !errors.Is(err, errUsage) || complaints.Len() == 0 {
			t.Errorf("%v: %v, %q", args, err, complaints.String())
		}
	}
	for want, args := range map[string][]string{
		"not a loopback address": {"-listen", "0.0.0.0:0"},
		"missing port":           {"-listen", "127.0.0.1"},
		"0 compartments":         {"-compartments", "0"},
		"has no id":              {"-terminal", ""},
		"unknown source":         {"-offer", "door:x:y"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if err := run(t.Context(), []string{"-h"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
