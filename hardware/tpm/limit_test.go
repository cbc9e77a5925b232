package tpm_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
)

const tries = 5

var (
	share = []byte("a share of exactly 32 bytes.....")
	right = []byte("the pass of a code is 32 bytes..")
	wrong = []byte("the pass of another code........")
)

func limited(t *testing.T, k *tpm.Chip) (token []byte) {
	t.Helper()
	token, err := k.Limit(right, share, tries)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// gives wants the chip to give the share for the right pass.
func gives(t *testing.T, k *tpm.Chip, token []byte) {
	t.Helper()
	if is, err := k.Share(token, right); err != nil || !bytes.Equal(is, share) {
		t.Errorf("the right pass gets %q, %v", is, err)
	}
}

// refuses wants an error for a pass.
func refuses(t *testing.T, k *tpm.Chip, token, pass []byte, want error) {
	t.Helper()
	if is, err := k.Share(token, pass); !errors.Is(err, want) {
		t.Errorf("gets %q, %v; want %v", is, err, want)
	}
}

func TestTheChipCountsWrongPassesAcrossPowerCuts(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	token, other := limited(t, k), limited(t, k)
	gives(t, k, token)
	for range tries - 1 {
		refuses(t, k, token, wrong, tpm.ErrPass)
		e.Cut()
		k = e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
	}
	gives(t, k, token) // the owner's last try, and all of them are there again
	for range tries - 1 {
		refuses(t, k, token, wrong, tpm.ErrPass)
	}
	gives(t, k, token)
	for range tries {
		refuses(t, k, token, wrong, tpm.ErrPass)
	}
	refuses(t, k, token, right, tpm.ErrUsedUp)
	e.Cut()
	k = e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
	refuses(t, k, token, right, tpm.ErrUsedUp)
	gives(t, k, other)
}

func TestAPassMayHoldAnyBytes(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	for at := range tpm.KeySize {
		pass := bytes.Clone(right)
		pass[at] = 0
		token, err := k.Limit(pass, share, tries)
		if err != nil {
			t.Fatal(err)
		}
		other := bytes.Clone(pass)
		other[tpm.KeySize-1] ^= 1
		refuses(t, k, token, other, tpm.ErrPass)
		if is, err := k.Share(token, pass); err != nil || !bytes.Equal(is, share) {
			t.Errorf("with a zero byte at %d gets %q, %v", at, is, err)
		}
	}
}

func TestWhatTheChipForgotNobodyGets(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	gone, kept, stray := limited(t, k), limited(t, k), limited(t, k)
	for range 2 {
		if err := k.Forget(gone); err != nil {
			t.Fatal(err)
		}
	}
	refuses(t, k, gone, right, tpm.ErrUsedUp)
	next := limited(t, k) // in the place of what is gone
	if err := k.Forget(gone); err != nil {
		t.Fatal(err)
	}
	gives(t, k, next)
	refuses(t, k, gone, right, tpm.ErrUsedUp)
	if err := k.Keep([][]byte{kept, next}); err != nil {
		t.Fatal(err)
	}
	gives(t, k, kept)
	gives(t, k, next)
	refuses(t, k, stray, right, tpm.ErrUsedUp)
	for n := range kept {
		if _, err := k.Share(kept[:n], right); err == nil {
			t.Errorf("%d bytes of a token are taken", n)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tpm.Clear(tpm.Config{Path: e.Path}); err != nil {
		t.Fatal(err)
	}
	if k, err = tpm.Define(tpm.Config{Path: e.Path, Auth: auth}); err != nil {
		t.Fatal(err)
	}
	refuses(t, k, kept, right, tpm.ErrUsedUp)
	gives(t, k, limited(t, k))
}

// onTheWire speaks to the chip past this package.
func onTheWire(t *testing.T, e *tpmtest.Emulator, f func(transport.TPM)) {
	t.Helper()
	conn, err := net.Dial("unix", e.Path)
	if err != nil {
		t.Fatal(err)
	}
	wire := transport.FromReadWriteCloser(conn)
	f(wire)
	if err := wire.Close(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// Row 6: a thief has the chip and all that opens it, and tries the codes that
// there are, a hundred here. What they search is the hash of code and share.
func TestThreatAStolenChipGivesFiveTries(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	pass := func(code int) []byte { return fmt.Appendf(nil, "%032d", code) }
	closed := func(code int) [32]byte { return sha256.Sum256(append(pass(code), share...)) }
	search := func(box [32]byte, ask func(pass []byte) ([]byte, error)) bool {
		for n := range 100 {
			if got, err := ask(pass(n)); err == nil && sha256.Sum256(append(pass(n), got...)) == box {
				return true
			}
		}
		return false
	}
	limit := func(code int) func([]byte) ([]byte, error) {
		token, err := k.Limit(pass(code), share, tries)
		if err != nil {
			t.Fatal(err)
		}
		return func(pass []byte) ([]byte, error) { return k.Share(token, pass) }
	}
	if !search(closed(4), limit(4)) {
		t.Error("the fifth try is refused: the test below proves nothing")
	}
	if search(closed(42), limit(42)) {
		t.Error("the thief finds the code")
	}
	if err := k.Put(0, share); err != nil { // where whoever holds auth reads it
		t.Fatal(err)
	}
	if !search(closed(42), func([]byte) ([]byte, error) { return k.Get(0) }) {
		t.Error("without the limit the code is not found: the test above proves nothing")
	}
}

// A thief with the owner's authorisation makes an index of the same name, with
// a value of their own. The chip must not take it for the old one.
func TestAnIndexThatWasMadeAnewOpensNothing(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	token := limited(t, k)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	forge := func(counter bool) {
		onTheWire(t, e, func(wire transport.TPM) { forgeLimit(t, wire, counter) })
	}
	forge(false)
	k = e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
	if is, err := k.Share(token, wrong); err == nil {
		t.Errorf("the thief gets %q", is)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	forge(true) // and the counter, too
	k = e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
	if is, err := k.Share(token, wrong); err == nil {
		t.Errorf("with a new counter the thief gets %q", is)
	}
}

// forgeLimit replaces the first limit by one with the thief's value, and tries
// to write it under its own policy, with a new counter if wanted.
func forgeLimit(t *testing.T, wire transport.TPM, counter bool) {
	t.Helper()
	const counterAt, limitAt = tpm.FirstIndex + tpm.Places + 1, tpm.FirstIndex + 16
	read := func(index tpm2.TPMHandle) (*tpm2.NVReadPublicResponse, tpm2.NamedHandle) {
		r, err := tpm2.NVReadPublic{NVIndex: index}.Execute(wire)
		if err != nil {
			t.Fatal(err)
		}
		return r, tpm2.NamedHandle{Handle: index, Name: r.NVName}
	}
	remake := func(index tpm2.TPMHandle, value []byte) {
		r, name := read(index)
		public, err := r.NVPublic.Contents()
		if err != nil {
			t.Fatal(err)
		}
		public.Attributes.Written = false
		if _, err := (tpm2.NVUndefineSpace{AuthHandle: tpm2.TPMRHOwner, NVIndex: name}).Execute(wire); err != nil {
			t.Fatal(err)
		}
		if _, err := (tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, Auth: tpm2.TPM2BAuth{Buffer: value}, PublicInfo: tpm2.New2B(*public)}).Execute(wire); err != nil {
			t.Fatal(err)
		}
	}
	remake(limitAt, wrong)
	authorised := func(h tpm2.NamedHandle) tpm2.AuthHandle {
		return tpm2.AuthHandle{Handle: h.Handle, Name: h.Name, Auth: tpm2.PasswordAuth(auth)}
	}
	count := func() []byte {
		_, h := read(counterAt)
		r, err := tpm2.NVRead{AuthHandle: authorised(h), NVIndex: h, Size: 8}.Execute(wire)
		if err != nil {
			t.Fatal(err)
		}
		return r.Data.Buffer
	}
	was := count() // what the policy of the first limit compares with
	if counter {
		remake(counterAt, auth)
		_, h := read(counterAt)
		if _, err := (tpm2.NVIncrement{AuthHandle: authorised(h), NVIndex: h}).Execute(wire); err != nil {
			t.Fatal(err)
		}
		if now := count(); bytes.Compare(now, was) < 0 {
			t.Fatalf("a new counter goes back from %x to %x", was, now)
		}
	}
	session, done, err := tpm2.PolicySession(wire, tpm2.TPMAlgSHA256, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	_, c := read(counterAt)
	_, err = tpm2.PolicyNV{AuthHandle: authorised(c), NVIndex: c, PolicySession: session.Handle(), OperandB: tpm2.TPM2BOperand{Buffer: was}, Operation: tpm2.TPMEOUnsignedLT}.Execute(wire)
	if !errors.Is(err, tpm2.TPMRCPolicy) {
		t.Errorf("the policy of a write that was made is fulfilled again: %v", err)
	}
}

func TestTheChipTellsForHowManyItHasRoom(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	token := limited(t, k)
	if n, err := k.Room(3); n != 3 || err != nil {
		t.Errorf("room for three: %d, %v", n, err)
	}
	room, err := k.Room(tpm.Limits)
	if err != nil || room == 0 || room >= tpm.Limits {
		t.Fatalf("room for %d, %v", room, err)
	}
	t.Logf("swtpm has room for %d", room)
	var tokens [][]byte
	for range room {
		tokens = append(tokens, limited(t, k))
	}
	if _, err := k.Limit(right, share, tries); !errors.Is(err, tpm.ErrNoRoom) {
		t.Errorf("one too many: %v", err)
	}
	if n, err := k.Room(1); n != 0 || err != nil {
		t.Errorf("a full chip has room for %d, %v", n, err)
	}
	gives(t, k, token)
	gives(t, k, tokens[len(tokens)-1])
	if err := k.Keep(tokens); err != nil {
		t.Fatal(err)
	}
	gives(t, k, tokens[0])
	gives(t, k, limited(t, k))
}

func TestAChipThatIsFullOfOtherThingsKeepsNoShare(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	token := limited(t, k)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	onTheWire(t, e, func(wire transport.TPM) {
		for index := tpm2.TPMHandle(0x01900000); ; index++ {
			public := tpm2.TPMSNVPublic{NVIndex: index, NameAlg: tpm2.TPMAlgSHA256, DataSize: 2048,
				Attributes: tpm2.TPMANV{OwnerRead: true, OwnerWrite: true, NT: tpm2.TPMNTOrdinary}}
			_, err := tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, PublicInfo: tpm2.New2B(public)}.Execute(wire)
			if errors.Is(err, tpm2.TPMRCNVSpace) {
				return
			}
			if err != nil || index > 0x01900400 {
				t.Fatalf("index %#x: %v", uint32(index), err)
			}
		}
	})
	k = e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
	room, err := k.Room(tpm.Limits)
	if err != nil || room > 20 {
		t.Errorf("room for %d, %v", room, err)
	}
	for range room {
		limited(t, k)
	}
	if _, err := k.Limit(right, share, tries); !errors.Is(err, tpm.ErrNoRoom) {
		t.Errorf("one too many: %v", err)
	}
	gives(t, k, token)
}
