package daemon_test

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

func TestCalibratePrintsAConfiguration(t *testing.T) {
	if testing.Short() {
		t.Skip("derives a key")
	}
	var out strings.Builder
	if err := daemon.Calibrate(&out); err != nil {
		t.Fatal(err)
	}
	var c daemon.Config
	if err := toml.Unmarshal([]byte(out.String()), &c); err != nil || c.Seal.Memory != 64<<10 || c.Seal.Time < 3 || c.Rules.AnswerAfter < locker.DefaultRules().AnswerAfter {
		t.Errorf("%s: %+v, %v", out.String(), c.Seal, err)
	}
}

func TestCheckHoldsTheDerivationAgainstTheAnswer(t *testing.T) {
	b := newBench(t, "calibrate-1")
	b.init()
	if f := b.finding("key derivation"); f.Error != "" || !strings.Contains(f.State, "passes") {
		t.Errorf("check says %+v", f)
	}
	b.config.Rules.AnswerAfter = 1
	if f := b.finding("key derivation"); !strings.Contains(f.Error, "answer_after") || !strings.Contains(f.Advice, "calibrate") {
		t.Errorf("check says %+v", f)
	}
}
