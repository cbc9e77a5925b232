package protocol

import (
	"hash/fnv"

	"github.com/nachtfach/nachtfach/biometrics"
)

// jitter is how far, in pixels to either side, a crop lies beside the middle of
// the print: nobody hits a sensor's middle.
const jitter = 12

// crop is what a sensor of side × side pixels would see of a print: the part
// around the centre of its contrast, moved by up to jitter pixels as the name of
// the image has it, so that every run cuts alike. A side the picture doesn't
// have is left as it is.
func crop(img biometrics.Image, side int, name string) biometrics.Image {
	x, y := centreOfContrast(img)
	h := fnv.New32a()
	h.Write([]byte(name))
	sum := int(h.Sum32() >> 1)
	x += sum%(2*jitter+1) - jitter
	y += sum/64%(2*jitter+1) - jitter

	width, height := min(side, img.Width), min(side, img.Height)
	left := min(max(x-width/2, 0), img.Width-width)
	top := min(max(y-height/2, 0), img.Height-height)
	out := biometrics.Image{Width: width, Height: height, DPI: img.DPI, Pix: make([]byte, 0, width*height)}
	for row := range height {
		line := img.Pix[(top+row)*img.Width+left:]
		out.Pix = append(out.Pix, line[:width]...)
	}
	return out
}

// centreOfContrast is the centroid of the squared steps between neighbours.
func centreOfContrast(img biometrics.Image) (x, y int) {
	var sumX, sumY, sum int
	for i := img.Width + 1; i < len(img.Pix); i++ {
		across, down := int(img.Pix[i])-int(img.Pix[i-1]), int(img.Pix[i])-int(img.Pix[i-img.Width])
		energy := across*across + down*down
		sumX, sumY, sum = sumX+energy*(i%img.Width), sumY+energy*(i/img.Width), sum+energy
	}
	if sum == 0 {
		return img.Width / 2, img.Height / 2
	}
	return sumX / sum, sumY / sum
}
