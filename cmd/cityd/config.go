package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/city"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/broker"
)

const defaultConfig = "/etc/nachtfach/cityd.toml"

// settings is the configuration file. Paths are taken from its folder.
type settings struct {
	Record    string `toml:"record"`
	Socket    string `toml:"socket"`
	NoteKey   string `toml:"note_key"`
	LetterKey string `toml:"letter_key"`
	Repeat    string `toml:"repeat"`
	Silent    string `toml:"silent"`
	Keep      string `toml:"keep"`
	Broker    struct {
		URL          string `toml:"url"`
		ClientID     string `toml:"client_id"`
		Username     string `toml:"username"`
		PasswordFile string `toml:"password_file"`
		CA           string `toml:"ca"`
		Certificate  string `toml:"certificate"`
		Key          string `toml:"key"`
		ServerName   string `toml:"server_name"`
	} `toml:"broker"`
	Console struct {
		Listen string   `toml:"listen"`
		Hosts  []string `toml:"hosts"`
	} `toml:"console"`
	Town    town      `toml:"town"` // needed for paper only
	Station []station `toml:"station"`
}

// readSettings reads the file; an error names file, line and what would be right.
func readSettings(path string) (settings, error) {
	var s settings
	text, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("read configuration: %w", err)
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, placed(path, err)
	}
	for _, required := range []struct{ name, value string }{
		{"record", s.Record}, {"socket", s.Socket}, {"note_key", s.NoteKey}, {"letter_key", s.LetterKey}, {"broker.url", s.Broker.URL},
	} {
		if required.value == "" {
			return s, fmt.Errorf("%s: %s is missing", path, required.name)
		}
	}
	folder := filepath.Dir(path)
	for _, p := range []*string{
		&s.Record, &s.Socket, &s.NoteKey, &s.LetterKey,
		&s.Broker.PasswordFile, &s.Broker.CA, &s.Broker.Certificate, &s.Broker.Key,
	} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
	return s, nil
}

