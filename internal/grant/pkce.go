package grant

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// ChallengeMethod is the one that is served (RFC 7636 section 4.2): "plain" would
// show the verifier to whoever sees the address.
const ChallengeMethod = "S256"

const (
	challengeLength  = 43 // characters: SHA-256 in base64url
	shortestVerifier = 43
	longestVerifier  = 128
)

// Challenge is the S256 challenge of a verifier.
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ThumbprintForm tells whether a text may be a SHA-256 in base64url: an S256
// challenge, or the thumbprint of a key (RFC 7638).
func ThumbprintForm(text string) bool {
	if len(text) != challengeLength || !isBase64URL(text) {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(text) // spare bits are zero
	return err == nil
}

// VerifierForm tells whether a text may be a verifier: 43 to 128 of the unreserved
// characters (RFC 7636 section 4.1).
func VerifierForm(text string) bool {
	if len(text) < shortestVerifier || len(text) > longestVerifier {
		return false
	}
	for _, c := range []byte(text) {
		if !isAlphanumeric(c) && strings.IndexByte("-._~", c) < 0 {
			return false
		}
	}
	return true
}

// VerifierFits tells whether a verifier is that of a challenge. A code that was
// asked for without a challenge takes none, and one with a challenge none but its
// own, so that nobody can take PKCE out of an exchange on the way (RFC 9700
// section 2.1.1).
func VerifierFits(challenge, verifier string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	return VerifierForm(verifier) && subtle.ConstantTimeCompare([]byte(Challenge(verifier)), []byte(challenge)) == 1
}
