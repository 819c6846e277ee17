package oauthclient

import "github.com/propusk/propusk/internal/iam"

// PublicSDK is the client of the command line and of SDKs that sign people in
// with a browser. It has no folder and nobody deletes it [API fact: CLI login].
const PublicSDK = "yc.oauth.public-sdk"

// Scopes that every client may ask for (OpenID Connect Core 1.0 section 5.4 and
// 11); those of a client's own come to them.
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
	ScopeGroups  = "groups"
	ScopeOffline = "offline_access"
	// ScopeCloud lets a program do all that the person may: its access tokens are
	// IAM tokens. A client may ask for it only when it is among its own scopes;
	// PublicSDK has it without asking.
	ScopeCloud = "cloud"
)

var builtin = iam.OAuthClient{
	ID: PublicSDK, Name: PublicSDK, ProfileID: Native, PKCERequired: true, AuthenticationMethods: []string{NoSecret},
	RedirectURIs: []string{"http://127.0.0.1/auth/callback", "http://localhost/auth/callback", "http://[::1]/auth/callback"},
	Scopes:       []string{ScopeOpenID, ScopeProfile, ScopeEmail, ScopeGroups, ScopeOffline, ScopeCloud},
}

// Builtin is a client that every server has, nil when there is none of that id.
// The caller changes nothing in it.
func Builtin(id string) *iam.OAuthClient {
	if id == PublicSDK {
		return &builtin
	}
	return nil
}
