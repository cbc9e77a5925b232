// Command vulndb lays out the Go vulnerability database's records as the
// folder that govulncheck -db reads: vulndb OSV OUT [EXTRA...]
//
// OSV is the folder data/osv of the module golang.org/x/vulndb, OUT is made
// anew, EXTRA are records of one's own to add. The layout is that of
// https://go.dev/doc/security/vuln/database.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: vulndb OSV OUT [EXTRA...]")
		os.Exit(2)
	}
	if err := lay(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

// record is what the index needs of an OSV record.
type record struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Events []struct {
				Fixed string `json:"fixed"`
			} `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
}

// vuln and module are the lines of index/modules.json.
type vuln struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Fixed    string    `json:"fixed,omitempty"`
}

type module struct {
	Path  string `json:"path"`
	Vulns []vuln `json:"vulns"`
}

func lay(osv, out string, extra []string) error {
	files, err := filepath.Glob(filepath.Join(osv, "*.json"))
	if err != nil {
		return err
	}
	if len(files) < 1000 {
		return fmt.Errorf("%s holds %d records, wants the whole database", osv, len(files))
	}
	for _, folder := range []string{"ID", "index"} {
		if err := os.MkdirAll(filepath.Join(out, folder), 0o700); err != nil {
			return err
		}
	}
	modules := map[string][]vuln{}
	for _, file := range append(files, extra...) {
		if err := add(file, out, modules); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	var index []module
	for path, vulns := range modules {
		index = append(index, module{path, vulns})
	}
	slices.SortFunc(index, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	// No record tells when the database was made: now is when it was laid out.
	if err := write(filepath.Join(out, "index", "db.json"), map[string]time.Time{"modified": time.Now().UTC()}); err != nil {
		return err
	}
	return write(filepath.Join(out, "index", "modules.json"), index)
}

func add(file, out string, modules map[string][]vuln) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	for _, a := range r.Affected {
		v := vuln{ID: r.ID, Modified: r.Modified}
		for _, span := range a.Ranges {
			for _, e := range span.Events {
				if e.Fixed != "" {
					v.Fixed = e.Fixed
				}
			}
		}
		name := a.Package.Name
		if !slices.ContainsFunc(modules[name], func(known vuln) bool { return known.ID == r.ID }) {
			modules[name] = append(modules[name], v)
		}
	}
	return os.WriteFile(filepath.Join(out, "ID", r.ID+".json"), text, 0o600)
}

func write(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
