package passkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

const (
	leastRSA, mostRSA = 2048, 4096 // bits
	maxSignature      = 1024       // bytes

	kindOKP, kindEC2, kindRSA = 1, 2, 3 // RFC 9053, table 18; RFC 8230, table 4
	curveP256, curveEd25519   = 1, 6    // RFC 9053, table 18
)

// coseKey is a COSE_Key (RFC 9052, section 7). What stands under negative labels
// depends on the kind.
type coseKey struct {
	Kind      int64           `cbor:"1,keyasint"`
	Algorithm int64           `cbor:"3,keyasint"`
	First     cbor.RawMessage `cbor:"-1,keyasint"` // curve; of RSA the modulus
	Second    []byte          `cbor:"-2,keyasint"` // x; of RSA the exponent
	Third     []byte          `cbor:"-3,keyasint"` // y
}

var errKey = errors.New("the public key is not one of the kinds that are taken: ES256, EdDSA, RS256")

// readKey reads a COSE key of one of the Algorithms.
func readKey(b []byte) (Key, error) {
	var k coseKey
	if err := strict().Unmarshal(b, &k); err != nil {
		return Key{}, errors.New("the public key cannot be read")
	}
	public, err := k.public()
	if err != nil {
		return Key{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	return Key{Algorithm: k.Algorithm, PublicKey: der}, err
}

func (k *coseKey) public() (any, error) {
	switch {
	case k.Algorithm == ES256 && k.Kind == kindEC2:
		if k.curve() != curveP256 || len(k.Second) != 32 || len(k.Third) != 32 {
			return nil, errKey
		}
		p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, k.Second...), k.Third...))
		if err != nil {
			return nil, errors.New("the public key is no point of its curve")
		}
		return p, nil
	case k.Algorithm == EdDSA && k.Kind == kindOKP:
		if k.curve() != curveEd25519 || len(k.Second) != ed25519.PublicKeySize || k.Third != nil {
			return nil, errKey
		}
		return ed25519.PublicKey(k.Second), nil
	case k.Algorithm == RS256 && k.Kind == kindRSA:
		return k.rsa()
	}
	return nil, errKey
}

func (k *coseKey) curve() (n int64) {
	if strict().Unmarshal(k.First, &n) != nil {
		return 0
	}
	return n
}

func (k *coseKey) rsa() (*rsa.PublicKey, error) {
	var modulus []byte
	if strict().Unmarshal(k.First, &modulus) != nil || len(modulus) > mostRSA/8 || len(k.Second) > 4 || k.Third != nil {
		return nil, errKey
	}
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(k.Second).Int64()
	if n.BitLen() < leastRSA || n.Bit(0) == 0 || e < 3 || e%2 == 0 || e > 1<<31-1 {
		return nil, fmt.Errorf("the RSA key is weak: from %d to %d bits are taken, and an odd exponent", leastRSA, mostRSA)
	}
	return &rsa.PublicKey{N: n, E: int(e)}, nil
}

var errSignature = errors.New("the signature is wrong")

func verifySignature(key Key, message, signature []byte) error {
	if err := bounded("the signature", signature, maxSignature); err != nil {
		return err
	}
	public, err := x509.ParsePKIXPublicKey(key.PublicKey)
	if err != nil {
		return fmt.Errorf("the key that is kept cannot be read: %w", err)
	}
	hash := sha256.Sum256(message)
	ok := false
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		ok = key.Algorithm == ES256 && ecdsa.VerifyASN1(p, hash[:], signature)
	case ed25519.PublicKey:
		ok = key.Algorithm == EdDSA && ed25519.Verify(p, message, signature)
	case *rsa.PublicKey:
		ok = key.Algorithm == RS256 && rsa.VerifyPKCS1v15(p, crypto.SHA256, hash[:], signature) == nil
	}
	if !ok {
		return errSignature
	}
	return nil
}
