package city

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/nachtfach/nachtfach/city/api"
	"github.com/nachtfach/nachtfach/city/record"
	"github.com/nachtfach/nachtfach/locker/envelope"
)

func deviceVerifier(line string) (note.Verifier, error) {
	v, err := note.NewVerifier(line)
	if err != nil {
		return nil, fmt.Errorf("device's verifier key: wants a line like nachtfach.de/<terminal>+<hash>+<key>: %w", err)
	}
	return v, nil
}

func openCheckpoint(signed []byte, terminal string, device note.Verifier) (uint64, tlog.Hash, error) {
	c, err := envelope.OpenCheckpoint(device, terminal, signed)
	return uint64(c.Size), c.Root, err
}

func (c *City) signAck(terminal string, size uint64, root tlog.Hash) ([]byte, error) {
	return envelope.SignAck(c.config.Signer, envelope.Ack{
		Checkpoint: envelope.Checkpoint{Terminal: terminal, Size: int64(size), Root: root},
		Time:       c.config.Now(),
	})
}

func openKeyList(signed []byte, terminal string, device note.Verifier) ([]record.Key, error) {
	list, err := envelope.OpenKeys(device, terminal, signed)
	if err != nil {
		return nil, err
	}
	keys := make([]record.Key, 0, len(list))
	for _, k := range list {
		o := k.Offered()
		keys = append(keys, record.Key{
			Key:  api.Key{Terminal: terminal, Key: k.ID, Public: k.Public, Expires: k.Expires},
			Hash: o.Hash,
		})
	}
	return keys, nil
}

// openLetter takes the share out; the code stays sealed until it is printed.
func (c *City) openLetter(signed []byte, terminal string, device note.Verifier) (record.Letter, error) {
	head, err := envelope.OpenLetterHead(device, terminal, signed)
	if err != nil {
		return record.Letter{}, err
	}
	l, err := head.Open(c.config.Suite, c.config.LetterKey)
	if err != nil {
		return record.Letter{}, err
	}
	defer l.Share.Wipe()
	defer l.Code.Wipe()
	return record.Letter{
		Terminal: terminal, Generation: l.Generation, Order: l.Order, Sealed: signed, Share: l.Share.Bytes(),
	}, nil
}

// readLetter opens what is to be printed. The caller wipes it.
func (c *City) readLetter(kept record.Letter, device note.Verifier) (envelope.Letter, error) {
	head, err := envelope.OpenLetterHead(device, kept.Terminal, kept.Sealed)
	if err != nil {
		return envelope.Letter{}, err
	}
	return head.Open(c.config.Suite, c.config.LetterKey)
}

func (c *City) signPosted(l record.Letter, day string) ([]byte, error) {
	return envelope.SignPosted(c.config.Signer, envelope.Posted{
		Terminal: l.Terminal, Generation: l.Generation, Order: l.Order, Day: day,
	})
}

func parseRoster(message []byte) (terminal string, version int, err error) {
	m, err := envelope.ParseSealedRoster(message)
	return m.Terminal, m.Version, err
}
