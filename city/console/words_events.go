package console

// eventWords say what happened, by the event's type; German, English.
var eventWords = map[string][2]string{
	"terminal.booted": {"Gestartet", "Started"}, "terminal.configured": {"Einstellungen geändert", "Configuration changed"},
	"clock.marked": {"Uhrzeit festgehalten", "Time recorded"}, "clock.set": {"Uhr gestellt", "Clock set"},
	"clock.confirmed": {"Uhrzeit bestätigt", "Time confirmed"},
	"alarm.raised":    {"Alarm", "Alarm"}, "alarm.cleared": {"Alarm vorbei", "Alarm over"},
	"roster.accepted": {"Personalliste übernommen", "Roster accepted"}, "message.refused": {"Nachricht abgelehnt", "Message refused"},

	"clerk.admitted": {"Angemeldet", "Signed in"}, "clerk.refused": {"Anmeldung abgelehnt", "Sign-in refused"},
	"round.opened": {"Runde begonnen", "Round begun"}, "round.confirmed": {"Runde bestätigt", "Round confirmed"},
	"round.interrupted": {"Runde unterbrochen", "Round interrupted"},

	"keys.offered": {"Schlüssel angeboten", "Keys offered"}, "key.lapsed": {"Schlüssel verfallen", "Key lapsed"}, "key.erased": {"Schlüssel gelöscht", "Key erased"},
	"order.accepted": {"Auftrag angenommen", "Order accepted"}, "order.withdrawn": {"Auftrag zurückgezogen", "Order withdrawn"},
	"order.erased": {"Auftrag gelöscht", "Order erased"}, "letter.posted": {"Brief versandt", "Letter posted"}, "letter.deleted": {"Brief gelöscht", "Letter deleted"},

	"deposit.reserved": {"Fach reserviert", "Compartment reserved"}, "deposit.prepared": {"Einlage vorbereitet", "Deposit prepared"},
	"deposit.abandoned": {"Einlage abgebrochen", "Deposit abandoned"}, "document.laid": {"Dokument eingelegt", "Document laid in"},
	"deposit.loaded": {"Abholbereit", "Ready for collection"}, "deposit.reissued": {"Neuer Abholcode", "New pickup code"},
	"deposit.expired": {"Frist abgelaufen", "Period over"}, "document.taken": {"Abgeholt", "Collected"},
	"document.unconfirmed": {"Ohne Antwort geschlossen", "Closed without an answer"},
	"document.disputed":    {"Dokument bestritten", "Document disputed"}, "document.unloaded": {"Entnommen", "Unloaded"},
	"document.missed": {"Dokument fehlt", "Document missing"}, "custody.doubted": {"Verbleib unklar", "Custody unknown"},
	"slot.erased": {"Fingerabdruck gelöscht", "Fingerprint erased"},

	"root.replaced": {"Hauptschlüssel ersetzt", "Root key replaced"}, "sensor.tripped": {"Sensor meldet", "Sensor speaks up"}, "sensor.rested": {"Sensor wieder ruhig", "Sensor at rest"},
	"attempts.suppressed": {"Weitere Versuche, nur gezählt", "Further tries, counted only"},
	"flapping.started":    {"Meldet sich ständig anders, wird nur noch gezählt", "Flaps: changes are counted only"}, "flapping.ended": {"Meldet sich wieder stetig", "Steady again"},

	"command.followed": {"Befehl ausgeführt", "Command followed"}, "command.refused": {"Befehl abgelehnt", "Command refused"},
	"burglary.declared": {"Einbruch gemeldet", "Burglary declared"}, "inventory.ordered": {"Bestandsaufnahme angeordnet", "Inventory ordered"},
	"keyopening.announced": {"Öffnen mit Schlüssel angekündigt", "Opening by key announced"}, "keyopening.ended": {"Öffnen mit Schlüssel beendet", "Opening by key ended"},
	"terminal.adopted": {"Wand übernommen", "Wall adopted"}, "terminal.diagnosed": {"Selbstprüfung", "Diagnosis"},
	"clerk.charged": {"Anmeldung wird geprüft", "Sign-in being checked"}, "clerk.unblocked": {"Sperre aufgehoben", "Unblocked"},
	"compartment.inspected": {"In das Fach gesehen", "Compartment looked into"}, "presentation.refused": {"Nachbildung am Fingerleser abgewiesen", "Fake refused at the finger reader"},

	"code.refused": {"Abholcode abgelehnt", "Pickup code refused"}, "code.charged": {"Abholcode wird geprüft", "Pickup code being checked"},
	"code.failed": {"Abholcode falsch", "Pickup code wrong"}, "code.proved": {"Abholcode stimmt", "Pickup code right"},
	"factor.charged": {"Finger wird verglichen", "Finger being compared"}, "factor.compared": {"Finger verglichen", "Finger compared"},
	"factor.closed": {"Finger gesperrt", "Finger closed"}, "pinletter.confirmed": {"PIN-Brief bestätigt", "PIN letter confirmed"},

	"compartment.released": {"Schloss freigegeben", "Lock released"}, "compartment.opened": {"Tür offen", "Door opened"},
	"compartment.closed": {"Tür zu", "Door closed"}, "compartment.cleared": {"Fach leer gesehen", "Seen empty"},
	"compartment.quarantined": {"Fach außer Betrieb", "Taken out of use"}, "compartment.faulted": {"Fach gestört", "Compartment faulty"},
	"compartment.restored": {"Fach wieder in Ordnung", "Compartment restored"}, "sensor.waived": {"Ohne Türkontakt weiter", "On without its contact"},
}

// Event says what happened; a type that is not known, from a newer terminal, as
// it came.
func (q *request) Event(kind string) string {
	w, ok := eventWords[kind]
	switch {
	case !ok:
		return kind
	case q.Language == "en":
		return w[1]
	}
	return w[0]
}
