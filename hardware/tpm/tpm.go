// Package tpm keeps in a TPM 2.0 what a terminal must be able to forget for
// certain, a counter that never goes back, and shares that it gives out for the
// right pass only, and after a few wrong ones never again ([Chip.Limit]).
//
// NV indices from Config.Index on: +0 to +2 are places of [KeySize] bytes for keys,
// +3 is the counter; +4 counts the shares ever made, and +16 to +143 count their
// wrong passes, one each while it lives. What lies in a place is readable to
// whoever holds the indices' authorisation value, which lies beside the slots: a
// disk without its chip opens nothing, nor does the chip without the disk. A thief
// of the whole terminal holds both, and for a share still needs its pass; the
// indices are not bound to a measured boot.
//
// Every command that carries a key or the authorisation value runs in a session
// that is salted to a key of the chip and encrypts its parameters, so that
// nothing of it is read off the wires between board and chip. (Somebody who
// answers in the chip's place is not noticed: its storage key is not certified.)
//
// NV memory wears: plan with 100,000 writes of a cell, look for the figure in the
// chip's data sheet, and leave it to the caller how often to write. The indices
// are exempt from the chip's protection against dictionary attacks: their
// authorisation value is random, and a vandal's tries shall lock out nobody.
//
// The package knows nothing of slots, codes and events.
package tpm

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
)

const (
	// KeySize is the length of a root key in bytes.
	KeySize = 32
	// Places is the number of keys that there is room for.
	Places = 3
	// FirstIndex is the first of the NV indices unless configured, in the
	// range of the chip's owner (TCG registry of reserved handles, 2.2.2).
	FirstIndex = 0x01804e46

	counterSize = 8
	nonceSize   = 16
)

// ErrGone tells that the chip lacks one of the indices: it is another chip, or
// was cleared.
var ErrGone = errors.New("the TPM does not hold this terminal's indices")

// Config says which chip, and how its indices are opened.
type Config struct {
	Path  string // device (/dev/tpmrm0), or the Unix socket of an emulator
	Index uint32 // the first NV index; zero: FirstIndex
	Owner []byte // owner authorisation, to define indices; usually empty
	Auth  []byte // authorisation value of the indices, see NewAuth; at most 32 bytes
}

// NewAuth draws an authorisation value of 32 bytes, none of them zero.
func NewAuth(rand io.Reader) ([]byte, error) {
	auth := make([]byte, 32)
	for i := range auth {
		for auth[i] == 0 {
			if _, err := io.ReadFull(rand, auth[i:i+1]); err != nil {
				return nil, fmt.Errorf("draw an authorisation value: %w", err)
			}
		}
	}
	return auth, nil
}

// proper refuses values with a zero byte that is not at the end: a chip drops
// those at the end (TPM 2.0 Library, part 1, 19.6.5), and go-tpm 0.9.8 drops all
// that follows the first, so that what it proves to the chip is another value.
func (c Config) proper() error {
	for _, value := range [][]byte{c.Auth, c.Owner} {
		if bytes.IndexByte(bytes.TrimRight(value, "\x00"), 0) >= 0 {
			return fmt.Errorf("open TPM %s: an authorisation value holds a zero byte", c.Path)
		}
	}
	return nil
}

