//go:build hil

package hil_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// disk is a drive with a volatile write cache, served as a network block device
// (the NBD protocol, github.com/NetworkBlockDevice/nbd, doc/proto.md). What was
// written stays in the cache until the machine flushes it. A power cut keeps
// any part of the cache and loses the rest, sector by sector: writes are lost,
// come out of order, and are torn.
type disk struct {
	mu      sync.Mutex
	medium  []byte
	cache   map[int64][]byte // sectors by their number
	lying   bool             // it says that it has flushed, and has not
	off     bool             // since the cut: nothing is taken any more
	next    func()           // called once, at the next write, which is the last
	flushes int
}

// sector is what a drive writes whole or not at all. The sectors of the first
// block, ext4's superblock, hold together, as they do on the media of today, which
// write 4 KiB: ext4 writes it in place and does not survive half of it, which
// says nothing of the terminal.
const (
	sector = 512
	whole  = 4096 / sector
)

// newDisk is a drive with an empty ext4 file system of so many MB.
func newDisk(t *testing.T, size int) *disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	must(host("", "mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", image, strconv.Itoa(size)+"M"))
	return &disk{medium: must(os.ReadFile(image)), cache: map[int64][]byte{}}
}

// serve switches the drive on, and gives the socket at which QEMU finds it.
func (d *disk) serve(t *testing.T) string {
	t.Helper()
	d.mu.Lock()
	d.off = false
	d.mu.Unlock()
	dir := must(os.MkdirTemp("", "disk")) //nolint:usetesting // short, as sockets want it
	socket := filepath.Join(dir, "nbd")
	listener := must(net.Listen("unix", socket))
	t.Cleanup(func() {
		listener.Close()
		os.RemoveAll(dir)
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = d.talk(conn) // the machine ends when it ends
			}()
		}
	}()
	return socket
}

// cut takes the power away.
func (d *disk) cut(random *rand.Rand) (kept, lost int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	share := random.Float64()
	head := random.Float64() < share
	for n, data := range d.cache {
		if n < whole && head || n >= whole && random.Float64() < share {
			copy(d.medium[n*sector:], data)
			kept++
		} else {
			lost++
		}
	}
	clear(d.cache)
	return kept, lost
}

func (d *disk) read(p []byte, at int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(p, d.medium[at:])
	for i := 0; i < len(p); i += sector {
		if data, ok := d.cache[(at+int64(i))/sector]; ok {
			copy(p[i:], data)
		}
	}
}

func (d *disk) write(p []byte, at int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := 0; i < len(p) && !d.off; i += sector {
		d.cache[(at+int64(i))/sector] = append([]byte(nil), p[i:i+sector]...)
	}
	if d.next != nil {
		d.next()
		d.next, d.off = nil, true
	}
}

// atNextWrite lets something happen in the middle of the next write, and takes
// none after it. What is nil takes that back.
func (d *disk) atNextWrite(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = f
}

func (d *disk) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off || d.lying {
		return
	}
	d.flushes++
	for n, data := range d.cache {
		copy(d.medium[n*sector:], data)
	}
	clear(d.cache)
}

// The words of the protocol that QEMU uses.
const (
	nbdMagic     = "NBDMAGICIHAVEOPT"
	nbdReply     = 0x3e889045565a9
	nbdRequest   = 0x25609513
	nbdSimple    = 0x67446698
	optGo        = 7
	repAck       = 1
	repInfo      = 3
	repUnknown   = 1<<31 | 1
	canFlush     = 1 | 1<<2 | 1<<3 // has flags, flush, FUA
	commandRead  = 0
	commandWrite = 1
	commandBye   = 2
	commandFlush = 3
	forceAccess  = 1
	invalid      = 22
)

var big = binary.BigEndian

func (d *disk) talk(conn net.Conn) error {
	in := bufio.NewReaderSize(conn, 1<<20)
	if err := d.agree(conn, in); err != nil {
		return err
	}
	var head [28]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		if big.Uint32(head[:]) != nbdRequest {
			return errors.New("not a request")
		}
		flags, command := big.Uint16(head[4:]), big.Uint16(head[6:])
		at, length := int64(big.Uint64(head[16:])), big.Uint32(head[24:])
		answer := big.AppendUint32(nil, nbdSimple)
		answer = append(big.AppendUint32(answer, 0), head[8:16]...)
		switch command {
		case commandRead:
			data := make([]byte, length)
			d.read(data, at)
			answer = append(answer, data...)
		case commandWrite:
			data := make([]byte, length)
			if _, err := io.ReadFull(in, data); err != nil {
				return err
			}
			d.write(data, at)
			if flags&forceAccess != 0 {
				d.flush()
			}
		case commandFlush:
			d.flush()
		case commandBye:
			return nil
		default:
			big.PutUint32(answer[4:], invalid)
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// agree is the newstyle negotiation, up to NBD_OPT_GO.
func (d *disk) agree(conn net.Conn, in *bufio.Reader) error {
	if _, err := conn.Write(append([]byte(nbdMagic), 0, 1)); err != nil { // fixed newstyle
		return err
	}
	if _, err := io.CopyN(io.Discard, in, 4); err != nil { // the client's flags
		return err
	}
	var head [16]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		option := big.Uint32(head[8:])
		if _, err := io.CopyN(io.Discard, in, int64(big.Uint32(head[12:]))); err != nil {
			return err
		}
		reply := func(kind uint32, data []byte) error {
			b := big.AppendUint64(nil, nbdReply)
			b = big.AppendUint32(big.AppendUint32(b, option), kind)
			_, err := conn.Write(append(big.AppendUint32(b, uint32(len(data))), data...))
			return err
		}
		if option != optGo {
			if err := reply(repUnknown, nil); err != nil {
				return err
			}
			continue
		}
		export := big.AppendUint64([]byte{0, 0}, uint64(len(d.medium)))
		return errors.Join(reply(repInfo, big.AppendUint16(export, canFlush)), reply(repAck, nil))
	}
}
