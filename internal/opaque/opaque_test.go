package opaque_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/opaque"
)

func TestForm(t *testing.T) {
	for _, k := range []opaque.Kind{opaque.Cookie, opaque.RefreshToken} {
		secret := k.New().Reveal()
		if !regexp.MustCompile(`^` + regexp.QuoteMeta(string(k)) + `[A-Za-z0-9_-]{200}\.[A-Za-z0-9_-]{86}$`).MatchString(secret) {
			t.Errorf("%s: a secret of %d characters has another form", k, len(secret))
		}
		if !k.Fits(secret) {
			t.Errorf("%s: a fresh secret does not fit", k)
		}
		if k.New().Reveal() == secret {
			t.Errorf("%s: two secrets are the same", k)
		}
		for i := range len(secret) {
			changed := byte('A')
			if secret[i] == 'A' {
				changed = 'B'
			}
			if k.Fits(secret[:i] + string(changed) + secret[i+1:]) {
				t.Errorf("%s: fits with character %d changed", k, i)
			}
			if k.Fits(secret[:i]) {
				t.Errorf("%s: fits when cut after %d characters", k, i)
			}
		}
		for _, bad := range []string{secret + "\n", secret + "=", "\r" + secret, secret[:len(secret)-1] + "\n", strings.ToUpper(secret), " " + secret} {
			if k.Fits(bad) {
				t.Errorf("%s: a text of %d characters fits", k, len(bad))
			}
		}
	}
	if opaque.Cookie.Fits(opaque.RefreshToken.New().Reveal()) || opaque.RefreshToken.Fits(opaque.Cookie.New().Reveal()) {
		t.Error("one kind passes for the other")
	}
}

func TestOfIsOneSecret(t *testing.T) {
	var raw [opaque.Random]byte
	a, b := opaque.RefreshToken.Of(raw).Reveal(), opaque.RefreshToken.Of(raw).Reveal()
	raw[149] = 1
	if c := opaque.RefreshToken.Of(raw).Reveal(); a != b || a == c || opaque.Lookup(a) != opaque.Lookup(b) || opaque.Lookup(a) == opaque.Lookup(c) || len(opaque.Lookup(a)) != 64 {
		t.Error("the same bytes are to be the same secret, others another")
	}
}

func FuzzFits(f *testing.F) {
	f.Add("c1.")
	f.Add(opaque.Cookie.New().Reveal())
	f.Fuzz(func(t *testing.T, s string) {
		if opaque.Cookie.Fits(s) && opaque.RefreshToken.Fits(s) {
			t.Fatal("both kinds")
		}
		_ = opaque.Lookup(s)
	})
}
