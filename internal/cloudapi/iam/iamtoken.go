// Package iam serves yandex.cloud.iam.v1: tokens, service accounts and their
// authorized keys. One file per service: its rules on top, handlers below.
package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// TokenRules are the rows of IamTokenService.
var TokenRules = gate.Rules("yandex.cloud.iam.v1.IamTokenService",
	gate.Rule{Method: "Create", Proof: gate.Body, Effect: gate.Issues, Event: "iam.CreateIamToken"},
	gate.Rule{Method: "CreateForServiceAccount", Permission: "iam.serviceAccounts.createToken",
		Target: gate.On(resource.ServiceAccount, "service_account_id"), Effect: gate.Issues, Event: "iam.CreateIamToken"},
	gate.Rule{Method: "Revoke", Why: "whoever holds a token may end it", Effect: gate.Changes, Event: "iam.RevokeIamToken"},
)

// TokenService is yandex.cloud.iam.v1.IamTokenService.
type TokenService struct {
	iampb.UnimplementedIamTokenServiceServer
	Changes  cloudapi.Changes
	Minter   *mint.Minter
	Accounts cloudapi.Accounts
	Verify   func(iamToken string) (*token.Claims, error)
	Now      func() time.Time
}

// Create exchanges a proof for an IAM token. The gate has proved it already.
func (s *TokenService) Create(ctx context.Context, _ *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
	id := gate.From(ctx).Identity
	return s.mint(ctx, mint.Request{
		Subject: id.Subject, OrganizationID: id.OrganizationID, FolderID: id.FolderID,
		Position: id.Position, NotAfter: id.NotAfter, DependsOn: id.DependsOn,
	})
}

// CreateForServiceAccount makes a token of an account that the caller may
// impersonate. It lives no longer than the caller's own and dies with it.
func (s *TokenService) CreateForServiceAccount(ctx context.Context, r *iampb.CreateIamTokenForServiceAccountRequest) (*iampb.CreateIamTokenResponse, error) {
	as, err := cloudapi.Impersonate(ctx, s.Accounts, gate.From(ctx).Identity, r.GetServiceAccountId(), s.Now())
	if err != nil {
		return nil, err
	}
	return s.mint(ctx, mint.Request{
		Subject: as.Subject, OrganizationID: as.OrganizationID, FolderID: as.FolderID,
		Position: as.Position, NotAfter: as.NotAfter, DependsOn: as.DependsOn,
	})
}

func (s *TokenService) mint(ctx context.Context, req mint.Request) (*iampb.CreateIamTokenResponse, error) {
	text, claims, err := s.Minter.Mint(ctx, req)
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Issued = claims
	return &iampb.CreateIamTokenResponse{IamToken: text, ExpiresAt: timestamppb.New(claims.ExpiresAt)}, nil
}

// Revoke ends a token, and every token derived from it, at once. A token that
// has expired or was revoked before is answered as if it had been live, so
// that a script may revoke twice.
func (s *TokenService) Revoke(ctx context.Context, r *iampb.RevokeIamTokenRequest) (*iampb.RevokeIamTokenResponse, error) {
	claims, err := s.Verify(r.GetIamToken())
	dead := errors.Is(err, token.ErrExpired) || errors.Is(err, token.ErrRevoked)
	if dead {
		claims, err = token.ParseUnverified(r.GetIamToken())
	}
	if errors.Is(err, token.ErrStale) {
		return nil, &iam.Error{Kind: iam.Unavailable, Message: "Tokens cannot be checked yet", RetryAfter: time.Second}
	}
	if given := credential.KindOf(r.GetIamToken()); err != nil && given != "" && !strings.HasPrefix(r.GetIamToken(), "t1.") {
		return nil, iam.InvalidField("iam_token", "not an IAM token, which begins with t1., but %s", given)
	}
	if err != nil {
		return nil, iam.InvalidField("iam_token", "not an IAM token of this server")
	}
	call := gate.From(ctx)
	call.Note("iam_token_id", claims.ID)
	call.Note("subject_id", claims.SubjectID)
	answer := &iampb.RevokeIamTokenResponse{SubjectId: claims.SubjectID}
	if dead {
		return answer, nil
	}
	return answer, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		return revocation.Revoke(tx, token.KindToken, claims.ID)
	})
}
