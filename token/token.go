// Package token is what a Propusk IAM token looks like, and how any service
// verifies one offline.
//
// It owns the token's text form ([Sign], [ParseUnverified]), the signed
// documents that a server publishes about its tokens (key set, revocation
// feed) and the [Verifier] that follows them. It knows nothing of roles or of
// how a caller was proved, and needs the standard library alone, so that it
// raises nobody's dependencies. docs/token.md describes every byte.
package token

import (
	"errors"
	"time"
)

// Limits of the format. A token outside them is malformed.
const (
	// MaxLength is the longest token, in characters.
	MaxLength = 1024
	// MaxDependencies bounds Claims.DependsOn, the token itself included.
	MaxDependencies = 12
	// MaxLife is the longest time between IssuedAt and ExpiresAt.
	MaxLife = 12 * time.Hour
	// MaxID is the longest id, in bytes, of anything but a user.
	MaxID = 50
	// MaxUserID is the longest id, in bytes, of a user.
	MaxUserID = 100
)

// RevocationLife is how long a revocation must be published and remembered:
// the life of a token, and an hour for nodes that issued one before they heard.
// A server must not issue on knowledge that is staler than that hour.
const RevocationLife = MaxLife + time.Hour

// Reasons for which a token is refused; test with errors.Is. ErrStale says
// nothing about the token: the verifier does not know enough to answer.
var (
	ErrMalformed    = errors.New("malformed token")
	ErrUnknownKey   = errors.New("token is signed by an unknown key")
	ErrSignature    = errors.New("token signature does not match")
	ErrExpired      = errors.New("token has expired")
	ErrNotYetValid  = errors.New("token is not valid yet")
	ErrRevoked      = errors.New("token has been revoked")
	ErrInstallation = errors.New("token belongs to another installation")
	ErrStale        = errors.New("verifier has no fresh key set and revocations")
)

// ErrClaims is why Sign refuses claims that no token can carry.
var ErrClaims = errors.New("invalid token claims")

// Types of a token's subject, spelled as access bindings spell them.
const (
	SubjectServiceAccount = "serviceAccount"
	SubjectUserAccount    = "userAccount"
	SubjectFederatedUser  = "federatedUser"
)

// Claims is what a token says. Times are in UTC with millisecond precision.
// An id is 1 to 50 printable ASCII characters without spaces; a user's, 100.
type Claims struct {
	ID           string    // of this token
	KeyID        string    // of the signing key
	Installation string    // that issued it
	IssuedAt     time.Time // truncated to milliseconds on the wire
	ExpiresAt    time.Time // the first moment at which it is no longer valid; truncated too
	Position     uint64    // of the change feed, as the issuing node knew it when it proved the caller

	SubjectType    string
	SubjectID      string
	OrganizationID string // of the subject; may be empty
	FolderID       string // of a service account; empty for others

	// DependsOn is what ends this token when it ends: each pair once, the
	// token itself among them. The installation and the key that signed this
	// token are implied and not listed. Parsed claims have the token itself first, the
	// rest ascending by kind and id.
	DependsOn []Dependency
}

// Dependency is one thing whose end is the end of a token.
type Dependency struct {
	Kind Kind
	ID   string
}
