package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"
)

// What a caller can tell apart.
var (
	// ErrCorrupt: the file is damaged, truncated or no journal.
	ErrCorrupt = errors.New("journal is damaged")
	// ErrVersion: the file was written by a version with another layout.
	ErrVersion = errors.New("journal has another version")
	// ErrForeign: the file, or the note, belongs to another terminal.
	ErrForeign = errors.New("belongs to another terminal")
	// ErrLocked: another process has the journal open.
	ErrLocked = errors.New("journal is in use by another process")
	// ErrUnwritable: permissions or a read-only medium.
	ErrUnwritable = errors.New("journal cannot be written")
	// ErrMedium: the medium answers a read or a write with an I/O error. It can pass.
	ErrMedium = errors.New("the medium of the journal does not work")
	// ErrFull: no space left, on the disk or within Config.Limit. Without
	// ErrBroken nothing was begun, and the journal is usable.
	ErrFull = errors.New("no space left for the journal")
	// ErrBroken: a commit failed. Nobody knows whether its events are on the
	// disk; the process must end.
	ErrBroken = errors.New("journal is not usable after a failed commit")
	// ErrReadOnly: the journal was opened by OpenReadOnly.
	ErrReadOnly = errors.New("journal is open for reading only")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("journal is closed")

	// ErrForged: the note lacks a good signature of the city.
	ErrForged = errors.New("no valid signature of the city")
	// ErrMalformed: the note's text is not an acknowledgement.
	ErrMalformed = errors.New("malformed acknowledgement")
	// ErrFork: the city's root is not ours at that size; one of the logs was rewritten.
	ErrFork = errors.New("the city's tree is another one")
	// ErrAhead: the city has more events than we; this journal is an old copy.
	ErrAhead = errors.New("the city has more events than this journal")
	// ErrStale: older than the last acknowledgement and behind it; a replay.
	ErrStale = errors.New("older than the last acknowledgement")

	// ErrPruned: the bodies that were asked for are gone after their period.
	ErrPruned = errors.New("these events were pruned after their period")
	// ErrRewritten: the log is whole in itself, but not the one that the device signed.
	ErrRewritten = errors.New("not the history that the device signed")

	// ErrSkipSnapshot, returned by Replay's restore, asks for all events instead.
	ErrSkipSnapshot = errors.New("skip the snapshot")
)

// BadEventError names the first event that does not hold. It is an ErrCorrupt.
type BadEventError struct {
	Sequence uint64
	Reason   string
}

func (e *BadEventError) Error() string {
	return fmt.Sprintf("event %d: %s", e.Sequence, e.Reason)
}

// Is makes it an ErrCorrupt.
func (e *BadEventError) Is(target error) bool { return target == ErrCorrupt }

// guard turns the panics by which bbolt answers corruption, and faults on
// pages that the file lacks, into errors. f calls nobody outside of this package.
func guard(what string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if fault, ok := p.(interface{ Addr() uintptr }); ok { // of the memory map: the file has the page, and it could not be read
			err = fmt.Errorf("%s: %w: %v", what, ErrMedium, fault)
			return
		}
		if p != nil {
			err = fmt.Errorf("%s: %w: %v", what, ErrCorrupt, p)
		}
	}()
	return f()
}

// named adds our name to an error of bbolt or of the system.
func named(err error) error {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(berrors.ErrTimeout):
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case is(syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, berrors.ErrMaxSizeReached), says(err, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case is(fs.ErrPermission, syscall.EROFS):
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	case is(syscall.EIO, syscall.ENODEV, syscall.ENXIO, syscall.ETIMEDOUT, syscall.EREMOTEIO), says(err, syscall.EIO):
		return fmt.Errorf("%w: %w", ErrMedium, err)
	}
	return err
}

// Passes tells whether what kept the journal from being opened, or ended it,
// can end without a person who mends the file: no space, a medium that is
// read-only or does not answer. Damage and an old copy stay.
func Passes(err error) bool {
	for _, stays := range []error{ErrCorrupt, ErrVersion, ErrForeign, ErrRolledBack, ErrFork, ErrAhead} {
		if errors.Is(err, stays) {
			return false
		}
	}
	return errors.Is(err, ErrFull) || errors.Is(err, ErrUnwritable) || errors.Is(err, ErrMedium)
}

// says reads the message: bbolt keeps only the text of an error that comes up
// while it grows the file.
func says(err error, numbers ...syscall.Errno) bool {
	for _, e := range numbers {
		if strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}
