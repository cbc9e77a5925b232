package biometrics_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
)

func TestTemplateComparesTheSameAfterAJourney(t *testing.T) {
	finger := newDrawing(7)
	a, b := extract(t, finger.print(plain(1))), extract(t, finger.print(plain(2)))
	for name, template := range map[string]*biometrics.Template{"dense": a, "plain": a.Plain()} {
		record, err := template.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		again, err := biometrics.ParseTemplate(record)
		if err != nil {
			t.Fatal(err)
		}
		if before, after := biometrics.Compare(template, b), biometrics.Compare(again, b); before != after {
			t.Errorf("%s: %+v, then %+v", name, before, after)
		}
		if again.Quality() != template.Quality() && name == "dense" {
			t.Errorf("quality %v, then %v", template.Quality(), again.Quality())
		}
		if twice, _ := again.MarshalBinary(); !bytes.Equal(record, twice) {
			t.Errorf("%s: another record the second time", name)
		}
	}
}

// aRecord is a record of two minutiae as another maker would write it:
// 500 × 400 at 197 pixels a centimetre.
func aRecord() []byte {
	record := []byte("FMR\x00 20\x00")
	record = append(record, 0, 0, 0, 42, 0, 0, 500>>8, 500&255, 400>>8, 400&255, 0, 197, 0, 197, 1, 0)
	record = append(record, 3, 0, 80, 2)
	record = append(record, 0x40, 100, 0, 200, 64, 90)
	record = append(record, 0x80, 150, 0, 50, 0, 0)
	return append(record, 0, 0)
}

func TestForeignRecordIsRead(t *testing.T) {
	template, err := biometrics.ParseTemplate(aRecord())
	if err != nil {
		t.Fatal(err)
	}
	if q := template.Quality(); q.Score != 80 {
		t.Errorf("quality %v", q)
	}
	got := template.Minutiae()
	if len(got) != 2 || got[0].X != 100 || got[0].Y != 200 || got[0].Kind != biometrics.Ending ||
		got[1].Kind != biometrics.Bifurcation {
		t.Errorf("%+v", got)
	}
	// 64 is a quarter turn against the clock: up the picture, where y falls.
	if got[0].Angle > -1.57 || got[0].Angle < -1.58 {
		t.Errorf("angle %v", got[0].Angle)
	}
}

func TestRecordOfDoubleResolutionIsScaled(t *testing.T) {
	record := aRecord()
	record[19], record[21] = 394>>1, 197 // 197: unchanged in y
	binary.BigEndian.PutUint16(record[18:], 394)
	template, err := biometrics.ParseTemplate(record)
	if err != nil {
		t.Fatal(err)
	}
	if m := template.Minutiae()[0]; m.X != 50 || m.Y != 200 {
		t.Errorf("%+v", m)
	}
}

