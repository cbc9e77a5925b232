package locker

import "fmt"

// Bytes of space by which a terminal judges the disk of its state folder.
const (
	// depositRoom is the room in the store below which no document and no new
	// code is begun: the largest order, the largest deposit with its letter, and
	// what visits write meanwhile.
	depositRoom = 10 << 20
	// roomAgain is how much more there must be until they are begun again.
	roomAgain = 512 << 10
	// lowSpace and the lowShare-th part of the disk, whichever is less: below it
	// the alarm is raised. A terminal writes a few megabytes a day.
	lowSpace = 512 << 20
	lowShare = 10
)

// spaceTold raises the alarm well before the disk is full, and once more when
// nothing large fits any longer. Both end with some space to spare, so that a
// disk at the limit is told once.
func (s *step) spaceTold(in SpaceTold) {
	low := in.low()
	full, was := in.Room < depositRoom, s.session.full
	if was {
		full = in.Room < depositRoom+roomAgain
	}
	s.session.full = full
	stands := s.ledger.alarmed(AlarmSpace, 0, 0) != nil
	is := in.String()
	switch {
	case full && !was:
		s.clear(AlarmSpace, 0)
		s.raise(Morning, AlarmSpace, 0, 0, is+"; full: no order and no document is taken")
	case full:
	case was, in.Free < low && !stands:
		s.clear(AlarmSpace, 0)
		if in.Free < low {
			s.raise(Morning, AlarmSpace, 0, 0, is)
		}
	case in.Free >= low+low/4:
		s.clear(AlarmSpace, 0)
	}
}

// low is the free space below which the alarm is raised.
func (in SpaceTold) low() int64 { return min(lowSpace, in.Size/lowShare) }

// String names the folder and says how much of its disk is free.
func (in SpaceTold) String() string {
	return fmt.Sprintf("%s: %s of %s free", in.Folder, megabytes(in.Free), megabytes(in.Size))
}

// Judge is an error where the terminal would raise its alarm.
func (in SpaceTold) Judge() error {
	switch {
	case in.Room < depositRoom:
		return fmt.Errorf("%v; full: no order and no document is taken", in)
	case in.Free < in.low():
		return fmt.Errorf("%v; the alarm is raised below %s", in, megabytes(in.low()))
	}
	return nil
}

// megabytes writes a number of bytes for a person.
func megabytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	if n < 10<<30 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
