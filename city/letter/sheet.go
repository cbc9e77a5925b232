package letter

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// The type area of DIN 5008, mm on A4.
const (
	leftEdge  = 25.0
	rightEdge = 190.0
	textWidth = rightEdge - leftEdge
)

// sheet is one page: the letter in one language.
type sheet struct {
	*paper
	letter Letter
	lang   language
	number int // 1 or 2; the code stands on the first
}

func (s sheet) first() bool { return s.number == 1 }

func (s sheet) print() {
	s.pdf.AddPage()
	if s.letter.Training {
		s.training(210, block{y: 3.4, h: 9.6, size: 18})
	}
	s.head()
	if s.first() {
		s.window()
		s.marks()
	}
	s.information()
	y := s.opening()
	if s.first() {
		y = s.pickupCode(y)
	} else {
		y = s.pointer(y)
	}
	y = s.factor(y + 4.5)
	y = s.course(y + 4.5)
	s.closing(y + 4)
	s.foot()
}

func (s sheet) head() {
	s.fill(accent)
	s.pdf.Rect(leftEdge, 15, 1.4, 13.5, "F")
	s.ink(accent)
	s.text("the town's name", block{x: leftEdge + 4.5, y: 13.8, w: 150, h: 8, size: 16, least: 9}, bold+s.letter.Town.Name+plain)
	s.ink(grey)
	s.text("the town's office", block{x: leftEdge + 4.5, y: 22.3, w: 150, h: 6, size: 10.5, least: 7}, s.letter.Town.Office)
	s.ink(black)
}

// window fills the address field of form B: 85 × 45 mm at 20 mm from the left and
// 45 mm from the top, of which the upper 17.7 mm are the sender's.
func (s sheet) window() {
	t := s.letter.Town
	s.ink(grey)
	y := s.text("the sender's line", block{x: leftEdge, y: 55.4, w: 78, h: 6.5, size: 6.5, least: 5, low: true},
		strings.Join(append([]string{t.Name}, t.Address...), " · "))
	s.pen(grey, 0.1)
	s.pdf.Line(leftEdge, y+0.2, leftEdge+78, y+0.2)
	s.ink(black)
	s.text("the address", block{x: leftEdge, y: 63.2, w: 78, h: 26.6, size: 10.5, least: 7.5}, strings.Join(s.letter.To, "\n"))
}

// marks are form B's two folds and the punch.
func (s sheet) marks() {
	s.pen(grey, 0.15)
	for _, m := range []struct{ y, w float64 }{{105, 4}, {148.5, 6}, {210, 4}} {
		s.pdf.Line(4, m.y, 4+m.w, m.y)
	}
}

// information is DIN 5008's block to the right of the address.
func (s sheet) information() {
	l, y := s.letter, 50.0
	if !s.first() {
		y = 38
	}
	for _, row := range [][2]string{
		{s.lang.date, strings.SplitN(s.lang.day(l.Date), ", ", 2)[1]},
		{s.lang.reference, string(l.Order)},
		{s.lang.station, s.lang.of(l.Station.Place)},
		{s.lang.phone, l.Town.Phone},
	} {
		s.ink(grey)
		y = s.text(row[0], block{x: 125, y: y, w: 65, h: 4, size: 7}, row[0])
		s.ink(black)
		y = s.text(row[0], block{x: 125, y: y - 0.4, w: 65, h: 9.2, size: 9.5, least: 6.5}, row[1]) + 1
	}
}

func (s sheet) opening() float64 {
	l, y := s.letter, 97.0
	if !s.first() {
		y = 82
	}
	y = s.text("the subject", block{x: leftEdge, y: y, w: textWidth, h: 8, size: 13}, bold+s.lang.subject+plain) + 2.2
	y = s.text("the greeting", block{x: leftEdge, y: y, w: textWidth, h: 6, size: 10.5}, s.lang.greeting) + 1
	return s.text("the station's place and hours", block{x: leftEdge, y: y, w: textWidth, h: 15.2, size: 10.5, least: 8}, fmt.Sprintf(
		s.lang.ready, s.lang.of(l.Station.Place), s.lang.day(l.LastDay), s.lang.of(l.Station.Hours))) + 4
}

// panel is a light box behind what matters most.
func (s sheet) panel(y, h float64) {
	s.fill(paler)
	s.pdf.RoundedRect(leftEdge, y, textWidth, h, 2.5, "1234", "F")
	s.fill(accent)
	s.pdf.Rect(leftEdge, y+3, 1.4, h-6, "F")
}

func (s sheet) pickupCode(y float64) float64 {
	const height, side = 38.0, 32.0
	s.panel(y, height)
	s.ink(accent)
	s.text("the code's title", block{x: leftEdge + 6, y: y + 3.2, w: 115, h: 6, size: 10}, bold+s.lang.codeTitle+plain)
	s.ink(black)
	for i, group := range s.letter.Code {
		s.text("the Abholcode", block{x: leftEdge + 6 + float64(i)*39, y: y + 8.2, w: 38, h: 17, size: 35, least: 20}, bold+group+plain)
	}
	s.text("the code's text", block{x: leftEdge + 6, y: y + 26, w: 117, h: 10, size: 8.5, least: 7.5}, s.lang.codeText)

	// Quality Q: a quarter of it may be unreadable; the quiet zone is four modules
	// (ISO/IEC 18004).
	code, err := qr.Encode(s.letter.QR, qr.Q, qr.AlphaNumeric)
	if err != nil {
		s.fail("draw the QR code: %w", err)
		return y
	}
	x, top := rightEdge-side-3, y+3
	quiet := side * 4 / float64(code.Bounds().Dx()+8)
	s.fill(white)
	s.pdf.Rect(x, top, side, side, "F")
	s.code("QR code", code, x+quiet, top+quiet, side-2*quiet, side-2*quiet)
	return y + height
}

