package letter

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"strings"
	"time"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"github.com/boombuler/barcode"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"
)

var (
	//go:embed fonts/NotoSans-Regular.ttf
	regularFont []byte
	//go:embed fonts/NotoSans-Bold.ttf
	boldFont []byte
)

// What stands between these is bold. No input holds them: control characters
// are refused.
const bold, plain = "\x02", "\x03"

type colour struct{ r, g, b int }

var (
	black  = colour{0, 0, 0}
	grey   = colour{95, 95, 95}
	pale   = colour{214, 219, 223}
	paler  = colour{240, 243, 245}
	white  = colour{255, 255, 255}
	accent = colour{0, 75, 118}
	signal = colour{255, 210, 63}
)

// paper is a PDF in millimetres. Its first error stays, and is told at the end.
type paper struct {
	pdf  *fpdf.Fpdf
	font *sfnt.Font
	err  error
}

func newPaper(w, h float64, title string, made time.Time) *paper {
	pdf := fpdf.NewCustom(&fpdf.InitType{UnitStr: "mm", Size: fpdf.SizeType{Wd: w, Ht: h}})
	pdf.SetMargins(0, 0, 0)
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetCreationDate(made)
	pdf.SetModificationDate(made)
	pdf.SetCatalogSort(true)
	pdf.SetLang("de-DE")
	pdf.SetTitle(title, true)
	pdf.SetCreator("Nachtfach", true)
	pdf.AddUTF8FontFromBytes("noto", "", bytes.Clone(regularFont)) // it writes into what it is given
	pdf.AddUTF8FontFromBytes("noto", "B", bytes.Clone(boldFont))
	p := &paper{pdf: pdf}
	p.font, p.err = sfnt.Parse(regularFont)
	return p
}

// write gives out the document, unless something went wrong on the way.
func (p *paper) write(w io.Writer) error {
	if p.err != nil {
		return p.err
	}
	var whole bytes.Buffer // half a document is none
	if err := p.pdf.Output(&whole); err != nil {
		return err
	}
	_, err := w.Write(whole.Bytes())
	return err
}

func (p *paper) fail(form string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(form, args...)
	}
}

func (p *paper) fill(c colour) { p.pdf.SetFillColor(c.r, c.g, c.b) }
func (p *paper) ink(c colour)  { p.pdf.SetTextColor(c.r, c.g, c.b) }

func (p *paper) pen(c colour, width float64) {
	p.pdf.SetDrawColor(c.r, c.g, c.b)
	p.pdf.SetLineWidth(width)
	p.pdf.SetLineCapStyle("round")
	p.pdf.SetLineJoinStyle("round")
}

// clean composes accents (NFC) and refuses what the font cannot print.
func (p *paper) clean(field, s string) string {
	s = norm.NFC.String(s)
	if p.font == nil {
		return s
	}
	var buffer sfnt.Buffer
	for _, r := range s {
		if strings.ContainsRune(bold+plain+"\n", r) {
			continue
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			p.fail("%s %q: holds %U, which is no letter", field, s, r)
			return ""
		}
		if i, err := p.font.GlyphIndex(&buffer, r); err != nil || i == 0 {
			p.fail("%s %q: holds %q, which the letter's font does not have; write it in Latin letters (DIN 91379)", field, s, r)
			return ""
		}
	}
	return s
}

const (
	point   = 25.4 / 72 // mm
	leading = 1.36      // of a line, in font sizes
	ascent  = 1.02      // of the first baseline below the top
)

// block is where a text goes: mm from the page's top left, points.
type block struct {
	x, y, w, h  float64
	size, least float64 // it is set smaller, down to least, where it would not fit; 0: size
	align       string  // "L", "C" or "R"; "" is "L"
	low         bool    // the text stands at the bottom of the block
}

// text sets s, wrapped, and returns the y below it. What does not fit is an
// error that names the field.
func (p *paper) text(field string, b block, s string) float64 {
	s = p.clean(field, s)
	if p.err != nil {
		return b.y
	}
	if b.least == 0 {
		b.least = b.size
	}
	size := b.size
	var lines [][]word
	for {
		var whole bool
		if lines, whole = p.wrap(s, b.w, size); whole && p.height(lines, size) <= b.h+0.01 {
			break
		}
		if size-0.5 < b.least {
			p.fail("%s %q: too long for its place on the paper", field, strings.NewReplacer(bold, "", plain, "").Replace(s))
			return b.y
		}
		size -= 0.5
	}
	if b.low {
		b.y += b.h - p.height(lines, size)
	}
	y := b.y + ascent*size*point
	for _, line := range lines {
		p.line(b, line, y, size)
		y += leading * size * point
	}
	return b.y + p.height(lines, size)
}

