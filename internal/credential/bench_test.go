package credential_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
)

func BenchmarkProve(b *testing.B) {
	w := newWorld()
	p := prover(b, w, start)
	jwt := good().String()
	b.ReportAllocs()
	for b.Loop() {
		w.lookups = w.lookups[:0]
		if _, err := p.Prove(b.Context(), jwt); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyPSS is the least that a proof can cost.
func BenchmarkVerifyPSS(b *testing.B) {
	jwt := good().String()
	end := strings.LastIndexByte(jwt, '.')
	signature, _ := base64.RawURLEncoding.DecodeString(jwt[end+1:])
	signed := []byte(jwt[:end])
	key := &rsaA().PublicKey
	b.ReportAllocs()
	for b.Loop() {
		digest := sha256.Sum256(signed)
		if err := rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse is everything that is done before the signature.
func BenchmarkParse(b *testing.B) {
	jwt := good().String()
	b.ReportAllocs()
	for b.Loop() {
		h, c, _, err := credential.SplitJWT(jwt)
		if err != nil {
			b.Fatal(err)
		}
		if err := credential.ParseOnly(h, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignature is the proof of a version-4 signature: five HMACs.
func BenchmarkSignature(b *testing.B) {
	w := newAccessWorld()
	p := &credential.AccessKey{Reads: w, Now: func() time.Time { return start }}
	s := sign(suiteSecret, good4)
	b.ReportAllocs()
	for b.Loop() {
		w.lookups = w.lookups[:0]
		if _, err := p.Prove(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}