// placed adds file and line to an error of the TOML reader.
func placed(path string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		e := unknown.Errors[0]
		line, column := e.Position()
		return fmt.Errorf("%s:%d:%d: unknown setting %q; known are record, socket, note_key, letter_key, repeat, silent, keep, and in [broker] url, client_id, username, password_file, ca, certificate, key, server_name; in [console] listen, hosts; in [town] name, office, address, phone, web, hours, bring, retention; in [[station]] terminal, place, hours",
			path, line, column, strings.Join(e.Key(), "."))
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, column := bad.Position()
		return fmt.Errorf("%s:%d:%d: %w", path, line, column, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// open makes the city that the settings describe.
// leastSilent is more than a terminal needs between two messages, which is a
// minute by default, and to connect again.
const leastSilent = 2 * time.Minute

func (s settings) open(log *slog.Logger) (*city.City, error) {
	private, err := secretFile(s.NoteKey)
	if err != nil {
		return nil, fmt.Errorf("note_key: %w", err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("note_key %s: wants a line that cityd init made: %w", s.NoteKey, err)
	}
	verifier, err := os.ReadFile(s.NoteKey + ".pub")
	if err != nil {
		return nil, fmt.Errorf("note_key's public half: %w", err)
	}
	line, err := secretFile(s.LetterKey)
	if err != nil {
		return nil, fmt.Errorf("letter_key: %w", err)
	}
	letter, err := envelope.DecodeKey(envelope.LetterKey, true, line)
	if err != nil {
		return nil, fmt.Errorf("letter_key %s: %w", s.LetterKey, err)
	}
	var repeat time.Duration
	if s.Repeat != "" {
		if repeat, err = time.ParseDuration(s.Repeat); err != nil || repeat < 100*time.Millisecond {
			return nil, fmt.Errorf("repeat %q: wants a time of 100ms or more, like 60s", s.Repeat)
		}
	}
	var silent time.Duration
	if s.Silent != "" {
		if silent, err = time.ParseDuration(s.Silent); err != nil || silent < leastSilent {
			return nil, fmt.Errorf("silent %q: wants a time of %v or more, like %v", s.Silent, leastSilent, city.DefaultSilent)
		}
	}
	var keep time.Duration
	if s.Keep != "" {
		if keep, err = time.ParseDuration(s.Keep); err != nil || keep < city.LeastKeep || keep > city.MostKeep {
			return nil, fmt.Errorf("keep %q: wants a time of %v to %v, like %v", s.Keep, city.LeastKeep, city.MostKeep, city.DefaultKeep)
		}
	}
	b, err := s.broker()
	if err != nil {
		return nil, err
	}
	return city.Open(city.Config{
		Record: s.Record, Socket: s.Socket, Broker: b,
		Signer: signer, Verifier: strings.TrimSpace(string(verifier)), LetterKey: letter, Suite: envelope.Standard{},
		Repeat: repeat, Silent: silent, Keep: keep, Now: time.Now, Rand: rand.Reader, Logger: log,
	})
}

func (s settings) broker() (broker.Config, error) {
	b := broker.Config{URL: s.Broker.URL, ClientID: s.Broker.ClientID, Username: s.Broker.Username}
	if s.Broker.PasswordFile != "" {
		password, err := secretFile(s.Broker.PasswordFile)
		if err != nil {
			return b, fmt.Errorf("broker.password_file: %w", err)
		}
		b.Password = password
	}
	files := broker.TLSFiles{
		CA: s.Broker.CA, Certificate: s.Broker.Certificate, Key: s.Broker.Key, ServerName: s.Broker.ServerName,
	}
	b.Renew = files.Load
	_, err := files.Load() // what cannot work is told at the start
	return b, err
}

// secretFile reads the one line of a file that only its owner may read.
func secretFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s may be read by others: wants mode 0600, is %#o", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

// daemon runs the city until it is told to stop.
func daemon(ctx context.Context, args []string, stderr io.Writer) (err error) {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	path := f.String("config", defaultConfig, "")
	if err := flags(f, args, 0); err != nil {
		return err
	}
	s, err := readSettings(*path)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	c, err := s.open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if s.Console.Listen == "" {
		return c.Run(ctx)
	}
	return s.serveConsole(ctx, c, log)
}

const template = `# cityd: the city's daemon. Paths are taken from this file's folder.
record     = "city.sqlite" # every terminal's events; back it up
socket     = "desk.sock"   # mode 0600: who may open it acts for the desks
note_key   = "note.key"    # signs acknowledgements
letter_key = "letter.key"  # opens letters
repeat     = "60s"         # of what a terminal has not answered
silent     = "15m"         # a terminal that says nothing for longer is an alarm
keep       = "26280h"      # three years: then what is over is pruned

[broker]
url = %q
# username = "" ; password_file = ""
# ca = "ca.pem" ; certificate = "cityd.pem" ; key = "cityd.key"

# The admins' pages. The address with its token is written to console.url.
# [console]
# listen = "127.0.0.1:8481"
# hosts = ["nachtfach.example.org"] # of a proxy that serves them over HTTPS

# What stands on letters and slips, German and English.
# [town]
# name = "Stadt Musterstadt" ; office = "Bürgerbüro" ; phone = "07123 456-0"
# address = ["Marktplatz 1", "12345 Musterstadt"]
# hours = { de = "Mo–Fr 8–12 Uhr", en = "Mon–Fri 8–12" }
# bring = [{ de = "Ihren alten Ausweis", en = "your old identity card" }]
# web = "www.musterstadt.example" ; retention = "168h" # as the terminals have it
#
# [[station]]
# terminal = "rathaus-1"
# place = { de = "Rathaus, Eingang Nord", en = "Town hall, north entrance" }
# hours = { de = "täglich rund um die Uhr", en = "every day, day and night" }
`

// initialise makes keys and configuration; what is there is never replaced.
func initialise(args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("init", flag.ContinueOnError)
	dir := f.String("dir", ".", "")
	url := f.String("broker", "tcp://127.0.0.1:1883", "")
	if err := flags(f, args, 1); err != nil {
		return err
	}
	if err := (broker.Config{URL: *url}).Validate(); err != nil {
		return err
	}
	private, public, err := envelope.GenerateCity(rand.Reader, f.Arg(0))
	if err != nil {
		return err
	}
	letter, letterPublic, err := envelope.Standard{}.GenerateKey()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	for _, file := range []struct{ name, text string }{
		{"note.key", private + "\n"},
		{"note.key.pub", public + "\n"},
		{"letter.key", envelope.EncodeKey(envelope.LetterKey, true, letter)},
		{"letter.key.pub", envelope.EncodeKey(envelope.LetterKey, false, letterPublic)},
		{"cityd.toml", fmt.Sprintf(strings.ReplaceAll(template, " ; ", "\n# "), *url)},
	} {
		if err := writeNew(filepath.Join(*dir, file.name), file.text); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(stdout, "made keys and configuration in %s\nterminals must know %s and %s\n", *dir,
		filepath.Join(*dir, "note.key.pub"), filepath.Join(*dir, "letter.key.pub"))
	return err
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; it is not replaced", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
