package firmwaresim

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// writeLimit bounds a write that nobody reads.
const writeLimit = time.Second

// unshareEvery is how often a port's exclusive mode is taken back; see unshare.
const unshareEvery = 100 * time.Millisecond

// errUnplugged is returned by writes to a port that is not plugged in.
var errUnplugged = errors.New("unplugged")

// port is a pseudo-terminal under a stable name: a symbolic link that is there
// while the device is plugged in.
type port struct {
	link  string
	serve func(*os.File) // runs while the device is plugged in, until reading fails

	plug   sync.Mutex // one plugging or unplugging at a time
	mu     sync.Mutex // guards what follows
	master *os.File
	slave  *os.File // kept open, so that the line survives its users
	done   chan struct{}
	quit   chan struct{}
}

// newPort plugs in a device.
func newPort(link string, serve func(*os.File)) (*port, error) {
	p := &port{link: link, serve: serve}
	return p, p.Plug()
}

// Path is the name under which the device is found.
func (p *port) Path() string { return p.link }

// Plugged says whether the device is plugged in.
func (p *port) Plugged() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.master != nil
}

// Plug plugs the device in. It does nothing if it is.
func (p *port) Plug() error {
	p.plug.Lock()
	defer p.plug.Unlock()
	if p.Plugged() {
		return nil
	}
	master, slave, err := openPTY()
	if err != nil {
		return fmt.Errorf("plug %s in: %w", p.link, err)
	}
	next := p.link + ".next"
	_ = os.Remove(next) // left by a crash
	err = os.Symlink(slave.Name(), next)
	if err == nil {
		err = os.Rename(next, p.link)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("plug %s in: %w", p.link, err), master.Close(), slave.Close())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.master, p.slave = master, slave
	p.done, p.quit = make(chan struct{}), make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		p.serve(master)
	}(p.done)
	go share(slave, p.quit)
	return nil
}

// Unplug pulls the device: whoever has it open gets an error. It does nothing
// if it is not plugged in. It returns when serve has.
func (p *port) Unplug() error { return p.unplug(nil) }

// unplug pulls the device if it is the one that is meant; nil means any.
func (p *port) unplug(meant *os.File) error {
	p.plug.Lock()
	defer p.plug.Unlock()
	p.mu.Lock()
	master, slave, done, quit := p.master, p.slave, p.done, p.quit
	if master == nil || meant != nil && meant != master {
		p.mu.Unlock()
		return nil
	}
	p.master, p.slave = nil, nil
	p.mu.Unlock()
	close(quit)
	err := errors.Join(os.Remove(p.link), slave.Close(), master.Close())
	<-done
	if err != nil {
		return fmt.Errorf("unplug %s: %w", p.link, err)
	}
	return nil
}

// send writes what the device says by itself.
func (p *port) send(text []byte) error {
	p.mu.Lock()
	master := p.master
	p.mu.Unlock()
	if master == nil {
		return fmt.Errorf("%s: %w", p.link, errUnplugged)
	}
	if err := master.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return fmt.Errorf("%s: %w", p.link, err)
	}
	if _, err := master.Write(text); err != nil {
		return fmt.Errorf("%s: nobody reads: %w", p.link, err)
	}
	return nil
}

// share keeps a port open to everybody. Drivers take it exclusively, and a
// real device forgets that when its last user is killed; a pseudo-terminal
// whose other end lives on does not.
func share(slave *os.File, quit <-chan struct{}) {
	ticker := time.NewTicker(unshareEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			unshare(slave)
		case <-quit:
			return
		}
	}
}