// training says across the whole page, in both languages, that nothing here is real.
func (p *paper) training(width float64, b block) {
	p.fill(signal)
	p.pdf.Rect(0, b.y, width, b.h, "F")
	p.ink(black)
	// capitals stand a little above the middle of their line
	b.x, b.y, b.w, b.align = 5, b.y+(b.h-leading*b.size*point)/2+0.3, width-10, "C"
	p.text("the mark of training", b, bold+german.training+" · "+english.training+plain)
}

func (p *paper) height(lines [][]word, size float64) float64 {
	return float64(len(lines)) * leading * size * point
}

// word is what no line breaks: pieces of one weight each.
type word struct {
	pieces []piece
	width  float64
}

type piece struct {
	text  string
	style string
	width float64
}

// wrap breaks the text into lines of at most this width; whole tells that no
// single word is wider.
func (p *paper) wrap(s string, width, size float64) (lines [][]word, whole bool) {
	whole = true
	style := ""
	for paragraph := range strings.SplitSeq(s, "\n") {
		var line []word
		x := 0.0
		for _, text := range strings.FieldsFunc(paragraph, func(r rune) bool { return r == ' ' }) {
			var w word
			w, style = p.word(text, style, size)
			if len(w.pieces) == 0 {
				continue
			}
			whole = whole && w.width <= width
			if len(line) > 0 && x+p.space(size)+w.width > width {
				lines, line, x = append(lines, line), nil, 0
			}
			if len(line) > 0 {
				x += p.space(size)
			}
			line, x = append(line, w), x+w.width
		}
		lines = append(lines, line)
	}
	return lines, whole
}

// word measures a word, which begins in the given style, and tells the next one's.
func (p *paper) word(text, style string, size float64) (word, string) {
	var w word
	for text != "" {
		end := strings.IndexAny(text, bold+plain)
		part := text
		if end >= 0 {
			part = text[:end]
		}
		if part != "" {
			p.pdf.SetFont("noto", style, size)
			width := p.pdf.GetStringWidth(part)
			w.pieces = append(w.pieces, piece{part, style, width})
			w.width += width
		}
		if end < 0 {
			break
		}
		style = map[bool]string{true: "B"}[text[end:end+1] == bold]
		text = text[end+1:]
	}
	return w, style
}

func (p *paper) space(size float64) float64 {
	p.pdf.SetFont("noto", "", size)
	return p.pdf.GetStringWidth(" ")
}

// line sets neighbours of one weight together, so that a reader finds sentences.
func (p *paper) line(b block, line []word, y, size float64) {
	var runs []piece
	total := 0.0
	for i, w := range line {
		for j, next := range w.pieces {
			gap := ""
			if i > 0 && j == 0 {
				gap = " "
				total += p.space(size)
			}
			total += next.width
			if last := len(runs) - 1; last >= 0 && runs[last].style == next.style {
				runs[last].text += gap + next.text
				continue
			}
			if gap != "" {
				runs[len(runs)-1].text += gap
			}
			runs = append(runs, next)
		}
	}
	x := b.x
	switch b.align {
	case "C":
		x += (b.w - total) / 2
	case "R":
		x += b.w - total
	}
	for _, run := range runs {
		p.pdf.SetFont("noto", run.style, size)
		p.pdf.Text(x, y, run.text)
		x += p.pdf.GetStringWidth(run.text)
	}
}

// code prints a barcode or QR code into a box; the quiet zone is the caller's.
func (p *paper) code(name string, c barcode.Barcode, x, y, w, h float64) {
	const dots = 8 // a module's: sharp on every printer
	size := c.Bounds().Size()
	height := dots
	if size.Y > 1 {
		height = size.Y * dots
	}
	scaled, err := barcode.Scale(c, size.X*dots, height)
	if err != nil {
		p.fail("draw the %s: %w", name, err)
		return
	}
	picture := image.NewGray(scaled.Bounds())
	draw.Draw(picture, picture.Bounds(), scaled, scaled.Bounds().Min, draw.Src)
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		p.fail("draw the %s: %w", name, err)
		return
	}
	options := fpdf.ImageOptions{ImageType: "PNG"}
	p.pdf.RegisterImageOptionsReader(name, options, &file)
	p.pdf.ImageOptions(name, x, y, w, h, false, options, 0, "")
}
