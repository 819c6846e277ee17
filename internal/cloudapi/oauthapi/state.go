package oauthapi

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

var tokenRules = []gate.Rule{
	{Method: "Introspect", Proof: gate.Body},
	{Method: "Revoke", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.RevokeProgramToken"},
}

// TokenStates tells of tokens and ends them.
type TokenStates struct {
	Changes  cloudapi.Changes
	Clients  *Clients
	Access   *AccessTokens
	IAMToken *credential.IAMToken
	Grants   *credential.Grant
}

// ProveAsker proves who wants to know of a token: a client with a secret, so that
// nobody finds out by trying what he has found (RFC 7662 section 4).
func (s *TokenStates) ProveAsker(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	p := m.(*propuskpb.IntrospectTokenRequest).GetClient()
	gate.From(ctx).Note("client_id", iam.Conceal(p.GetClientId()))
	_, err := s.Clients.withSecret(ctx, p)
	return nil, err
}

// beginsJWT is how every JWT of this server begins: '{"' in base64url.
const beginsJWT = "eyJ"

// Introspect tells of a live token that was made for the caller, or for another
// client of its organization; of a refresh token its own client alone. Of
// everything else it tells that it is not active, and nothing more (RFC 7662
// section 2.2).
func (s *TokenStates) Introspect(ctx context.Context, r *propuskpb.IntrospectTokenRequest) (*propuskpb.IntrospectTokenResponse, error) {
	asker, err := s.Clients.Find(ctx, r.GetClient().GetClientId())
	if err != nil {
		return nil, err
	}
	var out *propuskpb.IntrospectTokenResponse
	switch text := r.GetToken(); {
	case strings.HasPrefix(text, iamTokenPrefix):
		out, err = s.ofIAMToken(ctx, asker, text)
	case strings.HasPrefix(text, beginsJWT):
		out, err = s.ofAccessToken(ctx, asker, text)
	case grant.RefreshTokenForm(text):
		out, err = s.ofRefreshToken(ctx, asker, text)
	}
	if errors.Is(err, iam.Unauthenticated) || errors.Is(err, iam.NotFound) {
		out, err = nil, nil
	}
	if err != nil || out == nil {
		return &propuskpb.IntrospectTokenResponse{}, err
	}
	out.Active = true
	return out, nil
}

func (s *TokenStates) ofIAMToken(ctx context.Context, asker *iam.OAuthClient, text string) (*propuskpb.IntrospectTokenResponse, error) {
	if _, err := s.IAMToken.Prove(ctx, text); err != nil { // also its subject
		return nil, err
	}
	claims, err := s.IAMToken.Verifier.Verify(text)
	if err != nil {
		return nil, invalidToken(iam.Wrap(err, iam.Unauthenticated, "The token is invalid"))
	}
	g, err := s.grantOf(ctx, claims)
	if err != nil || g == nil {
		return nil, err
	}
	client, err := s.Clients.Find(ctx, g.ClientID)
	if err != nil {
		return nil, err
	}
	if told, err := s.mayTell(ctx, asker, client); err != nil || !told {
		return nil, err
	}
	issuer, err := s.Access.Issuer()
	if err != nil {
		return nil, err
	}
	out := &propuskpb.IntrospectTokenResponse{ClientId: g.ClientID, Scope: strings.Join(g.Scopes, " "), TokenType: bearer,
		ExpiresAt: timestamppb.New(claims.ExpiresAt), IssuedAt: timestamppb.New(claims.IssuedAt), SubjectId: claims.SubjectID,
		SubjectType: claims.SubjectType, Issuer: issuer, TokenId: claims.ID}
	return out, s.name(ctx, out, g.Scopes)
}

func (s *TokenStates) ofAccessToken(ctx context.Context, asker *iam.OAuthClient, text string) (*propuskpb.IntrospectTokenResponse, error) {
	t, err := s.Access.Live(ctx, text)
	if err != nil {
		return nil, err
	}
	if told, err := s.mayTell(ctx, asker, t.Client); err != nil || !told {
		return nil, err
	}
	out := &propuskpb.IntrospectTokenResponse{ClientId: t.ClientID, Scope: strings.Join(t.Scopes, " "), TokenType: bearer,
		ExpiresAt: timestamppb.New(t.ExpiresAt), IssuedAt: timestamppb.New(t.IssuedAt), SubjectId: t.Subject,
		Audience: t.Audience, Issuer: t.Issuer, TokenId: t.ID}
	if t.Identity == nil {
		return out, s.secretLives(ctx, t.SecretID)
	}
	out.SubjectType = string(t.Identity.Subject.Type)
	return out, s.name(ctx, out, t.Scopes)
}

// secretLives fails with NOT_FOUND when the secret is gone by which a client got a
// token of its own.
func (s *TokenStates) secretLives(ctx context.Context, id string) error {
	return s.Changes.DB.View(ctx, func(tx *store.Tx) error {
		_, err := store.GetOAuthClientSecret(tx, id)
		return err
	})
}

func (s *TokenStates) ofRefreshToken(ctx context.Context, asker *iam.OAuthClient, text string) (*propuskpb.IntrospectTokenResponse, error) {
	position := s.Grants.Reads.Position() // before the rows
	var t *iam.RefreshToken
	var g *iam.OAuthGrant
	over := false
	err := s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		if t, g, err = refreshToken(tx, grant.RefreshTokenLookup(text)); err != nil {
			return err
		}
		settings, err := store.RefreshTokenSettingsOf(tx, t.UserID)
		over = !tx.Now().Before(t.ExpiresAt) || overdue(t, tx.Now()) || !iam.RefreshTokensAllowed(settings, g.KeyThumbprint != "")
		return err
	})
	if err != nil || over || g.ClientID != asker.ID {
		return nil, err
	}
	if _, err := s.Grants.Prove(ctx, position, credential.HowRefreshToken, g, asker); err != nil {
		return nil, err
	}
	out := &propuskpb.IntrospectTokenResponse{ClientId: g.ClientID, Scope: strings.Join(g.Scopes, " "), ExpiresAt: timestamppb.New(t.ExpiresAt),
		IssuedAt: timestamppb.New(t.CreatedAt), SubjectId: g.UserID, SubjectType: string(iam.TypeUserAccount), TokenId: t.ID}
	return out, s.name(ctx, out, g.Scopes)
}

