package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// consoleOf makes a configuration whose console listens there.
func consoleOf(t *testing.T, listen string) (folder, config string) {
	t.Helper()
	folder = t.TempDir()
	var out, errs bytes.Buffer
	if exit := run(t.Context(), []string{"init", "-dir", folder, "-broker", "tcp://127.0.0.1:1", "musterstadt"}, &out, &errs); exit != 0 {
		t.Fatal(errs.String())
	}
	config = filepath.Join(folder, "cityd.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "\n[console]\nlisten = %q\n", listen)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, config
}

func TestTheConsoleLetsInWhoeverMayReadItsAddress(t *testing.T) {
	folder, config := consoleOf(t, "127.0.0.1:0")
	tokens := map[string]bool{}
	for range 2 { // the token outlives a restart
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan int, 1)
		var errs bytes.Buffer
		go func() { done <- run(ctx, []string{"run", "-config", config}, io.Discard, &errs) }()
		address := filepath.Join(folder, "console.url")
		var link []byte
		for range 3000 {
			if link, _ = os.ReadFile(address); bytes.HasSuffix(link, []byte("\n")) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := (&http.Client{Jar: jar, Timeout: 20 * time.Second}).Get(strings.TrimSpace(string(link)))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("the console answers %s", r.Status)
		}
		if info, err := os.Stat(address); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("console.url: %v, %v", info, err)
		}
		stop()
		if exit := <-done; exit != 0 {
			t.Errorf("cityd ended with %d: %s", exit, errs.String())
		}
		_, token, _ := strings.Cut(string(link), "token=")
		tokens[token] = true
		if err := os.Remove(address); err != nil {
			t.Fatal(err)
		}
	}
	if len(tokens) != 1 {
		t.Errorf("two starts have %d tokens", len(tokens))
	}
}

func TestTheConsoleIsNotForTheWholeNetwork(t *testing.T) {
	_, config := consoleOf(t, "0.0.0.0:0")
	var out, errs bytes.Buffer
	if exit := run(t.Context(), []string{"run", "-config", config}, &out, &errs); exit != 1 || !strings.Contains(errs.String(), "loopback") {
		t.Errorf("exit %d, says %q", exit, errs.String())
	}
}
