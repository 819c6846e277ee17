// Package pss verifies RSASSA-PSS signatures with SHA-256 (RFC 8017 section
// 8.1.2, JWA's PS256) under keys that are prepared once. crypto/rsa derives the
// same constants of the modulus for every signature, a third of its work; here
// they are kept with the key. Nothing here is secret: signatures and public
// keys only.
package pss

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"filippo.io/bigmod"
)

// Key is a public key ready to verify with. It never changes and is safe for
// concurrent use.
type Key struct {
	n       *bigmod.Modulus
	e       uint
	size    int // bytes of the modulus and of a signature
	emBits  int
	emBytes int
}

const (
	leastBits = 2048
	mostBits  = 4096
	hashSize  = sha256.Size
)

// New prepares a key of 2048 to 4096 bits with an odd public exponent from 3
// to 2³¹ − 1.
func New(public *rsa.PublicKey) (*Key, error) {
	if public == nil || public.N == nil {
		return nil, errors.New("pss: no key")
	}
	bits := public.N.BitLen()
	if bits < leastBits || bits > mostBits {
		return nil, fmt.Errorf("pss: a modulus of %d bits is not from %d to %d", bits, leastBits, mostBits)
	}
	if public.E < 3 || public.E > 1<<31-1 || public.E&1 == 0 {
		return nil, errors.New("pss: the public exponent is not an odd number from 3 to 2^31-1")
	}
	if public.N.Bit(0) == 0 {
		return nil, errors.New("pss: the modulus is even")
	}
	n, err := bigmod.NewModulus(public.N.Bytes())
	if err != nil {
		return nil, fmt.Errorf("pss: %w", err)
	}
	return &Key{n: n, e: uint(public.E), size: (bits + 7) / 8, emBits: bits - 1, emBytes: (bits + 6) / 8}, nil
}

// Verify tells whether a signature is one of the message with this digest. The
// salt may have any length that fits (RFC 8017 section 9.1 leaves it open).
func (k *Key) Verify(digest *[hashSize]byte, signature []byte) bool {
	if len(signature) != k.size {
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature, k.n)
	if err != nil {
		return false // not below the modulus
	}
	em := bigmod.NewNat().ExpShortVarTime(s, k.e, k.n).Bytes(k.n)
	if len(em) > k.emBytes { // a modulus of 8m+1 bits: the encoded message is a byte shorter
		if em[0] != 0 {
			return false
		}
		em = em[1:]
	}
	return k.checkEncoding(em, digest)
}

// checkEncoding is EMSA-PSS-VERIFY (RFC 8017 section 9.1.2); em is overwritten.
func (k *Key) checkEncoding(em []byte, digest *[hashSize]byte) bool {
	if len(em) != k.emBytes || em[len(em)-1] != 0xbc {
		return false
	}
	db, h := em[:len(em)-hashSize-1], em[len(em)-hashSize-1:len(em)-1]
	unused := byte(0xff) << (8 - (8*k.emBytes - k.emBits)) // bits beyond emBits must be zero
	if 8*k.emBytes == k.emBits {
		unused = 0
	}
	if db[0]&unused != 0 {
		return false
	}
	unmask(db, h)
	db[0] &^= unused
	i := 0
	for i < len(db) && db[i] == 0 {
		i++
	}
	if i == len(db) || db[i] != 1 {
		return false
	}
	salt := db[i+1:]
	var block [8 + hashSize + mostBits/8]byte // eight zeros, digest, salt
	m := append(block[:8], digest[:]...)
	m = append(m, salt...)
	sum := sha256.Sum256(m)
	return subtle.ConstantTimeCompare(sum[:], h) == 1
}

// unmask takes the mask that MGF1 with SHA-256 makes of seed off db (RFC 8017
// appendix B.2.1).
func unmask(db, seed []byte) {
	var in [hashSize + 4]byte
	copy(in[:], seed)
	for counter := uint32(0); len(db) > 0; counter++ {
		binary.BigEndian.PutUint32(in[hashSize:], counter)
		mask := sha256.Sum256(in[:])
		n := subtle.XORBytes(db, db, mask[:])
		db = db[n:]
	}
}
