package envelope

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/note"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin"
)

// Letter is what the city needs to write to a recipient, and to replace the
// letter should it be lost. Code and Share are secrets.
type Letter struct {
	Terminal   string
	Order      locker.OrderID
	Generation locker.Generation
	Recipient  int      // index in the order
	Code       pin.Code // printed once, then forgotten
	Share      Share    // kept until the deposit ends
	Fingers    []int    // positions that will be asked for, empty for a number
	PINLetter  bool     // receipt of the eID PIN letter will be asked for
}

// LetterHead is what a letter tells before it is opened.
type LetterHead struct {
	Terminal   string
	Generation locker.Generation
	Order      locker.OrderID
	Key        string // of which the letter is sealed to: the first 16 hex digits of the public key's Hash
	Sealed     []byte
}

// encode writes what is sealed, JSON with recipient, code (in its QR form),
// share, fingers (where there are any) and pin_letter. The caller clears it.
func (l Letter) encode() ([]byte, error) {
	const room = 512
	share := l.Share.Bytes()
	defer clear(share)
	b := fmt.Appendf(make([]byte, 0, room), `{"recipient":%d,"code":"`, l.Recipient)
	b = append(l.Code.AppendQR(b), `","share":`...)
	b = appendBytes(b, share)
	for i, f := range l.Fingers {
		b = append(b, [...]string{`,"fingers":[`, `,`}[min(i, 1)]...)
		b = strconv.AppendInt(b, int64(f), 10)
	}
	if len(l.Fingers) > 0 {
		b = append(b, ']')
	}
	b = fmt.Appendf(b, `,"pin_letter":%t}`, l.PINLetter)
	if cap(b) != room {
		clear(b)
		return nil, errRoom
	}
	return b, nil
}

// read takes what encode wrote.
func (l *Letter) read(b []byte) error {
	r := &reader{b: b}
	var code, share []byte
	defer func() { clear(share) }()
	r.object(func(name string) bool {
		switch name {
		case "recipient":
			l.Recipient = r.small()
		case "code":
			code = r.text(maxWord)
		case "share":
			share = r.bytes(maxWord)
		case "fingers":
			r.array(MaxFingers+1, func() { l.Fingers = append(l.Fingers, r.small()) })
		case "pin_letter":
			l.PINLetter = r.boolean()
		default:
			return false
		}
		return true
	})
	if err := r.end(); err != nil {
		return err
	}
	var err error
	if l.Code, err = pin.Parse(code); err != nil {
		return err
	}
	l.Share, err = NewShare(share)
	return err
}

// LetterKeyHint names a city's letter key in letters sealed to it.
func LetterKeyHint(public []byte) string { return Hash(public)[:16] }

// SealLetter seals the letter to the city's letter key and signs it as a note:
// the title, generation, order, key hint and sealed content, a line each.
func SealLetter(s Suite, device note.Signer, public []byte, l Letter) ([]byte, error) {
	wrong := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("seal letter of generation %d: %w", l.Generation, err)
	}
	if err := l.validate(); err != nil {
		return wrong(err)
	}
	plain, err := l.encode()
	defer clear(plain)
	if err != nil {
		return wrong(err)
	}
	h := LetterHead{Terminal: l.Terminal, Generation: l.Generation, Order: l.Order, Key: LetterKeyHint(public)}
	if h.Sealed, err = s.Seal(public, h.info(), plain); err != nil {
		return wrong(err)
	}
	return signNote(device, fmt.Appendf(nil, "%s\n%d\n%s\n%s\n%s\n", title(h.Terminal, "letter"), h.Generation, h.Order, h.Key, base64Text(h.Sealed)))
}

// Wipe overwrites code and share.
func (l Letter) Wipe() {
	l.Code.Wipe()
	l.Share.Wipe()
}

func (l Letter) validate() error {
	if l.Generation == 0 || l.Code.IsZero() || l.Share.bytes == nil {
		return errors.New("lacks generation, code or share")
	}
	if l.Recipient < 0 || l.Recipient >= MaxRecipients {
		return fmt.Errorf("recipient %d, wants 0 to %d", l.Recipient, MaxRecipients-1)
	}
	if len(l.Fingers) > MaxFingers {
		return fmt.Errorf("%d fingers, at most %d", len(l.Fingers), MaxFingers)
	}
	for _, f := range l.Fingers {
		if f < 1 || f > 10 {
			return fmt.Errorf("finger position %d, wants 1 to 10", f)
		}
	}
	return errors.Join(CheckTerminal(l.Terminal), CheckOrderID(l.Order))
}

func (h LetterHead) info() []byte { return info("letter", h.Terminal, h.Generation, h.Order, h.Key) }

// OpenLetterHead verifies that the terminal's device signed the letter.
func OpenLetterHead(device note.Verifier, terminal string, message []byte) (LetterHead, error) {
	text, err := openNote("letter", maxLetter, device, message)
	if err != nil {
		return LetterHead{}, err
	}
	l := readLines(text, title(terminal, "letter"))
	h := LetterHead{Terminal: terminal, Generation: locker.Generation(l.number("")), Order: l.order(""), Key: l.next(""), Sealed: l.bytes("")}
	if err := l.end(); err != nil {
		return LetterHead{}, fmt.Errorf("letter: %w", err)
	}
	return h, nil
}

// Open opens the letter with the private half of the city's letter key.
func (h LetterHead) Open(s Suite, private []byte) (Letter, error) {
	wrong := func(err error) (Letter, error) {
		return Letter{}, fmt.Errorf("letter of order %s, generation %d: %w", h.Order, h.Generation, err)
	}
	plain, err := s.Open(private, h.info(), h.Sealed)
	if err != nil {
		return wrong(fmt.Errorf("does not open; it was sealed to the key %.16s", h.Key))
	}
	defer clear(plain)
	l := Letter{Terminal: h.Terminal, Order: h.Order, Generation: h.Generation}
	if err = l.read(plain); err == nil {
		err = l.validate()
	}
	if err != nil {
		l.Wipe()
		return wrong(err)
	}
	return l, nil
}
