package tpm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// Limits is the most shares that a chip keeps, if it has room for so many.
const Limits = 128

// Of the NV indices from Config.Index on.
const (
	armings     = Places + 1 // counts the limits that were ever made
	firstLimit  = 16         // to firstLimit + Limits - 1: one for each share
	limitSize   = 8          // pinCount and pinLimit, each uint32
	tokenFormat = 1
)

var (
	// ErrNoRoom tells that the chip keeps no further share, or is from before
	// revision 1.38 of the TPM 2.0 Library and cannot count wrong passes.
	ErrNoRoom = errors.New("the TPM has no room for another limit")
	// ErrPass tells that a pass is wrong. It was counted.
	ErrPass = errors.New("the TPM refuses the pass")
	// ErrUsedUp tells that a share cannot be had any more, whatever the pass: its
	// tries are used up, or it was forgotten.
	ErrUsedUp = errors.New("the TPM gives this share to nobody any more")
)

// Limit makes a share of KeySize bytes one that the chip gives out for the right
// pass only, and after so many wrong ones in a row never again. The token that it
// returns is no secret: what [Chip.Share] needs and the chip has no room for.
//
// The count is an NV index of type PIN fail (TPM 2.0 Library, part 1, 37.2.7): the
// chip adds one to it for each wrong authorisation value, sets it to zero at a
// right one, and refuses once the limit is reached, all within the command and
// across power cuts. The share lies in the token, sealed by the chip under the
// policy that the index was just authorised.
//
// Whoever has the owner's authorisation can remove an index and make one of the
// same name with a value of their own. It helps nobody: an index counts only once
// it was written, its policy allows that only while the counter of armings is less
// than n, n is part of its name, and the counter becomes n before the share is
// sealed. A counter never goes back, nor does one that is made in its place (part
// 3, 31.8).
//
// Two writes of new NV space and one of the counter's for each share, one for each
// wrong pass and one for the right one after it. The error is [ErrNoRoom] if
// there is none; one persistent object's room stays free.
func (k *Chip) Limit(pass, share []byte, tries int) (token []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(pass) != KeySize || len(share) != KeySize || tries < 1 {
		return nil, fmt.Errorf("limit: pass of %d bytes, share of %d, %d tries; wants %d, %d and one at least", len(pass), len(share), tries, KeySize, KeySize)
	}
	number, err := k.arm(pass, tries)
	if err != nil {
		return nil, fmt.Errorf("limit: %w", err)
	}
	if token, err = k.sealToLimit(number, share); err != nil {
		return nil, errors.Join(fmt.Errorf("limit: %w", err), k.undefine(number))
	}
	return token, nil
}

// value is a pass as an authorisation value: 128 bits in hex, because a value may
// not hold a zero byte; see Config.proper.
func value(pass []byte) []byte {
	h := sha256.Sum256(pass)
	return hex.AppendEncode(nil, h[:KeySize/2])
}

// arm makes an index that counts, and lets nobody write to one of its name again.
func (k *Chip) arm(pass []byte, tries int) (number uint32, err error) {
	made, err := k.limits()
	if err != nil {
		return 0, err
	}
	for number = firstLimit; made[number]; number++ {
	}
	counter, count, err := k.armings()
	if err != nil {
		return 0, err
	}
	once := tpm2.PolicyNV{NVIndex: counter, Operation: tpm2.TPMEOUnsignedLT, // A, the counter, is less than B
		OperandB: tpm2.TPM2BOperand{Buffer: binary.BigEndian.AppendUint64(nil, count+1)}}
	policy, err := digest(once.Update)
	if err != nil {
		return 0, err
	}
	if err := k.defineLimit(number, value(pass), policy); err != nil {
		return 0, err
	}
	err = k.writeLimit(number, once, tries)
	if err == nil {
		err = k.bump(armings)
	}
	if err == nil {
		var now uint64
		if _, now, err = k.armings(); err == nil && now <= count {
			err = fmt.Errorf("the counter of armings stays at %d", now)
		}
	}
	if err != nil {
		return 0, errors.Join(err, k.undefine(number))
	}
	return number, nil
}

