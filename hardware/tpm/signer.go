package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/google/go-tpm/tpm2"
)

// Signer is a private key (ECDSA over P-256) that never leaves the chip. It is
// derived from the seed of the chip's owner hierarchy and a label, so that it
// takes no memory, is the same after each start, and ends when the chip is
// cleared. Whoever may use the chip may sign with it: it binds to the machine,
// not to a program. It is a crypto.Signer; its methods may be called from several
// goroutines.
type Signer struct {
	chip   *Chip
	label  string
	public *ecdsa.PublicKey
}

var _ crypto.Signer = (*Signer)(nil)

// Signer derives the key of this label; another label gives another key.
func (k *Chip) Signer(label string) (*Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &Signer{chip: k, label: label}
	key, err := s.load()
	if err != nil {
		return nil, err
	}
	public, err := key.OutPublic.Contents()
	if err == nil {
		s.public, err = onCurve(public)
	}
	if err = errors.Join(err, s.unload(key)); err != nil {
		return nil, fmt.Errorf("signing key in the TPM: %w", err)
	}
	return s, nil
}

func onCurve(public *tpm2.TPMTPublic) (*ecdsa.PublicKey, error) {
	point, err := public.Unique.ECC()
	if err != nil {
		return nil, err
	}
	uncompressed := append([]byte{4}, append(padded(point.X.Buffer), padded(point.Y.Buffer)...)...)
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), uncompressed)
}

// padded is a coordinate at its full length: a chip may drop leading zeros.
func padded(b []byte) []byte {
	const size = 32
	if len(b) >= size {
		return b
	}
	return append(make([]byte, size-len(b)), b...)
}

// load makes the key in the chip; unload takes it out again. The caller holds mu.
func (s *Signer) load() (*tpm2.CreatePrimaryResponse, error) {
	// The unique field is part of what a primary key is derived from (TPM 2.0
	// Library, part 1, 27.2): two hashes of the label.
	x, y := sha256.Sum256([]byte("nachtfach.de/x/"+s.label)), sha256.Sum256([]byte("nachtfach.de/y/"+s.label))
	key, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: s.chip.session(s.chip.config.Owner, inward())},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{
				FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, SignEncrypt: true,
			},
			Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
				Scheme: tpm2.TPMTECCScheme{
					Scheme:  tpm2.TPMAlgECDSA,
					Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
				},
				CurveID: tpm2.TPMECCNistP256,
			}),
			Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
				X: tpm2.TPM2BECCParameter{Buffer: x[:]}, Y: tpm2.TPM2BECCParameter{Buffer: y[:]},
			}),
		}),
	}.Execute(s.chip.tpm)
	if err != nil {
		return nil, fmt.Errorf("signing key in the TPM: %w", err)
	}
	return key, nil
}

func (s *Signer) unload(key *tpm2.CreatePrimaryResponse) error {
	_, err := tpm2.FlushContext{FlushHandle: key.ObjectHandle}.Execute(s.chip.tpm)
	return err
}

// Public is the public half, an *ecdsa.PublicKey.
func (s *Signer) Public() crypto.PublicKey { return s.public }

// Sign signs a SHA-256 digest; the chip draws the randomness. The signature is
// ASN.1's, as crypto/ecdsa makes it.
func (s *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, fmt.Errorf("sign in the TPM: a digest of %v, wants SHA-256", opts.HashFunc())
	}
	s.chip.mu.Lock()
	defer s.chip.mu.Unlock()
	key, err := s.load()
	if err != nil {
		return nil, err
	}
	made, err := tpm2.Sign{
		KeyHandle:  tpm2.AuthHandle{Handle: key.ObjectHandle, Name: key.Name, Auth: tpm2.PasswordAuth(nil)},
		Digest:     tpm2.TPM2BDigest{Buffer: digest},
		InScheme:   tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256})},
		Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
	}.Execute(s.chip.tpm)
	if err = errors.Join(err, s.unload(key)); err != nil {
		return nil, fmt.Errorf("sign in the TPM: %w", err)
	}
	signature, err := made.Signature.Signature.ECDSA()
	if err != nil {
		return nil, fmt.Errorf("sign in the TPM: %w", err)
	}
	return asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(signature.SignatureR.Buffer), new(big.Int).SetBytes(signature.SignatureS.Buffer),
	})
}
