package biometrics

// Inspection is what the engine saw on the way from a picture to a template,
// for people who want to know why a finger is hard. All three planes are
// Width × Height pixels at 500 per inch, row after row.
type Inspection struct {
	Width, Height int
	Grey          []byte // the picture: 0 = black
	Ridges        []byte // after enhancement: 0 on a ridge, 255 in a valley, 128 where none is believed
	Fit           []byte // quality map: share of the energy that ridges explain, 1 to 100 %; 0: not used
	Template      *Template
}

// Inspect does what Extract does, with the same errors, and returns the steps
// as well.
func Inspect(img Image) (*Inspection, error) {
	e, err := extract(img)
	if err != nil {
		return nil, err
	}
	width, height := e.img.Width, e.img.Height
	seen := &Inspection{
		Width: width, Height: height, Grey: append([]byte(nil), e.img.Pix...),
		Ridges: make([]byte, width*height), Fit: make([]byte, width*height), Template: e.template,
	}
	r := e.ridges
	for i := range seen.Ridges {
		seen.Ridges[i] = 128
		x, y := i%width-e.finger.originX, i/width-e.finger.originY
		if x < 0 || y < 0 || !r.where.at(x/cell, y/cell) {
			continue
		}
		seen.Ridges[i] = byte(127.5 - 127.5*max(min(r.even.v[y*r.even.w+x], 1), -1))
		seen.Fit[i] = byte(max(100*r.fit.v[y/cell*r.fit.w+x/cell], 1))
	}
	return seen, nil
}
