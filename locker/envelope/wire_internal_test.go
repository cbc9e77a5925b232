package envelope

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// What is written by hand is what encoding/json would write, so that desks and
// cities in other languages read and write it with their own libraries.
func TestTheSecretFormsAreTheJSONThatOthersExpect(t *testing.T) {
	type finger struct {
		Position  int    `json:"position"`
		Enrolment []byte `json:"enrolment"`
	}
	type factor struct {
		Kind    string   `json:"kind"`
		Fingers []finger `json:"fingers,omitempty"`
		Number  string   `json:"number,omitempty"`
	}
	type recipient struct {
		Kind   string `json:"kind"`
		Factor factor `json:"factor"`
	}
	type order struct {
		Terminal   string      `json:"terminal"`
		Issued     time.Time   `json:"issued"`
		Order      string      `json:"order"`
		Version    int         `json:"version"`
		Key        uint64      `json:"key"`
		Documents  []string    `json:"documents"`
		Recipients []recipient `json:"recipients"`
		Size       int         `json:"size"`
		LowReach   bool        `json:"low_reach"`
		PINLetter  bool        `json:"pin_letter"`
		Training   bool        `json:"training,omitempty"`
	}
	type letter struct {
		Recipient int    `json:"recipient"`
		Code      string `json:"code"`
		Share     []byte `json:"share"`
		Fingers   []int  `json:"fingers,omitempty"`
		PINLetter bool   `json:"pin_letter"`
	}
	written := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	at := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	thumb, index := bytes.Repeat([]byte{0xfb, 0xff}, 500), []byte{1}
	fingers := Factor{Kind: locker.FactorFinger, Fingers: []Finger{{1, thumb}, {7, index}}}
	number := Factor{Kind: locker.FactorNumber, Number: []byte("27182818")}
	o := Order{Terminal: "t-1", Issued: at, Factors: []Factor{fingers, number}, Terms: locker.OrderTerms{
		Order: "A-2026-0001", Version: 2, Key: 9, Documents: []locker.DocumentKind{locker.Passport, locker.IdentityCard}, Size: locker.Large, LowReach: true, Training: true,
		Recipients: []locker.Recipient{{Kind: locker.Applicant, Factor: locker.FactorFinger, Fingers: []int{1, 7}}, {Kind: locker.Proxy, Factor: locker.FactorNumber}},
	}}
	wantFingers := factor{Kind: "finger", Fingers: []finger{{1, thumb}, {7, index}}}
	want := written(order{
		Terminal: "t-1", Issued: at, Order: "A-2026-0001", Version: 2, Key: 9, Documents: []string{"passport", "identity_card"}, Size: 3, LowReach: true, Training: true,
		Recipients: []recipient{{"applicant", wantFingers}, {"proxy", factor{Kind: "number", Number: "27182818"}}},
	}) + "\n"
	got, err := o.encode()
	if err != nil || string(got) != want {
		t.Errorf("an order is written\n%s\nwant\n%s\n%v", got, want, err)
	}
	indented := &bytes.Buffer{}
	if err := json.Indent(indented, []byte(want), "\t", "  "); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{want, indented.String()} {
		back, err := readOrder([]byte(text))
		if err != nil || back.Validate() != nil || written(back.Terms) != written(o.Terms) || !bytes.Equal(back.Factors[0].Fingers[0].Enrolment, thumb) || string(back.Factors[1].Number) != "27182818" {
			t.Errorf("an order comes back as %+v, %v", back, err)
		}
	}
	if got, err := fingers.Encode(); err != nil || string(got) != written(wantFingers) {
		t.Errorf("a factor is written %s, %v", got, err)
	}
	code, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	share, err := NewShare(bytes.Repeat([]byte{0xfe}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, positions := range [][]int{nil, {1}, {1, 10}} {
		l := Letter{Recipient: 3, Code: code, Share: share, Fingers: positions, PINLetter: true}
		got, err := l.encode()
		if want := written(letter{3, code.QR(), share.Bytes(), positions, true}); err != nil || string(got) != want {
			t.Errorf("a letter is written\n%s\nwant\n%s\n%v", got, want, err)
		}
		var back Letter
		if err := back.read(got); err != nil || back.Code.QR() != code.QR() || !bytes.Equal(back.Share.Bytes(), share.Bytes()) || len(back.Fingers) != len(positions) {
			t.Errorf("a letter comes back as %+v, %v", back, err)
		}
	}
}
