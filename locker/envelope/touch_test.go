package envelope_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nachtfach/nachtfach/locker/envelope"
)

// securityKey signs as one does (OpenSSH's PROTOCOL.u2f): over the hashes of
// application and message, with flags and a counter between them.
type securityKey struct {
	private ed25519.PrivateKey
	flags   byte // 1: somebody touched it
}

const application = "ssh:"

// PublicKey implements ssh.Signer.
func (k securityKey) PublicKey() ssh.PublicKey {
	public, _ := k.private.Public().(ed25519.PublicKey)
	wire := ssh.Marshal(struct {
		Kind        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, application})
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		panic(err)
	}
	return key
}

// Sign implements ssh.Signer.
func (k securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	rest := binary.BigEndian.AppendUint32([]byte{k.flags}, 42)
	signed := append(append(app[:], rest...), message[:]...)
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.private, signed), Rest: rest}, nil
}

func TestASecurityKeyMustBeTouched(t *testing.T) {
	o := newOffice(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	touched, alone := securityKey{private, 1}, securityKey{private, 0}
	public, err := envelope.PublicKey(ssh.MarshalAuthorizedKey(touched.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	o.roster.People[1].Keys = []string{public}
	command := someCommands(t)[0]
	for _, c := range []struct {
		key  securityKey
		good bool
	}{{touched, true}, {alone, false}} {
		message, err := envelope.SignCommand(envelope.SSH(c.key), command)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = envelope.OpenCommand(suite, message, terminal, challenge, &o.roster, now)
		if c.good && err != nil {
			t.Errorf("touched: %v", err)
		}
		if !c.good {
			refused(t, err, "nobody touched")
		}
	}
}

// BenchmarkOpenCommand is a signature check with all that surrounds it.
func BenchmarkOpenCommand(b *testing.B) {
	o := newOffice(b)
	command := someCommands(b)[0]
	message, err := envelope.SignCommand(o.anna, command)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := envelope.OpenCommand(suite, message, terminal, challenge, &o.roster, now.Add(time.Second)); err != nil {
			b.Fatal(err)
		}
	}
}
