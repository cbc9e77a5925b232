package daemon

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// diagnose is what the terminal can say of itself without touching a lock: for
// an admin's command, and for the journal. It names no person and no order.
func (d *Daemon) diagnose(context.Context) map[string]string {
	found := map[string]string{
		"software": fmt.Sprintf("%s, %s %s/%s", d.options.Software, runtime.Version(), runtime.GOOS, runtime.GOARCH),
		"running":  d.options.Now().Uptime.Round(time.Second).String(),
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	found["memory"] = fmt.Sprintf("%d MiB from the system", m.Sys>>20)
	var fs unix.Statfs_t
	if err := unix.Statfs(d.config.State, &fs); err != nil {
		found["disk"] = err.Error()
	} else {
		found["disk"] = fmt.Sprintf("%d of %d MiB free", fs.Bavail*uint64(fs.Bsize)>>20, fs.Blocks*uint64(fs.Bsize)>>20)
	}
	if info, err := os.Stat(d.files.journal()); err == nil {
		found["journal"] = fmt.Sprintf("%d events, %d of them acknowledged, %d KiB", d.store.journal.Size(), d.store.journal.Cursor(), info.Size()>>10)
	}
	if r := d.reporter; r != nil {
		s := r.Status()
		found["city"] = fmt.Sprintf("connected %v since %s, heard %s", s.Connected, when(s.Since), when(s.Heard))
	}
	levels, faults := d.parts.levels()
	found["contacts"] = fmt.Sprintf("%d of %d can be read", len(levels), len(d.layout))
	for _, f := range faults {
		found[fmt.Sprintf("compartment %d", f.compartment)] = f.err.Error()
	}
	for _, f := range d.parts.faults {
		found["at start: "+f.part] = f.err.Error()
	}
	for part, how := range d.parts.fingers.states() {
		found[part] = how
	}
	return found
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// states says of each reader whether it works.
func (f *fingers) states() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	states := map[string]string{}
	for _, s := range f.list {
		states[s.part] = "well"
		if why, down := f.down[s.part]; down {
			states[s.part] = why
		}
	}
	return states
}
