package tpm_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
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
	const limitAt = tpm.FirstIndex + 16
	refused := func(how string, forge func(f forger)) {
		t.Helper()
		onTheWire(t, e, func(wire transport.TPM) { forge(forger{t, wire}) })
		k := e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
		if is, err := k.Share(token, wrong); err == nil {
			t.Errorf("%s: the thief gets %q", how, is)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	onTheWire(t, e, func(wire transport.TPM) { // where the counter did not move on, all this works
		f := forger{t, wire}
		open := f.count() + 1
		f.define(tpm2.TPMSNVPublic{
			NVIndex: limitAt + 1, NameAlg: tpm2.TPMAlgSHA256, DataSize: 8, AuthPolicy: tpm2.TPM2BDigest{Buffer: f.policy(open)},
			Attributes: tpm2.TPMANV{AuthRead: true, PolicyWrite: true, NoDA: true, NT: tpm2.TPMNTPinFail},
		}, right)
		f.must(f.write(limitAt+1, open))
		_, was := f.public(limitAt + 1)
		f.anew(limitAt+1, wrong)
		f.must(f.write(limitAt+1, open))
		_, is := f.public(limitAt + 1)
		if !bytes.Equal(was.Name.Buffer, is.Name.Buffer) {
			t.Error("an index that was made anew has another name: the tests below prove nothing")
		}
		f.must(f.authorise(is, wrong))
	})
	refused("a count that the owner sets to zero", func(f forger) {
		_, l := f.public(limitAt)
		owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
		_, err := tpm2.NVWrite{AuthHandle: owner, NVIndex: l, Data: tpm2.TPM2BMaxNVBuffer{Buffer: []byte{0, 0, 0, 0, 0, 0, 0, tries}}}.Execute(f.wire)
		if !errors.Is(err, tpm2.TPMRCNVAuthorization) {
			t.Errorf("the owner writes: %v", err)
		}
	})
	var n uint64
	refused("a new index", func(f forger) {
		n = f.count()
		if public, _ := f.public(limitAt); !bytes.Equal(public.AuthPolicy.Buffer, f.policy(n)) {
			t.Error("the limit's policy is another one: this proves nothing")
		}
		f.anew(limitAt, wrong)
		if err := f.write(limitAt, n); !errors.Is(err, tpm2.TPMRCPolicy) {
			t.Errorf("its policy is fulfilled again: %v", err)
		}
	})
	refused("a new index and a new counter", func(f forger) {
		f.anew(counterAt, auth)
		_, c := f.public(counterAt)
		_, err := tpm2.NVIncrement{AuthHandle: f.right(c), NVIndex: c}.Execute(f.wire)
		f.must(err)
		if now := f.count(); now < n {
			t.Fatalf("a new counter goes back from %d to %d", n, now)
		}
		if err := f.write(limitAt, n); !errors.Is(err, tpm2.TPMRCPolicy) {
			t.Errorf("its policy is fulfilled again: %v", err)
		}
	})
}

const counterAt = tpm.FirstIndex + tpm.Places + 1

// forger is a thief at the chip's wires, who knows the owner's authorisation
// value (empty) and that of the terminal's indices.
type forger struct {
	t    *testing.T
	wire transport.TPM
}

func (f forger) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f forger) public(index tpm2.TPMHandle) (*tpm2.TPMSNVPublic, tpm2.NamedHandle) {
	f.t.Helper()
	r, err := tpm2.NVReadPublic{NVIndex: index}.Execute(f.wire)
	f.must(err)
	public, err := r.NVPublic.Contents()
	f.must(err)
	return public, tpm2.NamedHandle{Handle: index, Name: r.NVName}
}

func (f forger) right(h tpm2.NamedHandle) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: h.Handle, Name: h.Name, Auth: tpm2.PasswordAuth(auth)}
}

// count reads the counter of armings.
func (f forger) count() uint64 {
	f.t.Helper()
	_, c := f.public(counterAt)
	r, err := tpm2.NVRead{AuthHandle: f.right(c), NVIndex: c, Size: 8}.Execute(f.wire)
	f.must(err)
	return binary.BigEndian.Uint64(r.Data.Buffer)
}

// once is the condition that the counter is less than n.
func (f forger) once(n uint64) tpm2.PolicyNV {
	f.t.Helper()
	_, c := f.public(counterAt)
	return tpm2.PolicyNV{AuthHandle: f.right(c), NVIndex: c, Operation: tpm2.TPMEOUnsignedLT,
		OperandB: tpm2.TPM2BOperand{Buffer: binary.BigEndian.AppendUint64(nil, n)}}
}

func (f forger) policy(n uint64) []byte {
	f.t.Helper()
	p, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	f.must(err)
	f.must(f.once(n).Update(p))
	return p.Hash().Digest
}

func (f forger) define(public tpm2.TPMSNVPublic, value []byte) {
	f.t.Helper()
	_, err := tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, Auth: tpm2.TPM2BAuth{Buffer: value}, PublicInfo: tpm2.New2B(public)}.Execute(f.wire)
	f.must(err)
}

// anew makes an index of the same public area with another value.
func (f forger) anew(index tpm2.TPMHandle, value []byte) {
	f.t.Helper()
	public, name := f.public(index)
	_, err := tpm2.NVUndefineSpace{AuthHandle: tpm2.TPMRHOwner, NVIndex: name}.Execute(f.wire)
	f.must(err)
	public.Attributes.Written = false
	f.define(*public, value)
}

// write sets an index to no wrong pass of five, under the policy that the
// counter is less than n.
func (f forger) write(index tpm2.TPMHandle, n uint64) error {
	f.t.Helper()
	session, done, err := tpm2.PolicySession(f.wire, tpm2.TPMAlgSHA256, 16)
	f.must(err)
	defer func() { f.must(done()) }()
	once := f.once(n)
	once.PolicySession = session.Handle()
	if _, err := once.Execute(f.wire); err != nil {
		return err
	}
	_, name := f.public(index)
	_, err = tpm2.NVWrite{AuthHandle: tpm2.AuthHandle{Handle: name.Handle, Name: name.Name, Auth: session}, NVIndex: name,
		Data: tpm2.TPM2BMaxNVBuffer{Buffer: []byte{0, 0, 0, 0, 0, 0, 0, tries}}}.Execute(f.wire)
	return err
}

// authorise fulfils the policy that a share is sealed under.
func (f forger) authorise(index tpm2.NamedHandle, value []byte) error {
	f.t.Helper()
	session, done, err := tpm2.PolicySession(f.wire, tpm2.TPMAlgSHA256, 16)
	f.must(err)
	defer func() { f.must(done()) }()
	right := tpm2.AuthHandle{Handle: index.Handle, Name: index.Name, Auth: tpm2.PasswordAuth(value)}
	_, err = tpm2.PolicySecret{AuthHandle: right, PolicySession: session.Handle(), NonceTPM: session.NonceTPM()}.Execute(f.wire)
	return err
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
