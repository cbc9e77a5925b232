package secretmem_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nachtfach/nachtfach/locker/secretmem"
)

func TestMain(m *testing.M) {
	if os.Getenv("SECRETMEM_CHILD") == "" {
		os.Exit(m.Run())
	}
	if err := secretmem.Protect(); err != nil {
		os.Stdout.WriteString(err.Error())
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		os.Stdout.WriteString("can be dumped")
	}
	os.Stdout.WriteString("done")
}

func TestAProtectedProcessCannotBeDumped(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "SECRETMEM_CHILD=1")
	out, err := child.CombinedOutput()
	if err != nil || !bytes.Equal(out, []byte("done")) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestDoRunsItsWork(t *testing.T) {
	done := false
	secretmem.Do(func() { done = true })
	secretmem.Scrub()
	if !done {
		t.Error("Do did nothing")
	}
}
