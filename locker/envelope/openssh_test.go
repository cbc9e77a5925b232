package envelope_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// keygen runs OpenSSH's ssh-keygen, or skips where there is none.
func keygen(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	path, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if strings.Contains(os.Getenv("NACHTFACH_REQUIRE"), "ssh-keygen") {
			t.Fatal(err)
		}
		t.Skip("no ssh-keygen here: ", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %v: %v: %s", args, err, out)
	}
}

func TestOpenSSHMakesAndReadsOurSignatures(t *testing.T) {
	o := newOffice(t)
	file, key, err := envelope.GenerateSSH(rand.Reader, "anna")
	if err != nil {
		t.Fatal(err)
	}
	anna, err := envelope.ParseSSH(file)
	if err != nil {
		t.Fatal(err)
	}
	o.roster.People[1].Keys = []string{key}
	command, _, _ := aReissue(t, now)

	folder := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private := write("key", file)
	text := write("command", command.Text())
	keygen(t, nil, "-Y", "sign", "-f", private, "-n", envelope.NamespaceCommand, text)
	theirs, err := os.ReadFile(text + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	if _, admin, err := envelope.OpenCommand(suite, append(command.Text(), theirs...), terminal, challenge, &o.roster, now); err != nil || admin[0] != "a-1" {
		t.Errorf("their signature: %s, %v", admin, err)
	}

	message, err := envelope.SignCommand(anna, command)
	if err != nil {
		t.Fatal(err)
	}
	ours := write("ours.sig", message[len(command.Text()):])
	allowed := write("allowed", []byte("anna@city "+key+"\n"))
	keygen(t, command.Text(), "-Y", "verify", "-f", allowed, "-I", "anna@city", "-n", envelope.NamespaceCommand, "-s", ours)
}

func TestPrivateKeyFileIsRead(t *testing.T) {
	for _, bad := range []string{"", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n"} {
		_, err := envelope.ParseSSH([]byte(bad))
		refused(t, err, "private ssh key")
	}
}
