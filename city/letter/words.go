package letter

import (
	"fmt"
	"strings"
	"time"
)

// language is what the letter says in one of its two.
type language struct {
	of      func(Words) string
	day     func(time.Time) string
	fingers [10]string // ISO/IEC 19794-2:2005, table 5
	or      string

	subject, greeting, ready           string // ready: place, last day, hours
	date, reference, station, phone    string
	codeTitle, codeText, codeElsewhere string
	fingerTitle, fingerText            string // fingerText: fingers
	numberTitle, numberText            string
	left, right                        string
	steps                              string
	step                               [4]string
	stepNumber                         string // in place of the second
	bring, bringLetter, bringNothing   string
	pinLetter                          string
	until, untilText                   string
	help, helpHours, help115, helpLost string
	numberLost                         string // in place of helpLost
	other, page                        string
	training                           string
}

var german = language{
	of: func(w Words) string { return w.German }, day: germanDay, or: "oder",
	fingers: [10]string{
		"rechter Daumen", "rechter Zeigefinger", "rechter Mittelfinger", "rechter Ringfinger", "rechter kleiner Finger",
		"linker Daumen", "linker Zeigefinger", "linker Mittelfinger", "linker Ringfinger", "linker kleiner Finger",
	},
	date: "Datum", reference: "Abholauftrag", station: "Abholstation", phone: "Telefon",
	subject:  "Ihr Dokument liegt zur Abholung bereit",
	greeting: "Guten Tag,",
	ready: "Ihr Dokument liegt in der Abholstation für Sie bereit: " + bold + "%s" + plain +
		". Sie können es bis einschließlich " + bold + "%s" + plain + " abholen, ohne Termin. Geöffnet: %s.",
	codeTitle:   "Ihr Abholcode · Your pickup code",
	codeText:    "Der Abholcode ist nicht die PIN Ihres Ausweises. Geben Sie ihn nicht weiter. Er gilt für dieses eine Mal.",
	fingerTitle: "Ihr Finger",
	fingerText:  "Die Station prüft außerdem einen Finger:\n" + bold + "%s" + plain + ".",
	numberTitle: "Ihre persönliche Nummer",
	numberText:  "Die Station fragt außerdem nach der persönlichen Nummer, die Sie bei der Antragstellung gewählt haben.",
	left:        "links", right: "rechts",
	steps: "So holen Sie Ihr Dokument ab",
	step: [4]string{
		"Abholcode eintippen oder QR-Code vor den Leser halten",
		"Finger auf den leuchtenden Leser legen",
		"Eine Tür geht auf: Dokument herausnehmen",
		"Tür schließen und am Bildschirm bestätigen",
	},
	stepNumber: "Persönliche Nummer eintippen",
	bring:      "Bitte mitbringen", bringLetter: "diesen Brief", bringNothing: "Mehr brauchen Sie nicht.",
	pinLetter: "Den PIN-Brief zum Online-Ausweis haben Sie bei der Beantragung bekommen. Die Station fragt danach. Wenn er fehlt: bitte an die Servicestelle wenden.",
	until:     "Keine Zeit bis dahin?",
	untilText: "Rufen Sie uns an. Danach kommt das Dokument zurück zur Servicestelle; es geht nicht verloren.",
	help:      "Fragen?", helpHours: "Servicestelle: %s", help115: "Behördennummer 115 (ohne Vorwahl), Montag bis Freitag 8 bis 18 Uhr",
	helpLost:   "Brief verloren, Code gesperrt oder Finger nicht erkannt? Die Servicestelle hilft.",
	numberLost: "Brief verloren, Code gesperrt oder Nummer vergessen? Die Servicestelle hilft.",
	other:      "English: see page 2", page: "Seite %d von 2",
	training: "Übung – kein echtes Dokument",
}

var english = language{
	of: func(w Words) string { return w.English }, day: englishDay, or: "or",
	fingers: [10]string{
		"right thumb", "right index finger", "right middle finger", "right ring finger", "right little finger",
		"left thumb", "left index finger", "left middle finger", "left ring finger", "left little finger",
	},
	date: "Date", reference: "Pickup order", station: "Pickup terminal", phone: "Phone",
	subject:  "Your document is ready for collection",
	greeting: "Hello,",
	ready: "Your document is waiting for you in the pickup terminal: " + bold + "%s" + plain +
		". You can collect it until the end of " + bold + "%s" + plain + ", without an appointment. Open: %s.",
	codeTitle:     "Your pickup code",
	codeElsewhere: "The pickup code and its QR code are on " + bold + "page 1" + plain + ". Take that page with you.",
	codeText:      "The pickup code is not the PIN of your identity card. Do not pass it on. It is good for this one time.",
	fingerTitle:   "Your finger",
	fingerText:    "The terminal also checks one finger:\n" + bold + "%s" + plain + ".",
	numberTitle:   "Your personal number",
	numberText:    "The terminal also asks for the personal number that you chose when you applied.",
	left:          "left", right: "right",
	steps: "How to collect your document",
	step: [4]string{
		"Type the pickup code or hold the QR code to the scanner",
		"Lay your finger on the glowing reader",
		"A door opens: take out your document",
		"Close the door and confirm on the screen",
	},
	stepNumber: "Type your personal number",
	bring:      "Please bring", bringLetter: "this letter", bringNothing: "You need nothing else.",
	pinLetter: "You received the PIN letter of your online ID (PIN-Brief) when you applied. The terminal asks about it. If it is missing, please contact the service desk.",
	until:     "No time until then?",
	untilText: "Give us a call. After that day the document goes back to the service desk; it is not lost.",
	help:      "Questions?", helpHours: "Service desk: %s", help115: "Public service number 115 (no area code), Monday to Friday 8 am to 6 pm",
	helpLost:   "Letter lost, code blocked or finger not recognised? The service desk helps.",
	numberLost: "Letter lost, code blocked or number forgotten? The service desk helps.",
	other:      "Deutsch: siehe Seite 1", page: "Page %d of 2",
	training: "Training – no real document",
}

func germanDay(t time.Time) string {
	days := [...]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"}
	return fmt.Sprintf("%s, %s", days[t.Weekday()], germanDate(t))
}

func germanDate(t time.Time) string {
	months := [...]string{
		"Januar", "Februar", "März", "April", "Mai", "Juni",
		"Juli", "August", "September", "Oktober", "November", "Dezember",
	}
	return fmt.Sprintf("%d.\u00a0%s\u00a0%d", t.Day(), months[t.Month()-1], t.Year())
}

func englishDay(t time.Time) string { return t.Format("Monday, 2\u00a0January\u00a02006") }

// finger names positions, "left thumb or right index finger".
func (l language) finger(positions []int) string {
	var names []string
	for _, f := range positions {
		names = append(names, l.fingers[f-1])
	}
	return strings.Join(names, " "+l.or+" ")
}
