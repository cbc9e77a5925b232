package vault

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sector = 512 // what a drive writes whole or not at all

// drive is a file system over a medium with a volatile cache. A power cut keeps
// any part of what was not synced: sectors of a file, its length, and names in the
// folder, each for itself.
type drive struct {
	names   map[string]*inode // as the machine sees them
	durable map[string]*inode // as they come back
	count   int
	moments int  // writes and syncs so far
	cutAt   int  // the moment before which the power goes; zero: never
	after   bool // the cut is after it instead
	lost    int  // sectors and names that the cut lost
	chance  *mathrand.Rand
	skip    string // the sync that does nothing, for a control
}

type inode struct {
	now, durable []byte
}

type handle struct {
	d    *drive
	name string
	node *inode
	at   int64
}

var errPower = errors.New("power cut")

// moment is a write or a sync, in whose neighbourhood the power may go.
func (d *drive) moment(do func()) {
	d.moments++
	if d.moments == d.cutAt && !d.after {
		panic(errPower)
	}
	do()
	if d.moments == d.cutAt {
		panic(errPower)
	}
}

func (d *drive) create(pattern string) (mediumFile, error) {
	d.count++
	name := strings.Replace(pattern, "*", fmt.Sprint(d.count), 1)
	h := &handle{d: d, name: name, node: &inode{}}
	d.moment(func() { d.names[name] = h.node })
	return h, nil
}

func (d *drive) open(path string) (mediumFile, error) {
	node := d.names[path]
	if node == nil {
		return nil, os.ErrNotExist
	}
	return &handle{d: d, name: path, node: node}, nil
}

func (d *drive) rename(from, to string) error {
	d.moment(func() {
		d.names[to] = d.names[from]
		delete(d.names, from)
	})
	return nil
}

func (d *drive) remove(path string) error {
	d.moment(func() { delete(d.names, path) })
	return nil
}

func (d *drive) glob(pattern string) (found []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if ok, _ := filepath.Match(pattern, name); ok {
			found = append(found, name)
		}
	}
	return found, nil
}

func (d *drive) syncFolder(string) error {
	d.moment(func() {
		if d.skip != "folder" {
			d.durable = maps.Clone(d.names)
		}
	})
	return nil
}

func (h *handle) Name() string         { return h.name }
func (h *handle) Close() error         { return nil }
func (h *handle) size() (int64, error) { return int64(len(h.node.now)), nil }

