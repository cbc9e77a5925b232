package tpm

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/nachtfach/nachtfach/hardware/retry"
)

// chipWire answers the first commands with a code, and then with success.
type chipWire struct {
	code  tpm2.TPMRC
	fails int
	err   error
	sent  int
}

func (c *chipWire) Close() error { return nil }
func (c *chipWire) Send([]byte) ([]byte, error) {
	answer := []byte{0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0}
	if c.sent++; c.sent <= c.fails {
		if c.err != nil {
			return nil, c.err
		}
		binary.BigEndian.PutUint32(answer[6:], uint32(c.code))
	}
	return answer, nil
}

func TestACommandThatTheChipPutOffIsSentAgain(t *testing.T) {
	for _, code := range []tpm2.TPMRC{tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting, tpm2.TPMRCNVRate} {
		c := &chipWire{code: code, fails: 1}
		if answer, err := (patient{c}).Send(nil); err != nil || binary.BigEndian.Uint32(answer[6:]) != 0 || c.sent != 2 {
			t.Errorf("%v: %x, %v after %d commands", code, answer, err, c.sent)
		}
		c = &chipWire{code: code, fails: 99}
		if answer, err := (patient{c}).Send(nil); err != nil || !busy(answer) || c.sent != retry.Attempts {
			t.Errorf("%v each time: %x, %v after %d commands", code, answer, err, c.sent)
		}
	}
}

// The command may have been carried out: a counter must not be bumped twice.
func TestACommandWhoseAnswerIsLostIsNotSentAgain(t *testing.T) {
	for _, c := range []*chipWire{{code: tpm2.TPMRCLockout, fails: 1}, {code: tpm2.TPMRCAuthFail, fails: 1}, {err: io.ErrUnexpectedEOF, fails: 1}} {
		_, err := patient{c}.Send(nil)
		if c.sent != 1 || !errors.Is(err, c.err) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x80, 0x01, 0, 0, 0, 10, 0, 0, 9, 0x22})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if busy(answer) && len(answer) < 10 {
			t.Error("a code without one")
		}
	})
}
