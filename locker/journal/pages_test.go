package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/locker/journal"
)

// storedFile is the bytes of a closed journal with branches, records and free pages.
func storedFile(t *testing.T) (journal.Config, []byte) {
	t.Helper()
	c := config(t)
	j := create(t, c)
	for n := range 300 {
		appendTo(t, j, events(n, n+1))
	}
	for _, key := range []string{"1", "2", "3"} {
		if err := j.Records().Put("deposits", key, make([]byte, 30_000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Records().Delete("deposits", "2"); err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	data, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	return c, bytes.TrimRight(data, "\x00") // the space that is held plays no part
}

const (
	branchFlag, leafFlag = 1, 2
	headerSize, elements = 16, 16
)

func pages(data []byte) [][]byte {
	size := os.Getpagesize()
	data = append(data, make([]byte, (size-len(data)%size)%size)...)
	var list [][]byte
	for at := 0; at < len(data); at += size {
		list = append(list, data[at:at+size])
	}
	return list
}

func flagsOf(page []byte) uint16 { return binary.LittleEndian.Uint16(page[8:]) }
func countIn(page []byte) int    { return int(binary.LittleEndian.Uint16(page[10:])) }

// opensOrIsDamage opens a copy of the file, in this process, and reads it: a walk
// without a bound ends the test.
func opensOrIsDamage(t *testing.T, path string, list [][]byte) error {
	t.Helper()
	if err := os.WriteFile(path, bytes.Join(list, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := journal.OpenReadOnly(path)
	if err == nil {
		_, _, _ = j.Verify(journal.Trust{}) // what the pages hold is not looked at here
		return j.Close()
	}
	if !errors.Is(err, journal.ErrCorrupt) && !errors.Is(err, journal.ErrVersion) {
		t.Errorf("says %v", err)
	}
	return err
}

// After a forced power-off a page may lead back to itself. Opening is tried in
// a process of its own, because a walk without a bound ends the process.
func TestAPageThatLeadsBackToItselfIsDamage(t *testing.T) {
	if path := os.Getenv("JOURNAL_TEST_CYCLE"); path != "" {
		c := config(t)
		c.Path = path
		_, err := journal.Open(c)
		wantError(t, err, journal.ErrCorrupt)
		_, err = journal.OpenReadOnly(path)
		wantError(t, err, journal.ErrCorrupt)
		wantError(t, journal.Check(path), journal.ErrCorrupt)
		return
	}
	_, data := storedFile(t)
	list, spoilt := pages(data), 0
	for _, b := range list[2:] {
		if flagsOf(b) != branchFlag {
			continue
		}
		for i := range countIn(b) {
			copy(b[headerSize+elements*i+8:][:8], b[:8])
		}
		spoilt++
	}
	if spoilt == 0 {
		t.Fatal("the file has no branch")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAPageThatLeadsBackToItselfIsDamage$")
	cmd.Env = append(os.Environ(), "JOURNAL_TEST_CYCLE="+write(t, bytes.Join(list, nil)))
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the process ends after %v: %v: %.300s", time.Since(start), err, out)
	}
}

// Each damage alone keeps the journal from being opened, with a name for it.
func TestPagesThatBboltWouldFollowOutOfBoundsAreDamage(t *testing.T) {
	order := binary.LittleEndian
	for name, spoil := range map[string]func(b []byte, id, all uint64) bool{
		"a branch to a page beyond the end": func(b []byte, _, all uint64) bool {
			order.PutUint64(b[headerSize+8:], all+7)
			return flagsOf(b) == branchFlag
		},
		"a branch to a meta page": func(b []byte, _, _ uint64) bool {
			order.PutUint64(b[headerSize+8:], 1)
			return flagsOf(b) == branchFlag
		},
		"two elements of a branch to one page": func(b []byte, _, _ uint64) bool {
			copy(b[headerSize+8:][:8], b[headerSize+elements+8:][:8])
			return flagsOf(b) == branchFlag && countIn(b) > 1
		},
		"a branch without elements": func(b []byte, _, _ uint64) bool {
			is := flagsOf(b) == branchFlag
			order.PutUint16(b[10:], 0)
			return is
		},
		"more elements than a page has room for": func(b []byte, _, _ uint64) bool {
			is := flagsOf(b) == leafFlag
			order.PutUint16(b[10:], 60_000)
			return is
		},
		"an element outside of its page": func(b []byte, _, _ uint64) bool {
			order.PutUint32(b[headerSize+4:], 1<<30)
			return flagsOf(b) == leafFlag && countIn(b) > 0
		},
		"keys that are not in order": func(b []byte, _, _ uint64) bool {
			e := b[headerSize:]
			is := flagsOf(b) == branchFlag && countIn(b) > 1
			if is {
				b[headerSize+int(order.Uint32(e))] = 0xff
			}
			return is
		},
		"a page of no known kind": func(b []byte, _, _ uint64) bool {
			is := flagsOf(b) == leafFlag
			order.PutUint16(b[8:], 0x40)
			return is
		},
		"a page with another's number": func(b []byte, id, _ uint64) bool {
			order.PutUint64(b, id+1)
			return flagsOf(b) == branchFlag
		},
		"a length that spans the file": func(b []byte, _, all uint64) bool {
			order.PutUint32(b[12:], uint32(all/2))
			return flagsOf(b) == branchFlag
		},
		"a length of terabytes": func(b []byte, _, _ uint64) bool {
			order.PutUint32(b[12:], 1<<31)
			return flagsOf(b) == branchFlag
		},
		"more free pages than the list has room for": func(b []byte, _, _ uint64) bool {
			is := flagsOf(b) == 0x10
			order.PutUint16(b[10:], 0xFFFE)
			return is
		},
		"a free page beyond the end": func(b []byte, _, all uint64) bool {
			order.PutUint64(b[headerSize:], all+1)
			return flagsOf(b) == 0x10 && countIn(b) > 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, data := storedFile(t)
			whole := bytes.Join(pages(data), nil)
			hit := false
			for id := range pages(data) {
				if id < 2 {
					continue
				}
				list := pages(bytes.Clone(whole))
				if !spoil(list[id], uint64(id), uint64(len(list))) {
					continue
				}
				hit = opensOrIsDamage(t, c.Path, list) != nil || hit // a page that is free already leads nowhere
			}
			if !hit {
				t.Error("no such damage was found in any page")
			}
		})
	}
}

// A page that is used and listed as free would be overwritten by the next commit.
func TestAUsedPageThatIsListedAsFreeIsDamage(t *testing.T) {
	c, data := storedFile(t)
	list := pages(data)
	used := uint64(0)
	for id, b := range list[2:] {
		if flagsOf(b) == branchFlag {
			used = uint64(id) + 2
		}
	}
	hit := false
	for id := range list {
		fresh := pages(bytes.Clone(bytes.Join(list, nil)))
		b := fresh[id]
		if flagsOf(b) != 0x10 || countIn(b) == 0 {
			continue
		}
		binary.LittleEndian.PutUint64(b[headerSize:], used)
		hit = opensOrIsDamage(t, c.Path, fresh) != nil || hit
	}
	if !hit {
		t.Error("it opened")
	}
}

// Whatever bits fall over, opening ends with a journal or with an error.
func TestAFileOfDamagedPagesNeverEndsTheProcess(t *testing.T) {
	c, data := storedFile(t)
	whole := bytes.Join(pages(data), nil)
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	chance := rand.New(rand.NewPCG(701, 1))
	for range rounds {
		list := pages(bytes.Clone(whole))
		for range 1 + chance.IntN(8) {
			b := list[2+chance.IntN(len(list)-2)]
			at := chance.IntN(headerSize + 4*elements) // where page numbers, counts and lengths stand
			b[at] = byte(chance.Uint32())
		}
		_ = opensOrIsDamage(t, c.Path, list)
	}
}
