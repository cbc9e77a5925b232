package vault

import (
	"errors"
	"fmt"
	"io"

	"github.com/nachtfach/nachtfach/locker"
	"github.com/nachtfach/nachtfach/pin/seal"
)

// Limits are hardware that gives a deposit's share out for the right code only,
// and after a few wrong ones never again: even a thief who has disk, hardware and
// all that opens it must ask it about each code. hardware/tpm.Chip is one.
//
// It is the second limit. The first is the charge in the journal, which is there
// before any try: the hardware counts what was charged and was wrong, and starts
// anew at a right code. So whoever has a charge left has a try left in the
// hardware, too, wherever a power cut came; unless somebody tried past lockerd.
type Limits interface {
	// Limit keeps a share for a pass, seal.KeySize bytes each, and returns a token,
	// which is no secret. [ErrNoRoom]. Durable when it returns, as are the others.
	Limit(pass, share []byte) (token []byte, err error)
	// Share returns it. [ErrRefused]: the pass is wrong, which was counted, or
	// nobody gets this share any more.
	Share(token, pass []byte) (share []byte, err error)
	// Forget gives the share to nobody any more; no error if it is forgotten.
	Forget(token []byte) error
	// Keep forgets all shares but those of these tokens.
	Keep(tokens [][]byte) error
}

var (
	// ErrNoRoom tells that the hardware keeps no further share.
	ErrNoRoom = errors.New("no room for another limit of tries")
	// ErrRefused tells that the hardware does not give a share out.
	ErrRefused = errors.New("the hardware refuses the code")

	errNoLimits = errors.New("the hardware that limits its tries is not here")
)

// splitDeposit parts what a deposit's slot holds: the key of its seals, and the
// token of its limit, empty if it has none.
func splitDeposit(secret []byte) (key, token []byte, err error) {
	if len(secret) < seal.KeySize {
		return nil, nil, fmt.Errorf("a deposit's slot holds %d bytes, wants %d", len(secret), seal.KeySize)
	}
	return secret[:seal.KeySize], secret[seal.KeySize:], nil
}

// depositKey reads them; the caller clears the key.
func (v *Vault) depositKey(g locker.Generation) (key, token []byte, err error) {
	secret, err := v.readSlot(depositSlot(g))
	if err != nil {
		return nil, nil, err
	}
	if key, token, err = splitDeposit(secret); err != nil {
		return nil, nil, fmt.Errorf("generation %d: %w", g, err)
	}
	return key, token, nil
}

// sealCode closes a factor under the code, within a limit where there is room
// for one. The token may have to be forgotten even if there is an error.
func (v *Vault) sealCode(secret, key, ad, plain []byte) (box, token []byte, err error) {
	if v.Limits != nil {
		box, err = v.Crypto.SealHeld(secret, key, ad, plain, func(pass []byte) ([]byte, error) {
			share := make([]byte, seal.KeySize)
			if _, err := io.ReadFull(v.Rand, share); err != nil {
				return nil, fmt.Errorf("draw a share: %w", err)
			}
			var err error
			token, err = v.Limits.Limit(pass, share)
			return share, err
		})
		if !errors.Is(err, ErrNoRoom) {
			return box, token, err
		}
	}
	box, err = v.Crypto.SealSecret(secret, key, ad, plain)
	return box, nil, err
}

// openCode tries the digits on a box.
func (v *Vault) openCode(s lockedBox, secret []byte) ([]byte, error) {
	if len(s.token) == 0 {
		return v.Crypto.OpenSecret(s.box, secret, s.key, s.ad)
	}
	if v.Limits == nil {
		return nil, errNoLimits
	}
	return v.Crypto.OpenHeld(s.box, secret, s.key, s.ad, func(pass []byte) ([]byte, error) {
		return v.Limits.Share(s.token, pass)
	})
}

func (v *Vault) forgetToken(token []byte) error {
	if len(token) == 0 || v.Limits == nil {
		return nil
	}
	if err := v.Limits.Forget(token); err != nil {
		return fmt.Errorf("forget a limit of tries: %w", err)
	}
	return nil
}

// forgetLimit forgets a slot's, if it has one. What cannot be read keeps no slot
// from being erased: [Vault.Reconcile] forgets what no slot names.
func (v *Vault) forgetLimit(name slotName) error {
	if name.kind != slotDeposit {
		return nil
	}
	key, token, err := v.depositKey(locker.Generation(name.id))
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	clear(key)
	return v.forgetToken(token)
}

// tokens are those of all slots.
func (v *Vault) tokens() (tokens [][]byte, deposits int, err error) {
	for _, name := range v.slots.names() {
		if name.kind != slotDeposit {
			continue
		}
		deposits++
		key, token, err := v.depositKey(locker.Generation(name.id))
		if err != nil {
			return nil, 0, err
		}
		clear(key)
		if len(token) > 0 {
			tokens = append(tokens, token)
		}
	}
	return tokens, deposits, nil
}

func (v *Vault) keepLimits() error {
	if v.Limits == nil {
		return nil
	}
	tokens, _, err := v.tokens()
	if err != nil {
		return err
	}
	return v.Limits.Keep(tokens)
}

// Limited counts the deposits whose tries hardware limits, of all deposits.
func (v *Vault) Limited() (limited, deposits int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	tokens, deposits, err := v.tokens()
	return len(tokens), deposits, err
}
