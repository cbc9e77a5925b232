package tpm_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/hardware/tpm"
	"github.com/nachtfach/nachtfach/hardware/tpm/tpmtest"
)

var auth = []byte("an authorisation value of 32 by.")

func TestRootKeysSurviveAPowerCut(t *testing.T) {
	e := tpmtest.Start(t)
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, tpm.KeySize)
	for place := range tpm.Places {
		is, err := k.Get(place)
		if err != nil || !bytes.Equal(is, make([]byte, tpm.KeySize)) {
			t.Errorf("a new place %d holds %x, %v", place, is, err)
		}
	}
	if err := k.Put(1, key); err != nil {
		t.Fatal(err)
	}
	was, err := k.Count()
	if was == 0 || err != nil {
		t.Errorf("a new counter is %d, %v", was, err)
	}
	for range 3 {
		if err := k.Bump(); err != nil {
			t.Fatal(err)
		}
		n, err := k.Count()
		if err != nil || n != was+1 {
			t.Errorf("the count went from %d to %d, %v", was, n, err)
		}
		was = n
	}
	e.Cut()
	k = e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
	if is, err := k.Get(1); err != nil || !bytes.Equal(is, key) {
		t.Errorf("after a power cut the place holds %x, %v", is, err)
	}
	if n, err := k.Count(); n != was || err != nil {
		t.Errorf("after a power cut the count is %d, %v, want %d", n, err, was)
	}
	if err := k.Put(1, make([]byte, tpm.KeySize)); err != nil {
		t.Fatal(err)
	}
	if is, err := k.Get(1); err != nil || !bytes.Equal(is, make([]byte, tpm.KeySize)) {
		t.Errorf("an overwritten place holds %x, %v", is, err)
	}
}

func TestAnotherChipAndAnotherDiskAreRefused(t *testing.T) {
	e := tpmtest.Start(t)
	if _, err := tpm.Open(tpm.Config{Path: e.Path, Auth: auth}); !errors.Is(err, tpm.ErrGone) {
		t.Errorf("a chip without indices: %v", err)
	}
	k, err := tpm.Define(tpm.Config{Path: e.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k = e.Open(t, tpm.Config{Path: e.Path, Auth: []byte("a guess")})
	for range 40 { // more than any chip's limit: the vandal locks out nobody
		if is, err := k.Get(0); err == nil {
			t.Fatalf("a guess read %x", is)
		}
	}
	if err := k.Put(0, make([]byte, tpm.KeySize)); err == nil {
		t.Error("a guess wrote")
	}
	if err := k.Bump(); err == nil {
		t.Error("a guess bumped the counter")
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k = e.Open(t, tpm.Config{Path: e.Path, Auth: auth})
	if _, err := k.Get(0); err != nil {
		t.Errorf("the owner after a vandal: %v", err)
	}
	for _, bad := range []int{-1, tpm.Places} {
		if _, err := k.Get(bad); err == nil {
			t.Errorf("place %d was read", bad)
		}
	}
	if err := k.Put(0, []byte("short")); err == nil {
		t.Error("a short key was put")
	}
	if err := k.Put(0, bytes.Repeat([]byte{7}, tpm.KeySize)); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if k, err = tpm.Define(tpm.Config{Path: e.Path, Auth: auth}); err != nil {
		t.Fatal(err)
	}
	if is, err := k.Get(0); err != nil || !bytes.Equal(is, make([]byte, tpm.KeySize)) {
		t.Errorf("after another terminal's start the place holds %x, %v", is, err)
	}
}

func TestAKeyIsNotReadOffTheWires(t *testing.T) {
	e := tpmtest.Start(t)
	tap := e.Tap(t)
	k, err := tpm.Define(tpm.Config{Path: tap.Path, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	key := []byte("a root key of exactly 32 bytes..")
	if err := k.Put(0, key); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Get(0); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	seen := tap.Seen()
	if len(seen) < 500 {
		t.Fatalf("the tap saw %d bytes", len(seen))
	}
	for _, secret := range [][]byte{key, auth} {
		if bytes.Contains(seen, secret) {
			t.Errorf("%q went over the wires", secret)
		}
	}
}

func TestAnAuthorisationValueIsDrawnWithoutZeroBytes(t *testing.T) {
	some := bytes.Repeat([]byte{0, 0, 3, 0, 5}, 100)
	value, err := tpm.NewAuth(bytes.NewReader(some))
	if err != nil || len(value) != 32 || bytes.IndexByte(value, 0) >= 0 {
		t.Errorf("drawn is %x, %v", value, err)
	}
	if _, err := tpm.NewAuth(bytes.NewReader(nil)); err == nil {
		t.Error("drawn of nothing")
	}
}

func TestAnAuthorisationValueWithAZeroByteIsRefused(t *testing.T) {
	e := tpmtest.Start(t)
	value := bytes.Clone(auth)
	value[9] = 0
	for _, c := range []tpm.Config{{Path: e.Path, Auth: value}, {Path: e.Path, Auth: auth, Owner: value}} {
		if _, err := tpm.Define(c); err == nil || !strings.Contains(err.Error(), "zero byte") {
			t.Errorf("says %v", err)
		}
	}
}
