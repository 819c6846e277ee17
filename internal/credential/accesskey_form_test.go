package credential_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
)

// Every change of a character, and every other length, takes a secret its form.
func TestAccessKeySecretForm(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for range 20 {
		_, made := credential.NewAccessKey()
		secret := made.Reveal()
		if !credential.AccessKeySecretForm(secret) {
			t.Fatal("a secret has not the form of one")
		}
		for i := range secret {
			for _, c := range alphabet + " \n\r=é" {
				if changed := secret[:i] + string(c) + secret[i+1:]; changed != secret && credential.AccessKeySecretForm(changed) {
					t.Fatalf("character %d may be %q", i, c)
				}
			}
		}
		for _, text := range []string{"", secret[:39], secret + "A", secret + "\n", "\n" + secret[:39], secret[:20] + "\r\n" + secret[20:], strings.ToLower(secret)} {
			if credential.AccessKeySecretForm(text) {
				t.Errorf("%d characters have the form", len(text))
			}
		}
	}
}

func TestSecretLookup(t *testing.T) {
	// The first half of the SHA-256 of "abc" (FIPS 180-2, appendix B.1).
	if got := credential.SecretLookup(iam.NewSecret("abc")); got != "ba7816bf8f01cfea414140de5dae2223" {
		t.Error(got)
	}
}