// name tells a person's login to those who may see his profile.
func (s *TokenStates) name(ctx context.Context, out *propuskpb.IntrospectTokenResponse, scopes []string) error {
	if !slices.Contains(scopes, oauthclient.ScopeProfile) {
		return nil
	}
	return s.Changes.DB.View(ctx, func(tx *store.Tx) error {
		u, err := store.GetUserAccount(tx, out.GetSubjectId())
		if err == nil {
			out.Username = u.Login
		}
		return err
	})
}

// grantOf is the grant that an IAM token was made of, for its own person: nil when
// there is none, as of what somebody has made of such a token for himself.
func (s *TokenStates) grantOf(ctx context.Context, claims *token.Claims) (g *iam.OAuthGrant, err error) {
	if claims.SubjectType != token.SubjectUserAccount {
		return nil, nil
	}
	err = s.Changes.DB.View(ctx, func(tx *store.Tx) error {
		for _, d := range claims.DependsOn {
			if d.Kind != token.KindCredential {
				continue
			}
			found, err := store.GetOAuthGrant(tx, d.ID)
			if err == nil && found.UserID == claims.SubjectID {
				g = found
				return nil
			}
			if err != nil && !errors.Is(err, iam.NotFound) {
				return err
			}
		}
		return nil
	})
	return g, err
}

// mayTell tells whether a client may know of what was made for another one.
func (s *TokenStates) mayTell(ctx context.Context, asker, of *iam.OAuthClient) (bool, error) {
	if asker.ID == of.ID {
		return true, nil
	}
	mine, err := s.Clients.Organization(ctx, asker)
	if err != nil || mine == "" {
		return false, err
	}
	theirs, err := s.Clients.Organization(ctx, of)
	return mine == theirs, err
}
