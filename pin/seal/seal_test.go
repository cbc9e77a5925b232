package seal_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/pin/seal"
)

var (
	cheap  = seal.Params{Memory: 8, Time: 1, Threads: 1}
	secret = []byte("0815422")
	slot   = bytes.Repeat([]byte{1}, seal.KeySize)
	share  = bytes.Repeat([]byte{2}, seal.KeySize)
	ad     = []byte("generation 7")
	text   = []byte("a template")
)

func source() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func sealed(t testing.TB) []byte {
	t.Helper()
	box, err := seal.Seal(source(), cheap, secret, slot, ad, text)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func sealedShare(t testing.TB) []byte {
	t.Helper()
	box, err := seal.SealShare(source(), share, slot, ad, text)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func changed(b []byte) []byte {
	c := slices.Clone(b)
	c[0] ^= 1
	return c
}

func TestBoxOpensForWhatItWasClosedWith(t *testing.T) {
	if got, err := seal.Open(sealed(t), secret, slot, ad); err != nil || !bytes.Equal(got, text) {
		t.Errorf("secret: %q, %v", got, err)
	}
	if got, err := seal.OpenShare(sealedShare(t), share, slot, ad); err != nil || !bytes.Equal(got, text) {
		t.Errorf("share: %q, %v", got, err)
	}
}

// keeper is a holder that notes the pass that it was shown.
type keeper struct {
	pass, share []byte
	err         error
}

func (k *keeper) hold(pass []byte) ([]byte, error) {
	k.pass = slices.Clone(pass)
	return slices.Clone(k.share), k.err
}

func TestHeldBoxNeedsDigitsSlotKeyAndShare(t *testing.T) {
	p := seal.Params{Memory: 8, Time: 1, Threads: 1}
	made := &keeper{share: share}
	box, err := seal.SealHeld(source(), p, secret, slot, ad, text, made.hold)
	if err != nil {
		t.Fatal(err)
	}
	asked := &keeper{share: share}
	if got, err := seal.OpenHeld(box, secret, slot, ad, asked.hold); err != nil || !bytes.Equal(got, text) {
		t.Errorf("opens as %q, %v", got, err)
	}
	if len(made.pass) != seal.KeySize || !bytes.Equal(made.pass, asked.pass) {
		t.Errorf("the pass was %x and is %x", made.pass, asked.pass)
	}
	for what, try := range map[string]struct{ secret, slot, ad, share []byte }{
		"digits":     {changed(secret), slot, ad, share},
		"slot key":   {secret, changed(slot), ad, share},
		"bound data": {secret, slot, changed(ad), share},
		"share":      {secret, slot, ad, changed(share)},
	} {
		k := &keeper{share: try.share}
		if _, err := seal.OpenHeld(box, try.secret, try.slot, try.ad, k.hold); !errors.Is(err, seal.ErrWrong) {
			t.Errorf("another %s: %v", what, err)
		}
		if same := bytes.Equal(k.pass, made.pass); same != (what == "share" || what == "bound data") {
			t.Errorf("another %s: the same pass: %v", what, same)
		}
	}
	refused := errors.New("refused")
	if _, err := seal.OpenHeld(box, secret, slot, ad, (&keeper{err: refused}).hold); !errors.Is(err, refused) {
		t.Errorf("a holder that refuses: %v", err)
	}
	if _, err := seal.OpenHeld(box, secret, slot, ad, (&keeper{share: share[1:]}).hold); err == nil {
		t.Error("a short share is taken")
	}
	if _, err := seal.Open(box, secret, slot, ad); !errors.Is(err, seal.ErrMalformed) {
		t.Errorf("opened without a share: %v", err)
	}
	never := &keeper{share: share}
	if _, err := seal.OpenHeld(sealed(t), secret, slot, ad, never.hold); !errors.Is(err, seal.ErrMalformed) || never.pass != nil {
		t.Errorf("a box without holder: %v, the holder was asked: %v", err, never.pass != nil)
	}
}

func TestBoxStaysShutForAnythingElse(t *testing.T) {
	box, shared := sealed(t), sealedShare(t)
	for name, open := range map[string]func() ([]byte, error){
		"secret":       func() ([]byte, error) { return seal.Open(box, changed(secret), slot, ad) },
		"no secret":    func() ([]byte, error) { return seal.Open(box, nil, slot, ad) },
		"slot key":     func() ([]byte, error) { return seal.Open(box, secret, changed(slot), ad) },
		"bound data":   func() ([]byte, error) { return seal.Open(box, secret, slot, changed(ad)) },
		"share":        func() ([]byte, error) { return seal.OpenShare(shared, changed(share), slot, ad) },
		"short share":  func() ([]byte, error) { return seal.OpenShare(shared, share[:31], slot, ad) },
		"share's slot": func() ([]byte, error) { return seal.OpenShare(shared, share, changed(slot), ad) },
		"share's data": func() ([]byte, error) { return seal.OpenShare(shared, share, slot, nil) },
	} {
		if _, err := open(); !errors.Is(err, seal.ErrWrong) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestEveryBitOfABoxCounts(t *testing.T) {
	box := sealed(t)
	for i := range len(box) * 8 {
		bad := slices.Clone(box)
		bad[i/8] ^= 1 << (i % 8)
		if i/8 == 6 || i/8 == 7 {
			continue // memory of 256 KiB to 256 MiB is within bounds, but dear
		}
		if _, err := seal.Open(bad, secret, slot, ad); !errors.Is(err, seal.ErrWrong) && !errors.Is(err, seal.ErrMalformed) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
}

func TestKindsOfBoxesAreNotMistaken(t *testing.T) {
	if _, err := seal.Open(sealedShare(t), share, slot, ad); !errors.Is(err, seal.ErrMalformed) {
		t.Errorf("share's box: %v", err)
	}
	if _, err := seal.OpenShare(sealed(t), share, slot, ad); !errors.Is(err, seal.ErrMalformed) {
		t.Errorf("secret's box: %v", err)
	}
}

func TestTwoBoxesOfOneTextDiffer(t *testing.T) {
	r := source()
	a, errA := seal.Seal(r, cheap, secret, slot, ad, text)
	b, errB := seal.Seal(r, cheap, secret, slot, ad, text)
	if errA != nil || errB != nil || bytes.Equal(a, b) {
		t.Errorf("%v, %v", errA, errB)
	}
}

func TestHostileParametersAreRefusedBeforeTheWork(t *testing.T) {
	for name, p := range map[string]seal.Params{
		"4 GiB":      {Memory: 4 << 20, Time: 1, Threads: 1},
		"all ones":   {Memory: 1<<32 - 1, Time: 1<<32 - 1, Threads: 255},
		"no memory":  {Memory: 0, Time: 1, Threads: 1},
		"no pass":    {Memory: 64, Time: 0, Threads: 1},
		"no lane":    {Memory: 64, Time: 1, Threads: 0},
		"much work":  {Memory: 256 << 10, Time: 16, Threads: 1},
		"thin lanes": {Memory: 8, Time: 1, Threads: 4},
	} {
		if _, err := seal.Seal(source(), p, secret, slot, ad, text); err == nil {
			t.Errorf("%s: sealed", name)
		}
		box := sealed(t)
		box[5], box[6], box[7], box[8] = byte(p.Memory>>24), byte(p.Memory>>16), byte(p.Memory>>8), byte(p.Memory)
		box[9], box[10], box[11], box[12] = byte(p.Time>>24), byte(p.Time>>16), byte(p.Time>>8), byte(p.Time)
		box[13] = p.Threads
		if _, err := seal.Open(box, secret, slot, ad); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadInputIsAnError(t *testing.T) {
	if _, err := seal.Seal(bytes.NewReader(nil), cheap, secret, slot, ad, text); !errors.Is(err, io.EOF) {
		t.Errorf("no randomness: %v", err)
	}
	if _, err := seal.Seal(source(), cheap, secret, slot[:16], ad, text); err == nil {
		t.Error("short slot key")
	}
	if _, err := seal.SealShare(source(), share[:16], slot, ad, text); err == nil {
		t.Error("short share")
	}
	if _, err := seal.Seal(source(), cheap, secret, slot, ad, make([]byte, seal.MaxPlaintext+1)); err == nil {
		t.Error("too long a text")
	}
	box := sealed(t)
	for n := range len(box) {
		if _, err := seal.Open(box[:n], secret, slot, ad); err == nil {
			t.Fatalf("%d bytes of a box open", n)
		}
	}
}

func TestCalibrateFillsTheTimeWithinBounds(t *testing.T) {
	clock := time.Unix(0, 0)
	machine := func(pass time.Duration) func() time.Time {
		return func() time.Time { clock = clock.Add(3 * pass); return clock }
	}
	for _, c := range []struct {
		pass   time.Duration
		passes uint32
	}{{100 * time.Millisecond, 10}, {time.Second, 3}, {time.Millisecond, 16}, {0, 16}} {
		p, took := seal.Calibrate(time.Second, machine(c.pass))
		if p.Time != c.passes || p.Validate() != nil || took < 3*c.pass {
			t.Errorf("pass of %v: %+v in %v", c.pass, p, took)
		}
	}
}

func TestNumberIsCheckedAgainstItsHash(t *testing.T) {
	phc, err := seal.HashNumber(source(), cheap, "246813")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := seal.CheckNumber(phc, []byte("246813")); !ok || err != nil {
		t.Errorf("right number: %v, %v", ok, err)
	}
	for _, wrong := range []string{"", "246814", "0246813"} {
		if ok, err := seal.CheckNumber(phc, []byte(wrong)); ok || err != nil {
			t.Errorf("%q: %v, %v", wrong, ok, err)
		}
	}
}

func TestANumberOfFewerThanSixDigitsIsNotHashed(t *testing.T) {
	for _, short := range []string{"", "4711", "47110", "47110a"} {
		if phc, err := seal.HashNumber(source(), cheap, short); err == nil {
			t.Errorf("%q: %q", short, phc)
		}
	}
}

func TestHashHasOneForm(t *testing.T) {
	phc, err := seal.HashNumber(source(), cheap, "246813")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "246813", phc + "$", phc + "=", phc + "\n",
		strings.Replace(phc, "argon2id", "argon2i", 1),
		strings.Replace(phc, "v=19", "v=16", 1),
		strings.Replace(phc, "m=8", "m=08", 1),
		strings.Replace(phc, "m=8", "m=4194304", 1),
		strings.Replace(phc, "t=1", "t=+1", 1),
		strings.Replace(phc, "p=1", "p=1,q=1", 1),
		strings.Repeat("$", 1000),
	} {
		if err := seal.CheckPHC(bad); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(sealed(f), []byte("0815422"))
	f.Add(sealedShare(f), share)
	f.Fuzz(func(t *testing.T, box, half []byte) {
		if len(box) > 13 && (box[5]|box[6]|box[7]|box[9]|box[10]|box[11] != 0 || box[12] > 2) {
			return // within bounds, but dear
		}
		if _, err := seal.Open(box, half, slot, nil); !errors.Is(err, seal.ErrWrong) && !errors.Is(err, seal.ErrMalformed) {
			t.Fatal(err)
		}
		if _, err := seal.OpenShare(box, half, slot, nil); !errors.Is(err, seal.ErrWrong) && !errors.Is(err, seal.ErrMalformed) {
			t.Fatal(err)
		}
	})
}

func FuzzCheckPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, phc string) {
		if err := seal.CheckPHC(phc); err != nil && !errors.Is(err, seal.ErrMalformed) {
			t.Fatal(err)
		}
	})
}
