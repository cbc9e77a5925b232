// Package protocol is what the laboratory's tests ask of the guest, by net/rpc
// on a virtio port. Paths are the guest's.
package protocol

// Service is the name of the guest's methods.
const Service = "Guest"

// Nothing is an argument or answer without content.
type Nothing struct{}

// Command is a program to run.
type Command struct {
	Args []string
	Env  []string
	User uint32 // numeric user and group; 0 is root
}

// Result is how a program ended, or how far it is.
type Result struct {
	Output []byte // standard output and error
	Ended  bool
	Code   int // exit code; -1 if a signal ended it
	Signal int // that ended it, or 0
}

// Kill is a signal to send.
type Kill struct {
	PID    int
	Signal int
}

// File is a file's content. A mode of 0 leaves an existing file's mode.
type File struct {
	Path string
	Data []byte
	Mode uint32
}

// Mount is a file system to mount.
type Mount struct {
	Source, Target, Type, Options string
}

// Module is a kernel module in /modules.
type Module struct {
	Name string // without number and .ko
	Args string
}

// Forward makes a port of the guest's loopback reachable from outside under
// the same number; Out, a port of outside on the guest's loopback. The same
// again is no error.
type Forward struct {
	Port int
	Out  bool
}

// Door is the wiring of one door of the wall: whoever drives the lock opens the
// door, and the contact follows.
type Door struct {
	Number  int
	Lock    Wire
	Contact Wire
	Low     bool // the lock moves at low level

	Open     bool // how it stands at first
	Document bool // what lies in it at first
}

// Wire is a line of a simulated chip, or a pin of an expander.
type Wire struct {
	Chip   string // the simulator's folder in sysfs; empty for an expander
	Number int    // of the line; of the expander: 16 × chip + pin
}

// Wall asks for the control plane of the doors, beside which everything else is
// passed on to the simulator's.
type Wall struct {
	Port   int // of the loopback
	Doors  []Door
	Behind string // base URL of firmware-sim's control plane
}