func digest(update func(*tpm2.PolicyCalculator) error) ([]byte, error) {
	p, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	if err != nil {
		return nil, err
	}
	if err := update(p); err != nil {
		return nil, err
	}
	return p.Hash().Digest, nil
}

// limits are the indices of shares that there are.
func (k *Chip) limits() (made map[uint32]bool, err error) {
	made = map[uint32]bool{}
	next := k.config.Index + firstLimit
	for {
		got, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: next, PropertyCount: Limits}.Execute(k.tpm)
		if err != nil {
			return nil, fmt.Errorf("list NV indices: %w", err)
		}
		handles, err := got.CapabilityData.Data.Handles()
		if err != nil {
			return nil, fmt.Errorf("list NV indices: %w", err)
		}
		for _, h := range handles.Handle {
			if next = uint32(h) + 1; next > k.config.Index+firstLimit+Limits {
				return made, nil
			}
			made[uint32(h)-k.config.Index] = true
		}
		if !got.MoreData || len(handles.Handle) == 0 {
			return made, nil
		}
	}
}

// armings reads the counter, and makes it if there is none.
func (k *Chip) armings() (counter tpm2.NamedHandle, count uint64, err error) {
	counter, err = k.handle(armings)
	if errors.Is(err, ErrGone) {
		if err = k.define(armings); noRoom(err) {
			err = fmt.Errorf("%w: %w", ErrNoRoom, err)
		}
		if err != nil {
			return counter, 0, fmt.Errorf("define the counter of armings: %w", err)
		}
		counter, err = k.handle(armings)
	}
	if err != nil {
		return counter, 0, err
	}
	b, err := k.read(armings, counterSize)
	if errors.Is(err, tpm2.TPMRCNVUninitialized) { // a cut came between
		if err = k.bump(armings); err == nil {
			b, err = k.read(armings, counterSize)
		}
	}
	if err != nil {
		return counter, 0, err
	}
	counter, err = k.handle(armings) // its name changes with the first write
	return counter, binary.BigEndian.Uint64(b), err
}

// defineLimit makes an index, if it leaves the chip the room of a persistent object.
func (k *Chip) defineLimit(number uint32, auth, policy []byte) error {
	if number >= firstLimit+Limits {
		return ErrNoRoom
	}
	public := tpm2.TPMSNVPublic{
		NVIndex: tpm2.TPMHandle(k.config.Index + number), NameAlg: tpm2.TPMAlgSHA256, DataSize: limitSize,
		Attributes: tpm2.TPMANV{AuthRead: true, PolicyWrite: true, NoDA: true, NT: tpm2.TPMNTPinFail},
		AuthPolicy: tpm2.TPM2BDigest{Buffer: policy},
	}
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: k.session(k.config.Owner, inward())}
	_, err := tpm2.NVDefineSpace{AuthHandle: owner, Auth: tpm2.TPM2BAuth{Buffer: auth}, PublicInfo: tpm2.New2B(public)}.Execute(k.tpm)
	if noRoom(err) {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	if err != nil {
		return fmt.Errorf("define NV index %#x: %w", k.config.Index+number, err)
	}
	left, err := k.spare()
	if err == nil && left == 0 {
		err = ErrNoRoom
	}
	if err != nil {
		return errors.Join(err, k.undefine(number))
	}
	return nil
}

// noRoom tells that there is no space, or no such type of index.
func noRoom(err error) bool {
	return errors.Is(err, tpm2.TPMRCNVSpace) || errors.Is(err, tpm2.TPMRCAttributes) || errors.Is(err, tpm2.TPMRCReservedBits)
}

// spare is how many persistent objects the chip has room for still, by its own estimate.
func (k *Chip) spare() (uint32, error) {
	got, err := tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(tpm2.TPMPTHRPersistentAvail), PropertyCount: 1}.Execute(k.tpm)
	if err != nil {
		return 0, fmt.Errorf("ask for the chip's room: %w", err)
	}
	properties, err := got.CapabilityData.Data.TPMProperties()
	if err != nil || len(properties.TPMProperty) != 1 || properties.TPMProperty[0].Property != tpm2.TPMPTHRPersistentAvail {
		return 0, errors.Join(errors.New("ask for the chip's room: it does not tell"), err)
	}
	return properties.TPMProperty[0].Value, nil
}

