package exec_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/hardware/exec"
)

// helper is a shell script that stands for a vendor's program.
func helper(t *testing.T, script string, change ...func(*exec.Config)) *exec.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "helper")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := exec.Config{Name: "finger", Command: []string{"/bin/sh", path}}
	for _, c := range change {
		c(&cfg)
	}
	r, err := exec.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func detects(c *exec.Config) { c.Detects = true }

// says is a helper that writes these bytes.
func says(t *testing.T, out string, change ...func(*exec.Config)) *exec.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return helper(t, `[ "$1" = capture ] && cat `+path, change...)
}

const pgm = "P5\n# by the vendor\n3 2\n255\n\x00\x40\x80\xc0\xff\x01"

func TestAPictureComesWithItsResolutionAndScore(t *testing.T) {
	p, err := says(t, "Resolution: 500\nAttack-Score: 7.5\n\n"+pgm, detects).Capture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.DPI != 500 || !p.Scored || p.Score != 7.5 || string(p.Data) != pgm {
		t.Errorf("picture %+v", p)
	}
	p, err = says(t, "Resolution: 1000\n\n"+pgm).Capture(t.Context())
	if err != nil || p.Scored || p.DPI != 1000 {
		t.Errorf("without a score: %+v, %v", p, err)
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	for out, want := range map[string]string{
		"": "no header",
		"Resolution: 500\n" + strings.Repeat("x", 2000) + "\n\n" + pgm: "no header",
		"Attack-Score: 1\n\n" + pgm:                                    "Resolution: is missing",
		"Resolution: 72\n\n" + pgm:                                     "wants 250 to 1200",
		"Resolution: 500\nAttack-Score: NaN\n\n" + pgm:                 "wants 0 to 100",
		"Resolution: 500\nAttack-Score: 101\n\n" + pgm:                 "wants 0 to 100",
		"Resolution: 500\nResolution: 600\n\n" + pgm:                   "once each",
		"Resolution: 500\nWeather: fine\n\n" + pgm:                     "once each",
		"Resolution: 500\nfine\n\n" + pgm:                              "wants Name: value",
		"Resolution: 500\n\n":                                          "no picture",
	} {
		_, err := says(t, out).Capture(t.Context())
		if !errors.Is(err, exec.ErrOutput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: want %q, got %v", out, want, err)
		}
	}
	if _, err := says(t, "Resolution: 500\n\n"+pgm, detects).Capture(t.Context()); !errors.Is(err, exec.ErrOutput) {
		t.Errorf("a reader that is to look for fakes and does not: %v", err)
	}
}

func TestAHelpersStatusSaysWhatItIs(t *testing.T) {
	if _, err := helper(t, "exit 3").Capture(t.Context()); !errors.Is(err, exec.ErrNoFinger) {
		t.Errorf("3: %v", err)
	}
	if _, err := helper(t, "exit 4").Capture(t.Context()); !errors.Is(err, exec.ErrMessy) {
		t.Errorf("4: %v", err)
	}
	err := helper(t, `printf 'no reader\n\033[2J at usb 3\n' >&2; exit 9`).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 9: no reader [2J at usb 3") {
		t.Errorf("9: %v", err)
	}
	if err := helper(t, `[ "$1" = lift ]`).AwaitLift(t.Context()); err != nil {
		t.Errorf("lift: %v", err)
	}
	gone, err := exec.New(exec.Config{Name: "finger", Command: []string{"/nowhere/helper"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Check(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such program: %v", err)
	}
	if _, err := exec.New(exec.Config{Command: []string{"helper"}}); err == nil {
		t.Error("a program without a path was taken")
	}
}

// once is a script that fails at its first start.
func once(t *testing.T, then string) string {
	mark := filepath.Join(t.TempDir(), "mark")
	return fmt.Sprintf("if [ ! -e %s ]; then touch %[1]s; echo 'usb reset' >&2; exit 9; fi\n%s", mark, then)
}

func TestAHelperThatFailsOnceIsStartedAgain(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(out, []byte("Resolution: 500\n\n"+pgm), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := helper(t, once(t, "cat "+out)).Capture(t.Context()); err != nil || p.DPI != 500 {
		t.Errorf("capture: %+v, %v", p, err)
	}
	if err := helper(t, once(t, "exit 0")).AwaitLift(t.Context()); err != nil {
		t.Errorf("lift: %v", err)
	}
}

func TestAHelperThatFoundNoFingerIsNotStartedAgain(t *testing.T) {
	starts := filepath.Join(t.TempDir(), "starts")
	for status, want := range map[int]error{3: exec.ErrNoFinger, 4: exec.ErrMessy} {
		if _, err := helper(t, fmt.Sprintf("echo x >> %s; exit %d", starts, status)).Capture(t.Context()); !errors.Is(err, want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	if text, err := os.ReadFile(starts); err != nil || len(text) != 2*len("x\n") {
		t.Errorf("started %d times for 2 captures (%v)", len(text)/2, err)
	}
}

func TestAComplaintIsBounded(t *testing.T) {
	err := helper(t, "yes complaint | head -c 100000 >&2; exit 9").Check(t.Context())
	if err == nil || len(err.Error()) > 3000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestAHelperThatNeverEndsIsKilledWithItsChildren(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	r := helper(t, fmt.Sprintf("sleep 1000 & echo $! > %s.new; mv %[1]s.new %[1]s; wait", pid))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(pid); err == nil {
				break
			}
		}
		cancel()
	}()
	if _, err := r.Capture(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, exec.ErrNoFinger) {
		t.Fatalf("got %v", err)
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); alive(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what the helper started lives on")
		}
	}
}

// alive tells a process from one that is gone, or dead and not yet waited for.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestAHelperThatWritesWithoutEndIsStopped(t *testing.T) {
	_, err := helper(t, "exec cat /dev/zero").Capture(t.Context())
	if !errors.Is(err, exec.ErrOutput) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

func FuzzPicture(f *testing.F) {
	f.Add([]byte("Resolution: 500\nAttack-Score: 7.5\n\n" + pgm))
	f.Add([]byte("Resolution: 500\n\n\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		p, err := exec.Decode(out)
		if err == nil && (len(p.Data) == 0 || p.DPI == 0) {
			t.Errorf("%q became %+v", out, p)
		}
	})
}
