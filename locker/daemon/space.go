package daemon

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/journal"
)

// spaceEvery is how often the disk is looked at.
const spaceEvery = 5 * time.Second

// space is how many bytes the file system of a folder has free for us, and how
// many it has in all.
func space(folder string) (free, size int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", folder, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil //nolint:unconvert // 32 bits on armv7
}

// roomy fails without room for a service.
func (s *store) roomy() error {
	room, err := s.journal.Room()
	if err == nil && room < journal.ServiceRoom {
		err = fmt.Errorf("%w: %d bytes of room, a service wants %d", journal.ErrFull, room, journal.ServiceRoom)
	}
	return err
}

// told is how the store's folder stands.
func (s *store) told(folder string) (locker.SpaceTold, error) {
	free, size, err := space(folder)
	if err != nil {
		return locker.SpaceTold{}, err
	}
	room, err := s.journal.Room()
	return locker.SpaceTold{Folder: folder, Free: free, Size: size, Room: room}, err
}

// watchSpace tells the machine how much space there is, and ends a service that
// has hardly any left, while nobody stands there.
func (d *Daemon) watchSpace(ctx context.Context) error {
	tick := time.NewTicker(spaceEvery)
	defer tick.Stop()
	for {
		in, err := d.store.told(d.config.State)
		if err != nil {
			return err // the journal has ended, or its medium does not answer
		}
		d.control.Deliver(ctx, in)
		if in.Room < journal.LeaveRoom && !d.control.Status().Busy {
			d.options.Logger.Error("the disk is full: the service ends before a visit is cut off", "folder", in.Folder, "room", in.Room)
			return errAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