// writeLimit sets a new index to no wrong pass of so many.
func (k *Chip) writeLimit(number uint32, once tpm2.PolicyNV, tries int) (err error) {
	session, closeSession, err := tpm2.PolicySession(k.tpm, tpm2.TPMAlgSHA256, nonceSize)
	if err != nil {
		return fmt.Errorf("start a policy: %w", err)
	}
	defer func() { err = errors.Join(err, closeSession()) }()
	_, right, err := k.at(armings, bare())
	if err != nil {
		return err
	}
	once.AuthHandle, once.PolicySession = right, session.Handle()
	if _, err := once.Execute(k.tpm); err != nil {
		return fmt.Errorf("compare the counter of armings: %w", err)
	}
	index, err := k.handle(number)
	if err != nil {
		return err
	}
	data := binary.BigEndian.AppendUint32(make([]byte, limitSize/2), uint32(tries))
	_, err = tpm2.NVWrite{AuthHandle: tpm2.AuthHandle{Handle: index.Handle, Name: index.Name, Auth: session},
		NVIndex: index, Data: tpm2.TPM2BMaxNVBuffer{Buffer: data}}.Execute(k.tpm)
	if err != nil {
		return fmt.Errorf("write NV index %#x: %w", k.config.Index+number, err)
	}
	return nil
}

// sealToLimit seals a share under the policy that an index was authorised.
func (k *Chip) sealToLimit(number uint32, share []byte) (token []byte, err error) {
	index, err := k.handle(number)
	if err != nil {
		return nil, err
	}
	policy, err := digest(tpm2.PolicySecret{AuthHandle: index}.Update)
	if err != nil {
		return nil, err
	}
	made, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: k.salt, Name: k.name, Auth: k.session(nil, inward())},
		InSensitive:  tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: share})}},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, AdminWithPolicy: true, NoDA: true},
			AuthPolicy:       tpm2.TPM2BDigest{Buffer: policy}}),
	}.Execute(k.tpm)
	if err != nil {
		return nil, fmt.Errorf("seal a share: %w", err)
	}
	return limit{number: number, name: index.Name.Buffer, public: made.OutPublic.Bytes(), private: made.OutPrivate.Buffer}.token(), nil
}

// limit is what a token tells.
type limit struct {
	number          uint32 // of the NV index
	name            []byte // of the index: another one may have its number by now
	public, private []byte // of the sealed share
}

// token writes it: format, number, then name, public and private area, each after
// its length; big-endian.
func (l limit) token() []byte {
	b := binary.BigEndian.AppendUint32([]byte{tokenFormat}, l.number)
	for _, part := range [][]byte{l.name, l.public, l.private} {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(part))), part...)
	}
	return b
}

func parseToken(b []byte) (l limit, err error) {
	bad := fmt.Errorf("%d bytes are no token of this package", len(b))
	if len(b) < 5 || b[0] != tokenFormat {
		return l, bad
	}
	l.number, b = binary.BigEndian.Uint32(b[1:]), b[5:]
	for _, part := range []*[]byte{&l.name, &l.public, &l.private} {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return l, bad
		}
		n := int(binary.BigEndian.Uint16(b))
		*part, b = b[2:2+n], b[2+n:]
	}
	if len(b) > 0 || l.number < firstLimit || l.number >= firstLimit+Limits {
		return l, bad
	}
	return l, nil
}

// index is the token's; ErrGone if it was forgotten.
func (k *Chip) index(l limit) (tpm2.NamedHandle, error) {
	index, err := k.handle(l.number)
	if err == nil && string(index.Name.Buffer) != string(l.name) {
		err = fmt.Errorf("NV index %#x is another's by now: %w", k.config.Index+l.number, ErrGone)
	}
	return index, err
}

