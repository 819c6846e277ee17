package signinapi

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

const (
	// PublicClientID is the OAuth client of everybody's programs, for whom a
	// person copies a token by hand [API fact: how an OAuth token is obtained].
	PublicClientID = "1a6990aa636648e9b2ef855fa7bec2fb"
	// MostOAuthTokens is how many live ones a person has at most.
	MostOAuthTokens = 100
)

// OAuthTokenEnd is when an OAuth token ends that is made now [API fact: one year].
func OAuthTokenEnd(now time.Time) time.Time { return now.AddDate(1, 0, 0) }

// ListOAuthTokens pages through the caller's OAuth tokens.
func (s *AccountService) ListOAuthTokens(ctx context.Context, r *propuskpb.ListPersonOAuthTokensRequest) (*propuskpb.ListPersonOAuthTokensResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: string(call.Caller().ID), Size: r.GetPageSize(), Token: r.GetPageToken()}
	page, next, err := cloudapi.PageByID(ctx, s.Changes.DB, s.Pages, l, store.ListOAuthTokens, oauthTokenProto)
	return &propuskpb.ListPersonOAuthTokensResponse{Tokens: page, NextPageToken: next}, err
}

// CreateOAuthToken makes an OAuth token of the caller, good for a year.
func (s *AccountService) CreateOAuthToken(ctx context.Context, r *propuskpb.CreatePersonOAuthTokenRequest) (*propuskpb.CreatePersonOAuthTokenResponse, error) {
	if r.GetClientId() != PublicClientID {
		return nil, iam.InvalidField("client_id", "there is no such client that people copy tokens for")
	}
	call := gate.From(ctx)
	secret, t := credential.NewOAuthToken()
	t.ID, t.UserID, t.ClientID = resource.NewID(resource.PrefixIAM), string(call.Caller().ID), r.GetClientId()
	call.Note("oauth_token_id", t.ID)
	call.Note("masked_token", t.Masked)
	call.Note("client_id", t.ClientID)
	err := s.Changes.Once(ctx, "OAuth token", t.ID, func(tx *store.Tx) error {
		t.CreatedAt, t.ExpiresAt = tx.Now(), OAuthTokenEnd(tx.Now())
		call.NoteDetail(audit.Time("expires_at", t.ExpiresAt))
		if _, err := store.GetUserAccount(tx, t.UserID); err != nil { // holds him while his tokens are counted
			return err
		}
		live, err := store.CountOAuthTokens(tx, t.UserID, MostOAuthTokens)
		if err != nil {
			return err
		}
		if live >= MostOAuthTokens {
			return iam.Errorf(iam.FailedPrecondition, "The account has %d OAuth tokens: revoke some of them first", live)
		}
		return store.InsertOAuthToken(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return &propuskpb.CreatePersonOAuthTokenResponse{Id: t.ID, OauthToken: secret.Reveal(), ExpiresAt: timestamppb.New(t.ExpiresAt)}, nil
}

// RevokeOAuthToken ends one of the caller's OAuth tokens; another person's is
// NOT_FOUND. With also_iam_tokens every IAM token of the caller ends that was
// made so far, whatever it was made from: those of this one are not told apart.
func (s *AccountService) RevokeOAuthToken(ctx context.Context, r *propuskpb.RevokePersonOAuthTokenRequest) (*propuskpb.RevokePersonOAuthTokenResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	call.Note("oauth_token_id", r.GetOauthTokenId())
	if r.GetAlsoIamTokens() {
		call.Note("iam_tokens_revoked", "true")
	}
	return &propuskpb.RevokePersonOAuthTokenResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		t, err := store.GetOAuthToken(tx, r.GetOauthTokenId())
		if err != nil {
			return err
		}
		if t.UserID != userID {
			return iam.Errorf(iam.NotFound, "OAuth token %s not found", t.ID)
		}
		if err := store.DeleteOAuthToken(tx, t.ID); err != nil || !r.GetAlsoIamTokens() {
			return err
		}
		return revocation.Revoke(tx, token.KindSubject, userID)
	})
}

// CreateIamToken makes an IAM token of the caller. It ends with the session.
func (s *AccountService) CreateIamToken(ctx context.Context, _ *propuskpb.CreateSessionIamTokenRequest) (*propuskpb.CreateSessionIamTokenResponse, error) {
	call := gate.From(ctx)
	id := call.Identity
	text, claims, err := s.Minter.Mint(ctx, mint.Request{
		Subject: id.Subject, OrganizationID: id.OrganizationID, Position: id.Position, NotAfter: id.NotAfter, DependsOn: id.DependsOn})
	if err != nil {
		return nil, err
	}
	call.Issued = claims
	return &propuskpb.CreateSessionIamTokenResponse{IamToken: text, ExpiresAt: timestamppb.New(claims.ExpiresAt)}, nil
}

func oauthTokenProto(t *iam.OAuthToken) *propuskpb.PersonOAuthToken {
	return &propuskpb.PersonOAuthToken{Id: t.ID, ClientId: t.ClientID, Description: t.Description, MaskedToken: t.Masked,
		CreatedAt: stamp(t.CreatedAt), ExpiresAt: stamp(t.ExpiresAt), LastUsedAt: stamp(t.LastUsedAt)}
}
