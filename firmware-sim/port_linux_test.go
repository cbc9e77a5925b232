package firmwaresim_test

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A driver that is killed leaves its exclusive use behind on a pseudo-terminal,
// and the next one of an ordinary user would be refused.
func TestExclusiveUseOfAPortPasses(t *testing.T) {
	s := newSimulator(t, 1)
	f, err := os.OpenFile(s.Addresses().Reader, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		exclusive, err := unix.IoctlGetInt(fd, unix.TIOCGEXCL)
		if err != nil {
			t.Skipf("this kernel does not say who has exclusive use: %v", err)
		}
		if exclusive == 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the port is still in exclusive use")
		}
	}
}
