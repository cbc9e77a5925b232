// Package docs_test holds the documents against the code.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	threatRow  = regexp.MustCompile(`(?m)^\| (\d+) \|.*$`)
	threatName = regexp.MustCompile(`TestThreat\w+`)
	threatFunc = regexp.MustCompile(`(?m)^func (TestThreat\w+)\(`)
	fuzzFunc   = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
)

// declared are the functions of all tests that the expression finds, by folder.
func declared(t *testing.T, what *regexp.Regexp) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 {
			return errOrSkip(err)
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, f := range what.FindAllSubmatch(text, -1) {
			found[string(f[1])] = filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, "../")))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func errOrSkip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

func TestEveryThreatHasItsTest(t *testing.T) {
	page, err := os.ReadFile("threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := declared(t, threatFunc)
	var rows []int
	named := map[string]bool{}
	for _, row := range threatRow.FindAllStringSubmatch(string(page), -1) {
		n, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, n)
		names := threatName.FindAllString(row[0], -1)
		if len(names) == 0 {
			t.Errorf("row %d names no test", n)
		}
		for _, name := range names {
			named[name] = true
			if tests[name] == "" {
				t.Errorf("row %d names %s, which is nowhere", n, name)
			}
		}
	}
	slices.Sort(rows)
	for n := 1; n <= 17; n++ {
		if i, found := slices.BinarySearch(rows, n); !found || i+1 < len(rows) && rows[i+1] == n {
			t.Errorf("row %d is missing, or there twice", n)
		}
	}
	for name, folder := range tests {
		if !named[name] {
			t.Errorf("%s in %s stands in no row", name, folder)
		}
	}
}

// What comes from outside, and who reads it: each reader has a fuzz target in
// its own folder, which `go test` feeds with the kept corpus.
var read = map[string]string{
	"ISO/IEC 19794-2 templates": "biometrics", "pictures of fingers": "biometrics", "vendors' pictures": "hardware/exec",
	"the reader's UART": "hardware/zfm", "keyboards that scan": "hardware/evdev", "Modbus boards": "firmware-sim",
	"MQTT frames": "locker/report/broker", "what the city sends": "locker/vault", "orders, rosters, commands, notes, SSHSIG": "locker/envelope",
	"acknowledgements, events, exports": "locker/journal", "forms of the screen": "locker/kiosk", "codes and QR": "pin",
	"what a security key answers": "locker/securitykey",
	"seals":                       "pin/seal", "events at the city": "city", "inputs in any order": "locker", "configuration": "locker/daemon",
}

func TestThreatFuzzedInput(t *testing.T) {
	folders := map[string]bool{}
	for _, folder := range declared(t, fuzzFunc) {
		folders[folder] = true
	}
	for what, folder := range read {
		if !folders[folder] {
			t.Errorf("nobody fuzzes %s: there is no target in %s", what, folder)
		}
	}
}