// Share gives out what [Chip.Limit] keeps. A wrong pass counts ([ErrPass]), the
// right one sets the count to zero; [ErrUsedUp].
func (k *Chip) Share(token, pass []byte) (share []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, err := parseToken(token)
	if err != nil {
		return nil, fmt.Errorf("share: %w", err)
	}
	share, err = k.share(l, pass)
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, tpm2.TPMRCAuthUnavailable):
		return nil, fmt.Errorf("share: %w", errors.Join(ErrUsedUp, err))
	case errors.Is(err, tpm2.TPMRCBadAuth), errors.Is(err, tpm2.TPMRCAuthFail):
		return nil, fmt.Errorf("share: %w", ErrPass)
	case err != nil:
		return nil, fmt.Errorf("share: %w", err)
	}
	return share, nil
}

func (k *Chip) share(l limit, pass []byte) (share []byte, err error) {
	index, err := k.index(l)
	if err != nil {
		return nil, err
	}
	object, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: k.salt, Name: k.name, Auth: tpm2.PasswordAuth(nil)},
		InPrivate:    tpm2.TPM2BPrivate{Buffer: l.private}, InPublic: tpm2.BytesAs2B[tpm2.TPMTPublic](l.public),
	}.Execute(k.tpm)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer func() {
		_, flushed := tpm2.FlushContext{FlushHandle: object.ObjectHandle}.Execute(k.tpm)
		err = errors.Join(err, flushed)
	}()
	session, closeSession, err := tpm2.PolicySession(k.tpm, tpm2.TPMAlgSHA256, nonceSize, append(outward(), tpm2.Salted(k.salt, k.public))...)
	if err != nil {
		return nil, fmt.Errorf("start a policy: %w", err)
	}
	defer func() { err = errors.Join(err, closeSession()) }()
	right := tpm2.AuthHandle{Handle: index.Handle, Name: index.Name, Auth: k.session(value(pass), bare())}
	if _, err := (tpm2.PolicySecret{AuthHandle: right, PolicySession: session.Handle(), NonceTPM: session.NonceTPM()}).Execute(k.tpm); err != nil {
		return nil, fmt.Errorf("authorise: %w", err)
	}
	got, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: object.ObjectHandle, Name: object.Name, Auth: session}}.Execute(k.tpm)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	return got.OutData.Buffer, nil
}

// Forget removes a share's index: nobody gets the share any more, with whatever
// copy of the token. What was forgotten before is no error.
func (k *Chip) Forget(token []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, err := parseToken(token)
	if err != nil {
		return fmt.Errorf("forget a share: %w", err)
	}
	if _, err = k.index(l); err == nil {
		err = k.undefine(l.number)
	}
	if err != nil && !errors.Is(err, ErrGone) {
		return fmt.Errorf("forget a share: %w", err)
	}
	return nil
}

// Keep forgets every share but those of these tokens: what a cut left behind.
func (k *Chip) Keep(tokens [][]byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := map[string]bool{}
	for _, token := range tokens {
		l, err := parseToken(token)
		if err != nil {
			return fmt.Errorf("keep shares: %w", err)
		}
		names[string(l.name)] = true
	}
	if err := k.keep(names); err != nil {
		return fmt.Errorf("keep shares: %w", err)
	}
	return nil
}

func (k *Chip) keep(names map[string]bool) error {
	made, err := k.limits()
	if err != nil {
		return err
	}
	for number := range made {
		index, err := k.handle(number)
		if err != nil {
			return err
		}
		if names[string(index.Name.Buffer)] {
			continue
		}
		if err := k.undefine(number); err != nil {
			return err
		}
	}
	return nil
}

// Room is how many more shares the chip would keep, up to most. It finds out by
// making their indices, which it removes again: two writes for each.
func (k *Chip) Room(most int) (n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	made, err := k.limits()
	if err != nil {
		return 0, fmt.Errorf("room for shares: %w", err)
	}
	var tried []uint32
	defer func() {
		for _, number := range tried {
			err = errors.Join(err, k.undefine(number))
		}
	}()
	nobody := make([]byte, KeySize) // the policy that nothing fulfils
	for number := uint32(firstLimit); number < firstLimit+Limits && n < most; number++ {
		if made[number] {
			continue
		}
		err := k.defineLimit(number, nobody, nobody)
		if errors.Is(err, ErrNoRoom) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("room for shares: %w", err)
		}
		tried = append(tried, number)
		n++
	}
	return n, nil
}
