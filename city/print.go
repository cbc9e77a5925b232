package city

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"

	"github.com/nachtfach/nachtfach/city/api"
)

// json writes what api.Letter is on the wire, into bytes that the caller clears:
// encoding/json would leave the code in strings and buffers.
func (p printed) json() []byte {
	l := p.content
	const room = 1024 // an order's id and a terminal's name have at most 40 bytes
	b := fmt.Appendf(make([]byte, 0, room), `{"terminal":"%s","order":"%s","generation":%d,"recipient":%d,"code":["`, l.Terminal, l.Order, l.Generation, l.Recipient)
	qr := l.Code.AppendQR(make([]byte, 0, 16))
	defer clear(qr)
	for i := range 3 {
		b = append(b, qr[len(qr)-12+4*i:][:4]...)
		b = append(b, [...]string{`","`, `","`, `"],"qr":"`}[i]...)
	}
	b = append(append(b, qr...), '"')
	for i, f := range l.Fingers {
		b = append(b, [...]string{`,"fingers":[`, `,`}[min(i, 1)]...)
		b = strconv.AppendInt(b, int64(f), 10)
	}
	if len(l.Fingers) > 0 {
		b = append(b, ']')
	}
	if l.PINLetter {
		b = append(b, `,"pin_letter":true`...)
	}
	b = fmt.Appendf(b, `,"posted":"%s"`, p.posted)
	if p.training {
		b = append(b, `,"training":true`...)
	}
	return append(b, "}\n"...)
}

// serveLetter answers with a letter, followed by white space: in small pieces it
// takes the letter's place in the server's buffers, which are used for other
// answers later and never cleared.
func (c *City) serveLetter(w http.ResponseWriter, r *http.Request) {
	p, err := c.printLetter(r.Context(), orderOf(r))
	if err != nil {
		c.answer(func(*http.Request) (any, error) { return api.Letter{}, err })(w, r)
		return
	}
	text := p.json()
	p.content.Wipe()
	defer clear(text)
	piece := bytes.Repeat([]byte(" "), 512)
	const pieces = 24 // net/http buffers 2048 and 4096 bytes
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+pieces*len(piece)))
	_, err = w.Write(text)
	for range pieces {
		if err == nil {
			_, err = w.Write(piece)
		}
	}
	// An error means that the caller is gone; there is nobody to tell.
}
