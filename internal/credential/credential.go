// Package credential owns every way to prove who is calling: one file per kind
// says how that credential is checked. A proof ends in an Identity or in an
// UNAUTHENTICATED error with a text of its own and a short Reason; a failure to
// find out (the store away) keeps its own kind. Nothing here makes a token,
// decides a right or keeps a row.
package credential

import (
	"context"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/token"
)

// Identity is a proved caller.
type Identity struct {
	Subject        iam.Subject
	OrganizationID string
	CloudID        string // of a service account's folder; empty for people
	FolderID       string // of a service account; empty for people

	How          string // HowJWT or another of those below
	CredentialID string // id of the key, of the OAuth token, of the session or of the IAM token
	TokenID      string // id of the IAM token, when one was presented
	SigningKeyID string // of the key that signed that token
	JWTDigest    string // of the JWT, when one was presented: 32 hex digits of its SHA-256
	Impersonator iam.Subject
	// Scopes narrow what the caller may do with an API key, or a program with an
	// access token of OAuth; both have one at least. Nil narrows nothing. Read-only.
	Scopes []string
	// KeyThumbprint is that of the key (RFC 7638) that the caller has proved to
	// hold besides; "" when he has proved none.
	KeyThumbprint string
	// Temporary is set when a temporary access key proved the caller, which
	// proves nothing but what its policy allows. Read-only.
	Temporary *TemporaryKey

	// ProvedAt is when a person whom another provider vouches for has proved himself
	// there; zero when it is not known, or is now.
	ProvedAt time.Time

	// Position is a feed position that was applied before anything about the
	// caller was read: a token made for this identity carries it, and dies by
	// every later revocation of what it depends on.
	Position iam.Position
	// NotAfter shortens what is made for this identity; zero shortens nothing.
	NotAfter time.Time
	// DependsOn is what ends this identity when it ends, without repetition.
	// It may be shared with others: read-only.
	DependsOn []token.Dependency
}

// TemporaryKey is what a session token says besides who its subject is.
type TemporaryKey struct {
	SessionID string // by which it is revoked
	Name      string // that it was made with
	Policy    string // JSON of internal/sessionpolicy; "" limits nothing
}

// How a caller was proved, as the audit log spells it.
const (
	HowJWT       = "jwt"
	HowIAMToken  = "iamToken"
	HowAPIKey    = "apiKey"
	HowAccessKey = "accessKey"

	HowOAuthToken = "oauthToken"

	HowPassword      = "password"
	HowSecondFactor  = "secondFactor"
	HowPasswordReset = "passwordReset"
	HowUpstream      = "upstream" // another provider has vouched for a person
	HowPasskey       = "passkey"
	HowSession       = "session"

	HowTemporaryKey = "temporaryAccessKey"
)

// Accounts is what proofs read of the accounts behind credentials. The replica
// is one. A miss is iam.NotFound.
type Accounts interface {
	// Position is the feed position that reads from now on have applied.
	Position() iam.Position
	ServiceAccount(ctx context.Context, id string) (*iam.ServiceAccount, error)
	UserAccount(ctx context.Context, id string) (*iam.UserAccount, error)
	// Ancestors lists a resource, itself first, its organization last.
	Ancestors(ctx context.Context, id string) ([]resource.Ref, error)
}

// home is where a service account lives.
type home struct{ folder, cloud, organization string }

func homeOf(ancestors []resource.Ref) home {
	var h home
	for _, a := range ancestors {
		switch a.Kind {
		case resource.Folder:
			h.folder = a.ID
		case resource.Cloud:
			h.cloud = a.ID
		case resource.Organization:
			h.organization = a.ID
		}
	}
	return h
}

// dependencies lists what ends everything proved for a subject that lives here.
func (h home) dependencies(list []token.Dependency) []token.Dependency {
	for _, d := range [...]token.Dependency{
		{Kind: token.KindFolder, ID: h.folder}, {Kind: token.KindCloud, ID: h.cloud}, {Kind: token.KindOrganization, ID: h.organization},
	} {
		if d.ID != "" {
			list = append(list, d)
		}
	}
	return list
}
