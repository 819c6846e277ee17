package token_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

// benchVerifier knows 10,000 live revocations, none of them of the tokens that
// it will see, and remembers about as many tokens as it is told.
func benchVerifier(b *testing.B, tokens int) *token.Verifier {
	v := localVerifier(b, token.Config{MaxTokens: tokens, Now: time.Now})
	s := emptySnapshot()
	s.Keys[0].SignsFrom = time.Now().Add(-time.Hour)
	for i := range 10_000 {
		s.Revocations = append(s.Revocations, token.Revocation{
			Kind: token.KindCredential, Hash: token.HashID(token.KindCredential, fmt.Sprintf("ajk%017d", i)), Seq: uint64(i + 1),
		})
	}
	s.Position = 10_000
	if err := v.Load(s); err != nil {
		b.Fatal(err)
	}
	return v
}

func benchTokens(b *testing.B, n int) []string {
	tokens, now := make([]string, n), time.Now()
	for i := range tokens {
		c := sample()
		c.IssuedAt, c.ExpiresAt = now, now.Add(12*time.Hour)
		c.ID = fmt.Sprintf("tok%017d", i)
		c.DependsOn[0].ID, c.DependsOn[2].ID = c.ID, fmt.Sprintf("ajk%017d", 50_000+i)
		tokens[i] = mustSign(b, c, seedKey(1))
	}
	return tokens
}

// BenchmarkFirstSight is a verifier that remembers none of the tokens by the
// time they come again.
func BenchmarkFirstSight(b *testing.B) {
	tokens := benchTokens(b, 4096)
	v := benchVerifier(b, 8)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := v.Verify(tokens[i%len(tokens)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkEd25519Verify is the signature check alone, over the same tokens.
func BenchmarkEd25519Verify(b *testing.B) {
	tokens := benchTokens(b, 4096)
	key := public(seedKey(1))
	signature := make([][]byte, len(tokens))
	for i, s := range tokens {
		signature[i] = decode(b, s[len(s)-86:])
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		n := i % len(tokens)
		if !ed25519.Verify(key, []byte(tokens[n][:len(tokens[n])-87]), signature[n]) {
			b.Fatal("bad signature")
		}
		i++
	}
}

func BenchmarkSeenBefore(b *testing.B) {
	for _, n := range []int{1, 1000, 8000} {
		b.Run(fmt.Sprintf("tokens=%d", n), func(b *testing.B) {
			tokens, v := benchTokens(b, n), benchVerifier(b, 0)
			for _, s := range tokens {
				if _, err := v.Verify(s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := v.Verify(tokens[i]); err != nil {
					b.Fatal(err)
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// BenchmarkSeenBeforeFeedMoved looks at the dependencies again each time.
func BenchmarkSeenBeforeFeedMoved(b *testing.B) {
	s, v := benchTokens(b, 1)[0], benchVerifier(b, 0)
	revoked := []token.Revocation{{Kind: token.KindCloud, Hash: token.HashID(token.KindCloud, "c"), Seq: 1}}
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Advance(10_000, revoked); err != nil {
			b.Fatal(err)
		}
		if _, err := v.Verify(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	c, key := sample(), seedKey(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.Sign(&c, key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEd25519Sign is the signature alone, over the same text.
func BenchmarkEd25519Sign(b *testing.B) {
	s, key := mustSign(b, sample(), seedKey(1)), seedKey(1)
	text := []byte(s[:len(s)-87])
	b.ReportAllocs()
	for b.Loop() {
		ed25519.Sign(key, text)
	}
}

func BenchmarkParseUnverified(b *testing.B) {
	s := mustSign(b, sample(), seedKey(1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.ParseUnverified(s); err != nil {
			b.Fatal(err)
		}
	}
}
