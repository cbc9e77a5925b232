package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/city/api"
	firmwaresim "github.com/nachtfach/nachtfach/firmware-sim"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
)

// A slip is refused and told, and ends nothing: the daemon neither dies nor
// abandons the order, a citizen still collects, and the order goes in once there is room.
func TestWithLittleRoomASlipIsRefusedAndCitizensStillCollect(t *testing.T) {
	w := newTown(t, "room-1", 3)
	w.smallDisk(32 << 20)
	id, err := daemon.Init(w.config, w.cast.Roster)
	w.must(err)
	w.must(w.city.AddTerminal(t.Context(), id.Terminal, id.Verifier))
	w.powerOn()
	inside, waits := w.order("314159265358"), w.order("271828182845")
	w.signIn()
	for range 3 {
		w.look(locker.ScreenClear, empty)
	}
	w.load(inside)
	w.finish()
	w.post(inside)
	eventually(t, "the order at the terminal", func() bool { return w.state(waits) == api.OrderAccepted })
	w.off()

	w.must(os.Truncate(filepath.Join(w.config.State, "journal.db"), 4<<20)) // the space that it held is taken
	empties := w.fillDisk(0)
	w.powerOn()
	eventually(t, "the alarm", func() bool { return w.alarmed(locker.AlarmSpace, w.config.State+": ") })
	boot := w.daemon.Status().Boot
	w.signIn()
	for range 20 {
		w.scan(firmwaresim.Barcode, string(waits))
		eventually(t, "the refusal", func() bool { return w.screen(w.daemon).Hint == locker.HintStoreFull })
	}
	w.finish()
	w.await(locker.ScreenWelcome)
	w.collect(inside)
	if s := w.daemon.Status(); s.Boot != boot {
		t.Errorf("the daemon started again: %d, before %d", s.Boot, boot)
	}
	if n := strings.Count(w.journal(), `"`+locker.DepositAbandoned{}.Type()+`"`); n != 0 {
		t.Errorf("%d deposits were abandoned", n)
	}

	empties()
	eventually(t, "the end of the alarm", func() bool { return !w.alarmed(locker.AlarmSpace, "") })
	w.signIn()
	w.load(waits)
	w.finish()
}
