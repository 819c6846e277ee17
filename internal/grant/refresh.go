package grant

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/opaque"
	"github.com/propusk/propusk/internal/resource"
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
	var raw [opaque.Random + 16]byte
	_, _ = rand.Read(raw[:])
	return freshRefreshToken(raw)
}

func freshRefreshToken(raw [opaque.Random + 16]byte) FreshRefreshToken {
	secret := opaque.RefreshToken.Of([opaque.Random]byte(raw[:opaque.Random]))
	return FreshRefreshToken{Secret: secret, ID: resource.UUIDOf([16]byte(raw[opaque.Random:])), Lookup: opaque.Lookup(secret.Reveal())}
}

// RefreshTokenForm tells whether a text may be a refresh token of a Propusk server.
func RefreshTokenForm(text string) bool { return opaque.RefreshToken.Fits(text) }

// RefreshTokenLookup is by what the row of a refresh token is found; see
// iam.RefreshToken.
func RefreshTokenLookup(text string) string { return opaque.Lookup(text) }
