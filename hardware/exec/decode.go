package exec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bounds of the header.
const (
	maxHeader = 1 << 10 // bytes
	minDPI    = 250
	maxDPI    = 1200
	maxScore  = 100
)

// Decode reads the header of what a helper writes for capture; the picture
// after it is kept as it is. Errors say what is wrong with it.
func Decode(out []byte) (p Picture, err error) {
	head, data, found := bytes.Cut(out, []byte("\n\n"))
	if !found || len(head) > maxHeader {
		return p, fmt.Errorf("no header of at most %d bytes that ends with an empty line", maxHeader)
	}
	for line := range strings.SplitSeq(string(head), "\n") {
		name, value, found := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case !found:
			return p, fmt.Errorf("header %q: wants Name: value", line)
		case name == "Resolution" && p.DPI == 0:
			if p.DPI, err = strconv.Atoi(value); err != nil || p.DPI < minDPI || p.DPI > maxDPI {
				return p, fmt.Errorf("header Resolution: %q, wants %d to %d pixels per inch", value, minDPI, maxDPI)
			}
		case name == "Attack-Score" && !p.Scored:
			p.Scored = true
			if p.Score, err = strconv.ParseFloat(value, 64); err != nil || math.IsNaN(p.Score) || p.Score < 0 || p.Score > maxScore {
				return p, fmt.Errorf("header Attack-Score: %q, wants 0 to %d", value, maxScore)
			}
		default:
			return p, fmt.Errorf("header %q: wants Resolution and Attack-Score, once each", name)
		}
	}
	switch {
	case p.DPI == 0:
		return p, errors.New("header Resolution: is missing")
	case len(data) == 0:
		return p, errors.New("no picture after the header")
	}
	p.Data = data
	return p, nil
}
