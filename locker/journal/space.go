package journal

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
)

// Bytes of space. A full disk must not end a visit that has begun, nor turn a
// record that does not fit into a failed commit. So the file holds space that
// the disk has already given, and a large record leaves room for events.
const (
	// holds is what the file keeps ready behind its last page: the largest order
	// (envelope.MaxMessage), the largest deposit (its factors twice, in base64)
	// and EventRoom.
	holds = 12 << 20
	// refill is when the file asks the disk for more.
	refill = 11 << 20
	// smallRecord is the longest record that counts as an event does.
	smallRecord = 16 << 10
	// pagesOfCommit is what a commit writes beside the value: the branches above
	// it, the list of free pages, the root.
	pagesOfCommit = 256 << 10
	// leastRoom is what Open wants, some hundred events: a full disk shows at the
	// start, and not at the first citizen.
	leastRoom = 512 << 10

	// EventRoom is what a large record leaves for events and for small records
	// (an erased slot writes one): some thousand events.
	EventRoom = 4 << 20
	// ServiceRoom is what a terminal wants to begin its service.
	ServiceRoom = 1 << 20
	// LeaveRoom is when it ends it, between two visits and before a commit fails
	// in the middle of one.
	LeaveRoom = 512 << 10
)

// Disk is what a journal asks of the file system. [SystemDisk] is the machine's.
type Disk interface {
	// Free is how many bytes whoever runs this may still write to the file system of the file.
	Free(f *os.File) (int64, error)
	// Allocate makes the file at least so long, and has the file system give
	// its space now.
	Allocate(f *os.File, size int64) error
}

// SystemDisk is the machine's file system.
type SystemDisk struct{}

// Free implements Disk.
func (SystemDisk) Free(f *os.File) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", f.Name(), err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // 32 bits on armv7
}

// Allocate implements Disk.
func (SystemDisk) Allocate(f *os.File, size int64) error {
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		return fmt.Errorf("allocate %d bytes for %s: %w", size, f.Name(), err)
	}
	return nil
}

// Room is how many bytes can still be written: what the file holds behind its
// last page, and what the disk gives.
func (j *Journal) Room() (int64, error) {
	j.commit.Lock()
	defer j.commit.Unlock()
	if err := j.ended(); err != nil {
		return 0, fmt.Errorf("room in the journal: %w", err)
	}
	return j.room()
}

// room is Room for a caller that holds commit.
func (j *Journal) room() (int64, error) {
	used, err := j.used()
	if err != nil {
		return 0, err
	}
	info, err := j.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("room in the journal: %w", named(err))
	}
	free, err := j.config.Disk.Free(j.file)
	if err != nil {
		return 0, fmt.Errorf("room in the journal: %w", named(err))
	}
	if l := int64(j.config.Limit); l > 0 {
		free = min(free, max(0, l-max(info.Size(), used)))
	}
	return max(0, min(j.held, info.Size())-used) + free, nil
}

// used is where the last page ends.
func (j *Journal) used() (n int64, err error) {
	err = guard("read the journal's size", func() error {
		return j.db.View(func(tx *bbolt.Tx) error {
			n = tx.Size()
			return nil
		})
	})
	return n, err
}

// holdSpace asks the disk for what the file should hold. A disk that has less
// gives less; Room tells. A file system that cannot allocate gives nothing, and
// Room is what it has free.
func (j *Journal) holdSpace() {
	used, err := j.used()
	if err != nil || j.held-used >= refill {
		return
	}
	for want := int64(holds); want >= leastRoom; want /= 2 {
		size := used + want
		if l := int64(j.config.Limit); l > 0 {
			size = min(size, l)
		}
		if size <= j.held {
			return
		}
		err := j.config.Disk.Allocate(j.file, size)
		if err == nil {
			j.held = size
			return
		}
		if !errors.Is(named(err), ErrFull) {
			return
		}
	}
}

// fits refuses a record before anything is begun. A small one may use the
// space that is kept for events.
func (j *Journal) fits(bytes int) error {
	room, err := j.room()
	if err != nil {
		return err
	}
	need := int64(bytes) + pagesOfCommit
	if bytes > smallRecord {
		need += EventRoom
	}
	if room < need {
		return fmt.Errorf("%w: %d bytes of room, a record of %d wants %d", ErrFull, room, bytes, need)
	}
	return nil
}

// proveWritable writes the head once more and asks for space, so that a disk
// that takes no writes, or has no room, shows at the start.
func (j *Journal) proveWritable() error {
	err := guard("write the head", func() error {
		return j.db.Update(func(tx *bbolt.Tx) error { return j.head.save(tx.Bucket(metaBucket)) })
	})
	if err != nil {
		return named(err)
	}
	j.holdSpace()
	room, err := j.room()
	if err != nil {
		return err
	}
	if room < leastRoom {
		return fmt.Errorf("%w: %d bytes of room, wants %d", ErrFull, room, leastRoom)
	}
	return nil
}
