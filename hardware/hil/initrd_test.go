//go:build hil

package hil_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// initrd writes the machine's initial file system: the guest as /init, the
// programs in /bin, the modules in /modules.
func (l *laboratory) initrd(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	a := &archive{w: bufio.NewWriter(file)}
	for _, dir := range []string{"bin", "dev", "etc", "mnt", "modules", "proc", "root", "run", "sys", "tmp", "var"} {
		a.add(dir, 0o040755, nil)
	}
	a.add("etc/passwd", 0o100644, []byte("root:x:0:0::/:\nnobody:x:65534:65534::/:\n"))
	if err := a.file("init", filepath.Join(l.bin, "guest")); err != nil {
		return err
	}
	for _, program := range []string{"lockerd", "lockerctl", "firmware-sim", "inside"} {
		if err := a.file("bin/"+program, filepath.Join(l.bin, program)); err != nil {
			return err
		}
	}
	modules, err := filepath.Glob(filepath.Join(l.kernel, "modules", "*.ko"))
	if err != nil {
		return err
	}
	for _, module := range modules {
		if err := a.file("modules/"+filepath.Base(module), module); err != nil {
			return err
		}
	}
	a.add("TRAILER!!!", 0, nil)
	if a.err == nil {
		a.err = a.w.Flush()
	}
	return a.err
}

// archive is a cpio archive in the form that the kernel unpacks ("newc", see
// the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	w     *bufio.Writer
	inode int
	err   error
}

func (a *archive) file(name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	a.add(name, 0o100755, data)
	return nil
}

func (a *archive) add(name string, mode int, data []byte) {
	a.inode++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.padded(append([]byte(header+name), 0))
	a.padded(data)
}

// padded writes up to a multiple of four bytes.
func (a *archive) padded(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
	}
	if rest := len(b) % 4; rest != 0 && a.err == nil {
		_, a.err = io.WriteString(a.w, "\x00\x00\x00"[:4-rest])
	}
}