func TestLyingRecordsAreRefused(t *testing.T) {
	refuse := func(name, says string, change func(r []byte) []byte) {
		_, err := biometrics.ParseTemplate(change(aRecord()))
		if !errors.Is(err, biometrics.ErrTemplate) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	set := func(at int, v byte) func(r []byte) []byte {
		return func(r []byte) []byte { r[at] = v; return r }
	}
	refuse("empty", "format", func(r []byte) []byte { return nil })
	refuse("other magic", "format", set(0, 'X'))
	refuse("other version", "format", set(5, '3'))
	refuse("wrong length", "length", set(11, 43))
	refuse("zero resolution", "resolution", set(19, 0))
	refuse("no views", "views", set(22, 0))
	refuse("five views", "views", set(22, 5))
	refuse("quality 101", "quality", set(26, 101))
	refuse("more minutiae than bytes", "minutia", set(27, 200))
	refuse("fewer minutiae than bytes", "extended", set(27, 1))
	refuse("outside", "outside", set(28, 0x7f))
	refuse("kind 3", "kind", set(28, 0xc0))
	refuse("minutia quality 200", "quality", set(33, 200))
	refuse("extended data beyond the end", "extended", set(41, 9))
	refuse("bytes after the end", "after", func(r []byte) []byte { r = append(r, 1); r[11]++; return r })
	refuse("too long", "at most", func(r []byte) []byte { return make([]byte, 2<<20) })
	for n := range aRecord() {
		refuse("cut short", "", func(r []byte) []byte { return r[:n] })
	}
}

func TestLyingDensePartsAreRefused(t *testing.T) {
	record, err := extract(t, newDrawing(1).print(plain(1))).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	dense := bytes.Index(record, []byte("NF")) + 4 // data of the area
	for name, change := range map[string]func(r []byte){
		"map too wide":       func(r []byte) { binary.BigEndian.PutUint16(r[dense+6:], 60000) },
		"no rows":            func(r []byte) { binary.BigEndian.PutUint16(r[dense+8:], 0) },
		"outside":            func(r []byte) { binary.BigEndian.PutUint16(r[dense+2:], 4000) },
		"unknown reason":     func(r []byte) { r[dense+1] = 200 },
		"other known cells":  func(r []byte) { r[dense+10] ^= 0xff },
		"known but no ridge": func(r []byte) { clear(r[len(r)-40:]) },
	} {
		bad := bytes.Clone(record)
		change(bad)
		if _, err := biometrics.ParseTemplate(bad); !errors.Is(err, biometrics.ErrTemplate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := bytes.Clone(record)
	later[dense] = 2
	template, err := biometrics.ParseTemplate(later)
	if err != nil || template.Dense() {
		t.Errorf("dense part of a later version: %v, dense %v", err, template.Dense())
	}
}

func TestEnrolmentIsNoTemplate(t *testing.T) {
	finger := newDrawing(2)
	var impressions []*biometrics.Template
	for n := range uint64(biometrics.Impressions) {
		impressions = append(impressions, extract(t, finger.print(plain(n))))
	}
	enrolled, err := biometrics.Enrol(impressions...)
	if err != nil {
		t.Fatal(err)
	}
	record, err := enrolled.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := biometrics.ParseTemplate(record); !errors.Is(err, biometrics.ErrTemplate) {
		t.Errorf("three views as one template: %v", err)
	}
}

// The templates of another maker's extractor must be read, and match ours of
// the same finger: coordinates, angles and their direction mean the same.
func TestOtherMakersTemplatesMatchOurs(t *testing.T) {
	root := fingerprints(t)
	records, err := filepath.Glob(filepath.Join(root, "iso", "*", "*", "*_1.iso"))
	if err != nil || len(records) == 0 {
		t.Fatalf("no records in %s (error %v)", root, err)
	}
	matched, strangers := 0, 0
	var last *biometrics.Template
	for _, path := range records {
		below, err := filepath.Rel(filepath.Join(root, "iso"), path)
		if err != nil {
			t.Fatal(err)
		}
		img := readImage(t, filepath.Join(root, strings.TrimSuffix(below, ".iso")+".png"))
		record, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := biometrics.ParseTemplate(unsqueeze(record, img))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if biometrics.Compare(extract(t, img), theirs).FMR <= 0.001 {
			matched++
		}
		if last != nil && biometrics.Compare(last, theirs).FMR <= 0.001 {
			strangers++
		}
		last = extract(t, img)
	}
	t.Logf("%d of %d match at a false match rate of 0.1 %%", matched, len(records))
	if matched*4 < len(records)*3 {
		t.Errorf("%d of %d match", matched, len(records))
	}
	if strangers > 1 {
		t.Errorf("%d of %d strangers match", strangers, len(records)-1)
	}
}

func readImage(t testing.TB, path string) biometrics.Image {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := biometrics.DecodeImage(file, 500)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// unsqueeze undoes what was done to the pictures before that maker's extractor
// saw them: whatever their shape, they were scaled to 300 × 400, and the records
// say 500 pixels an inch all the same. The true resolution goes into the
// header, the true direction into each angle.
func unsqueeze(record []byte, img biometrics.Image) []byte {
	scaleX := float64(img.Width) / float64(binary.BigEndian.Uint16(record[14:]))
	scaleY := float64(img.Height) / float64(binary.BigEndian.Uint16(record[16:]))
	binary.BigEndian.PutUint16(record[18:], uint16(197/scaleX+0.5))
	binary.BigEndian.PutUint16(record[20:], uint16(197/scaleY+0.5))
	for at := 28; at+6 <= len(record)-2; at += 6 {
		sin, cos := math.Sincos(float64(record[at+4]) * 2 * math.Pi / 256)
		record[at+4] = byte(int(math.Round(math.Atan2(sin*scaleY, cos*scaleX)*256/(2*math.Pi))) & 255)
	}
	return record
}

func FuzzParseTemplate(f *testing.F) {
	f.Add(aRecord())
	dense, err := extract(f, newDrawing(1).print(impression{dpi: 500, width: 8, height: 8, seed: 1})).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(dense)
	other, err := biometrics.ParseTemplate(dense)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		template, err := biometrics.ParseTemplate(data)
		if err != nil {
			if !errors.Is(err, biometrics.ErrTemplate) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if s := biometrics.Compare(template, other); !(s.FMR >= 0 && s.FMR <= 1) {
			t.Fatalf("%+v", s)
		}
		record, err := template.MarshalBinary()
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		if _, err := biometrics.ParseTemplate(record); err != nil {
			t.Fatalf("written, but not read: %v", err)
		}
	})
}

// Records as other makers write them, which readers of the standard meet.
func TestRecordsOfOtherMakersAreRead(t *testing.T) {
	outside := aRecord()
	binary.BigEndian.PutUint16(outside[28:], 0x4000|510) // the frame is 500 wide
	binary.BigEndian.PutUint16(outside[36:], 440)        // and 400 high
	for name, record := range map[string][]byte{
		"places a little outside of the frame": outside,
		"padded with zeros":                    append(aRecord(), make([]byte, 36)...),
		"padded with ones":                     append(aRecord(), bytes.Repeat([]byte{0xff}, 1000)...),
	} {
		template, err := biometrics.ParseTemplate(record)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := template.MarshalBinary()
		if err != nil {
			t.Errorf("%s: written: %v", name, err)
		}
		if _, err := biometrics.ParseTemplate(again); err != nil {
			t.Errorf("%s: read again: %v", name, err)
		}
	}
}

// Whoever exports in the wrong format is told which one it is.
func TestRelatedFormatsAreNamed(t *testing.T) {
	ansi := func(length ...byte) []byte {
		record := append([]byte("FMR\x00 20\x00"), length...)
		record = append(record, 0, 0x33, 0, 1, 0, 0) // maker, version, equipment
		return append(record, aRecord()[14:]...)
	}
	short := ansi(0, 44)
	long := ansi(0, 0, 0, 0, 0, 48)
	later := aRecord()
	copy(later[4:], "030")
	for name, c := range map[string]struct {
		record []byte
		says   string
	}{
		"ANSI, short length": {short[:44], "INCITS 378"},
		"ANSI, long length":  {long[:48:48], "INCITS 378"},
		"ISO of 2011":        {later, "2011"},
	} {
		_, err := biometrics.ParseTemplate(c.record)
		if !errors.Is(err, biometrics.ErrTemplate) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
