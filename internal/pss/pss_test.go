package pss_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/pss"
)

var keys = sync.OnceValue(func() map[int]*rsa.PrivateKey {
	out := map[int]*rsa.PrivateKey{}
	for _, bits := range []int{2048, 2049, 2055, 3072, 4096} { // 2049: the encoded message is a byte shorter than the modulus
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		out[bits] = k
	}
	return out
})

func prepare(t testing.TB, k *rsa.PrivateKey) *pss.Key {
	t.Helper()
	p, err := pss.New(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func stdlib(k *rsa.PrivateKey, digest [32]byte, signature []byte) bool {
	return rsa.VerifyPSS(&k.PublicKey, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil
}

func TestEverySaltLength(t *testing.T) {
	digest := sha256.Sum256([]byte("header.payload"))
	for bits, k := range keys() {
		p := prepare(t, k)
		most := (bits+6)/8 - 2 - sha256.Size
		for _, salt := range []int{0, 1, 20, 31, 32, 33, 64, most - 1, most} {
			if salt == 0 {
				salt = rsa.PSSSaltLengthAuto // as long as fits, when signing
			}
			signature, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
			if err != nil {
				t.Fatal(err)
			}
			if !p.Verify(&digest, signature) {
				t.Errorf("%d bits, salt of %d: a good signature is refused", bits, salt)
			}
			other := sha256.Sum256([]byte("header.other"))
			if p.Verify(&other, signature) {
				t.Errorf("%d bits, salt of %d: a signature of something else is taken", bits, salt)
			}
		}
	}
}

// encode makes a signature of an encoded message of our choice.
func encode(k *rsa.PrivateKey, em []byte) []byte {
	s := new(big.Int).Exp(new(big.Int).SetBytes(em), k.D, k.N)
	return s.FillBytes(make([]byte, k.Size()))
}

func TestEmptySaltAndBadEncodings(t *testing.T) {
	k := keys()[2048]
	p := prepare(t, k)
	digest := sha256.Sum256([]byte("x"))
	// build is EMSA-PSS-ENCODE with places where it can go wrong.
	build := func(change func(db []byte), tail byte, salt []byte) []byte {
		m := append(append(make([]byte, 8), digest[:]...), salt...)
		h := sha256.Sum256(m)
		db := make([]byte, 256-33)
		db[len(db)-len(salt)-1] = 1
		copy(db[len(db)-len(salt):], salt)
		change(db)
		seed := append(h[:], 0, 0, 0, 0)
		for i := 0; i < len(db); i += 32 {
			seed[35] = byte(i / 32)
			mask := sha256.Sum256(seed)
			for j := 0; j < 32 && i+j < len(db); j++ {
				db[i+j] ^= mask[j]
			}
		}
		db[0] &= 0x7f
		return encode(k, append(append(db, h[:]...), tail))
	}
	none := func([]byte) {}
	for _, c := range []struct {
		name      string
		signature []byte
		want      bool
	}{
		{"no salt", build(none, 0xbc, nil), true},
		{"salt", build(none, 0xbc, []byte("0123456789")), true},
		{"wrong trailer", build(none, 0xcc, nil), false},
		{"no separator", build(func(db []byte) { db[len(db)-1] = 0 }, 0xbc, nil), false},
		{"separator of 2", build(func(db []byte) { db[len(db)-1] = 2 }, 0xbc, nil), false},
		{"something in the padding", build(func(db []byte) { db[3] = 7 }, 0xbc, nil), false},
		{"a second one in the padding", build(func(db []byte) { db[3] = 1 }, 0xbc, nil), false},
		{"too short", build(none, 0xbc, nil)[1:], false},
		{"too long", append([]byte{0}, build(none, 0xbc, nil)...), false},
		{"empty", nil, false},
		{"zero", make([]byte, 256), false},
		{"the modulus", k.N.Bytes(), false},
		{"all ones", new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2048), big.NewInt(1)).Bytes(), false},
	} {
		if got := p.Verify(&digest, c.signature); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := stdlib(k, digest, c.signature); got != c.want {
			t.Errorf("%s: crypto/rsa says %v, so the case is wrong", c.name, got)
		}
	}
	// The top bit of the encoded message must be clear; N − EM's signature sets it.
	s := new(big.Int).SetBytes(build(none, 0xbc, nil))
	high := new(big.Int).Sub(k.N, s).FillBytes(make([]byte, 256))
	if p.Verify(&digest, high) || stdlib(k, digest, high) {
		t.Error("the negated signature is taken")
	}
}

func TestNewRefuses(t *testing.T) {
	good := keys()[2048].PublicKey
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*rsa.PublicKey{
		"nil":          nil,
		"no modulus":   {E: 65537},
		"1024 bits":    &small.PublicKey,
		"even modulus": {N: new(big.Int).Add(good.N, big.NewInt(1)), E: 65537},
		"exponent 1":   {N: good.N, E: 1},
		"exponent 4":   {N: good.N, E: 4},
		"exponent < 0": {N: good.N, E: -3},
		"huge":         {N: new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 4097), 0, 1), E: 65537},
	} {
		if _, err := pss.New(k); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzVerify holds our answer against that of crypto/rsa.
func FuzzVerify(f *testing.F) {
	k := keys()[2048]
	p := prepare(f, k)
	digest := sha256.Sum256([]byte("header.payload"))
	signature, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, byte(0), uint8(0))
	f.Add(255, byte(1), uint8(0))
	f.Add(3, byte(0x80), uint8(1))
	f.Fuzz(func(t *testing.T, at int, flip byte, cut uint8) {
		s := append([]byte(nil), signature...)
		if at >= 0 && at < len(s) {
			s[at] ^= flip
		}
		s = s[:len(s)-int(cut)%len(s)]
		if got, want := p.Verify(&digest, s), stdlib(k, digest, s); got != want {
			t.Errorf("%v, crypto/rsa says %v", got, want)
		}
	})
}

// FuzzEncoding signs encoded messages of the fuzzer's choice.
func FuzzEncoding(f *testing.F) {
	k := keys()[2048]
	p := prepare(f, k)
	digest := sha256.Sum256([]byte("x"))
	f.Add([]byte{0x7f, 1}, byte(0xbc))
	f.Fuzz(func(t *testing.T, em []byte, tail byte) {
		full := make([]byte, 256)
		copy(full[1:], em)
		full[255] = tail
		s := encode(k, full)
		if got, want := p.Verify(&digest, s), stdlib(k, digest, s); got != want {
			t.Errorf("%v, crypto/rsa says %v", got, want)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	digest := sha256.Sum256([]byte("header.payload"))
	for _, bits := range []int{2048, 4096} {
		k := keys()[bits]
		p := prepare(b, k)
		signature, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("prepared-%d", bits), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !p.Verify(&digest, signature) {
					b.Fatal("refused")
				}
			}
		})
		b.Run(fmt.Sprintf("crypto-rsa-%d", bits), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !stdlib(k, digest, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}
