package docs_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func TestEveryDependencyIsAccountedFor(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 2 {
			continue
		}
		for i, word := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				named[word] = true
			}
		}
	}
	for _, r := range mod.Require {
		if !r.Indirect && !named[r.Mod.Path] {
			t.Errorf("docs/dependencies.md says nothing of %s", r.Mod.Path)
		}
		delete(named, r.Mod.Path)
	}
	for path := range named {
		t.Errorf("docs/dependencies.md names %s, which go.mod does not need", path)
	}
}
