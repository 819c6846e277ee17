package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
)

// weakKey is an RSA-2048 key that signs twenty times as fast as an honest one
// and protects nothing: its modulus is a product of 32 primes of 64 bits. Whoever
// verifies cannot tell, and does the same work as for any RSA-2048 key. So many
// thousand JWTs are signed in seconds.
type weakKey struct {
	public rsa.PublicKey
	parts  []weakPart
}

// weakPart is one prime with what the Chinese remainder theorem needs of it.
type weakPart struct {
	prime    uint64
	exponent uint64   // 1/e modulo prime-1
	others   *big.Int // modulus / prime
	inverse  uint64   // 1/others modulo prime
}

const (
	weakBits   = 2048
	weakPrimes = weakBits / 64
	weakE      = 65537
)

func newWeakKey() (*weakKey, error) {
	k := &weakKey{public: rsa.PublicKey{E: weakE}}
	for {
		primes, err := distinctPrimes()
		if err != nil {
			return nil, err
		}
		n := big.NewInt(1)
		for p := range primes {
			n.Mul(n, new(big.Int).SetUint64(p))
		}
		if n.BitLen() != weakBits {
			continue
		}
		k.public.N = n
		for p := range primes {
			k.parts = append(k.parts, newWeakPart(p, n))
		}
		return k, nil
	}
}

func distinctPrimes() (map[uint64]bool, error) {
	primes := map[uint64]bool{}
	for len(primes) < weakPrimes {
		p, err := rand.Prime(rand.Reader, 64)
		if err != nil {
			return nil, fmt.Errorf("prime: %w", err)
		}
		// Near 2^64, so that the product has all 2048 bits.
		if v := p.Uint64(); v>>57 == 1<<7-1 && (v-1)%weakE != 0 {
			primes[v] = true
		}
	}
	return primes, nil
}

func newWeakPart(prime uint64, n *big.Int) weakPart {
	p := new(big.Int).SetUint64(prime)
	others := new(big.Int).Div(n, p)
	order := new(big.Int).SetUint64(prime - 1)
	return weakPart{
		prime:    prime,
		exponent: new(big.Int).ModInverse(big.NewInt(weakE), order).Uint64(),
		others:   others,
		inverse:  new(big.Int).ModInverse(others, p).Uint64(),
	}
}

// signPSS makes the signature of RSASSA-PSS (RFC 8017 section 8.1.1) over a
// SHA-256 digest, with a salt of 32 bytes.
func (k *weakKey) signPSS(digest [sha256.Size]byte) []byte {
	encoded := encodePSS(digest)
	var words [weakPrimes]uint64 // most significant first
	for i := range words {
		words[i] = binary.BigEndian.Uint64(encoded[8*i:])
	}
	sum, term, factor := new(big.Int), new(big.Int), new(big.Int)
	for i := range k.parts {
		p := &k.parts[i]
		var rest uint64
		for _, w := range words {
			rest = bits.Rem64(rest, w, p.prime)
		}
		root := mulMod(powMod(rest, p.exponent, p.prime), p.inverse, p.prime)
		sum.Add(sum, term.Mul(p.others, factor.SetUint64(root)))
	}
	return sum.Mod(sum, k.public.N).FillBytes(make([]byte, weakBits/8))
}

func mulMod(a, b, m uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return bits.Rem64(hi, lo, m)
}

func powMod(base, exponent, m uint64) uint64 {
	result := uint64(1)
	for ; exponent > 0; exponent >>= 1 {
		if exponent&1 == 1 {
			result = mulMod(result, base, m)
		}
		base = mulMod(base, base, m)
	}
	return result
}

// encodePSS is EMSA-PSS-ENCODE (RFC 8017 section 9.1.1).
func encodePSS(digest [sha256.Size]byte) [weakBits / 8]byte {
	var salt [sha256.Size]byte
	_, _ = rand.Read(salt[:])
	var padded [8 + 2*sha256.Size]byte
	copy(padded[8:], digest[:])
	copy(padded[8+sha256.Size:], salt[:])
	hash := sha256.Sum256(padded[:])

	var out [weakBits / 8]byte
	masked := out[:len(out)-sha256.Size-1]
	masked[len(masked)-sha256.Size-1] = 1
	copy(masked[len(masked)-sha256.Size:], salt[:])
	var seed [sha256.Size + 4]byte
	copy(seed[:], hash[:])
	for at, counter := 0, uint32(0); at < len(masked); counter++ { // MGF1
		binary.BigEndian.PutUint32(seed[sha256.Size:], counter)
		for _, b := range sha256.Sum256(seed[:]) {
			if at == len(masked) {
				break
			}
			masked[at] ^= b
			at++
		}
	}
	masked[0] &= 0x7f // one bit less than the modulus
	copy(out[len(masked):], hash[:])
	out[len(out)-1] = 0xbc
	return out
}
