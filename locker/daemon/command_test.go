package daemon_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/nachtfach/nachtfach/cmd/demo/tour"
	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/locker/daemon"
	"github.com/nachtfach/nachtfach/locker/envelope"
	"github.com/nachtfach/nachtfach/locker/report/topic"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// TestACommandGoesTheWholeWay has admins' signatures come over a real broker to
// the real daemon, whose screen and journal answer.
func TestACommandGoesTheWholeWay(t *testing.T) {
	b := newBench(t, "commanded")
	cast, err := tour.NewCast(b.config.Terminal, seal.Params{Memory: 64, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Init(b.config, cast.Roster); err != nil {
		t.Fatal(err)
	}
	d := b.run()
	send := func(kind locker.CommandKind, by ...envelope.Signer) []byte {
		t.Helper()
		eventually(t, "a challenge", func() bool { return b.published().Challenge != "" })
		c, err := envelope.NewCommand(rand.Reader, b.config.Terminal, b.published().Challenge, locker.Command{Kind: kind}, time.Now().Add(5*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		text := c.Text()
		for _, admin := range by {
			if text, err = envelope.Sign(admin, envelope.NamespaceCommand, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.broker.Publish(topic.Command.Of(b.config.Terminal), text, false); err != nil {
			t.Fatal(err)
		}
		return text
	}
	screen := func(want locker.ScreenName) {
		t.Helper()
		eventually(t, string(want), func() bool { return b.screen(d).Name == want })
	}
	recorded := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(b.journal(), what) })
	}
	screen(locker.ScreenWelcome)
	lock := send(locker.CommandLock, cast.Admins[0])
	screen(locker.ScreenLocked)
	send(locker.CommandUnlock, cast.Admins[0])
	recorded("two different admins")
	send(locker.CommandUnlock, cast.Admins[0], cast.Admins[1])
	screen(locker.ScreenWelcome)
	if err := b.broker.Publish(topic.Command.Of(b.config.Terminal), lock, false); err != nil { // once more
		t.Fatal(err)
	}
	recorded("counts once")
	send(locker.CommandBurglary, cast.Stranger)
	recorded("does not know")
	send(locker.CommandDiagnose, cast.Admins[1])
	recorded("de.nachtfach.terminal.diagnosed.v1")
	recorded("of 2 can be read")
	send(locker.CommandResend, cast.Admins[1])
	eventually(t, "all is followed", func() bool { return strings.Count(b.journal(), "de.nachtfach.command.followed.v1") == 4 })
	if name := b.screen(d).Name; name != locker.ScreenWelcome {
		t.Errorf("screen %s", name)
	}
}
