package simulation_test

import (
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker/simulation"
)

// catches runs seeds with the bug until the oracle finds it for its own reason,
// at most so many. A bug may show another face first; that such a finding is no
// false alarm is for TestSeeds.
func catches(t *testing.T, bug simulation.Bug, reasons ...string) {
	t.Parallel()
	const seeds = 30
	for seed := range uint64(seeds) {
		r := simulation.Run(simulation.Options{Seed: seed + 1, Days: 10, Bug: bug})
		if r.Wrong == "" {
			continue
		}
		for _, reason := range reasons {
			if strings.Contains(r.Wrong, reason) {
				t.Logf("seed %d, after %v: %s", r.Seed, r.At, r.Wrong)
				return
			}
		}
		t.Logf("seed %d, after %v: %s", r.Seed, r.At, r.Wrong)
	}
	t.Fatalf("not found in %d seeds of ten days", seeds)
}

// Row 1: guessing. The oracle counts tries across crashes.
func TestThreatGuessing(t *testing.T) {
	catches(t, simulation.ChargesForgotten, "failed or unsettled charges", "was charged twice")
}

// Row 2: a power cut resets the counter.
func TestThreatAPowerCutResetsTheCounter(t *testing.T) {
	catches(t, simulation.TryBeforeCharge, "no charge for it is durable")
}

// Row 8: one dishonest clerk.
func TestThreatOneClerkWhoCountsTwice(t *testing.T) {
	catches(t, simulation.OneClerkTwice, "who never proved to be there")
}

// Row 7: a template is kept.
func TestThreatASlotIsKept(t *testing.T) {
	catches(t, simulation.SlotKept, "still opens its factor")
}

func TestOracleCatchesACompartmentReusedInDoubt(t *testing.T) {
	catches(t, simulation.ReusedInDoubt, "two clerks have not seen it empty")
}

func TestOracleCatchesAnActionBeforeItsCommit(t *testing.T) {
	catches(t, simulation.ActBeforeCommit, "without a committed release")
}

// Row 15: the clock is set back, or forward.
func TestThreatTheClockIsSet(t *testing.T) {
	catches(t, simulation.WallClockTrusted, "and it is", "expired after")
}

func TestOracleCatchesAStaleResult(t *testing.T) {
	catches(t, simulation.StaleResult, "is settled as")
}

func TestOracleCatchesAPulseRepeatedAfterARestart(t *testing.T) {
	catches(t, simulation.PulseRepeated, "without a committed release of this start")
}

// Row 7, in the sealed order that travelled.
func TestThreatAnOrderKeyIsKept(t *testing.T) {
	catches(t, simulation.OrderKeyKept, "still opens its factor")
}

// Row 15, over a night without power.
func TestThreatTheClockForgetsANight(t *testing.T) {
	catches(t, simulation.MarkWithRecordOnly, "before the one of")
}

func TestOracleCatchesCommandsThatNobodySigned(t *testing.T) {
	catches(t, simulation.UnsignedCommands, "no admin signed it", "] signed it", "for another start", "followed twice")
}

func TestOracleCatchesRostersThatNobodySigned(t *testing.T) {
	catches(t, simulation.UnsignedRosters, "and the admins signed up to")
}

func TestOracleCatchesANumberBeforeItsCharge(t *testing.T) {
	catches(t, simulation.NumberBeforeCharge, "is tried, and no charge for it is durable")
}

// A board that takes over a wall holds nothing for empty that nobody has seen.
func TestOracleCatchesAnAdoptionThatBelievesUnseen(t *testing.T) {
	catches(t, simulation.AdoptedUnseen, "two clerks have not seen it empty")
}

// Row 7, in old copies of the disk.
func TestThreatARootIsKept(t *testing.T) {
	catches(t, simulation.RootKept, "a copy of the disk still opens its factor")
}

func TestOracleCatchesAWishThatDrivesALock(t *testing.T) {
	catches(t, simulation.WishDrivesLock, "without a committed release")
}

// A disk that was full for an hour must not leave the terminal out of order.
func TestOracleCatchesATerminalThatStaysOutOfOrderAfterAFullDisk(t *testing.T) {
	catches(t, simulation.StoreGivenUp, "liveness: ")
}
