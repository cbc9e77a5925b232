package protocol

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
)

// Curve is a run to be drawn.
type Curve struct {
	Name string
	Rows []Row
}

// The picture's sides, and the plot in it, in SVG units; its axes are
// logarithmic, from 0.01 % to 100 % to the right and from 0.1 % to 100 % up.
const (
	detWidth, detHeight = 640, 460
	detLeft, detTop     = 70, 20
	detRight, detBottom = 620, 400
	leastFMR, leastFNMR = 1e-4, 1e-3
	detLegendHeight     = 20
)

// detColours are told apart with any kind of sight (Okabe and Ito, "Color
// Universal Design", 2008).
var detColours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// DrawDET draws detection error trade-off curves (ISO/IEC 19795-1:2021, 11.6)
// as SVG: for each threshold, the share of strangers accepted and that of
// genuine pairs refused. Rates below the axes' ends lie on them.
func DrawDET(out io.Writer, curves []Curve) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n",
		detWidth, detHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", detWidth, detHeight)
	drawAxes(&b)
	for i, c := range curves {
		genuine, impostor := split(c.Rows)
		if len(genuine) == 0 || len(impostor) == 0 {
			return fmt.Errorf("draw %s: wants comparisons of the same finger and of different ones", c.Name)
		}
		colour := detColours[i%len(detColours)]
		fmt.Fprintf(&b, `<path fill="none" stroke="%s" stroke-width="2" d="%s"/>`+"\n", colour, detPath(genuine, impostor))
		y := detTop + 20 + i*detLegendHeight
		fmt.Fprintf(&b, `<path stroke="%s" stroke-width="3" d="M%d %dh24"/><text x="%d" y="%d">%s</text>`+"\n",
			colour, detRight-300, y-4, detRight-268, y, html.EscapeString(c.Name))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func drawAxes(b *strings.Builder) {
	for _, rate := range []float64{1e-4, 1e-3, 1e-2, 1e-1, 1} {
		percent := fmt.Sprintf("%g %%", 100*rate)
		x, y := detX(rate), detY(rate)
		fmt.Fprintf(b, `<path stroke="#ccc" d="M%.0f %dV%d"/><text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x, detTop, detBottom, x, detBottom+20, percent)
		if rate >= leastFNMR {
			fmt.Fprintf(b, `<path stroke="#ccc" d="M%d %.0fH%d"/><text x="%d" y="%.0f" text-anchor="end">%s</text>`+"\n",
				detLeft, y, detRight, detLeft-6, y+4, percent)
		}
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">strangers accepted (FMR)</text>`+"\n", (detLeft+detRight)/2, detHeight-16)
	fmt.Fprintf(b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">owners refused (FNMR)</text>`+"\n", (detTop+detBottom)/2)
}

func detX(fmr float64) float64 {
	share := math.Log10(math.Max(fmr, leastFMR)/leastFMR) / -math.Log10(leastFMR)
	return detLeft + share*(detRight-detLeft)
}

func detY(fnmr float64) float64 {
	share := math.Log10(math.Max(fnmr, leastFNMR)/leastFNMR) / -math.Log10(leastFNMR)
	return detBottom - share*(detBottom-detTop)
}

// detPath steps through the impostors' scores from the highest: at each, one
// more stranger is accepted. Points nearer than a unit are left out.
func detPath(genuine, impostor []float64) string {
	slices.Reverse(impostor)
	path := make([]string, 0, 200)
	lastX, lastY := math.Inf(-1), math.Inf(-1)
	for n, threshold := range impostor {
		x := detX(float64(n) / float64(len(impostor)))
		y := detY(float64(countUpTo(genuine, threshold)) / float64(len(genuine)))
		if math.Hypot(x-lastX, y-lastY) >= 1 {
			path = append(path, fmt.Sprintf("%.1f %.1f", x, y))
			lastX, lastY = x, y
		}
	}
	return "M" + strings.Join(path, "L")
}
