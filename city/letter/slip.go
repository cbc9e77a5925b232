package letter

import (
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/boombuler/barcode/code128"
)

// orderID is locker.OrderID's form.
var orderID = regexp.MustCompile(`^[A-Za-z0-9-]{8,40}$`)

// WriteSlip prints the slip as PDF, A6 across: the order's id as Code 128, and
// its short number to compare by eye. It names nobody and is no secret.
func WriteSlip(w io.Writer, s Slip) error {
	if err := s.print(w); err != nil {
		return fmt.Errorf("print the slip of order %s: %w", s.Order, err)
	}
	return nil
}

func (s Slip) print(w io.Writer) error {
	switch {
	case !orderID.MatchString(string(s.Order)):
		return errors.New("the order's id wants 8 to 40 of A–Z, a–z, 0–9 and hyphen")
	case s.Town == "" || s.Station == "" || s.Terminal == "":
		return errors.New("wants the town, the station's place and the terminal")
	case s.Arrived.IsZero():
		return errors.New("wants the day of arrival")
	}
	const width, height, margin = 148.0, 105.0, 10.0
	p := newPaper(width, height, "Beleg "+s.Order.Short(), s.Arrived)
	p.pdf.AddPage()
	if s.Training {
		p.training(width, block{y: 1, h: 7, size: 12.5})
	}
	row := func(field, text string, y, h, size float64, c colour) float64 {
		p.ink(c)
		return p.text(field, block{x: margin, y: y, w: width - 2*margin, h: h, size: size, least: 7}, text)
	}
	p.fill(accent)
	p.pdf.Rect(margin, 10, 1.2, 14, "F")
	p.ink(accent)
	p.text("the town's name", block{x: margin + 4, y: 9, w: 85, h: 7, size: 12, least: 7}, bold+s.Town+plain)
	p.ink(grey)
	p.text("the slip's name", block{x: margin + 4, y: 15.6, w: 85, h: 6, size: 9.5}, "Beleg zur Einlage, bleibt beim Dokument")
	p.text("the slip's name", block{x: margin + 4, y: 20, w: 85, h: 5, size: 8}, "Slip: stays with the document")
	p.text("the day", block{x: 88, y: 9.6, w: 50, h: 6, size: 9, align: "R"}, "Eingang · Arrived "+s.Arrived.Format("02.01.2006"))

	row("the short number", "Kurznummer, wie am Bildschirm der Station · Short number, as on the screen", 27.5, 5, 8, grey)
	row("the short number", bold+s.Order.Short()+plain, 30, 24, 46, black)

	code, err := code128.Encode(string(s.Order))
	if err != nil {
		return fmt.Errorf("draw the barcode: %w", err)
	}
	// A quiet zone of ten modules on both sides (ISO/IEC 15417), and no module
	// wider than half a millimetre, which scanners at the terminal's distance like.
	modules := float64(code.Bounds().Dx())
	module := min((width-2*margin)/(modules+20), 0.5)
	x := (width - modules*module) / 2
	p.code("barcode", code, x, 55.5, modules*module, 20)
	p.ink(black)
	p.text("the order", block{x: margin, y: 76.5, w: width - 2*margin, h: 6, size: 9.5, least: 7, align: "C"}, string(s.Order))

	p.pen(pale, 0.3)
	p.pdf.Line(margin, 85, width-margin, 85)
	y := row("the station", "Abholstation · Pickup terminal "+bold+s.Terminal+plain, 86, 6, 9.5, black)
	row("the station", s.Station, y, 8, 9.5, black)
	return p.write(w)
}
