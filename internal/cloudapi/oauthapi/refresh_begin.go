package oauthapi

import (
	"slices"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
)

// refreshCreated is the audit event of a refresh token that was made.
const refreshCreated = "iam.credential.CreateRefreshTokenForSubject"

// RefreshTokens makes refresh tokens.
type RefreshTokens struct{}

// Begin writes the first refresh token of a grant that is new or held, which the
// caller drew before the transaction, and its audit line beside the call's. It
// returns the secret; an empty one when the person is not to have it: the client
// is no built-in one and was not allowed to act while he is away, or an
// organization of his does not let its members have refresh tokens.
func (RefreshTokens) Begin(tx *store.Tx, call *gate.Call, client *iam.OAuthClient, g *iam.OAuthGrant, drawn grant.FreshRefreshToken) (iam.Secret, error) {
	if oauthclient.Builtin(client.ID) == nil && !slices.Contains(g.Scopes, oauthclient.ScopeOffline) {
		return iam.Secret{}, nil
	}
	settings, err := store.RefreshTokenSettingsOf(tx, g.UserID)
	if err != nil || !iam.RefreshTokensAllowed(settings, g.KeyThumbprint != "") {
		return iam.Secret{}, err
	}
	return drawn.Secret, insertRefreshToken(tx, call, g, drawn)
}

func insertRefreshToken(tx *store.Tx, call *gate.Call, g *iam.OAuthGrant, drawn grant.FreshRefreshToken) error {
	now := tx.Now()
	t := &iam.RefreshToken{
		ID: drawn.ID, GrantID: g.ID, UserID: g.UserID, ClientID: g.ClientID, ClientInfo: g.ClientInfo,
		Protection: protectionOf(g), Lookup: drawn.Lookup, CreatedAt: now, ExpiresAt: now.Add(grant.RefreshLife),
	}
	if err := store.InsertRefreshToken(tx, t, keptUntil(t.ExpiresAt)); err != nil {
		return err
	}
	e := gate.EventOf(call, nil)
	e.Type = audit.TypeOf(refreshCreated)
	e.Details = audit.Details{audit.Text("refresh_token_id", t.ID), audit.Text("subject_id", t.UserID), audit.Text("client_id", t.ClientID),
		audit.Text("oauth_grant_id", t.GrantID), audit.Text("protection_level", string(t.Protection)), audit.Time("expires_at", t.ExpiresAt)}
	return audit.Insert(tx, e)
}

// protectionOf is how a refresh token of a grant is tied to its program. Where
// the program keeps its key a proof of possession does not tell, so it is not
// called secure.
func protectionOf(g *iam.OAuthGrant) iam.ProtectionLevel {
	if g.KeyThumbprint != "" {
		return iam.InsecureKeyDPoP
	}
	return iam.NoProtection
}

// keptUntil is how long the grant of a refresh token has to stay: longer than
// the token itself is listed, which goes before it.
func keptUntil(expires time.Time) time.Time { return expires.Add(grant.RefreshKept + time.Hour) }
