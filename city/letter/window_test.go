package letter_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/city/letter"
)

// placed is a word and where it stands, in mm from the sheet's upper left corner.
type placed struct {
	word                     string
	left, top, right, bottom float64
}

var wordBox = regexp.MustCompile(`<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>`)

// places asks another's reader where the words of the first page stand.
func places(t *testing.T, l letter.Letter) (words []placed) {
	t.Helper()
	need(t, "pdftoppm", "poppler-utils") // pdftotext comes with it
	var b bytes.Buffer
	if err := letter.Write(&b, l); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "letter.pdf")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdftotext", "-f", "1", "-l", "1", "-bbox", file, "-").Output()
	if err != nil {
		t.Fatalf("pdftotext: %v", err)
	}
	mm := func(points []byte) float64 {
		f, err := strconv.ParseFloat(string(points), 64)
		if err != nil {
			t.Fatal(err)
		}
		return f * 25.4 / 72
	}
	for _, m := range wordBox.FindAllSubmatch(out, -1) {
		words = append(words, placed{string(m[5]), mm(m[1]), mm(m[2]), mm(m[3]), mm(m[4])})
	}
	return words
}

// DIN 5008 form B: the address field is 85 by 45 mm, 20 mm from the left and 45
// from the top; its lower 27.3 mm are the address, above it is the sender. The
// window of an envelope shows it and up to 5 mm around it, where nothing may stand.
func TestTheWindowShowsTheAddressAndNothingElse(t *testing.T) {
	l := sample(t)
	longest := sample(t)
	longest.To = []string{
		"Gesetzliche Vertretung von", "Dr. Maximiliane-Theodora Freifrau von und zu Hohenlohe-Waldenburg-Schillingsfürst",
		"c/o Wohngemeinschaft Sonnenhof", "Oberdorfgrabenäckerweg 117 b", "12345 Musterstadt",
	}
	for name, l := range map[string]letter.Letter{"short": l, "long": longest} {
		var address, sender []string
		for _, w := range places(t, l) {
			middle := (w.top + w.bottom) / 2
			switch {
			case w.right < 15 || w.left > 110 || w.bottom < 40 || w.top > 95: // out of sight
			case w.left < 20 || w.right > 105 || w.top < 45 || w.bottom > 90.5:
				t.Errorf("%s: %q stands half in the window: %.1f to %.1f mm from the left, %.1f to %.1f from the top", name, w.word, w.left, w.right, w.top, w.bottom)
			case middle > 62.7:
				address = append(address, w.word)
			default:
				sender = append(sender, w.word)
			}
		}
		if got, want := strings.Join(address, " "), strings.Join(l.To, " "); got != want {
			t.Errorf("%s: the window shows the address %q, want %q", name, got, want)
		}
		if got := strings.Join(sender, " "); !strings.Contains(got, "Marktplatz 1") || strings.Contains(got, l.To[1]) {
			t.Errorf("%s: above it stands %q, want the sender", name, got)
		}
	}
}

// Folded at the marks (105 and 210 mm from the top) the code lies inside.
func TestTheFoldHidesTheCode(t *testing.T) {
	l := sample(t)
	groups := 0
	for _, w := range places(t, l) {
		if w.word != l.Code[0] && w.word != l.Code[1] && w.word != l.Code[2] {
			continue
		}
		groups++
		if w.top < 105 || w.bottom > 210 {
			t.Errorf("group %d of the code stands %.1f to %.1f mm from the top, want it between the folds", groups, w.top, w.bottom)
		}
		if high := w.bottom - w.top; high < 10 {
			t.Errorf("group %d of the code is %.1f mm high", groups, high)
		}
	}
	if groups != 3 {
		t.Errorf("%d groups of the code found, want 3", groups)
	}
}
