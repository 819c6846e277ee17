package iam

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// OAuthGrant is one time that a person let a program act for him. Codes and
// refresh tokens belong to one, and what is made of them rests on it
// (token.KindCredential): ending it ends them all.
type OAuthGrant struct {
	ID              string
	UserID          string
	ClientID        string
	ClientInfo      string // what the program calls itself, such as "yc/0.141.0"
	SessionID       string // in which he allowed it
	Scopes          []string
	Nonce           string   // for the first ID token alone
	Methods         []string // how he had proved himself, RFC 8176
	KeyThumbprint   string   // of the program's key (RFC 7638), when a proof of possession is asked of it
	AuthenticatedAt time.Time
	CreatedAt       time.Time
	ExpiresAt       time.Time // when nothing of it can be alive any more
}

// OAuthConsent is what a person has allowed a program for good.
type OAuthConsent struct {
	UserID     string
	ClientID   string
	Scopes     []string
	CreatedAt  time.Time
	LastUsedAt time.Time
}

// ProtectionLevel is how a refresh token is tied to its program
// [API fact: RefreshToken.ProtectionLevel].
type ProtectionLevel string

// The levels.
const (
	NoProtection    ProtectionLevel = "NO_PROTECTION"
	InsecureKeyDPoP ProtectionLevel = "INSECURE_KEY_DPOP"
	SecureKeyDPoP   ProtectionLevel = "SECURE_KEY_DPOP"
)

// RefreshToken is by what a program gets IAM tokens while its person is away. The
// secret itself is never kept.
type RefreshToken struct {
	ID         string // a UUID [API fact: refresh tokens]
	GrantID    string
	UserID     string
	ClientID   string
	ClientInfo string
	Protection ProtectionLevel
	Lookup     string // SHA-256 of the secret, in hexadecimal
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // zero: never
	ReplacedAt time.Time // zero: it is the last of its grant
}

// ChallengeKeyProof is of proofs of possession (RFC 9449): none is good twice.
const ChallengeKeyProof ChallengePurpose = "key_proof"

// Codes of OAuth 2.0's errors (RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section
// 2.2.1, RFC 8628 section 3.5, RFC 9449 section 5), which are the Reason of an
// OAuthError.
const (
	OAuthInvalidRequest       = "invalid_request"
	OAuthInvalidClient        = "invalid_client"
	OAuthInvalidGrant         = "invalid_grant"
	OAuthUnauthorizedClient   = "unauthorized_client"
	OAuthUnsupportedGrantType = "unsupported_grant_type"
	OAuthInvalidScope         = "invalid_scope"
	OAuthInvalidTarget        = "invalid_target"
	OAuthInvalidToken         = "invalid_token"
	OAuthInsufficientScope    = "insufficient_scope"
	OAuthAccessDenied         = "access_denied"
	OAuthAuthorizationPending = "authorization_pending"
	OAuthSlowDown             = "slow_down"
	OAuthExpiredToken         = "expired_token"
	OAuthInvalidDPoPProof     = "invalid_dpop_proof"
	OAuthUnsupportedTokenType = "unsupported_token_type"
)

// oauthKinds are the kinds of those codes that are not INVALID_ARGUMENT.
var oauthKinds = map[string]Kind{
	OAuthInvalidClient: Unauthenticated, OAuthInvalidToken: Unauthenticated, OAuthInvalidGrant: Unauthenticated,
	OAuthInvalidDPoPProof: Unauthenticated, OAuthAccessDenied: PermissionDenied, OAuthInsufficientScope: PermissionDenied,
	OAuthUnauthorizedClient: PermissionDenied, OAuthAuthorizationPending: FailedPrecondition,
	OAuthExpiredToken: FailedPrecondition, OAuthSlowDown: ResourceExhausted,
}

// OAuthError is a refusal with a code of OAuth 2.0; see the constants.
func OAuthError(code, format string, args ...any) *Error {
	kind, ok := oauthKinds[code]
	if !ok {
		kind = InvalidArgument
	}
	return &Error{Kind: kind, Reason: code, Message: fmt.Sprintf(format, args...)}
}

// ScopesOf takes a scope parameter apart (RFC 6749 section 3.3), each value once.
func ScopesOf(text string) []string {
	var out []string
	for s := range strings.SplitSeq(text, " ") {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
