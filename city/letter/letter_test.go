package letter_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/nachtfach/nachtfach/city/letter"
	"github.com/nachtfach/nachtfach/pin"
)

func sample(t *testing.T) letter.Letter {
	t.Helper()
	code, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	return letter.Letter{
		Town: letter.Town{
			Name: "Stadt Musterstadt", Office: "Bürgerbüro",
			Address: []string{"Marktplatz 1", "12345 Musterstadt"}, Phone: "07123 456-0", Web: "www.musterstadt.example/abholen",
			Hours: letter.Words{German: "Mo–Fr 8–12 Uhr, Do 14–18 Uhr", English: "Mon–Fri 8–12, Thu 14–18"},
			Bring: []letter.Words{{German: "Ihren alten Ausweis", English: "your old identity card"}},
		},
		Station: letter.Station{
			Place: letter.Words{German: "Rathaus, Marktplatz 1, Eingang Nord", English: "Town hall, Marktplatz 1, north entrance"},
			Hours: letter.Words{German: "täglich rund um die Uhr", English: "every day, day and night"},
		},
		To:   []string{"Frau", "Erika Mustermann", "Heidestraße 17", "12345 Musterstadt"},
		Date: date, Order: "7F3A9C20QX4BZ2KM", Code: code.Groups(), QR: code.QR(),
		Fingers: []int{7, 2}, PINLetter: true, LastDay: letter.LastDay(date, 7*24*time.Hour),
	}
}

func printed(t *testing.T, l letter.Letter) (pages []string) {
	t.Helper()
	var b bytes.Buffer
	if err := letter.Write(&b, l); err != nil {
		t.Fatal(err)
	}
	return texts(t, b.Bytes())
}

