package grant_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/grant"
)

// The pair of RFC 7636, appendix B.
const (
	publishedVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	publishedChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func TestPublishedChallenge(t *testing.T) {
	if got := grant.Challenge(publishedVerifier); got != publishedChallenge {
		t.Errorf("challenge %s", got)
	}
}

func TestVerifierFits(t *testing.T) {
	long := strings.Repeat("a", 128)
	for _, c := range []struct {
		what, challenge, verifier string
		fits                      bool
	}{
		{"its own", publishedChallenge, publishedVerifier, true},
		{"neither", "", "", true},
		{"the longest", grant.Challenge(long), long, true},
		{"every kind of character", grant.Challenge("-._~" + long[:40]), "-._~" + long[:40], true},
		{"a verifier taken away", publishedChallenge, "", false},
		{"a challenge taken away", "", publishedVerifier, false},
		{"another", publishedChallenge, publishedVerifier[:42] + "l", false},
		{"plain", publishedChallenge, publishedChallenge, false},
		{"too short", grant.Challenge(long[:42]), long[:42], false},
		{"too long", grant.Challenge(long + "a"), long + "a", false},
		{"a reserved character", grant.Challenge(long[:50] + "+"), long[:50] + "+", false},
		{"a line break", grant.Challenge(long[:50] + "\n"), long[:50] + "\n", false},
		{"not ASCII", grant.Challenge(long[:50] + "é"), long[:50] + "é", false},
	} {
		if got := grant.VerifierFits(c.challenge, c.verifier); got != c.fits {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestThumbprintForm(t *testing.T) {
	for text, want := range map[string]bool{
		publishedChallenge: true, strings.Repeat("A", 43): true, "": false, publishedChallenge[:42]: false, publishedChallenge + "A": false,
		publishedChallenge[:42] + "N": false /* spare bits */, publishedChallenge[:42] + "=": false, publishedChallenge[:42] + "+": false,
		publishedChallenge[:41] + "\r\n": false,
	} {
		if got := grant.ThumbprintForm(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzVerifierFits: a verifier fits its own challenge when its form is right, and
// no other text does.
func FuzzVerifierFits(f *testing.F) {
	f.Add(publishedVerifier, publishedChallenge)
	f.Add("", "")
	f.Add(strings.Repeat("~", 128), strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, verifier, challenge string) {
		if grant.VerifierForm(verifier) {
			own := grant.Challenge(verifier)
			if !grant.ThumbprintForm(own) || !grant.VerifierFits(own, verifier) {
				t.Errorf("%q does not fit its own challenge", verifier)
			}
		}
		if grant.VerifierFits(challenge, verifier) && verifier+challenge != "" && grant.Challenge(verifier) != challenge {
			t.Errorf("%q fits %q", verifier, challenge)
		}
	})
}
