package letter

import (
	"slices"

	"codeberg.org/go-pdf/fpdf"
)

// hand draws a hand as its owner sees it from above, 13 mm up and 11 mm down
// from (x, y), with the fingers at these positions marked.
func (p *paper) hand(x, y float64, right bool, marked []int) {
	side, first := -1.0, 6
	if right {
		side, first = 1, 1
	}
	p.fill(pale)
	p.pdf.RoundedRect(x-6.6, y-0.6, 13.2, 11.4, 4, "1234", "F")
	for i, f := range []struct{ fromX, fromY, toX, toY, width float64 }{
		{-4.6, 6.4, -11, -0.4, 3.5}, // the thumb
		{-4.9, 2.4, -6.6, -8.2, 3.1},
		{-1.65, 2, -2.2, -10.6, 3.2},
		{1.65, 2, 2.2, -9.4, 3.1},
		{4.9, 2.6, 6.6, -5.6, 2.8},
	} {
		c, nail := pale, colour{233, 236, 239}
		if slices.Contains(marked, first+i) {
			c, nail = accent, colour{150, 185, 208}
		}
		p.pen(c, f.width)
		p.pdf.Line(x+side*f.fromX, y+f.fromY, x+side*f.toX, y+f.toY)
		p.pen(nail, f.width*0.5)
		p.pdf.Line(x+side*(f.toX+(f.fromX-f.toX)*0.03), y+f.toY, x+side*(f.toX+(f.fromX-f.toX)*0.06), y+f.toY+(f.fromY-f.toY)*0.06)
	}
}

// keypad is drawn around (x, y), 15 × 20 mm, with dots for what was typed.
func (p *paper) keypad(x, y float64, groups, digits int) {
	p.pen(grey, 0.4)
	p.fill(white)
	p.pdf.RoundedRect(x-7.5, y-10, 15, 20, 1.5, "1234", "FD")
	p.fill(accent)
	p.pdf.RoundedRect(x-6, y-8.5, 12, 4.6, 0.8, "1234", "F")
	p.fill(white)
	const step = 0.8
	width := float64(groups*digits-1)*step + float64(groups-1)*step
	for i := range groups * digits {
		p.pdf.Circle(x-width/2+(float64(i)+float64(i/digits))*step, y-6.2, 0.28, "F")
	}
	p.fill(pale)
	for row := range 4 {
		for column := range 3 {
			p.pdf.RoundedRect(x-5.6+float64(column)*4, y-2.4+float64(row)*2.9, 3.2, 2.1, 0.5, "1234", "F")
		}
	}
}

// pictureCode: type the code, or show the letter.
func (p *paper) pictureCode(x, y float64) {
	p.keypad(x-7, y+0.4, 3, 4)
	p.pen(grey, 0.4)
	p.fill(white)
	p.pdf.Rect(x+4, y-7.6, 11, 15.6, "FD")
	p.fill(black)
	for _, at := range [][2]float64{{0, 0}, {4.4, 0}, {0, 4.4}} {
		p.pen(black, 0.5)
		p.pdf.Rect(x+6.3+at[0], y-3.4+at[1], 2, 2, "D")
		p.pdf.Rect(x+6.9+at[0], y-2.8+at[1], 0.8, 0.8, "F")
	}
	for _, at := range [][2]float64{{3.2, 0.2}, {3.1, 2.4}, {4.6, 3.4}, {5.8, 4.6}, {4.4, 5.6}, {3.1, 4.8}, {6, 3}, {1.2, 3.1}} {
		p.pdf.Rect(x+6+at[0], y-3.6+at[1], 0.9, 0.9, "F")
	}
	p.pen(accent, 0.6)
	p.pdf.Line(x+2.8, y+0.1, x+15.9, y+0.1)
}

// pictureNumber: type the number chosen at application.
func (p *paper) pictureNumber(x, y float64) { p.keypad(x, y+0.4, 1, 6) }

// pictureFinger: a finger comes down on the glowing reader.
func (p *paper) pictureFinger(x, y float64) {
	p.pen(grey, 0.4)
	p.fill(white)
	p.pdf.RoundedRect(x-13, y+2.4, 26, 7.4, 1.5, "1234", "FD")
	p.fill(accent)
	p.pdf.RoundedRect(x-6.5, y+2.9, 13, 3.4, 1, "1234", "F")
	p.pen(accent, 0.5)
	for _, ray := range [][4]float64{{-9, 0.6, -11.2, -1.2}, {-9.8, 3, -12.4, 2.3}, {9, 0.6, 11.2, -1.2}} {
		p.pdf.Line(x+ray[0], y+ray[1]-1, x+ray[2], y+ray[3]-1)
	}
	p.pen(grey, 6.2)
	p.pdf.Line(x-0.2, y-0.6, x+6.5, y-6.4)
	p.pen(pale, 5.4)
	p.pdf.Line(x-0.2, y-0.6, x+6.5, y-6.4)
	p.pen(white, 2)
	p.pdf.Line(x-0.9, y-1.5, x+0.2, y-2.4)
}

// wall is twelve compartments around (x, y), 26 × 18 mm.
func (p *paper) wall(x, y float64) (left, top float64) {
	left, top = x-13, y-9
	p.pen(grey, 0.4)
	p.fill(white)
	p.pdf.RoundedRect(left-0.8, top-0.8, 27.6, 19.6, 1, "1234", "FD")
	p.pen(grey, 0.25)
	p.fill(pale)
	for row := range 3 {
		for column := range 4 {
			p.pdf.Rect(left+0.3+float64(column)*6.5, top+0.3+float64(row)*6, 5.9, 5.4, "FD")
			p.pdf.Line(left+5.2+float64(column)*6.5, top+2.4+float64(row)*6, left+5.2+float64(column)*6.5, top+3.6+float64(row)*6)
		}
	}
	return left, top
}

// pictureDoor: one door stands open, the document lies inside.
func (p *paper) pictureDoor(x, y float64) {
	left, top := p.wall(x, y)
	cx, cy := left+0.3+13, top+0.3+6
	p.pen(accent, 0.5)
	p.fill(colour{40, 48, 54})
	p.pdf.Rect(cx, cy, 5.9, 5.4, "FD")
	p.fill(white)
	p.pdf.RoundedRect(cx+1, cy+2.2, 3.9, 2.5, 0.3, "1234", "F")
	p.fill(accent)
	p.pdf.Rect(cx+1.4, cy+2.8, 1, 1.3, "F")
	p.pdf.Polygon([]fpdf.PointType{{X: cx, Y: cy}, {X: cx - 5, Y: cy - 1.6}, {X: cx - 5, Y: cy + 7}, {X: cx, Y: cy + 5.4}}, "FD")
	p.fill(white)
	p.pdf.Circle(cx-4, cy+2.7, 0.5, "F")
}

// pictureClosed: the door is closed, and the screen says so.
func (p *paper) pictureClosed(x, y float64) {
	left, top := p.wall(x, y)
	p.pen(accent, 0.5)
	p.fill(white)
	p.pdf.Rect(left+0.3+13, top+0.3+6, 5.9, 5.4, "FD")
	p.fill(accent)
	p.pdf.Circle(x+11.5, y+5.6, 4.6, "F")
	p.pen(white, 1.2)
	p.pdf.Line(x+9.4, y+5.8, x+10.9, y+7.4)
	p.pdf.Line(x+10.9, y+7.4, x+13.7, y+3.9)
}
