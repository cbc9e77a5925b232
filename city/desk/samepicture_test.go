package desk_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/city/desk"
	"github.com/nachtfach/nachtfach/firmware-sim/finger"
)

func picture(name string, n int) biometrics.Image {
	p := finger.Named(name).Impression(n)
	return biometrics.Image{Pix: slices.Clone(p.Pix), Width: finger.Width, Height: finger.Height, DPI: finger.DPI}
}

// TestOnePictureIsNotThreeImpressions gives one picture, and copies of it, in
// place of three.
func TestOnePictureIsNotThreeImpressions(t *testing.T) {
	first, second := picture("anna", 1), picture("anna", 2)
	changed := func(change func(x, y int) int) biometrics.Image {
		c := picture("anna", 1)
		for y := range c.Height {
			for x := range c.Width {
				c.Pix[y*c.Width+x] = byte(min(max(change(x, y), 0), 255))
			}
		}
		return c
	}
	at := func(x, y int) int {
		return int(first.Pix[min(max(y, 0), first.Height-1)*first.Width+min(max(x, 0), first.Width-1)])
	}
	for name, c := range map[string]biometrics.Image{
		"itself":     picture("anna", 1),
		"brightened": changed(func(x, y int) int { return at(x, y)*9/10 + 20 }),
		"with noise": changed(func(x, y int) int { return at(x, y) + (x*7+y*13)%9 - 4 }),
		"shifted":    changed(func(x, y int) int { return at(x-3, y+2) }),
	} {
		_, err := desk.Enrol(2, first, second, c)
		if bad := (*desk.PictureError)(nil); !errors.As(err, &bad) || bad.Picture != 3 || !strings.Contains(err.Error(), "same picture") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"anna", "bernd"} {
		if _, err := desk.Enrol(2, picture(name, 1), picture(name, 2), picture(name, 3)); err != nil {
			t.Errorf("three impressions of %s: %v", name, err)
		}
	}
}
