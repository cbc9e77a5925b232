package broker

import (
	"net"
	"syscall"
)

// prompt is a TCP connection that acknowledges at once what it receives. A
// broker that leaves Nagle's algorithm on, as Mosquitto does, sends a small
// packet only when the one before is acknowledged, and Linux likes to wait 40
// ms with that for something to send.
type prompt struct{ *net.TCPConn }

func (p prompt) Read(b []byte) (int, error) {
	n, err := p.TCPConn.Read(b)
	p.acknowledge()
	return n, err
}

func (p prompt) Write(b []byte) (int, error) {
	n, err := p.TCPConn.Write(b)
	p.acknowledge() // having sent puts the kernel back into waiting
	return n, err
}

// acknowledge is advice to the kernel, which forgets it soon (tcp(7),
// TCP_QUICKACK). Where it does not help, things are only slower.
func (p prompt) acknowledge() {
	raw, err := p.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}
