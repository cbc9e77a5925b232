package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// maxFile bounds every file that is read whole: a roster, a template, a key.
const maxFile = 2 << 20

// readFile reads a file of at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("read %s: more than %d bytes", path, maxFile)
	}
	return text, nil
}

// key is a person's SSH key, ready to sign.
type key struct {
	envelope.Signer
	agent io.Closer // nil for a file
}

// Close lets go of the agent.
func (k key) Close() error {
	if k.agent == nil {
		return nil
	}
	return k.agent.Close()
}

// openKey opens a private key's file, or finds a public key's other half in
// ssh-agent, as ssh-keygen -Y sign does.
func (t tool) openKey(ctx context.Context, path string) (key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return key{}, fmt.Errorf("open key: %w", err)
	}
	text, err := readFile(path)
	if err != nil {
		return key{}, fmt.Errorf("open key: %w", err)
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
		return t.agentKey(ctx, path, public)
	}
	defer clear(text)
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		err := fmt.Errorf("open key %s: others may use it, its mode is %#o", path, mode)
		return key{}, hint(err, "chmod 600 %s", path)
	}
	signer, err := envelope.ParseSSH(text)
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) {
		return key{}, hint(fmt.Errorf("open key %s: it has a passphrase", path), "ssh-add %s, then give %s.pub", path, path)
	} else if err != nil {
		err := fmt.Errorf("open key %s: %w", path, err)
		return key{}, hint(err, "a security key signs through ssh-agent, or with ssh-keygen -Y sign")
	}
	return key{Signer: signer}, nil
}

func (t tool) agentKey(ctx context.Context, path string, public ssh.PublicKey) (key, error) {
	if t.agent == "" {
		err := fmt.Errorf("open key %s: it is a public key, and no ssh-agent runs for the private half", path)
		return key{}, hint(err, "give the private key, or start ssh-agent and ssh-add it")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", t.agent)
	if err != nil {
		return key{}, fmt.Errorf("open key %s: ssh-agent: %w", path, err)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		return key{}, errors.Join(fmt.Errorf("open key %s: ssh-agent: %w", path, err), conn.Close())
	}
	for _, s := range signers {
		if bytes.Equal(s.PublicKey().Marshal(), public.Marshal()) {
			return key{envelope.SSH(s), conn}, nil
		}
	}
	err = fmt.Errorf("open key %s: ssh-agent holds %d keys, but not this one", path, len(signers))
	return key{}, errors.Join(hint(err, "ssh-add the private key"), conn.Close())
}
