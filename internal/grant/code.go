package grant

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// CodeLife is how long an authorization code may be redeemed: RFC 6749 section
// 4.1.2 allows ten minutes at most, and a program needs a moment.
const CodeLife = time.Minute

// A code is "ac1." and 43 characters of base64url, which are 32 random bytes.
const (
	codePrefix = "ac1."
	codeRandom = 32
	codeLength = len(codePrefix) + 43
)

// NewCode is a fresh authorization code, and what is kept of it; see iam.OAuthCode.
func NewCode() (code iam.Secret, lookup string) {
	var raw [codeRandom]byte
	_, _ = rand.Read(raw[:])
	text := codePrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	return iam.NewSecret(text), lookupOf(text)
}

// CodeLookup is what a code is found by; false for a text that can be none.
func CodeLookup(text string) (string, bool) {
	if len(text) != codeLength || !strings.HasPrefix(text, codePrefix) || !isBase64URL(text[len(codePrefix):]) {
		return "", false
	}
	return lookupOf(text), true
}

func lookupOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func isBase64URL(text string) bool {
	for _, c := range []byte(text) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}