// Chip is an open TPM. Its methods may be called from several goroutines.
type Chip struct {
	config Config
	mu     sync.Mutex
	tpm    transport.TPMCloser
	salt   tpm2.TPMHandle // storage key that sessions are salted to
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

// Open opens the chip. Its indices must be there; [Define] makes them.
func Open(c Config) (*Chip, error) {
	k, err := open(c)
	if err != nil {
		return nil, err
	}
	for i := range uint32(Places + 1) {
		if _, err := k.handle(i); err != nil {
			return nil, errors.Join(fmt.Errorf("open TPM %s: %w", c.Path, err), k.Close())
		}
	}
	return k, nil
}

// Define makes the indices anew, empty, and opens the chip. What an earlier
// terminal kept there is gone.
func Define(c Config) (*Chip, error) {
	k, err := open(c)
	if err != nil {
		return nil, err
	}
	if err := k.keep(nil); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	for i := range uint32(Places + 1) {
		if err := k.define(i); err != nil {
			return nil, errors.Join(fmt.Errorf("define NV index %#x of TPM %s: %w", c.Index+i, c.Path, err), k.Close())
		}
	}
	for place := range Places {
		if err := k.Put(place, make([]byte, KeySize)); err != nil {
			return nil, errors.Join(err, k.Close())
		}
	}
	if err := k.Bump(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// Clear removes the indices and with them what they hold.
func Clear(c Config) error {
	k, err := open(c)
	if err != nil {
		return err
	}
	if err := k.keep(nil); err != nil {
		return errors.Join(err, k.Close())
	}
	for i := range uint32(armings + 1) {
		if err := k.undefine(i); err != nil {
			return errors.Join(fmt.Errorf("clear NV index %#x of TPM %s: %w", k.config.Index+i, c.Path, err), k.Close())
		}
	}
	return k.Close()
}

func open(c Config) (*Chip, error) {
	if err := c.proper(); err != nil {
		return nil, err
	}
	if c.Index == 0 {
		c.Index = FirstIndex
	}
	wire, err := dial(c.Path)
	if err != nil {
		return nil, fmt.Errorf("open TPM: %w", err)
	}
	wire = patient{wire}
	k := &Chip{config: c, tpm: wire}
	storage, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(c.Owner)},
		InPublic:      tpm2.New2B(tpm2.ECCSRKTemplate),
	}.Execute(wire)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open TPM %s: storage key: %w", c.Path, err), wire.Close())
	}
	k.salt, k.name = storage.ObjectHandle, storage.Name
	public, err := storage.OutPublic.Contents()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open TPM %s: storage key: %w", c.Path, err), k.Close())
	}
	k.public = *public
	return k, nil
}

// dial opens a device, or the Unix socket of an emulator.
func dial(path string) (transport.TPMCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() == fs.ModeSocket {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return nil, err
		}
		return transport.FromReadWriteCloser(conn), nil
	}
	return linuxtpm.Open(path)
}

// Close lets go of the chip.
func (k *Chip) Close() error {
	_, err := tpm2.FlushContext{FlushHandle: k.salt}.Execute(k.tpm)
	return errors.Join(err, k.tpm.Close())
}

// undefine removes one of the indices, if it is there.
func (k *Chip) undefine(i uint32) error {
	old, err := k.handle(i)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: k.session(k.config.Owner, bare())}
	_, err = tpm2.NVUndefineSpace{AuthHandle: owner, NVIndex: old}.Execute(k.tpm)
	return err
}

// define makes one of the indices, in an old one's place.
func (k *Chip) define(i uint32) error {
	if err := k.undefine(i); err != nil {
		return err
	}
	public := tpm2.TPMSNVPublic{
		NVIndex: tpm2.TPMHandle(k.config.Index + i), NameAlg: tpm2.TPMAlgSHA256, DataSize: KeySize,
		Attributes: tpm2.TPMANV{AuthRead: true, AuthWrite: true, NoDA: true, NT: tpm2.TPMNTOrdinary},
	}
	if i == Places || i == armings {
		public.DataSize, public.Attributes.NT = counterSize, tpm2.TPMNTCounter
	}
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: k.session(k.config.Owner, inward())}
	_, err := tpm2.NVDefineSpace{AuthHandle: owner, Auth: tpm2.TPM2BAuth{Buffer: k.config.Auth}, PublicInfo: tpm2.New2B(public)}.Execute(k.tpm)
	return err
}

// What of a command is encrypted: what goes in, what comes out, or nothing,
// because it has no parameter.
func inward() []tpm2.AuthOption {
	return []tpm2.AuthOption{tpm2.AESEncryption(128, tpm2.EncryptIn)}
}
func outward() []tpm2.AuthOption {
	return []tpm2.AuthOption{tpm2.AESEncryption(128, tpm2.EncryptOut)}
}
func bare() []tpm2.AuthOption { return nil }

