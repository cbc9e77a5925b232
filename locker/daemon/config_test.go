package daemon_test

import (
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

const good = `terminal = "rathaus"
state = "/tmp/none"

[city]
broker = "tcp://127.0.0.1:1883"

[kiosk]
listen = "127.0.0.1:0"

[rules]
retention = "168h"

[[hours]]
days = ["mon"]
from = "08:00"
to = "18:00"

[[modbus]]
name = "locks"
path = "/dev/ttyUSB0"

[[compartment]]
number = 1
size = "small"
lock = { modbus = "locks", board = 1, address = 0 }
contact = { modbus = "locks", board = 1, address = 0 }

[[compartment]]
number = 2
size = "large"
lock = { gpio = "LOCK2" }
contact = { gpio = "DOOR2" }
`

func TestAGoodConfigurationIsRead(t *testing.T) {
	c, err := daemon.ParseConfig("lockerd.toml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	l := c.Ledger()
	if len(l.Compartments) != 2 || l.Hours.Windows[0].From != 8*60 || l.Rules.CodeTries != 5 || l.Training {
		t.Fatalf("%+v", l)
	}
	c, err = daemon.ParseConfig("lockerd.toml", []byte("training = true\n"+good))
	if err != nil || !c.Ledger().Training {
		t.Errorf("training: %v, %v", c.Ledger().Training, err)
	}
}

func replaced(t *testing.T, text, was, is string) string {
	t.Helper()
	if !strings.Contains(text, was) {
		t.Fatalf("%q is not in the configuration", was)
	}
	return strings.Replace(text, was, is, 1)
}

// wrong replaces a piece of the good configuration and wants the error to name
// the line and to hold the words.
func wrong(t *testing.T, was, is, line, words string) {
	t.Helper()
	text := replaced(t, good, was, is)
	_, err := daemon.ParseConfig("lockerd.toml", []byte(text))
	if err == nil || !strings.HasPrefix(err.Error(), "lockerd.toml:"+line+":") || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: error %v, wants line %s and %q", is, err, line, words)
	}
}

func TestAWrongValueIsToldWithItsLineAndWhatWouldBeRight(t *testing.T) {
	wrong(t, `retention = "168h"`, `retenshun = "168h"`, "11", `unknown key "rules.retenshun"`)
	wrong(t, `"168h"`, `"a week"`, "11", "90s, 10m or 168h")
	wrong(t, "listen = \"127.0.0.1:0\"\n", "listen = \"127.0.0.1:0\"\nplace = \""+strings.Repeat("Rathaus ", 11)+"\"\n", "9", "at most 80 characters")
	wrong(t, `"168h"`, `"1ms"`, "11", "wants 1s to")
	wrong(t, `size = "large"`, `size = "huge"`, "30", "small, medium or large")
	wrong(t, `"08:00"`, `"25:00"`, "15", "HH:MM")
	wrong(t, `from = "08:00"`, `from = "18:00"`, "15", "before the end")
	wrong(t, "number = 2", "number = 1", "29", "twice")
	wrong(t, `gpio = "LOCK2"`, `modbus = "nowhere", board = 1, address = 0`, "31", `no [[modbus]] line "nowhere"`)
	wrong(t, "[[compartment]]\nnumber = 1", "[[modbus]]\nname = \"more\"\npath = \"/dev/ttyUSB0\"\n\n[[compartment]]\nnumber = 1", "24", "one master")
	wrong(t, `terminal = "rathaus"`, `terminal = "Rathaus Mitte"`, "1", "hyphen")
	wrong(t, `broker = "tcp://127.0.0.1:1883"`, "", "4", "tls://")
	wrong(t, `"tcp://127.0.0.1:1883"`, `"tcp://127.0.0.1:1883`, "5", "")
}

func TestReadersComeInOneTableOrInSeveral(t *testing.T) {
	for text, want := range map[string]int{
		"\n[reader]\ndriver = \"zfm\"\npath = \"/dev/finger\"\n": 1,
		"\n[[reader]]\ndriver = \"zfm\"\npath = \"/dev/finger\"\n\n[[reader]]\ndriver = \"exec\"\ncommand = [\"/usr/lib/vendor/capture\", \"-usb\"]\ndetection = true\n": 2,
	} {
		c, err := daemon.ParseConfig("lockerd.toml", []byte(good+text))
		if err != nil || len(c.Readers) != want || c.Ledger().Detection {
			t.Errorf("%q: %+v, %v", text, c.Readers, err)
		}
	}
	if c, err := daemon.ParseConfig("lockerd.toml", []byte(good+"\n[[reader]]\ndriver = \"exec\"\ncommand = [\"/a\"]\ndetection = true\n")); err != nil || !c.Ledger().Detection {
		t.Errorf("one that looks for fakes: %v", err)
	}
	reader := func(lines string) string { return `contact = { gpio = "DOOR2" }` + "\n\n[reader]\n" + lines }
	wrong(t, `contact = { gpio = "DOOR2" }`, reader(`driver = "magic"`), "35", `wants "zfm" or "exec"`)
	wrong(t, `contact = { gpio = "DOOR2" }`, reader("driver = \"exec\"\ncommand = [\"capture\"]"), "36", "/absolute/path")
	wrong(t, `contact = { gpio = "DOOR2" }`, reader("driver = \"zfm\"\npath = \"/dev/f\"\ndetection = true"), "36", "these modules look for no fakes")
	wrong(t, `retention = "168h"`, "factor_tries = 10", "11", "where not every reader looks for fakes")
	wrong(t, `contact = { gpio = "DOOR2" }`, `contact = { gpio = "DOOR2" }`+"\n\n[[sensor]]\nkind = \"moon\"\nwire = { gpio = \"T\" }", "35", `wants "tamper", "mains" or "enclosure"`)
}

func TestTheKiosksHTTPSNameIsChecked(t *testing.T) {
	const https = "\n[kiosk.https]\nname = \"kiosk.musterstadt.example\"\nlisten = \"127.0.0.1:8443\"\ncertificate = \"kiosk.pem\"\nkey = \"kiosk.key\"\n"
	text := replaced(t, good, "\n[rules]", https+"\n[rules]")
	if c, err := daemon.ParseConfig("lockerd.toml", []byte(text)); err != nil || c.Kiosk.HTTPS.Certificate != "kiosk.pem" {
		t.Fatalf("%+v, %v", c.Kiosk, err)
	}
	for was, is := range map[string]string{
		"kiosk.musterstadt.example": "localhost", "127.0.0.1:8443": "8443", "kiosk.pem": "", "kiosk.key": "",
	} {
		if _, err := daemon.ParseConfig("lockerd.toml", []byte(replaced(t, text, was, is))); err == nil || !strings.Contains(err.Error(), "kiosk.https") {
			t.Errorf("with %q in place of %q: %v", is, was, err)
		}
	}
}

func TestDeclarationAndKindsOfDocumentsAreConfigured(t *testing.T) {
	text := good
	read := func(extra, before string) (daemon.Config, error) {
		return daemon.ParseConfig("lockerd.toml", []byte(before+text+extra))
	}
	c, err := read("", "")
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Ledger(); l.Declaration != "pin-letter-2025" || len(l.Documents) != 0 {
		t.Errorf("left out: version %q, documents %v", l.Declaration, l.Documents)
	}
	const own = "\n[kiosk.declaration]\nversion = \"2027-a\"\nquestion = \"Stimmt das?\"\ntext = \"Text.\"\nquestion_english = \"Is that right?\"\ntext_english = \"Text.\"\n"
	c, err = read(own, "documents = [\"passport\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Ledger(); l.Declaration != "2027-a" || len(l.Documents) != 1 || l.Documents[0] != locker.Passport {
		t.Errorf("version %q, documents %v", l.Declaration, l.Documents)
	}
	for before, want := range map[string]string{"documents = [\"visa\"]\n": "visa"} {
		if _, err := read("", before); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", before, err)
		}
	}
	if _, err := read(strings.Replace(own, "text_english = \"Text.\"\n", "", 1), ""); err == nil || !strings.Contains(err.Error(), "text_english") {
		t.Errorf("a declaration without an English text: %v", err)
	}
}
