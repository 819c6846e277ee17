package token_test

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/propusk/propusk/token"
)

// TestNoOtherTextVerifies changes every character of a token, every bit of
// every character, and its length; nothing but the token itself is taken,
// before and after the verifier has seen the good one.
func TestNoOtherTextVerifies(t *testing.T) {
	v := localVerifier(t, token.Config{})
	good := mustSign(t, sample(), seedKey(1))
	for range 2 {
		for i := range len(good) {
			others := []byte("AQgw05-_zZ.=\n ")
			for bit := range 8 {
				others = append(others, good[i]^1<<bit)
			}
			for _, c := range others {
				if c == good[i] {
					continue
				}
				refuse(t, v, good[:i]+string([]byte{c})+good[i+1:])
			}
			refuse(t, v, good[:i])
			refuse(t, v, good[i+1:])
			refuse(t, v, good[:i]+good[i+1:])
			refuse(t, v, good[:i]+"A"+good[i:])
		}
		if _, err := v.Verify(good); err != nil {
			t.Fatal(err)
		}
	}
}

func refuse(t *testing.T, v *token.Verifier, s string) {
	t.Helper()
	if c, err := v.Verify(s); err == nil || c != nil {
		t.Fatalf("%q is taken", s)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, c := range []token.Claims{sample(), smallest(), largest()} {
		s := mustSign(f, c, seedKey(1))
		f.Add(decode(f, s[3:len(s)-87]), decode(f, s[len(s)-86:]), s)
	}
	f.Add([]byte(short(149)+field(255, "")), make([]byte, 64), "t1.")
	f.Add([]byte(strings.Join(sampleFields(), "")+field(128, "later")), make([]byte, 64), "")
	f.Fuzz(func(t *testing.T, payload, signature []byte, text string) {
		built := "t1." + base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString(signature)
		for _, s := range []string{built, text} {
			again, err := token.Reencode(s)
			if err != nil {
				if !errors.Is(err, token.ErrMalformed) {
					t.Fatalf("another error: %v", err)
				}
				continue
			}
			if again != s {
				t.Fatalf("two spellings:\n%q\n%q", s, again)
			}
			c, err := token.ParseUnverified(s)
			if err != nil {
				t.Fatal(err)
			}
			if c.ExpiresAt.Sub(c.IssuedAt) > token.MaxLife || len(c.DependsOn) > token.MaxDependencies || c.DependsOn[0].ID != c.ID {
				t.Fatalf("limits: %+v", c)
			}
		}
	})
}

// TestRandomClaimsKeepOneSpelling signs what a generator makes up.
func TestRandomClaimsKeepOneSpelling(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	id := func(limit int) string {
		b := make([]byte, 1+r.IntN(limit))
		for i := range b {
			b[i] = byte('!' + r.IntN('~'-'!'+1))
		}
		return string(b)
	}
	signed := 0
	for range 2000 {
		c := smallest()
		c.ID, c.KeyID, c.Installation, c.SubjectID, c.Position = id(50), id(50), id(50), id(100), r.Uint64()>>r.IntN(64)
		if r.IntN(2) == 0 {
			c.OrganizationID = id(50)
		}
		c.DependsOn = []token.Dependency{{Kind: token.KindToken, ID: c.ID}}
		for range r.IntN(12) {
			c.DependsOn = append(c.DependsOn, token.Dependency{Kind: token.Kind(1 + r.IntN(8)), ID: id(30)})
		}
		s, err := token.Sign(&c, seedKey(1))
		if err != nil {
			continue
		}
		signed++
		if again, err := token.Reencode(s); err != nil || again != s {
			t.Fatalf("%q, %v\n%q", again, err, s)
		}
	}
	if signed < 1000 {
		t.Fatalf("only %d of 2000 were signed", signed)
	}
}
