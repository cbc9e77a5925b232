package console

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is who asks: language, clock and path, for the templates.
type request struct {
	Language string // "de" or "en"
	Path     string // to come back to
	By       string // who noted last in this browser
	now      time.Time
	zone     *time.Location
}

func (c *Console) request(r *http.Request) *request {
	q := &request{Language: "de", Path: r.URL.RequestURI(), now: c.config.Now(), zone: c.config.Zone}
	if r.Method != http.MethodGet {
		q.Path = "/" // a refused form is no page to come back to
	}
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "en") {
		q.Language = "en"
	}
	if k, err := r.Cookie("nachtfach_console_language"); err == nil && (k.Value == "de" || k.Value == "en") {
		q.Language = k.Value
	}
	if k, err := r.Cookie("nachtfach_by"); err == nil {
		if by, err := url.QueryUnescape(k.Value); err == nil && len(by) <= 60 {
			q.By = by
		}
	}
	return q
}

// templateWords is what templates need besides a view's methods.
var templateWords = template.FuncMap{
	"dict": func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			m[fmt.Sprint(pairs[i])] = pairs[i+1]
		}
		return m
	},
}

// T says a word in the request's language; one that is not known, from a newer
// terminal, as it came.
func (q *request) T(parts ...any) string {
	key := fmt.Sprint(parts...)
	w, ok := words[key]
	if !ok {
		return key[strings.IndexByte(key, '.')+1:]
	}
	if q.Language == "en" {
		return w[1]
	}
	return w[0]
}

// When is a time in the city's zone, short today.
func (q *request) When(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	t = t.In(q.zone)
	if now := q.now.In(q.zone); t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	if q.Language == "en" {
		return t.Format("2 Jan 2006, 15:04")
	}
	return t.Format("02.01.2006, 15:04")
}

