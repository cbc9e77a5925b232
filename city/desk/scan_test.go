package desk_test

import (
	"errors"
	"image"
	"slices"
	"testing"

	"golang.org/x/image/draw"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
	"github.com/nachtfach/nachtfach/locker"
)

// scans are three impressions of a finger, each changed by take.
func scans(f *finger.Finger, take func(*image.Gray) *image.Gray) []biometrics.Image {
	var all []biometrics.Image
	for n := 1; n <= biometrics.Impressions; n++ {
		img := take(f.Impression(n))
		all = append(all, biometrics.Image{Pix: img.Pix, Width: img.Rect.Dx(), Height: img.Rect.Dy(), DPI: finger.DPI})
	}
	return all
}

// at scans with another resolution than the file says.
func at(dpi int) func(*image.Gray) *image.Gray {
	return func(src *image.Gray) *image.Gray {
		dst := image.NewGray(image.Rect(0, 0, src.Rect.Dx()*dpi/finger.DPI, src.Rect.Dy()*dpi/finger.DPI))
		draw.CatmullRom.Scale(dst, dst.Rect, src, src.Rect, draw.Src, nil)
		return dst
	}
}

func correct(src *image.Gray) *image.Gray { return src }

func negative(src *image.Gray) *image.Gray {
	for i, v := range src.Pix {
		src.Pix[i] = 255 - v
	}
	return src
}

func upsideDown(src *image.Gray) *image.Gray { slices.Reverse(src.Pix); return src }

// ofPattern finds synthetic fingers of a pattern.
func ofPattern(p finger.Pattern, n int) []*finger.Finger {
	var found []*finger.Finger
	for seed := uint64(1); len(found) < n; seed++ {
		if f := finger.New(seed); f.Pattern() == p {
			found = append(found, f)
		}
	}
	return found
}

// A citizen whose pictures were taken with a wrong setting of the scanner would
// be refused at every visit, so the desk refuses the pictures.
func TestAWronglySetScannerIsNamed(t *testing.T) {
	people := ofPattern(finger.RightLoop, 2)
	for _, c := range []struct {
		name string
		take func(*image.Gray) *image.Gray
		want error
	}{
		{"correct", correct, nil},
		{"300 an inch", at(300), biometrics.ErrImageScale},
		{"750 an inch", at(750), biometrics.ErrImageScale},
		{"1000 an inch", at(1000), biometrics.ErrImageScale},
		{"negative", negative, biometrics.ErrImageNegative},
		{"upside down", upsideDown, biometrics.ErrImageUpsideDown},
	} {
		for i, f := range people {
			if _, err := desk.Enrol(3, scans(f, c.take)...); !errors.Is(err, c.want) {
				t.Errorf("%s, person %d: %v, want %v", c.name, i, err, c.want)
			}
		}
	}
}

// Loops open to the side of the little finger on nearly all fingers. Two of a
// person that open to the thumb point to a mirrored scan or to wrong names.
func TestMirroredScansOfTwoFingersAreQuestioned(t *testing.T) {
	enrol := func(position int, f *finger.Finger) desk.Finger {
		t.Helper()
		e, err := desk.Enrol(position, scans(f, correct)...)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	left, right := ofPattern(finger.LeftLoop, 2), ofPattern(finger.RightLoop, 2)
	whorl := ofPattern(finger.Whorl, 1)[0]
	const rightThumb, rightMiddle, leftIndex, leftMiddle = 1, 3, 7, 8
	for _, c := range []struct {
		name    string
		fingers []desk.Finger
		want    bool
	}{
		{"usual right hand", []desk.Finger{enrol(rightThumb, right[0]), enrol(rightMiddle, right[1])}, false},
		{"mirrored right hand", []desk.Finger{enrol(rightThumb, left[0]), enrol(rightMiddle, left[1])}, true},
		{"usual left hand", []desk.Finger{enrol(leftIndex, left[0]), enrol(leftMiddle, left[1])}, false},
		{"mirrored left hand", []desk.Finger{enrol(leftIndex, right[0]), enrol(leftMiddle, right[1])}, true},
		{"one finger proves nothing", []desk.Finger{enrol(rightMiddle, left[0])}, false},
		{"a whorl proves nothing", []desk.Finger{enrol(rightMiddle, left[0]), enrol(rightThumb, whorl)}, false},
	} {
		a := desk.Application{Terminal: terminal, Document: locker.IdentityCard, Size: locker.Small, Fingers: c.fingers}
		if err := a.Validate(); errors.Is(err, biometrics.ErrImageMirrored) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		a.HandsChecked = true
		if err := a.Validate(); err != nil {
			t.Errorf("%s, checked by a person: %v", c.name, err)
		}
	}
}
