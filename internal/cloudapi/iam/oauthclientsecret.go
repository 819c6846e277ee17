package iam

import (
	"context"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// OAuthClientSecretLookup is the name of the gate's lookup from a secret of an
// OAuth client to the client's folder.
const OAuthClientSecretLookup = "oauthClientSecret"

var viaOAuthClientSecret = gate.Via(OAuthClientSecretLookup, "oauth_client_secret_id")

// OAuthClientSecretRules are the rows of OAuthClientSecretService.
var OAuthClientSecretRules = gate.Rules("yandex.cloud.iam.v1.OAuthClientSecretService",
	gate.Rule{Method: "Get", Permission: "iam.oauthClientSecrets.get", Target: viaOAuthClientSecret},
	gate.Rule{Method: "List", Permission: "iam.oauthClientSecrets.list", Target: viaOAuthClient},
	gate.Rule{Method: "Create", Permission: "iam.oauthClientSecrets.create", Target: viaOAuthClient,
		Effect: gate.Changes, Event: "iam.oauthclient.CreateOAuthClientSecret"},
	gate.Rule{Method: "Delete", Permission: "iam.oauthClientSecrets.delete", Target: viaOAuthClientSecret,
		Effect: gate.Changes, Event: "iam.oauthclient.DeleteOAuthClientSecret"},
)

// OAuthClientSecretService is yandex.cloud.iam.v1.OAuthClientSecretService.
type OAuthClientSecretService struct {
	iampb.UnimplementedOAuthClientSecretServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
}

// Get returns a secret's description and mask: nobody has kept its value.
func (s *OAuthClientSecretService) Get(ctx context.Context, r *iampb.GetOAuthClientSecretRequest) (*iampb.OAuthClientSecret, error) {
	var k *iam.OAuthClientSecret
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		k, err = store.GetOAuthClientSecret(tx, r.GetOauthClientSecretId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return oauthClientSecretProto(k), nil
}

// List pages through the secrets of an OAuth client.
func (s *OAuthClientSecretService) List(ctx context.Context, r *iampb.ListOAuthClientSecretsRequest) (*iampb.ListOAuthClientSecretsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetOauthClientId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	secrets, next, err := cloudapi.PageByID(ctx, s.DB, s.Pages, l, store.ListOAuthClientSecrets, oauthClientSecretProto)
	return &iampb.ListOAuthClientSecretsResponse{OauthClientSecrets: secrets, NextPageToken: next}, err
}

// Create makes a secret. Its value stands in this answer alone: not in the
// operation, which others can read later.
func (s *OAuthClientSecretService) Create(ctx context.Context, r *iampb.CreateOAuthClientSecretRequest) (*operationpb.Operation, error) {
	secret, k := credential.NewOAuthClientSecret()
	k.ID, k.OAuthClientID, k.Description = resource.NewID(resource.PrefixIAM), r.GetOauthClientId(), r.GetDescription()
	call := gate.From(ctx)
	call.Note("oauth_client_secret_id", k.ID)
	call.Note("oauth_client_id", k.OAuthClientID)
	return s.Changes.RunOnce(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: k.ID, Description: "Create OAuth client secret",
		Metadata: &iampb.CreateOAuthClientSecretMetadata{OauthClientSecretId: k.ID},
	}, "OAuth client secret", func(tx *store.Tx) (kept, shown proto.Message, err error) {
		c, err := store.HoldOAuthClient(tx, k.OAuthClientID)
		if err != nil {
			return nil, nil, err
		}
		if p, err := oauthclient.ProfileOf(c.ProfileID); err != nil || !p.HoldsSecrets() {
			return nil, nil, iam.Errorf(iam.FailedPrecondition, "OAuth client %s cannot have secrets: its profile is %s", c.ID, c.ProfileID)
		}
		k.CreatedAt = tx.Now()
		if err := store.InsertOAuthClientSecret(tx, k); err != nil {
			return nil, nil, err
		}
		shape := oauthClientSecretProto(k)
		return &iampb.CreateOAuthClientSecretResponse{OauthClientSecret: shape},
			&iampb.CreateOAuthClientSecretResponse{OauthClientSecret: shape, SecretValue: secret.Reveal()}, nil
	})
}

// Delete removes a secret, by which its client proves itself no more, and ends
// what was made by it.
func (s *OAuthClientSecretService) Delete(ctx context.Context, r *iampb.DeleteOAuthClientSecretRequest) (*operationpb.Operation, error) {
	id := r.GetOauthClientSecretId()
	call := gate.From(ctx)
	call.Note("oauth_client_secret_id", id)
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: "Delete OAuth client secret",
		Metadata: &iampb.DeleteOAuthClientSecretMetadata{OauthClientSecretId: id},
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := store.DeleteOAuthClientSecret(tx, id); err != nil {
			return nil, err
		}
		return &emptypb.Empty{}, revocation.Revoke(tx, token.KindCredential, id)
	})
}

func oauthClientSecretProto(k *iam.OAuthClientSecret) *iampb.OAuthClientSecret {
	return &iampb.OAuthClientSecret{Id: k.ID, OauthClientId: k.OAuthClientID, Description: k.Description,
		MaskedSecret: k.MaskedSecret, CreatedAt: cloudapi.Time(k.CreatedAt)}
}
