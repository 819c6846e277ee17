package oauthapi

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// refreshRevoked is the audit event of a refresh token that was ended.
const refreshRevoked = "iam.credential.RevokeRefreshTokenForSubject"

// RefreshProof proves a person by a refresh token that a program shows. It is
// safe for use by many goroutines. All fields are required.
type RefreshProof struct {
	DB      *store.DB
	Clients *Clients
	Grants  *credential.Grant
	Keys    KeyProofs
	Now     func() time.Time
}

// Prove checks the client, the token, the key that it is bound to, the person,
// and that his organizations still let him have it. A token that is used after
// it was replaced has been stolen, or its successor has: that ends the grant.
func (p *RefreshProof) Prove(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.RefreshTokenGrantRequest)
	call := gate.From(ctx)
	call.Note("client_id", iam.Conceal(r.GetClient().GetClientId()))
	client, err := p.Clients.Prove(ctx, r.GetClient())
	if err != nil {
		return nil, err
	}
	if r.GetRefreshToken() == "" {
		return nil, iam.OAuthError(iam.OAuthInvalidRequest, "The parameter refresh_token is missing")
	}
	if !grant.RefreshTokenForm(r.GetRefreshToken()) {
		return nil, errRefreshToken
	}
	position := min(client.Position, p.Grants.Reads.Position()) // before the rows: what changes after it ends what is made of this
	t, g, settings, err := p.read(ctx, grant.RefreshTokenLookup(r.GetRefreshToken()))
	if err != nil {
		return nil, err
	}
	call.Note("refresh_token_id", t.ID)
	if t.ClientID != client.Client.ID {
		return nil, errRefreshToken
	}
	if _, err := possession(ctx, p.Keys, r.GetDpop(), g.KeyThumbprint, errRefreshToken); err != nil {
		return nil, err
	}
	now := p.Now()
	switch {
	case overdue(t, now):
		return nil, p.stolen(ctx, call, t)
	case !now.Before(t.ExpiresAt), !iam.RefreshTokensAllowed(settings, g.KeyThumbprint != ""):
		return nil, errRefreshToken
	}
	id, err := p.Grants.Prove(ctx, position, credential.HowRefreshToken, g, client.Client)
	if errors.Is(err, iam.Unauthenticated) {
		return nil, errRefreshToken
	}
	if err == nil {
		id.CredentialID = t.ID
	}
	return id, err
}

func (p *RefreshProof) read(ctx context.Context, lookup string) (t *iam.RefreshToken, g *iam.OAuthGrant, settings []iam.RefreshTokenSetting, err error) {
	err = p.DB.View(ctx, func(tx *store.Tx) (err error) {
		if t, g, err = refreshToken(tx, lookup); err != nil {
			return err
		}
		settings, err = store.RefreshTokenSettingsOf(tx, t.UserID)
		return err
	})
	return t, g, settings, err
}

// stolen ends the grant of a token that was used again long after another one
// had come in its place (RFC 9700 section 4.14.2), and leaves a line about it
// beside that of the refused call.
func (p *RefreshProof) stolen(ctx context.Context, call *gate.Call, t *iam.RefreshToken) error {
	err := p.DB.Update(ctx, func(tx *store.Tx) error {
		if err := cloudapi.EndGrant(tx, t.GrantID); err != nil {
			return err
		}
		e := gate.EventOf(call, nil)
		e.Type = audit.TypeOf(refreshRevoked)
		e.Details = audit.Details{audit.Text("subject_id", t.UserID), audit.Text("client_id", t.ClientID), audit.Text("oauth_grant_id", t.GrantID),
			audit.Text("refresh_token_id", t.ID), audit.Text("reason", "a replaced token was used again")}
		return audit.Insert(tx, e)
	})
	if err != nil && !errors.Is(err, iam.NotFound) { // somebody else has ended it
		return err
	}
	return errRefreshToken
}

var errShownRefreshToken = &iam.Error{Kind: iam.Unauthenticated, Reason: "refresh_token_invalid",
	Message: "The refresh token is not valid, or is one by which nobody else but its program may act"}

// Shown is the person of a refresh token that another service was shown. One
// that is bound to a key proves nothing without a proof, one of a program that has a
// secret nothing without the secret (RFC 6749 section 10.4), and one of a program
// that may not do all that its person may would prove too much: all get the answer
// of an unknown one. It is no use of the token.
func (p *RefreshProof) Shown(ctx context.Context, text string) (*credential.Identity, error) {
	if !grant.RefreshTokenForm(text) {
		return nil, errShownRefreshToken
	}
	position := p.Grants.Reads.Position() // before the rows: what changes after it ends what is made of this
	t, g, settings, err := p.read(ctx, grant.RefreshTokenLookup(text))
	if errors.Is(err, errRefreshToken) {
		return nil, errShownRefreshToken
	}
	if err != nil {
		return nil, err
	}
	client, err := p.Clients.Find(ctx, t.ClientID)
	if errors.Is(err, iam.NotFound) {
		return nil, errShownRefreshToken
	}
	if err != nil {
		return nil, err
	}
	now := p.Now()
	alone := g.KeyThumbprint == "" && slices.Contains(client.AuthenticationMethods, oauthclient.NoSecret) && FullAccess(client, g.Scopes)
	if !alone || overdue(t, now) || !now.Before(t.ExpiresAt) || !iam.RefreshTokensAllowed(settings, false) {
		return nil, errShownRefreshToken
	}
	id, err := p.Grants.Prove(ctx, position, credential.HowRefreshToken, g, client)
	if errors.Is(err, iam.Unauthenticated) {
		return nil, errShownRefreshToken
	}
	return id, err
}
