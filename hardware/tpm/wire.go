package tpm

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/nachtfach/nachtfach/hardware/retry"
)

// patient is a wire that sends a command again when the chip says that it did not
// carry it out and that it may be sent again. Nothing else is repeated: after a
// failed read nobody knows whether a counter was bumped or a pass was counted.
type patient struct{ transport.TPMCloser }

var errNotNow = errors.New("the TPM asks to send the command again")

// Send implements transport.TPM. After the last attempt the chip's answer is
// returned as it is.
func (p patient) Send(command []byte) (answer []byte, err error) {
	notNow := func(err error) bool { return errors.Is(err, errNotNow) }
	err = retry.Do(context.Background(), retry.Attempts, notNow, func() error {
		var sent error
		if answer, sent = p.TPMCloser.Send(command); sent != nil {
			return sent
		}
		if busy(answer) {
			return errNotNow
		}
		return nil
	})
	if notNow(err) {
		err = nil
	}
	return answer, err
}

// busy finds the codes that mean "not carried out, send it again" (TPM 2.0
// Library, part 2, 6.6.3) in an answer: tag (2), length (4), code (4).
func busy(answer []byte) bool {
	if len(answer) < 10 {
		return false
	}
	switch tpm2.TPMRC(binary.BigEndian.Uint32(answer[6:10])) {
	case tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting, tpm2.TPMRCNVRate:
		return true
	}
	return false
}