func (h *handle) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(h.node.now)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.now[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(p []byte, at int64) (int, error) {
	h.d.moment(func() {
		if end := int(at) + len(p); end > len(h.node.now) {
			h.node.now = append(h.node.now, make([]byte, end-len(h.node.now))...)
		}
		copy(h.node.now[at:], p)
	})
	return len(p), nil
}

func (h *handle) Write(p []byte) (int, error) {
	n, err := h.WriteAt(p, h.at)
	h.at += int64(n)
	return n, err
}

func (h *handle) Sync() error {
	fresh := strings.Contains(h.name, ".new-") && h.d.names[h.name] == h.node
	h.d.moment(func() {
		if h.d.skip == "slot" && !fresh || h.d.skip == "file" && fresh {
			return
		}
		h.node.durable = bytes.Clone(h.node.now)
	})
	return nil
}

// cut is what comes back after the power went.
func (d *drive) cut() {
	names := map[string]*inode{}
	for name := range maps.Keys(d.merged()) {
		if is, was := d.names[name], d.durable[name]; is == was || d.chance.IntN(2) == 0 {
			if is != nil {
				names[name] = is
			}
		} else {
			d.lost++
			if was != nil {
				names[name] = was
			}
		}
	}
	for _, node := range names {
		size := len(node.now)
		if d.chance.IntN(2) == 0 && len(node.durable) < size {
			size = len(node.durable)
		}
		kept := make([]byte, size)
		for at := 0; at < size; at += sector {
			end := min(at+sector, size)
			old := make([]byte, sector)
			copy(old, node.durable[min(at, len(node.durable)):])
			if bytes.Equal(old[:end-at], node.now[at:end]) || d.chance.IntN(2) == 0 {
				copy(kept[at:end], node.now[at:end])
				continue
			}
			d.lost++
			copy(kept[at:end], old)
		}
		node.now, node.durable = kept, bytes.Clone(kept)
	}
	d.names, d.durable, d.cutAt = names, maps.Clone(names), 0
}

func (d *drive) merged() map[string]bool {
	all := map[string]bool{}
	for name := range d.names {
		all[name] = true
	}
	for name := range d.durable {
		all[name] = true
	}
	return all
}

// chip keeps two root keys, durable at once.
type chip [2][RootSize]byte

func (c *chip) Get(place int) ([]byte, error) { return bytes.Clone(c[place][:]), nil }

func (c *chip) Put(place int, key []byte) error {
	copy(c[place][:], key)
	return nil
}

const slotsPath = "/state/slots"

// diary is what was promised about each slot.
type diary struct {
	is     map[int][]byte // durable
	maybe  map[int][]byte // a write or an erasure of it was cut
	erased [][]byte       // nothing may be left of it
}

// live writes and erases slots and replaces the root, and notes what was promised.
func (y *diary) live(s Slots, steps int, chance *mathrand.Rand, rooted bool) error {
	for range steps {
		i := chance.IntN(s.Count())
		y.maybe = map[int][]byte{}
		switch n := chance.IntN(4); {
		case n == 0 && rooted:
			if err := s.(Rooted).ReplaceRoot(); err != nil {
				return err
			}
		case n == 1 && y.is[i] != nil:
			y.maybe[i] = nil
			if err := s.Erase(i); err != nil {
				return err
			}
			y.erased = append(y.erased, y.is[i])
			delete(y.is, i)
		case y.is[i] == nil:
			secret := make([]byte, 600)
			_, _ = rand.Read(secret)
			y.maybe[i] = secret
			if err := s.Write(i, secret); err != nil {
				return err
			}
			y.is[i] = secret
		}
		y.maybe = nil
	}
	return nil
}

// holds says what of the promises is broken.
func (y *diary) holds(s Slots, d *drive, rooted bool) error {
	for i := range s.Count() {
		got, err := s.Read(i)
		if err != nil {
			return err
		}
		could, cut := y.maybe[i]
		if !bytes.Equal(got, y.is[i]) && (!cut || got != nil && !bytes.Equal(got, could)) {
			return fmt.Errorf("slot %d holds %.4x, promised was %.4x", i, got, y.is[i])
		}
	}
	if rooted {
		return nil // what lies on the medium is sealed
	}
	for _, node := range d.durable {
		for _, secret := range y.erased {
			for at := 0; at+100 < len(secret); at += 100 {
				if bytes.Contains(node.durable, secret[at:at+100]) {
					return errors.New("an erased secret lies on the medium")
				}
			}
		}
	}
	return nil
}

// cutAtEachMoment cuts one life of slots at each of its writes and syncs, before
// and after, and answers how many cuts lost something and what promise was broken.
func cutAtEachMoment(seed uint64, rooted bool, skip string) (losing int, broken error) {
	for moment := 1; ; moment++ {
		for _, after := range []bool{false, true} {
			lost, cut, err := oneCut(seed, moment, after, rooted, skip)
			if err != nil {
				return losing, fmt.Errorf("cut at moment %d, after it: %v: %w", moment, after, err)
			}
			if lost > 0 {
				losing++
			}
			if !cut {
				return losing, nil
			}
		}
	}
}

func oneCut(seed uint64, moment int, after, rooted bool, skip string) (lost int, cut bool, err error) {
	d := &drive{names: map[string]*inode{}, durable: map[string]*inode{}, chance: mathrand.New(mathrand.NewPCG(seed, uint64(moment)))}
	if err := createSlotFile(d, slotsPath, 5); err != nil {
		return 0, false, err
	}
	keys, y := &chip{}, &diary{is: map[int][]byte{}}
	open := func() (Slots, error) {
		if rooted {
			return openRootedSlots(d, slotsPath, keys, rand.Reader)
		}
		return openSlotFile(d, slotsPath)
	}
	d.skip = skip
	func() {
		defer func() {
			if r := recover(); r != nil {
				if r != errPower { //nolint:errorlint // it is the value that was thrown
					panic(r)
				}
				cut = true
			}
		}()
		d.moments, d.cutAt, d.after = 0, moment, after
		var s Slots
		if s, err = open(); err == nil {
			err = y.live(s, 25, mathrand.New(mathrand.NewPCG(seed, 0)), rooted)
		}
	}()
	if err != nil {
		return 0, cut, err
	}
	d.cut()
	lost = d.lost
	s, err := open()
	if err != nil {
		return lost, cut, fmt.Errorf("after the cut: %w", err)
	}
	return lost, cut, y.holds(s, d, rooted)
}

func TestACutBetweenAWriteAndItsSyncLosesNoSlotThatWasPromised(t *testing.T) {
	for name, rooted := range map[string]bool{"in the clear": false, "under a root key": true} {
		t.Run(name, func(t *testing.T) {
			losing := 0
			for seed := range uint64(4) {
				n, err := cutAtEachMoment(seed, rooted, "")
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				losing += n
			}
			if losing < 100 {
				t.Errorf("only %d cuts lost anything: they prove little", losing)
			}
			t.Logf("%d cuts lost something, and nothing that was promised", losing)
		})
	}
}

// Each sync is needed: a terminal without it breaks a promise, and the test above sees it.
func TestACutShowsEachSyncOfTheSlotsThatIsMissing(t *testing.T) {
	for name, rooted := range map[string]bool{"slot": false, "file": true, "folder": true} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				if _, err := cutAtEachMoment(seed, rooted, name); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Errorf("without the sync of the %s nothing was lost", name)
		})
	}
}

// failing answers a sync as a medium that does not take what was written.
type failing struct {
	mediumFile
	syncs int
}

func (f *failing) Sync() error {
	f.syncs++
	if f.syncs == 1 {
		return errors.New("input/output error")
	}
	return f.mediumFile.Sync() // as Linux does: it has forgotten what it could not write
}

func TestAfterAFailedSyncTheSlotsAnswerNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	if err := CreateSlotFile(path, 3); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSlotFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(0, []byte("before")); err != nil || s.Broken() != nil {
		t.Fatal(err, s.Broken())
	}
	s.file = &failing{mediumFile: s.file}
	for range 2 { // the second time the medium says that all is well
		if err := s.Write(1, []byte("lost")); !errors.Is(err, ErrBroken) {
			t.Errorf("write says %v", err)
		}
		if err := s.Erase(0); !errors.Is(err, ErrBroken) {
			t.Errorf("erase says %v", err)
		}
	}
	if _, err := s.Read(0); !errors.Is(err, ErrBroken) {
		t.Errorf("read says %v", err)
	}
	if !errors.Is(s.Broken(), ErrBroken) {
		t.Errorf("broken is %v", s.Broken())
	}
}
