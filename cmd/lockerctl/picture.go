package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

	"github.com/nachtfach/nachtfach/biometrics"
	"github.com/nachtfach/nachtfach/biometrics/protocol"
)

// Colours of a shown fingerprint, apart also for who sees no red or green.
var (
	endingColour = color.RGBA{230, 85, 0, 255}
	forkColour   = color.RGBA{0, 105, 200, 255}
)

const (
	zoom      = 2  // picture pixels a fingerprint pixel
	gap       = 8  // between the panels
	ring      = 5  // radius of a minutia
	tail      = 13 // length of its direction, from the middle
	mapOpaque = 0.6
)

func (t tool) show(_ context.Context, flags *flag.FlagSet, args []string) error {
	out, dpi := flags.String("o", "", ""), flags.Float64("dpi", 500, "")
	given, err := parse(flags, args, "IMAGE")
	if err != nil {
		return err
	}
	if err := require(flags, "o"); err != nil {
		return err
	}
	img, err := protocol.ReadImage(given[0], *dpi)
	if err != nil {
		return err
	}
	seen, err := biometrics.Inspect(img)
	if err != nil {
		return fmt.Errorf("%s: %w", given[0], err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, drawInspection(seen)); err != nil {
		return fmt.Errorf("draw %s: %w", given[0], err)
	}
	return errors.Join(replace(*out, b.Bytes()), t.describe(seen.Template)) // it shows a finger: mode 0600
}

func (t tool) describe(template *biometrics.Template) error {
	q := template.Quality()
	return t.print("quality %d of 100 (%s), %d minutiae\n", q.Score, q.Reason, len(template.Minutiae()))
}

// drawInspection draws three panels side by side: the picture with its minutiae,
// the ridges after enhancement with them, and the picture under the quality map.
func drawInspection(seen *biometrics.Inspection) image.Image {
	width, height := seen.Width*zoom, seen.Height*zoom
	all := image.NewRGBA(image.Rect(0, 0, 3*width+2*gap, height))
	draw.Draw(all, all.Bounds(), image.White, image.Point{}, draw.Src)
	panels := [3]func(i int) color.RGBA{
		func(i int) color.RGBA { return grey(seen.Grey[i]) },
		func(i int) color.RGBA { return grey(seen.Ridges[i]) },
		func(i int) color.RGBA { return mapped(seen.Grey[i], seen.Fit[i]) },
	}
	for n, pixel := range panels {
		left := n * (width + gap)
		for y := range height {
			for x := range width {
				all.SetRGBA(left+x, y, pixel(y/zoom*seen.Width+x/zoom))
			}
		}
		if n < 2 {
			for _, m := range seen.Template.Minutiae() {
				drawMinutia(all, image.Rect(left, 0, left+width, height), m)
			}
		}
	}
	return all
}

func grey(v byte) color.RGBA { return color.RGBA{v, v, v, 255} }

// mapped lays the quality map over a pixel, from red at 1 % by yellow at 50 %
// to green at 100 %; what is not used stays as it is.
func mapped(v, fit byte) color.RGBA {
	if fit == 0 {
		return grey(v)
	}
	good := float64(fit) / 100
	mix := func(c float64) byte { return byte(float64(v)*(1-mapOpaque) + 255*c*mapOpaque) }
	return color.RGBA{mix(min(2-2*good, 1)), mix(min(2*good, 1)), mix(0), 255}
}

// drawMinutia draws a ring and the direction: an ending's along its ridge, a
// fork's into the valley between.
func drawMinutia(img *image.RGBA, panel image.Rectangle, m biometrics.Minutia) {
	c := endingColour
	if m.Kind == biometrics.Bifurcation {
		c = forkColour
	}
	x, y := float64(panel.Min.X)+zoom*(float64(m.X)+0.5), float64(panel.Min.Y)+zoom*(float64(m.Y)+0.5)
	dot := func(dx, dy float64) {
		at := image.Pt(int(x+dx), int(y+dy))
		for _, p := range [4]image.Point{at, at.Add(image.Pt(1, 0)), at.Add(image.Pt(0, 1)), at.Add(image.Pt(1, 1))} {
			if p.In(panel) {
				img.SetRGBA(p.X, p.Y, c)
			}
		}
	}
	for step := range 64 {
		sin, cos := math.Sincos(float64(step) * 2 * math.Pi / 64)
		dot(ring*cos, ring*sin)
	}
	sin, cos := math.Sincos(m.Angle)
	for r := ring; r <= tail; r++ {
		dot(float64(r)*cos, float64(r)*sin)
	}
}
