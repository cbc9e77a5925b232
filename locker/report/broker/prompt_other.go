//go:build !linux

package broker

import "net"

// prompt is a TCP connection; only Linux can be told to acknowledge at once.
type prompt struct{ *net.TCPConn }
