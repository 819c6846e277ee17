package oauthapi

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// AccessTokens tells whose an access token of RFC 9068 is, and whether what it
// rests on still stands. It is safe for use by many goroutines.
type AccessTokens struct {
	DB      *store.DB
	Keys    *mint.IDKeys
	Clients *Clients
	Grants  *credential.Grant
	Issuer  func() (string, error)
}

// AccessToken is a live one.
type AccessToken struct {
	*mint.AccessClaims
	Client *iam.OAuthClient
	// Grant and Identity are nil of a token that is a client's own.
	Grant    *iam.OAuthGrant
	Identity *credential.Identity // of the person; its Scopes are nil
}

var errAccessEnded = iam.OAuthError(iam.OAuthInvalidToken, "The access token has ended")

// Live reads an access token. It fails with invalid_token when it is none of this
// server's, has expired, or its grant, its session, its client or its person has ended, or as
// the reads fail.
func (p *AccessTokens) Live(ctx context.Context, text string) (*AccessToken, error) {
	issuer, err := p.Issuer()
	if err != nil {
		return nil, err
	}
	position := p.Grants.Reads.Position() // before the rows
	claims, err := p.Keys.VerifyAccess(ctx, text, issuer)
	if err != nil {
		return nil, invalidToken(err)
	}
	out := &AccessToken{AccessClaims: claims}
	if out.Client, err = p.Clients.Find(ctx, claims.ClientID); err != nil {
		return nil, invalidToken(err)
	}
	if claims.GrantID == "" {
		return out, nil
	}
	err = p.DB.View(ctx, func(tx *store.Tx) (err error) {
		if out.Grant, err = store.GetOAuthGrant(tx, claims.GrantID); err != nil || claims.SessionID == "" {
			return err
		}
		_, err = store.GetSession(tx, claims.SessionID) // when it expires at the latest is in the token
		return err
	})
	if err != nil {
		return nil, invalidToken(err)
	}
	if out.Grant.UserID != claims.Subject || out.Grant.ClientID != claims.ClientID {
		return nil, errAccessEnded
	}
	if out.Identity, err = p.Grants.Prove(ctx, position, credential.HowAccessToken, out.Grant, out.Client); err != nil {
		return nil, invalidToken(err)
	}
	out.Identity.NotAfter = claims.ExpiresAt
	return out, nil
}

// invalidToken is the protocol's error in place of one that says that a token is
// not, or no longer, good. Others pass.
func invalidToken(err error) error {
	switch {
	case errors.Is(err, iam.NotFound):
		return errAccessEnded
	case errors.Is(err, iam.Unauthenticated):
		return iam.OAuthError(iam.OAuthInvalidToken, "%s", messageOf(err))
	}
	return err
}

// UserInfoProofs prove whoever a program asks about, by either kind of access token.
type UserInfoProofs struct {
	IAM    *credential.IAMToken
	Access *AccessTokens
}

const iamTokenPrefix = "t1."

// Prove is the subject of an access token: of an IAM token, which is good as it
// is [API fact: userinfo], or of one of RFC 9068 that was made for this server
// and has the scope "openid", whose scopes are the identity's then. It fails with
// invalid_token or insufficient_scope, or as the reads fail.
func (p *UserInfoProofs) Prove(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	text := m.(*propuskpb.GetUserInfoRequest).GetAccessToken()
	if strings.HasPrefix(text, iamTokenPrefix) {
		id, err := p.IAM.Prove(ctx, text)
		if err != nil {
			return nil, invalidToken(err)
		}
		return id, nil
	}
	t, err := p.Access.Live(ctx, text)
	if err != nil {
		return nil, err
	}
	id := t.Identity
	switch {
	case t.Audience != t.Issuer:
		return nil, iam.OAuthError(iam.OAuthInvalidToken, "The access token was made for another server")
	case id == nil || !hasScope(t.Scopes, oauthclient.ScopeOpenID):
		return nil, iam.OAuthError(iam.OAuthInsufficientScope, "The access token is not of the scope openid")
	}
	id.Scopes = t.Scopes
	return id, nil
}
