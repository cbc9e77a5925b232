package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker/daemon"
)

// FuzzParseConfig: any text is a configuration that holds together, or an error
// that names the file.
func FuzzParseConfig(f *testing.F) {
	examples, err := filepath.Glob("../../deploy/examples/*.toml")
	if err != nil || len(examples) == 0 {
		f.Fatal("no example configuration", err)
	}
	for _, path := range examples {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Add([]byte("terminal = 7\n"))
	f.Add([]byte("[[compartment]]\nlock = { gpio = \"x\", modbus = \"y\" }\n"))
	f.Add([]byte("[rules]\nretention = \"-1h\"\nthreshold = nan\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := daemon.ParseConfig("lockerd.toml", text)
		switch {
		case err != nil && !strings.HasPrefix(err.Error(), "lockerd.toml"):
			t.Errorf("the error does not say where: %v", err)
		case err == nil && (c.Terminal == "" || len(c.Compartments) == 0 || c.Ledger().Validate() != nil):
			t.Errorf("accepted, and is no terminal: %+v", c)
		}
	})
}
