// Package approval_test keeps the facts of the approval kit true: what stands
// between the marks "facts" is generated from the code, and differs from it
// never unnoticed. With -update it is written anew.
package approval_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/nachtfach/nachtfach/city"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/vault"
)

var update = flag.Bool("update", false, "write the facts anew")

// facts are the blocks by their names in the marks.
var facts = map[string]func(*testing.T) string{
	"anschluesse": connections, "themen": topics, "dateien": files, "haertung": hardening,
	"ereignisse": events, "befehle": commands, "fristen": deletionPeriods, "regeln": rules,
}

var block = regexp.MustCompile(`(?s)<!-- facts: ([a-z]+) -->\n.*?<!-- /facts -->`)

func TestTheFactsInTheApprovalKitAreTrue(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	used := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		fresh := block.ReplaceAllStringFunc(string(text), func(old string) string {
			name := block.FindStringSubmatch(old)[1]
			compose, ok := facts[name]
			if !ok {
				t.Errorf("%s: nobody makes the facts %q", page, name)
				return old
			}
			used[name] = true
			return fmt.Sprintf("<!-- facts: %s -->\n%s\n<!-- /facts -->", name, strings.TrimSpace(compose(t)))
		})
		switch {
		case fresh == string(text):
		case *update:
			if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s: its facts are no longer those of the code; go test ./docs/approval -update, and read what changed", page)
		}
	}
	for name := range facts {
		if !used[name] {
			t.Errorf("the facts %q stand on no page", name)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

func TestEveryLinkOfTheApprovalKitLeadsSomewhere(t *testing.T) {
	pages, _ := filepath.Glob("*.md")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(found[1]); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

type table struct{ strings.Builder }

func newTable(titles ...string) *table {
	t := &table{}
	t.row(titles...)
	t.WriteString("|" + strings.Repeat("---|", len(titles)) + "\n")
	return t
}

func (t *table) row(cells ...string) {
	for _, c := range cells {
		t.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	t.WriteString("|\n")
}

// connections are those of the example configurations, and what the units allow.
func connections(t *testing.T) string {
	examples, err := filepath.Glob("../../deploy/examples/*.toml")
	if err != nil || len(examples) == 0 {
		t.Fatal("no example configuration", err)
	}
	listens, brokers := map[string]bool{}, map[string]bool{}
	for _, path := range examples {
		c, err := daemon.LoadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		listens[c.Kiosk.Listen], brokers[regexp.MustCompile(`.*:`).ReplaceAllString(c.City.Broker, "")] = true, true
	}
	out := newTable("Gerät", "Richtung", "Anschluss", "wozu")
	for _, listen := range sorted(listens) {
		out.row("Station", "eingehend, nur vom eigenen Gerät", "`"+listen+"`/tcp", "Bildschirm im Browser; Token je Start, Host- und Herkunftsprüfung")
	}
	for _, port := range sorted(brokers) {
		out.row("Station", "ausgehend", port+"/tcp zum Broker", "MQTT 3.1.1 in TLS 1.3, Zertifikate beider Seiten")
	}
	out.row("Station", "lokal", "`lockerd.sock` im Zustandsordner, nur für den Dienst", "Auskunft für den Betrieb (Zustand, Protokoll)")
	cityd, err := os.ReadFile("../../cmd/cityd/config.go")
	if err != nil {
		t.Fatal(err)
	}
	console := regexp.MustCompile(`listen = "(127\.0\.0\.1:\d+)"`).FindSubmatch(cityd)
	if console == nil {
		t.Fatal("cityd's example configuration names no address of the console")
	}
	out.row("Kommune", "eingehend, nur vom eigenen Gerät oder einem Proxy mit Anmeldung", "`"+string(console[1])+"`/tcp", "Konsole der Administration")
	out.row("Kommune", "ausgehend", strings.Join(sorted(brokers), ", ")+"/tcp zum Broker", "Aufträge und Quittungen")
	return out.String()
}

// said are the topics in German: what goes there, and whether it concerns a person.
var said = map[string][2]string{
	"event":      {"ein Ereignis des Protokolls", "Auftragsnummer, Pseudonyme der Beschäftigten"},
	"checkpoint": {"signierter Stand des Protokolls", "nein"},
	"state":      {"Zustand von Fächern, Alarmen, Teilen", "Auftragsnummer"},
	"online":     {"verbunden oder nicht", "nein"},
	"keys":       {"einmalige öffentliche Schlüssel für Aufträge", "nein"},
	"letter":     {"Briefinhalt, für die Kommune versiegelt und signiert", "versiegelt: Abholcode"},
	"ack":        {"signierte Quittung mit Zeit", "nein"},
	"order":      {"versiegelter Auftrag oder Rücknahme", "versiegelt: Vorlage oder Nummer; offen: Auftragsnummer"},
	"roster":     {"Dienstliste, für die Station versiegelt", "versiegelt: Pseudonyme, Hashes der Personalnummern"},
	"command":    {"signierter Befehl", "Auftragsnummer, Pseudonym"},
	"posted":     {"signierte Meldung, dass der Brief versandt ist", "Auftragsnummer"},
}

func topics(t *testing.T) string {
	text, err := os.ReadFile("../asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Channels map[string]struct {
			Address  string
			Bindings struct{ MQTT struct{ Retain bool } }
		}
		Operations map[string]struct {
			Action  string
			Channel struct {
				Ref string `yaml:"$ref"`
			}
			Bindings struct{ MQTT struct{ Retain bool } }
		}
	}
	if err := yaml.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	out := newTable("Thema", "Richtung", "Inhalt", "Personenbezug")
	for _, operation := range sorted(api.Operations) {
		o := api.Operations[operation]
		channel := api.Channels[strings.TrimPrefix(o.Channel.Ref, "#/channels/")]
		name := channel.Address[strings.LastIndex(channel.Address, "/")+1:]
		if name == "" || said[name] == [2]string{} {
			t.Errorf("the topic %q has no words in German", channel.Address)
		}
		direction := "Station → Kommune"
		if o.Action == "receive" {
			direction = "Kommune → Station"
		}
		out.row("`"+channel.Address+"`", direction, said[name][0], said[name][1])
	}
	return out.String()
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// events are all facts with their fields; a field that names a person says so.
func events(t *testing.T) string {
	out := newTable("Ereignis", "Felder", "Personenbezug")
	for _, typ := range locker.FactTypes() {
		fact, err := locker.DecodeFact(typ, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		var fields, personal []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(fact)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous || !f.IsExported() || name == "-" {
				continue
			}
			fields = append(fields, "`"+name+"`")
			for _, who := range about(f.Type) {
				if !slices.Contains(personal, who) {
					personal = append(personal, who)
				}
			}
		}
		short := strings.TrimSuffix(strings.TrimPrefix(typ, "de.nachtfach."), ".v1")
		out.row("`"+short+"`", orNone(fields), orNone(personal))
	}
	return out.String()
}

// about is whom a field's type concerns, also within lists and structures.
func about(t reflect.Type) (all []string) {
	switch t {
	case reflect.TypeFor[locker.Person]():
		return []string{"Pseudonym"}
	case reflect.TypeFor[locker.OrderID]():
		return []string{"Auftragsnummer"}
	case reflect.TypeFor[locker.Generation]():
		return []string{"Einlage"}
	case reflect.TypeFor[locker.FactorKind]():
		return []string{"Art des zweiten Faktors"}
	case reflect.TypeFor[time.Time](), reflect.TypeFor[locker.Config]():
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return about(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			all = append(all, about(t.Field(i).Type)...)
		}
	}
	return all
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "–"
	}
	return strings.Join(list, ", ")
}

// ordered are the commands in German.
var ordered = map[locker.CommandKind]string{
	locker.CommandReissue:  "neuer Abholcode, der alte stirbt",
	locker.CommandRevoke:   "Auftrag zurücknehmen: der Code stirbt, Beschäftigte entnehmen das Dokument",
	locker.CommandExtend:   "Abholfrist verlängern",
	locker.CommandDisable:  "Fach außer Betrieb nehmen",
	locker.CommandEnable:   "Fach wieder in Betrieb nehmen",
	locker.CommandLock:     "Station für Abholende sperren",
	locker.CommandUnlock:   "Sperre, Einbruchsmodus oder Aufgabe beenden",
	locker.CommandHours:    "Abholzeiten ändern",
	locker.CommandUnblock:  "gesperrte Personalnummer wieder zulassen, mit einer zweiten Person an der Station",
	locker.CommandDiagnose: "Zustand der Teile melden",
	locker.CommandResend:   "ganzes Protokoll noch einmal senden",
	locker.CommandBurglary: "Einbruchsmodus: Besuche enden, Liste der Aufträge geht hinaus",
	locker.CommandClock:    "Uhr der Station vor- oder zurückstellen",
	locker.CommandDeclare:  "gestohlen: alle Codes und Schlüssel der Station sterben",
}

func commands(t *testing.T) string {
	out := newTable("Befehl", "Wirkung", "Signaturen")
	for _, kind := range locker.CommandKinds() {
		if ordered[kind] == "" {
			t.Errorf("the command %q has no words in German", kind)
		}
		signers := "eine"
		if kind.Grave() {
			signers = "zwei verschiedene"
		}
		out.row("`"+string(kind)+"`", ordered[kind], signers)
	}
	return out.String() + "\nKeiner davon öffnet eine Tür.\n"
}

func deletionPeriods(*testing.T) string {
	r := locker.DefaultRules()
	out := newTable("Frist", "Vorgabe", "Schlüssel der Konfiguration")
	out.row("Abholfrist ab Versand des Briefs; danach Entnahmeliste", german(r.Retention), "`rules.retention`")
	out.row("Übergabe ohne Antwort: Code und Vorlage gelten noch", german(r.Unconfirmed), "`rules.unconfirmed`")
	out.row("Brief nicht versandt: Alarm und Entnahmeliste nach", german(r.PostingOverdue), "`rules.posting_overdue`")
	out.row("unbenutzter einmaliger Schlüssel wird überschrieben nach", german(r.KeyLife), "`rules.key_life`")
	out.row("Auftrag, den niemand einlegt, wird samt Schlüssel überschrieben nach", german(r.KeyLife), "`rules.key_life`")
	out.row("Inhalte quittierter Ereignisse in der Station", german(daemon.DefaultKeep), "`journal.keep`")
	out.row("was bei der Kommune beendet ist: Inhalte von Ereignissen, Auftragsnummern, Störungen", german(locker.Duration(city.DefaultKeep)), "`keep` (`cityd`)")
	out.row("eine gebrauchte Codenummer (Selektor) ruht", german(locker.Duration(vault.SelectorRest)), "fest")
	return out.String()
}

func rules(*testing.T) string {
	r := locker.DefaultRules()
	out := newTable("Regel", "Vorgabe")
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("toml"), ",")
		value := fmt.Sprint(v.Field(i).Interface())
		if d, ok := v.Field(i).Interface().(locker.Duration); ok {
			value = german(d)
		}
		out.row("`"+name+"`", value)
	}
	return out.String()
}

// german writes a length of time in the largest unit that it fills.
func german(d locker.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "Tage"}, {time.Hour, "Stunden"}, {time.Minute, "Minuten"}, {time.Second, "Sekunden"}} {
		if n := time.Duration(d) / u.of; n > 0 && time.Duration(d)%u.of == 0 {
			if n == 1 {
				return map[string]string{"Tage": "1 Tag", "Stunden": "1 Stunde", "Minuten": "1 Minute", "Sekunden": "1 Sekunde"}[u.name]
			}
			return fmt.Sprintf("%d %s", n, u.name)
		}
	}
	return d.String()
}

// hardening are the directives of the unit that bound what the daemon may do.
func hardening(t *testing.T) string {
	unit, err := os.ReadFile("../../deploy/lockerd.service")
	if err != nil {
		t.Fatal(err)
	}
	out := newTable("systemd", "Wert")
	at := map[string]int{}
	var names []string
	values := map[string][]string{}
	for line := range strings.Lines(string(unit)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") || !bounds.MatchString(name) {
			continue
		}
		if at[name]++; at[name] == 1 {
			names = append(names, name)
		}
		if value == "" {
			value = "(leer)"
		}
		if !slices.Contains(values[name], value) {
			values[name] = append(values[name], value)
		}
	}
	for _, name := range names {
		out.row("`"+name+"`", strings.Join(values[name], "; "))
	}
	return out.String()
}

var bounds = regexp.MustCompile(`^(User|Group|UMask|Device|NoNew|Capability|Ambient|Protect|Private|Remove|Keyring|Restrict|Lock|Memory|SystemCall|StateDirectoryMode|LimitCORE|ProcSubset|IPAddress)`)
