package oauthapi

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// ProveHolder proves the client that gives a token back.
func (s *TokenStates) ProveHolder(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	p := m.(*propuskpb.RevokeOAuthGrantRequest).GetClient()
	gate.From(ctx).Note("client_id", iam.Conceal(p.GetClientId()))
	_, err := s.Clients.Prove(ctx, p)
	return nil, err
}

// given is a token that a client gives back.
type given struct {
	grant      *iam.OAuthGrant // nil: it is nothing, or not the client's
	iamTokenID string          // set: this alone ends, and not the grant
}

// Revoke ends a token that was made for the caller (RFC 7009). With a refresh
// token and an access token of RFC 9068 the grant ends that they belong to, with
// all that was made of it; an IAM token ends alone. What is unknown, over or
// another client's is answered alike, and nothing happens. A client's own token
// rests on no grant: it ends with its secret.
func (s *TokenStates) Revoke(ctx context.Context, r *propuskpb.RevokeOAuthGrantRequest) (*propuskpb.RevokeOAuthGrantResponse, error) {
	out := &propuskpb.RevokeOAuthGrantResponse{}
	clientID := r.GetClient().GetClientId()
	t, err := s.givenBack(ctx, clientID, r.GetToken())
	if errors.Is(err, iam.Unauthenticated) || errors.Is(err, iam.NotFound) {
		return out, nil
	}
	if err != nil || t.grant == nil || t.grant.ClientID != clientID {
		return out, err
	}
	call := gate.From(ctx)
	call.NoteDetail(audit.Text("oauth_grant_id", t.grant.ID))
	call.NoteDetail(audit.Text("subject_id", t.grant.UserID))
	if t.iamTokenID != "" {
		call.NoteDetail(audit.Text("iam_token_id", t.iamTokenID))
	}
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if t.iamTokenID != "" {
			return revocation.Revoke(tx, token.KindToken, t.iamTokenID)
		}
		if err := store.EndOAuthGrant(tx, t.grant.ID); err != nil {
			return err
		}
		return cloudapi.RevokeGrants(tx, []string{t.grant.ID})
	})
	if errors.Is(err, iam.NotFound) { // somebody was quicker
		err = nil
	}
	return out, err
}

func (s *TokenStates) givenBack(ctx context.Context, clientID, text string) (t given, err error) {
	switch {
	case strings.HasPrefix(text, iamTokenPrefix):
		claims, err := s.IAMToken.Verifier.Verify(text)
		if errors.Is(err, token.ErrStale) {
			return t, iam.Wrap(err, iam.Unavailable, "Tokens cannot be checked yet")
		}
		if err != nil {
			return t, nil
		}
		t.iamTokenID = claims.ID
		t.grant, err = s.grantOf(ctx, claims)
		return t, err
	case strings.HasPrefix(text, beginsJWT):
		issuer, err := s.Access.Issuer()
		if err != nil {
			return t, err
		}
		claims, err := s.Access.Keys.VerifyAccess(ctx, text, issuer)
		if err != nil || claims.ClientID != clientID {
			return t, err
		}
		if claims.GrantID == "" {
			return t, iam.OAuthError(iam.OAuthUnsupportedTokenType, "A client's own access token ends within an hour, and, to whoever introspects it, with the secret that it was got by")
		}
		err = s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
			t.grant, err = store.GetOAuthGrant(tx, claims.GrantID)
			return err
		})
		return t, err
	case grant.RefreshTokenForm(text):
		err = s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
			_, t.grant, err = refreshToken(tx, grant.RefreshTokenLookup(text))
			return err
		})
	}
	return t, err
}