var (
	stream = regexp.MustCompile(`(?s)stream\n(.*?)\nendstream`)
	shown  = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`)
)

// texts reads what each page shows, one string a line: the content streams'
// strings are UTF-16.
func texts(t *testing.T, pdf []byte) (pages []string) {
	t.Helper()
	for _, m := range stream.FindAllSubmatch(pdf, -1) {
		r, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue // not compressed: no page
		}
		content, err := io.ReadAll(r)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Contains(content, []byte("BT ")) {
			continue // a font or a picture
		}
		var lines []string
		for _, s := range shown.FindAllSubmatch(content, -1) {
			var units []uint16
			raw := regexp.MustCompile(`(?s)\\(.)`).ReplaceAllFunc(s[1], func(e []byte) []byte {
				if e[1] == 'r' {
					return []byte{'\r'}
				}
				return e[1:]
			})
			for i := 0; i+1 < len(raw); i += 2 {
				units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
			}
			lines = append(lines, strings.ReplaceAll(string(utf16.Decode(units)), "\u00a0", " "))
		}
		pages = append(pages, strings.Join(lines, "\n"))
	}
	return pages
}

func wants(t *testing.T, page string, all ...string) {
	t.Helper()
	joined := strings.ReplaceAll(page, "\n", " ")
	for _, w := range all {
		if !strings.Contains(strings.Join(strings.Fields(joined), " "), w) {
			t.Errorf("the page does not say %q:\n%s", w, page)
		}
	}
}

func TestLetterSaysWhatACitizenNeeds(t *testing.T) {
	l := sample(t)
	pages := printed(t, l)
	if len(pages) != 2 {
		t.Fatalf("%d pages, want 2", len(pages))
	}
	wants(t, pages[0], "Erika Mustermann Heidestraße 17 12345 Musterstadt", strings.Join(l.Code[:], " "),
		"linker Zeigefinger oder rechter Zeigefinger", "Donnerstag, 26. November 2026", "20. November 2026",
		"Rathaus, Marktplatz 1, Eingang Nord", "Ihren alten Ausweis", "PIN-Brief", "115", "Mo–Fr 8–12 Uhr, Do 14–18 Uhr",
		"07123 456-0", "nicht die PIN Ihres Ausweises", "Seite 1 von 2")
	wants(t, pages[1], "left index finger or right index finger", "Thursday, 26 November 2026", "Town hall",
		"your old identity card", "page 1", "115", "Mon–Fri 8–12, Thu 14–18", "Page 2 of 2")
}

func TestCodeIsPrintedOnce(t *testing.T) {
	l := sample(t)
	pages := printed(t, l)
	for _, group := range l.Code {
		if n := strings.Count(strings.Join(pages, "\n"), group); n != 1 {
			t.Errorf("a group of the code stands %d times on the letter, want once", n)
		}
	}
	var b bytes.Buffer
	if err := letter.Write(&b, l); err != nil {
		t.Fatal(err)
	}
	if plain := b.String(); strings.Contains(plain, l.QR) || strings.Contains(plain, strings.Join(l.Code[:], "")) {
		t.Error("the code stands in the document's own data")
	}
}

func TestLetterForANumber(t *testing.T) {
	l := sample(t)
	l.Fingers = nil
	pages := printed(t, l)
	wants(t, pages[0], "Ihre persönliche Nummer", "Persönliche Nummer eintippen")
	wants(t, pages[1], "Your personal number")
	if strings.Contains(strings.Join(pages, ""), "Finger auf") || strings.Contains(pages[0], "Zeigefinger") {
		t.Error("the letter asks for a finger")
	}
}

func TestEveryFingerHasAName(t *testing.T) {
	l := sample(t)
	seen := map[string]bool{}
	for f := 1; f <= 10; f++ {
		l.Fingers = []int{f}
		for _, line := range strings.Split(printed(t, l)[0], "\n") {
			if strings.HasPrefix(line, "rechter ") || strings.HasPrefix(line, "linker ") {
				seen[line] = true
			}
		}
	}
	if len(seen) != 10 {
		t.Errorf("ten fingers have %d names: %v", len(seen), seen)
	}
}

func TestNamesOfManyLanguages(t *testing.T) {
	l := sample(t)
	for _, name := range []string{
		"Łukasz Święty-Žižka", "Nguyễn Thị Minh Khai", "Çağla Şımşek", "Ðặng Þór Æsir", "J\u030cani C\u0306elebi",
		"Ελένη Παπαδοπούλου", "Вячеслав Щёголев", "O’Brien (geb. Weiß)", `back\slash ( bracket`,
	} {
		l.To[1] = name
		if got := printed(t, l)[0]; !strings.Contains(got, strings.Split(name, " ")[0]) && !strings.Contains(got, "ǰani") {
			t.Errorf("%q is not on the letter:\n%s", name, got)
		}
	}
}

func TestLongAddressIsSetSmallerThenWrapped(t *testing.T) {
	l := sample(t)
	name := "Dr. Maximiliane-Theodora Freifrau von und zu Hohenlohe-Waldenburg-Schillingsfürst"
	l.To = []string{"Gesetzliche Vertretung von", name, "c/o Wohngemeinschaft Sonnenhof", "Oberdorfgrabenäckerweg 117 b", "12345 Musterstadt"}
	wants(t, printed(t, l)[0], name, "Oberdorfgrabenäckerweg 117 b 12345 Musterstadt")
}

func TestWhatCannotBePrintedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*letter.Letter)
		says  string
	}{
		"a name without end":    {func(l *letter.Letter) { l.To[1] = strings.Repeat("Mustermann ", 60) }, "the address"},
		"a word without end":    {func(l *letter.Letter) { l.To[1] = strings.Repeat("x", 10_000) }, "too long"},
		"another script":        {func(l *letter.Letter) { l.To[1] = "李小龍" }, "DIN 91379"},
		"a line break":          {func(l *letter.Letter) { l.To[1] = "Erika\rMustermann" }, "U+000D"},
		"a mark that turns":     {func(l *letter.Letter) { l.To[1] = "Erika\u202eMustermann" }, "U+202E"},
		"no valid text":         {func(l *letter.Letter) { l.To[1] = "Erika \xff" }, "the address"},
		"no address":            {func(l *letter.Letter) { l.To = nil }, "0 lines"},
		"an empty line":         {func(l *letter.Letter) { l.To[1] = " " }, "line 2 of the address"},
		"seven lines":           {func(l *letter.Letter) { l.To = make([]string, 7) }, "7 lines"},
		"an eleventh finger":    {func(l *letter.Letter) { l.Fingers = []int{11} }, "finger 11"},
		"three fingers":         {func(l *letter.Letter) { l.Fingers = []int{1, 2, 3} }, "3 fingers"},
		"a code that is wrong":  {func(l *letter.Letter) { l.Code[2] = "0000" }, "the Abholcode"},
		"another code's QR":     {func(l *letter.Letter) { l.QR = "NF1:" }, "differ"},
		"a day that has passed": {func(l *letter.Letter) { l.LastDay = l.Date.AddDate(0, 0, -1) }, "last day"},
		"no phone":              {func(l *letter.Letter) { l.Town.Phone = "" }, "phone"},
		"hours in one language": {func(l *letter.Letter) { l.Town.Hours.English = "" }, "hours"},
		"no place":              {func(l *letter.Letter) { l.Station.Place.German = "" }, "place"},
	} {
		t.Run(name, func(t *testing.T) {
			l := sample(t)
			c.spoil(&l)
			var b bytes.Buffer
			err := letter.Write(&b, l)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one that says %q", err, c.says)
			}
			if b.Len() > 0 {
				t.Error("something was written")
			}
			if err != nil && (strings.Contains(err.Error(), l.Code[0]) || len(err.Error()) > 12_000) {
				t.Error("the error tells the code, or never ends")
			}
		})
	}
}

func TestLastDayIsCoveredToItsEnd(t *testing.T) {
	posted := time.Date(2026, 2, 25, 16, 0, 0, 0, time.UTC)
	if got := letter.LastDay(posted, 7*24*time.Hour).Format(time.DateOnly); got != "2026-03-03" {
		t.Errorf("posted on 25 February at 16:00, seven days: last day %s, want 2026-03-03", got)
	}
}

func TestSlip(t *testing.T) {
	s := letter.Slip{
		Town: "Stadt Musterstadt", Station: "Rathaus, Marktplatz 1, Eingang Nord", Terminal: "rathaus-1",
		Order: "7F3A9C20QX4BZ2KM", Arrived: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
	}
	var b bytes.Buffer
	if err := letter.WriteSlip(&b, s); err != nil {
		t.Fatal(err)
	}
	pages := texts(t, b.Bytes())
	if len(pages) != 1 {
		t.Fatalf("%d pages, want 1", len(pages))
	}
	wants(t, pages[0], "4BZ 2KM", "7F3A9C20QX4BZ2KM", "rathaus-1", "20.11.2026", "Rathaus, Marktplatz 1, Eingang Nord")
	if s.Order.Short() != "4BZ 2KM" {
		t.Errorf("short number %q, want %q", s.Order.Short(), "4BZ 2KM")
	}
	for _, bad := range []letter.Slip{
		{Town: "a", Station: "b", Terminal: "c", Order: "no order", Arrived: s.Arrived},
		{Town: "a", Station: "b", Terminal: "c", Order: s.Order},
		{Town: strings.Repeat("a", 1000), Station: "b", Terminal: "c", Order: s.Order, Arrived: s.Arrived},
		{Order: s.Order, Arrived: s.Arrived},
	} {
		b.Reset()
		if err := letter.WriteSlip(&b, bad); err == nil || b.Len() > 0 {
			t.Errorf("%+v: printed %d bytes, error %v; want none and an error", bad, b.Len(), err)
		}
	}
}

func TestADummysPapersSaySoOnEveryPage(t *testing.T) {
	l := sample(t)
	slip := letter.Slip{Town: l.Town.Name, Station: l.Station.Place.German, Terminal: "rathaus-1", Order: l.Order, Arrived: l.Date}
	for _, training := range []bool{false, true} {
		l.Training, slip.Training = training, training
		var b bytes.Buffer
		if err := letter.WriteSlip(&b, slip); err != nil {
			t.Fatal(err)
		}
		for i, page := range append(printed(t, l), texts(t, b.Bytes())...) {
			for _, mark := range []string{"Übung – kein echtes Dokument", "Training – no real document"} {
				if strings.Contains(page, mark) != training {
					t.Errorf("training %v: page %d says %q: %v", training, i+1, mark, !training)
				}
			}
		}
	}
}
