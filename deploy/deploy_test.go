// Package deploy_test holds what is delivered beside the programs to its word:
// the example configurations, and how far the service is shut in.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker/daemon"
)

func TestEachExampleIsReadAndHasAsManyCompartmentsAsItsNameSays(t *testing.T) {
	paths, err := filepath.Glob("examples/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatal("no examples")
	}
	for _, path := range paths {
		c, err := daemon.LoadConfig(path)
		if err != nil {
			t.Error(err)
			continue
		}
		_, count, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".toml"), "-")
		if strconv.Itoa(len(c.Compartments)) != count {
			t.Errorf("%s has %d compartments", path, len(c.Compartments))
		}
	}
}

// exposed is how much of the machine the service can still reach, as systemd
// counts it, from 0 to 10.
var exposed = regexp.MustCompile(`exposure level for lockerd\.service: ([0-9.]+)`)

func TestTheServiceIsShutIn(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("NACHTFACH_REQUIRE"), ","), "systemd-analyze") {
			t.Fatalf("systemd-analyze is required here: %v", err)
		}
		t.Skip("no systemd-analyze here (Debian: apt-get install systemd)")
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "lockerd.service").CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze: %v\n%s", err, out)
	}
	found := exposed.FindSubmatch(out)
	if found == nil {
		t.Fatalf("systemd-analyze gives no figure:\n%s", out)
	}
	level, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("exposure %.1f of 10", level)
	if level > 1.5 {
		t.Errorf("exposure %.1f, wants at most 1.5:\n%s", level, out)
	}
}
