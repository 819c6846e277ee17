package iam

import (
	"context"
	"runtime"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

var onAccountOrCaller = gate.OnOrCaller(resource.ServiceAccount, "service_account_id")

// KeyLookup is the name of the gate's lookup from a key to its account.
const KeyLookup = "key"

// KeyRules are the rows of KeyService.
var KeyRules = gate.Rules("yandex.cloud.iam.v1.KeyService",
	gate.Rule{Method: "Get", Permission: "iam.keys.get", Target: gate.Via(KeyLookup, "key_id")},
	gate.Rule{Method: "List", Permission: "iam.keys.list", Target: onAccountOrCaller},
	gate.Rule{Method: "Create", Permission: "iam.keys.create", Target: onAccountOrCaller,
		Effect: gate.Changes, Event: "iam.CreateKey"},
	gate.Rule{Method: "Update", Permission: "iam.keys.update", Target: gate.Via(KeyLookup, "key_id"),
		Effect: gate.Changes, Event: "iam.UpdateKey"},
	gate.Rule{Method: "Delete", Permission: "iam.keys.delete", Target: gate.Via(KeyLookup, "key_id"),
		Effect: gate.Changes, Event: "iam.DeleteKey"},
	gate.Rule{Method: "ListOperations", Permission: "iam.keys.listOperations", Target: gate.Via(KeyLookup, "key_id")},
)

// KeyService is yandex.cloud.iam.v1.KeyService.
type KeyService struct {
	iampb.UnimplementedKeyServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Quotas  quota.Limits
}

// Get returns the public half of a key.
func (s *KeyService) Get(ctx context.Context, r *iampb.GetKeyRequest) (*iampb.Key, error) {
	var k *iam.Key
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		k, err = store.GetKey(tx, r.GetKeyId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return keyProto(k), nil
}

// List pages through the keys of an account, of the caller when none is named.
func (s *KeyService) List(ctx context.Context, r *iampb.ListKeysRequest) (*iampb.ListKeysResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: call.Target, Size: r.GetPageSize(), Token: r.GetPageToken()}
	keys, next, err := cloudapi.PageByID(ctx, s.DB, s.Pages, l, store.ListKeys, keyProto)
	return &iampb.ListKeysResponse{Keys: keys, NextPageToken: next}, err
}

// Create makes a key pair, keeps the public half and shows the private one once.
func (s *KeyService) Create(ctx context.Context, r *iampb.CreateKeyRequest) (*iampb.CreateKeyResponse, error) {
	algorithm := iam.RSA2048 // what ALGORITHM_UNSPECIFIED means [API fact: KeyService.Create]
	switch r.GetKeyAlgorithm() {
	case iampb.Key_ALGORITHM_UNSPECIFIED, iampb.Key_RSA_2048:
	case iampb.Key_RSA_4096:
		algorithm = iam.RSA4096
	default:
		return nil, iam.InvalidField("key_algorithm", "the value %d is not an algorithm", r.GetKeyAlgorithm())
	}
	if r.GetFormat() != iampb.KeyFormat_PEM_FILE {
		return nil, iam.InvalidField("format", "only PEM_FILE is known")
	}
	call := gate.From(ctx)
	k := &iam.Key{
		ID: resource.NewID(resource.PrefixIAM), ServiceAccountID: call.Target, Description: r.GetDescription(), Algorithm: algorithm,
	}
	private, err := newPair(ctx, k)
	if err != nil {
		return nil, err
	}
	call.Note("key_id", k.ID)
	call.Note("service_account_id", k.ServiceAccountID)
	err = s.Changes.Once(ctx, "Key", k.ID, func(tx *store.Tx) error {
		if err := s.Quotas.Reserve(tx, quota.AuthorizedKeys, k.ServiceAccountID, 1); err != nil {
			return err
		}
		if err := noteAccount(tx, call, k.ServiceAccountID); err != nil {
			return err
		}
		k.CreatedAt = tx.Now()
		return store.InsertKey(tx, k)
	})
	if err != nil {
		return nil, err
	}
	return &iampb.CreateKeyResponse{Key: keyProto(k), PrivateKey: private.Reveal()}, nil
}

// pairs bounds how many key pairs are made at a time, to half of the machine: one
// of RSA-4096 takes most of a second, whether or not its caller still waits, and
// whoever may create keys must not be able to stop the others' exchanges.
var pairs = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// newPair makes the key pair of a key, sets its public half and returns the private one.
func newPair(ctx context.Context, k *iam.Key) (iam.Secret, error) {
	select {
	case pairs <- struct{}{}:
		defer func() { <-pairs }()
	case <-ctx.Done():
		return iam.Secret{}, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return iam.Secret{}, err
	}
	pair, err := keyfile.Generate(k.Algorithm)
	if err != nil {
		return iam.Secret{}, err
	}
	if k.PublicKey, err = keyfile.PublicKeyText(&pair.PublicKey); err != nil {
		return iam.Secret{}, err
	}
	return keyfile.PrivateKeyText(k.ID, pair)
}

// Update writes the description, the one field that can change.
func (s *KeyService) Update(ctx context.Context, r *iampb.UpdateKeyRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "description")
	if err != nil {
		return nil, err
	}
	return s.change(ctx, r.GetKeyId(), "Update key", &iampb.UpdateKeyMetadata{KeyId: r.GetKeyId()},
		func(tx *store.Tx, k *iam.Key) (proto.Message, error) {
			if mask.Has("description") {
				k.Description = r.GetDescription()
			}
			return keyProto(k), store.UpdateKeyDescription(tx, k.ID, k.Description)
		})
}