// pointer stands in place of the code, which is printed once.
func (s sheet) pointer(y float64) float64 {
	const height = 27.0
	s.panel(y, height)
	s.ink(accent)
	s.text("the code's title", block{x: leftEdge + 6, y: y + 3.2, w: 150, h: 6, size: 10}, bold+s.lang.codeTitle+plain)
	s.ink(black)
	s.text("the code's place", block{x: leftEdge + 6, y: y + 9, w: 150, h: 7, size: 12}, s.lang.codeElsewhere)
	s.text("the code's text", block{x: leftEdge + 6, y: y + 17.5, w: 150, h: 6, size: 8.5, least: 7.5}, s.lang.codeText)
	return y + height
}

// factor tells what the terminal asks for besides the code.
func (s sheet) factor(y float64) float64 {
	if len(s.letter.Fingers) == 0 {
		y = s.title(s.lang.numberTitle, leftEdge, y, textWidth)
		return s.text("the number's text", block{x: leftEdge, y: y, w: textWidth, h: 10, size: 10.5, least: 9}, s.lang.numberText)
	}
	const height = 27.0
	below := s.title(s.lang.fingerTitle, leftEdge, y, 90)
	s.text("the fingers", block{x: leftEdge, y: below, w: 92, h: 20, size: 10.5, least: 9},
		fmt.Sprintf(s.lang.fingerText, s.lang.finger(s.letter.Fingers)))
	for i, name := range []string{s.lang.left, s.lang.right} {
		x := 138 + 36*float64(i)
		s.hand(x, y+13, i == 1, s.letter.Fingers)
		s.ink(grey)
		s.text("the hands", block{x: x - 15, y: y + height - 3.2, w: 30, h: 4, size: 7.5, align: "C"}, name)
		s.ink(black)
	}
	return y + height
}

func (s sheet) title(text string, x, y, w float64) float64 {
	s.ink(accent)
	y = s.text("a title", block{x: x, y: y, w: w, h: 6, size: 10.5, least: 8}, bold+text+plain)
	s.ink(black)
	return y
}

// course is the way through the terminal in four pictures.
func (s sheet) course(y float64) float64 {
	const gap, height = 4.0, 24.0
	width := (textWidth - 3*gap) / 4
	y = s.title(s.lang.steps, leftEdge, y, textWidth) + 1
	below := y
	for i, text := range s.lang.step {
		draw := [...]func(x, y float64){s.pictureCode, s.pictureFinger, s.pictureDoor, s.pictureClosed}[i]
		if i == 1 && len(s.letter.Fingers) == 0 {
			text, draw = s.lang.stepNumber, s.pictureNumber
		}
		x := leftEdge + float64(i)*(width+gap)
		s.fill(paler)
		s.pdf.RoundedRect(x, y, width, height, 2, "1234", "F")
		draw(x+width/2+2.4, y+height/2) // the number stands in the corner
		s.fill(accent)
		s.pdf.Circle(x+4, y+4, 2.6, "F")
		s.ink(white)
		s.text("a step", block{x: x + 1, y: y + 1.4, w: 6, h: 5, size: 9.5, align: "C"}, bold+fmt.Sprint(i+1)+plain)
		s.ink(black)
		below = max(below, s.text("a step", block{x: x, y: y + height + 1, w: width, h: 13, size: 9, least: 8}, text))
	}
	return below
}

// closing answers what people ask on the phone.
func (s sheet) closing(y float64) {
	l, t := s.letter, s.letter.Town
	const gap, bottom = 6.0, 284.0
	width := (textWidth - 2*gap) / 3

	bring := []string{"–\u00a0" + s.lang.bringLetter}
	for _, b := range t.Bring {
		bring = append(bring, "–\u00a0"+s.lang.of(b))
	}
	if len(t.Bring) == 0 {
		bring = append(bring, s.lang.bringNothing)
	}
	if l.PINLetter {
		bring = append(bring, s.lang.pinLetter)
	}
	help := []string{
		bold + t.Office + plain + ", " + t.Phone,
		fmt.Sprintf(s.lang.helpHours, s.lang.of(t.Hours)), s.lang.help115,
	}
	if t.Web != "" {
		help = append(help, t.Web)
	}
	lost := s.lang.helpLost
	if len(s.letter.Fingers) == 0 {
		lost = s.lang.numberLost
	}
	for i, c := range []struct{ title, text string }{
		{s.lang.bring, strings.Join(bring, "\n")},
		{s.lang.until, s.lang.untilText + "\n" + lost},
		{s.lang.help, strings.Join(help, "\n")},
	} {
		x := leftEdge + float64(i)*(width+gap)
		s.pen(pale, 0.3)
		s.pdf.Line(x, y, x+width, y)
		below := s.title(c.title, x, y+1, width)
		s.text(c.title, block{x: x, y: below, w: width, h: bottom - below, size: 9, least: 7}, c.text)
	}
}

func (s sheet) foot() {
	s.ink(grey)
	s.text("the foot", block{x: leftEdge, y: 287, w: 80, h: 4, size: 7.5}, bold+s.lang.other+plain)
	s.text("the foot", block{x: rightEdge - 60, y: 287, w: 60, h: 4, size: 7.5, align: "R"}, fmt.Sprintf(s.lang.page, s.number))
	s.ink(black)
}
