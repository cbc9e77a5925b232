package pin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/pin"
)

func drawn(t *testing.T, rng *rand.ChaCha8) pin.Code {
	t.Helper()
	c, err := pin.Draw(rng, int(rng.Uint64()%pin.Selectors))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func digits(c pin.Code) string {
	g := c.Groups()
	return g[0] + g[1] + g[2]
}

func TestCodeHasSelectorSecretAndCheckDigit(t *testing.T) {
	c, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	if got := digits(c)[:11]; got != "47110815422" {
		t.Errorf("digits %s", got)
	}
	if c.Selector() != 4711 || string(c.Secret()) != "0815422" {
		t.Errorf("selector %d, secret %s", c.Selector(), c.Secret())
	}
	for _, bad := range []struct {
		selector int
		secret   uint32
	}{{-1, 0}, {10_000, 0}, {0, 10_000_000}} {
		if _, err := pin.New(bad.selector, bad.secret); err == nil {
			t.Errorf("selector %d with secret %d is accepted", bad.selector, bad.secret)
		}
	}
}

func TestCheckDigitIsDamms(t *testing.T) {
	// Damm's thesis computes 4 for 572; leading zeros change nothing.
	c, err := pin.New(0, 572)
	if err != nil {
		t.Fatal(err)
	}
	if got := digits(c); got != "000000005724" {
		t.Errorf("got %s", got)
	}
}

func TestEveryWrongDigitIsASlip(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{1})
	for range 200 {
		right := digits(drawn(t, rng))
		for i := range right {
			for d := byte('0'); d <= '9'; d++ {
				wrong := right[:i] + string(d) + right[i+1:]
				if _, err := pin.Parse(wrong); wrong != right && !errors.Is(err, pin.ErrSlip) {
					t.Fatalf("%s for %s: %v", wrong, right, err)
				}
			}
		}
	}
}

func TestEverySwapOfNeighboursIsASlip(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{2})
	for range 2000 {
		right := digits(drawn(t, rng))
		for i := range len(right) - 1 {
			wrong := right[:i] + string(right[i+1]) + string(right[i]) + right[i+2:]
			if _, err := pin.Parse(wrong); wrong != right && !errors.Is(err, pin.ErrSlip) {
				t.Fatalf("%s for %s: %v", wrong, right, err)
			}
		}
	}
}

func TestParseReadsWhatPeopleTypeAndScannersRead(t *testing.T) {
	c, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	g := c.Groups()
	wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, digits(c))
	for _, text := range []string{
		digits(c),
		g[0] + " " + g[1] + " " + g[2],
		"  " + g[0] + "-" + g[1] + "–" + g[2] + "\r\n",
		g[0] + "\u00a0" + g[1] + "\u2009" + g[2],
		strings.Join(strings.Split(digits(c), ""), " "),
		wide,
		strings.Join(strings.Split(wide, ""), "\u3000"),
		c.QR(),
		c.QR() + "\n",
		strings.ToLower(c.QR()),
		"]Q1" + c.QR(),
		"]Q3" + strings.ToLower(c.QR()) + "\r\n",
	} {
		got, err := pin.Parse(text)
		if err != nil || digits(got) != digits(c) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]error{
		"":                         pin.ErrLength,
		"12341234123":              pin.ErrLength,
		"1234123412345":            pin.ErrLength,
		"NF1:":                     pin.ErrLength,
		"NF2:000000000000":         pin.ErrDigits,
		"NF1:NF1:000000000000":     pin.ErrDigits,
		"]Q1]Q1NF1:000000000000":   pin.ErrDigits,
		"]Q1":                      pin.ErrDigits,
		"0000o0000000":             pin.ErrDigits,
		"٠٠٠٠٠٠٠٠٠٠٠٠":             pin.ErrDigits,
		"00000000000\x00":          pin.ErrDigits,
		"\xff00000000000":          pin.ErrDigits,
		"000000000001":             pin.ErrSlip,
		strings.Repeat("0 ", 1e6):  pin.ErrLength,
		strings.Repeat("\xff", 90): pin.ErrDigits,
	} {
		if _, err := pin.Parse(text); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", text, err, want)
		}
	}
}

func TestCodeIsNeverPrinted(t *testing.T) {
	c, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	type visit struct {
		Code   pin.Code
		code   pin.Code
		behind *pin.Code
	}
	v := visit{c, c, &c}
	_ = v.code
	_ = v.behind
	secret := c.Groups()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("try", "code", c, "visit", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("try", "code", c, "visit", v)
	texts := []string{log.String(), c.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%08b", "%T"} {
		texts = append(texts, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, v), fmt.Sprintf(verb, []pin.Code{c}))
	}
	for _, text := range texts {
		for _, form := range []string{secret[0], secret[1], secret[2], "4 7 1 1", "4, 7", "0x4, 0x7", "04070101"} {
			if strings.Contains(text, form) {
				t.Errorf("%q shows %s", text, form)
			}
		}
	}
	if got := fmt.Sprint(c); got != "pin.Code(hidden)" {
		t.Errorf("printed as %q", got)
	}
	if b, err := json.Marshal(v.Code); err == nil {
		t.Errorf("written as %s", b)
	}
	if b, err := c.MarshalText(); err == nil {
		t.Errorf("written as %s", b)
	}
}

func TestDrawIsEven(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{3})
	const draws = 50_000
	var count [7][10]int
	for range draws {
		for i, d := range drawn(t, rng).Secret() {
			count[i][d-'0']++
		}
	}
	for i := range count {
		for d, n := range count[i] {
			// mean 5000, standard deviation 67: five of them
			if n < 4665 || n > 5335 {
				t.Errorf("place %d: digit %d came %d times in %d", i, d, n, draws)
			}
		}
	}
}

func TestDrawSkipsWhatWouldFavourSmallSecrets(t *testing.T) {
	source := bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 42})
	c, err := pin.Draw(source, 1)
	if err != nil || string(c.Secret()) != "0000042" {
		t.Errorf("secret %s, %v", c.Secret(), err)
	}
}

type stuck struct{}

func (stuck) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 0xff
	}
	return len(b), nil
}

func TestDrawEndsWithoutRandomness(t *testing.T) {
	if _, err := pin.Draw(stuck{}, 1); err == nil {
		t.Error("a code was drawn")
	}
	if _, err := pin.Draw(bytes.NewReader(nil), 1); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if _, err := pin.Draw(rand.NewChaCha8([32]byte{}), -1); err == nil {
		t.Error("a code was drawn for selector -1")
	}
}

func TestWipeEmptiesEveryCopy(t *testing.T) {
	c, err := pin.New(4711, 815422)
	if err != nil {
		t.Fatal(err)
	}
	copied := c
	c.Wipe()
	for _, zero := range []pin.Code{c, copied, {}} {
		if !zero.IsZero() || zero.Selector() != -1 || zero.Secret() != nil || zero.QR() != "" || zero.Groups() != [3]string{} {
			t.Error("something is left")
		}
		zero.Wipe()
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "000000005724", "0000 0000 5724", "NF1:000000005724", "０００", "-\xff−"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := pin.Parse(text)
		if err != nil {
			if !c.IsZero() {
				t.Fatal("a refused text is a code")
			}
			return
		}
		again, err := pin.Parse(c.QR())
		if err != nil || digits(again) != digits(c) {
			t.Fatalf("%q is read, its QR code is not: %v", text, err)
		}
	})
}