// Delete removes a key and ends every token that was made with it.
func (s *KeyService) Delete(ctx context.Context, r *iampb.DeleteKeyRequest) (*operationpb.Operation, error) {
	return s.change(ctx, r.GetKeyId(), "Delete key", &iampb.DeleteKeyMetadata{KeyId: r.GetKeyId()},
		func(tx *store.Tx, k *iam.Key) (proto.Message, error) {
			if err := store.DeleteKey(tx, k.ID); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, revocation.Revoke(tx, token.KindCredential, k.ID)
		})
}

// ListOperations pages through the operations on a key.
func (s *KeyService) ListOperations(ctx context.Context, r *iampb.ListKeyOperationsRequest) (*iampb.ListKeyOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetKeyId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetKeyId())
	return &iampb.ListKeyOperationsResponse{Operations: ops, NextPageToken: next}, err
}

func (s *KeyService) change(ctx context.Context, id, what string, meta proto.Message,
	act func(tx *store.Tx, k *iam.Key) (proto.Message, error)) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.Note("key_id", id)
	call.Note("service_account_id", call.Target)
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: what, Metadata: meta,
	}, func(tx *store.Tx) (proto.Message, error) {
		k, err := store.GetKey(tx, id)
		if err != nil {
			return nil, err
		}
		if err := noteAccount(tx, call, k.ServiceAccountID); err != nil {
			return nil, err
		}
		return act(tx, k)
	})
}

var keyAlgorithms = map[iam.KeyAlgorithm]iampb.Key_Algorithm{
	iam.RSA2048: iampb.Key_RSA_2048, iam.RSA4096: iampb.Key_RSA_4096,
}

func keyProto(k *iam.Key) *iampb.Key {
	return &iampb.Key{
		Id: k.ID, Subject: &iampb.Key_ServiceAccountId{ServiceAccountId: k.ServiceAccountID},
		CreatedAt: cloudapi.Time(k.CreatedAt), Description: k.Description, KeyAlgorithm: keyAlgorithms[k.Algorithm],
		PublicKey: k.PublicKey, LastUsedAt: cloudapi.Time(k.LastUsedAt),
	}
}