// Age is how long ago, in its largest unit.
func (q *request) Age(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	d := max(q.now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d %s", int(d.Hours()/24), q.T("days"))
}

// Short is an age where there is little room.
func (q *request) Short(t time.Time) string {
	return strings.Replace(q.Age(t), q.T("days"), q.T("days.short"), 1)
}

// Since is since when, as words.
func (q *request) Since(t time.Time) string {
	age := q.Age(t)
	if q.Language == "de" {
		age = strings.Replace(age, "Tage", "Tagen", 1)
	}
	return q.T("since") + " " + age
}

// words are German, English.
var words = map[string][2]string{
	"title": {"Nachtfach Leitstand", "Nachtfach console"}, "skip": {"Zum Inhalt", "Skip to content"},
	"terminals": {"Abholstationen", "Terminals"}, "alarms": {"Alarme", "Alarms"}, "events": {"Ereignisse", "Events"},
	"live": {"live", "live"}, "cut": {"getrennt", "cut off"}, "days": {"Tage", "days"}, "days.short": {"T", "d"}, "other": {"English", "Deutsch"},
	"none": {"Noch keine Abholstation. Anmelden: cityd terminal add", "No terminal yet. Register one: cityd terminal add"},

	"health.good": {"In Ordnung", "All well"}, "health.poor": {"Bitte ansehen", "Needs a look"}, "health.bad": {"Handeln", "Act now"},
	"online": {"verbunden", "connected"}, "offline": {"nicht verbunden", "not connected"}, "since": {"seit", "for"},
	"all.terminals": {"Alle Stationen", "All terminals"}, "service": {"Betrieb", "Service"}, "connection": {"Verbindung", "Connection"},
	"behind": {"Rückstand", "Backlog"}, "behind.none": {"kein Rückstand", "no backlog"}, "behind.events": {"Ereignisse im Rückstand", "events behind"},
	"line.cut": {"Die Stadt ist nicht mit dem Broker verbunden,", "The city has not been connected to the broker"},
	"line.old": {"Was hier steht, ist so alt, und neue Alarme kommen nicht an.", "What stands here is that old, and new alarms do not arrive."}, "line.unknown": {"Verbindung unbekannt", "connection unknown"},
	"unanswered":  {"Nachrichten unbeantwortet", "messages unanswered"},
	"use.unknown": {"unbekannt", "unknown"},
	"state":       {"Zustand", "State"}, "unknown": {"noch nichts gemeldet", "nothing reported yet"},
	"told": {"Letzter Zustand", "Last state"}, "lag": {"Unbeantwortet", "Unanswered"}, "lag.none": {"nichts", "nothing"},
	"lag.oldest": {"älteste", "oldest"}, "messages": {"Nachrichten", "messages"}, "time": {"Uhrzeit", "Time"},
	"quality.confirmed": {"bestätigt", "confirmed"}, "quality.clock": {"eigene Uhr", "own clock"}, "quality.held": {"Uhr gestört", "clock doubted"},
	"open": {"Geöffnet für Abholung", "Open for collection"}, "shut": {"Zur Zeit keine Abholung", "No collection now"},
	"busy": {"Jemand steht davor", "Somebody is there"}, "idle": {"Niemand davor", "Nobody there"},
	"waiting": {"Warten auf Einlage", "Waiting to be loaded"}, "keys": {"Freie Schlüssel", "Unused keys"}, "roster": {"Personalliste", "Roster"},
	"software": {"Software", "Software"}, "fault": {"Störung", "Fault"}, "recorded": {"Ereignisse gesichert", "Events recorded"},
	"version": {"Version", "version"},

	"wall": {"Wand", "Wall"}, "compartment": {"Fach", "Compartment"},
	"use.empty": {"leer", "empty"}, "use.reserved": {"reserviert", "reserved"}, "use.occupied": {"belegt", "occupied"},
	"use.vacated": {"geleert", "vacated"}, "use.doubt": {"ungeklärt", "in doubt"},
	"door.open": {"Tür offen", "door open"}, "expired": {"abgelaufen", "expired"}, "revoked": {"zurückgezogen", "withdrawn"},
	"waived": {"ohne Kontakt", "no contact"}, "disabled": {"gesperrt", "disabled"}, "blocked": {"Gesperrtes Personal", "Blocked clerks"},
	"locked.admin": {"für Bürger gesperrt", "locked for citizens"}, "locked.tamper": {"gesperrt: jemand war am Gehäuse", "locked: somebody was at the cabinet"},
	"locked.burglary": {"Einbruchsmodus", "burglary mode"}, "locked.stolen": {"als gestohlen gemeldet", "declared stolen"},
	"fault.did_not_open": {"öffnet nicht", "does not open"}, "fault.lock": {"Schloss gestört", "lock faulty"}, "fault.contact": {"Kontakt gestört", "contact faulty"},
	"size.1": {"klein", "small"}, "size.2": {"mittel", "medium"}, "size.3": {"groß", "large"},

	"deposits": {"Einlagen", "Deposits"}, "no.deposits": {"Keine Einlagen.", "No deposits."}, "order": {"Abholauftrag", "Order"},
	"age": {"Alter", "Age"}, "posted": {"Brief", "Letter"}, "not.posted": {"nicht versandt", "not posted"}, "slot": {"Daten", "Data"},
	"slot.living": {"vorhanden", "present"}, "slot.erased": {"gelöscht", "erased"},
	"deposit.reserved": {"reserviert", "reserved"}, "deposit.prepared": {"vorbereitet", "prepared"}, "deposit.laid": {"eingelegt", "laid in"},
	"deposit.loaded": {"abholbereit", "ready"}, "deposit.replaced": {"Code ersetzt", "code replaced"}, "deposit.abandoned": {"abgebrochen", "abandoned"},
	"deposit.taken": {"abgeholt", "collected"}, "deposit.unloaded": {"entnommen", "unloaded"}, "deposit.disputed": {"bestritten", "disputed"},
	"deposit.unconfirmed": {"Abholung unbestätigt", "pickup not confirmed"},
	"deposit.doubted":     {"Verbleib unklar", "custody unknown"}, "deposit.missing": {"fehlt", "missing"}, "deposit.dead": {"Station gestohlen", "terminal stolen"},

	"more.alarms": {"Weitere Alarme, die bestehen:", "Further alarms that stand:"},
	"no.alarms":   {"Kein offener Alarm.", "No open alarm."}, "past": {"Erledigt", "Settled"},
	"class.wake": {"sofort", "now"}, "class.morning": {"am Morgen", "next morning"}, "class.statistics": {"Statistik", "statistics"},
	"stands": {"besteht", "stands"}, "cleared": {"vorbei", "over"}, "times": {"mal", "times"},
	"note": {"Notiz", "Note"}, "by": {"Kürzel", "Initials"}, "acknowledge": {"Quittieren", "Acknowledge"}, "again": {"Notiz ändern", "Change the note"},
	"unseen":            {"noch nicht quittiert", "not acknowledged yet"},
	"alarm.door_forced": {"Tür ohne Freigabe geöffnet", "Door opened without release"}, "alarm.door_left_open": {"Tür offen, Dokument vielleicht darin", "Door open, perhaps with a document"},
	"alarm.empty_door_open": {"Leeres Fach offen", "Empty compartment open"}, "alarm.compartment_fault": {"Fach gestört", "Compartment faulty"},
	"alarm.custody_unknown": {"Verbleib eines Dokuments unklar", "Custody of a document unknown"}, "alarm.document_disputed": {"Dokument bestritten", "Document disputed"},
	"alarm.document_unconfirmed": {"Abholung nicht bestätigt", "Pickup not confirmed"},
	"alarm.document_missing":     {"Dokument fehlt", "Document missing"}, "alarm.letter_not_posted": {"Brief nicht versandt", "Letter not posted"},
	"alarm.round_interrupted": {"Runde unterbrochen", "Round interrupted"}, "alarm.part_failed": {"Bauteil ausgefallen", "Part failed"},
	"alarm.clock_disagrees": {"Uhr weicht ab", "Clock disagrees"}, "alarm.vault_failed": {"Tresor kann nicht schreiben", "Vault cannot write"}, "alarm.space_low": {"Speicherplatz wird knapp", "Storage space is low"},
	"alarm.layout_contradicts": {"Aufbau widerspricht der Belegung", "Layout contradicts the deposits"}, "alarm.burglary": {"Einbruch", "Burglary"}, "alarm.codes_exhausted": {"Fünf falsche Codes", "Five wrong codes"},
	"alarm.log_disputed":        {"Protokoll stimmt nicht mit dem der Stadt überein", "Journal differs from the city's record"},
	"alarm.presentation_attack": {"Finger für falsch gehalten", "Finger taken for a fake"},
	"alarm.inventory_open":      {"Bestandsaufnahme offen", "Inventory not finished"},
	"alarm.document_unexpected": {"Dokument, das niemand erwartet", "Document that no record names"},
	"alarm.guessing":            {"Jemand probiert Karten, Codes, Finger oder Nummern durch", "Somebody tries cards, codes, fingers or numbers"},
	"alarm.flapping":            {"Kontakt, Sensor oder Bauteil meldet sich ständig anders", "Contact, sensor or part flaps"},
	"alarm.tamper":              {"Jemand ist am Gehäuse", "Somebody is at the cabinet"}, "alarm.mains_failed": {"Netzspannung fehlt", "Mains voltage away"},
	"alarm.enclosure_open": {"Technikfach offen", "Electronics' door open"},
	"alarm.fork":           {"Zwei Protokolle unter einer Unterschrift", "Two histories under one signature"}, "alarm.misfit": {"Ereignisse passen nicht zur Unterschrift", "Events do not fit the signature"},
	"training": {"Übung", "Training"}, "training.long": {"Übungsbetrieb – keine echten Dokumente", "Training – no real documents"},
	"alarm.certificate":           {"Zertifikat läuft ab oder passt nicht", "Certificate ends soon or does not fit"},
	"alarm.training_not_switched": {"Übungsbetrieb nicht umgestellt: Fächer nicht leer", "Training not switched: compartments not seen empty"},
	"alarm.silent":                {"Abholstation meldet sich nicht", "Terminal is silent"}, "city": {"Stadt", "City"},
	"alarm.broker_lost": {"Keine Verbindung zum Broker", "No connection to the broker"},
	"alarm.state_stale": {"Kein neuer unterschriebener Zustand", "No new signed state"},
	"alarm.events_held": {"Ereignisse kommen nicht an", "Events do not arrive"},
	"alarm.record_full": {"Speicherplatz der Stadt erschöpft", "The city's disk is full"},
	"alarm.signature":   {"Nachricht ohne gültige Unterschrift", "Message without a valid signature"}, "alarm.content": {"Nachricht unbrauchbar", "Message cannot be used"},

	"search": {"Suchen", "Search"}, "search.hint": {"Wort, Fach, Auftrag …", "word, compartment, order …"}, "older": {"Ältere", "Older"},
	"no.events": {"Hier ist kein Ereignis.", "No event here."}, "all.events": {"Alle Ereignisse", "All events"},
	"wrong.page":   {"Diese Seite gibt es nicht.", "There is no such page."},
	"wrong.note":   {"Die Notiz braucht ein Kürzel (höchstens 60 Zeichen) und einen Text (höchstens 1000).", "The note wants initials (60 characters at most) and a text (1000 at most)."},
	"wrong.busy":   {"Zu viele Seiten sind offen.", "Too many pages are open."},
	"wrong.record": {"Die Aufzeichnung der Stadt ist nicht lesbar. Mehr steht im Protokoll von cityd.", "The city's record cannot be read. The log of cityd says more."},
	"wrong":        {"Das ging nicht", "That did not work"}, "back": {"Zu den Abholstationen", "To the terminals"},
}

// AlarmWords are the words for an alarm of this kind, as the pages show them. An
// unknown kind, from a newer terminal, is returned as it is.
func AlarmWords(kind string) (german, english string) {
	w, ok := words["alarm."+kind]
	if !ok {
		return kind, kind
	}
	return w[0], w[1]
}