// session proves an authorisation value without sending it.
func (k *Chip) session(auth []byte, encrypted []tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, nonceSize, append(encrypted, tpm2.Auth(auth), tpm2.Salted(k.salt, k.public))...)
}

// handle is an index with its present name, which changes with its first write.
func (k *Chip) handle(i uint32) (tpm2.NamedHandle, error) {
	index := tpm2.TPMHandle(k.config.Index + i)
	is, err := tpm2.NVReadPublic{NVIndex: index}.Execute(k.tpm)
	if errors.Is(err, tpm2.TPMRCHandle) {
		return tpm2.NamedHandle{}, fmt.Errorf("NV index %#x: %w", uint32(index), ErrGone)
	}
	if err != nil {
		return tpm2.NamedHandle{}, fmt.Errorf("NV index %#x: %w", uint32(index), err)
	}
	return tpm2.NamedHandle{Handle: index, Name: is.NVName}, nil
}

// at is an index and the right to use it once.
func (k *Chip) at(i uint32, encrypted []tpm2.AuthOption) (tpm2.NamedHandle, tpm2.AuthHandle, error) {
	h, err := k.handle(i)
	return h, tpm2.AuthHandle{Handle: h.Handle, Name: h.Name, Auth: k.session(k.config.Auth, encrypted)}, err
}

func (k *Chip) read(i uint32, size uint16) ([]byte, error) {
	index, right, err := k.at(i, outward())
	if err != nil {
		return nil, err
	}
	got, err := tpm2.NVRead{AuthHandle: right, NVIndex: index, Size: size}.Execute(k.tpm)
	if err != nil {
		return nil, fmt.Errorf("read NV index %#x: %w", k.config.Index+i, err)
	}
	if len(got.Data.Buffer) != int(size) {
		return nil, fmt.Errorf("read NV index %#x: %d bytes, want %d", k.config.Index+i, len(got.Data.Buffer), size)
	}
	return got.Data.Buffer, nil
}

// Get reads a place; zeros: it is empty.
func (k *Chip) Get(place int) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.get(place)
}

func (k *Chip) get(place int) ([]byte, error) {
	if place < 0 || place >= Places {
		return nil, fmt.Errorf("key %d, there are 0 to %d", place, Places-1)
	}
	return k.read(uint32(place), KeySize)
}

// Put overwrites a place with KeySize bytes and reads them back.
func (k *Chip) Put(place int, key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if place < 0 || place >= Places || len(key) != KeySize {
		return fmt.Errorf("key %d of %d bytes, wants 0 to %d and %d", place, len(key), Places-1, KeySize)
	}
	index, right, err := k.at(uint32(place), inward())
	if err != nil {
		return err
	}
	if _, err := (tpm2.NVWrite{AuthHandle: right, NVIndex: index, Data: tpm2.TPM2BMaxNVBuffer{Buffer: key}}).Execute(k.tpm); err != nil {
		return fmt.Errorf("write key %d: %w", place, err)
	}
	is, err := k.get(place)
	if err != nil {
		return fmt.Errorf("write key %d: %w", place, err)
	}
	defer clear(is)
	if subtle.ConstantTimeCompare(is, key) != 1 {
		return fmt.Errorf("write key %d: the chip holds something else", place)
	}
	return nil
}

// Count reads the counter.
func (k *Chip) Count() (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, err := k.read(Places, counterSize)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

// Bump adds one to the counter. A new one starts at a number that no counter of
// this chip ever had.
func (k *Chip) Bump() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bump(Places)
}

func (k *Chip) bump(i uint32) error {
	index, right, err := k.at(i, bare())
	if err != nil {
		return err
	}
	if _, err := (tpm2.NVIncrement{AuthHandle: right, NVIndex: index}).Execute(k.tpm); err != nil {
		return fmt.Errorf("bump the TPM's counter: %w", err)
	}
	return nil
}
