package grant

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// A refresh token is "rt1.", 200 characters of base64url, which are 150 random
// bytes, a dot, and 86 more, the SHA-512 of what stands before it: one that was
// cut short or mistyped is refused without a look into the store [API fact:
// refresh tokens rt1.<at least 200>.<86>; what is in it is ours].
const (
	refreshPrefix  = "rt1."
	refreshRandom  = 150
	refreshPayload = 200 // characters
	refreshLength  = len(refreshPrefix) + refreshPayload + 1 + 86
)

// Times of refresh tokens [API fact: refresh tokens].
const (
	// RefreshLife is how long one is good from when it was made.
	RefreshLife = 31 * 24 * time.Hour
	// RefreshRenewal is how long before its end a use brings another one.
	RefreshRenewal = 7 * 24 * time.Hour
	// RefreshOverlap is how long one goes on working after it was replaced, for
	// the answer with the new one may have been lost on its way.
	RefreshOverlap = time.Minute
	// RefreshKept is how long after its end one is still listed.
	RefreshKept = 7 * 24 * time.Hour
)

var secretText = base64.RawURLEncoding.Strict()

// FreshRefreshToken is one that was drawn and is not written yet: drawing is for
// before a transaction, which may run twice.
type FreshRefreshToken struct {
	Secret iam.Secret
	ID     string // a UUID
	Lookup string // see iam.RefreshToken
}

// NewRefreshToken draws a refresh token.
func NewRefreshToken() FreshRefreshToken {
	var raw [refreshRandom + 16]byte
	_, _ = rand.Read(raw[:])
	text := refreshTokenOf(raw[:refreshRandom])
	return FreshRefreshToken{Secret: iam.NewSecret(text), ID: resource.UUIDOf([16]byte(raw[refreshRandom:])), Lookup: RefreshTokenLookup(text)}
}

func refreshTokenOf(raw []byte) string {
	head := refreshPrefix + secretText.EncodeToString(raw)
	sum := sha512.Sum512([]byte(head))
	return head + "." + secretText.EncodeToString(sum[:])
}

// RefreshTokenForm tells whether a text may be a refresh token of a Propusk server.
func RefreshTokenForm(text string) bool {
	if len(text) != refreshLength || !strings.HasPrefix(text, refreshPrefix) || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return false
	}
	head, tail := text[:len(refreshPrefix)+refreshPayload], text[len(refreshPrefix)+refreshPayload:]
	var given [sha512.Size]byte
	if n, err := secretText.Decode(given[:], []byte(tail[1:])); err != nil || n != len(given) || tail[0] != '.' {
		return false
	}
	sum := sha512.Sum512([]byte(head))
	return subtle.ConstantTimeCompare(sum[:], given[:]) == 1
}

// RefreshTokenLookup is by what the row of a refresh token is found; see
// iam.RefreshToken.
func RefreshTokenLookup(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
