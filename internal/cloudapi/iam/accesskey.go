package iam

import (
	"context"

	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// AccessKeyLookup is the name of the gate's lookup from a static access key to
// its account.
const AccessKeyLookup = "accessKey"

// AccessKeyRules are the rows of awscompatibility.AccessKeyService.
var AccessKeyRules = gate.Rules("yandex.cloud.iam.v1.awscompatibility.AccessKeyService",
	gate.Rule{Method: "Get", Permission: "iam.accessKeys.get", Target: gate.Via(AccessKeyLookup, "access_key_id")},
	gate.Rule{Method: "List", Permission: "iam.accessKeys.list", Target: onAccountOrCaller},
	gate.Rule{Method: "Create", Permission: "iam.accessKeys.create", Target: onAccountOrCaller,
		Effect: gate.Changes, Event: "iam.CreateAccessKey"},
	gate.Rule{Method: "Update", Permission: "iam.accessKeys.update", Target: gate.Via(AccessKeyLookup, "access_key_id"),
		Effect: gate.Changes, Event: "iam.UpdateAccessKey"},
	gate.Rule{Method: "Delete", Permission: "iam.accessKeys.delete", Target: gate.Via(AccessKeyLookup, "access_key_id"),
		Effect: gate.Changes, Event: "iam.DeleteAccessKey"},
	gate.Rule{Method: "ListOperations", Permission: "iam.accessKeys.listOperations", Target: gate.Via(AccessKeyLookup, "access_key_id")},
)

// AccessKeyService is yandex.cloud.iam.v1.awscompatibility.AccessKeyService. In
// it access_key_id is the key's id, and key_id what signed requests name.
type AccessKeyService struct {
	awspb.UnimplementedAccessKeyServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Quotas  quota.Limits
	// Seal encrypts a secret for its row.
	Seal func(at seal.Place, secret []byte) ([]byte, error)
}

// Get returns a static access key without its secret.
func (s *AccessKeyService) Get(ctx context.Context, r *awspb.GetAccessKeyRequest) (*awspb.AccessKey, error) {
	var k *iam.AccessKey
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		k, err = store.GetAccessKey(tx, r.GetAccessKeyId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return accessKeyProto(k), nil
}

// List pages through the static access keys of an account, of the caller when
// none is named.
func (s *AccessKeyService) List(ctx context.Context, r *awspb.ListAccessKeysRequest) (*awspb.ListAccessKeysResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: call.Target, Size: r.GetPageSize(), Token: r.GetPageToken()}
	keys, next, err := cloudapi.PageByID(ctx, s.DB, s.Pages, l, store.ListAccessKeys, accessKeyProto)
	return &awspb.ListAccessKeysResponse{AccessKeys: keys, NextPageToken: next}, err
}

// Create makes a static access key and shows its secret once.
func (s *AccessKeyService) Create(ctx context.Context, r *awspb.CreateAccessKeyRequest) (*awspb.CreateAccessKeyResponse, error) {
	call := gate.From(ctx)
	k := &iam.AccessKey{ID: resource.NewID(resource.PrefixIAM), ServiceAccountID: call.Target, Description: r.GetDescription()}
	var secret iam.Secret
	k.KeyID, secret = credential.NewAccessKey()
	k.Lookup = credential.SecretLookup(secret)
	sealed, err := s.Seal(store.AccessKeyPlace(k.ID), []byte(secret.Reveal()))
	if err != nil {
		return nil, err
	}
	call.Note("access_key_id", k.ID)
	err = s.Changes.Once(ctx, "Access key", k.ID, func(tx *store.Tx) error {
		if err := s.Quotas.Reserve(tx, quota.AccessKeys, k.ServiceAccountID, 1); err != nil {
			return err
		}
		if err := noteAccount(tx, call, k.ServiceAccountID); err != nil {
			return err
		}
		k.CreatedAt = tx.Now()
		return store.InsertAccessKey(tx, k, sealed)
	})
	if err != nil {
		return nil, err
	}
	return &awspb.CreateAccessKeyResponse{AccessKey: accessKeyProto(k), Secret: secret.Reveal()}, nil
}

// Update writes the description, the one field that can change.
func (s *AccessKeyService) Update(ctx context.Context, r *awspb.UpdateAccessKeyRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "description")
	if err != nil {
		return nil, err
	}
	return s.change(ctx, r.GetAccessKeyId(), "Update access key", &awspb.UpdateAccessKeyMetadata{AccessKeyId: r.GetAccessKeyId()},
		func(tx *store.Tx, k *iam.AccessKey) (proto.Message, error) {
			if mask.Has("description") {
				k.Description = r.GetDescription()
			}
			return accessKeyProto(k), store.UpdateAccessKeyDescription(tx, k.ID, k.Description)
		})
}

// Delete removes a static access key, with which nobody can sign from the
// answer on, and ends what was made with it.
func (s *AccessKeyService) Delete(ctx context.Context, r *awspb.DeleteAccessKeyRequest) (*operationpb.Operation, error) {
	return s.change(ctx, r.GetAccessKeyId(), "Delete access key", &awspb.DeleteAccessKeyMetadata{AccessKeyId: r.GetAccessKeyId()},
		func(tx *store.Tx, k *iam.AccessKey) (proto.Message, error) {
			if err := store.DeleteAccessKey(tx, k.ID); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, revocation.Revoke(tx, token.KindCredential, k.ID)
		})
}

// ListOperations pages through the operations on a static access key.
func (s *AccessKeyService) ListOperations(ctx context.Context, r *awspb.ListAccessKeyOperationsRequest) (*awspb.ListAccessKeyOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetAccessKeyId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetAccessKeyId())
	return &awspb.ListAccessKeyOperationsResponse{Operations: ops, NextPageToken: next}, err
}

func (s *AccessKeyService) change(ctx context.Context, id, what string, meta proto.Message,
	act func(tx *store.Tx, k *iam.AccessKey) (proto.Message, error)) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.Note("access_key_id", id)
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: what, Metadata: meta,
	}, func(tx *store.Tx) (proto.Message, error) {
		k, err := store.GetAccessKey(tx, id)
		if err != nil {
			return nil, err
		}
		if err := noteAccount(tx, call, k.ServiceAccountID); err != nil {
			return nil, err
		}
		return act(tx, k)
	})
}

func accessKeyProto(k *iam.AccessKey) *awspb.AccessKey {
	return &awspb.AccessKey{
		Id: k.ID, ServiceAccountId: k.ServiceAccountID, CreatedAt: cloudapi.Time(k.CreatedAt), Description: k.Description,
		KeyId: k.KeyID, LastUsedAt: cloudapi.Time(k.LastUsedAt),
	}
}
