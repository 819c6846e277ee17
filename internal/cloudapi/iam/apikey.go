package iam

import (
	"context"
	"fmt"
	"slices"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// APIKeyLookup is the name of the gate's lookup from an API key to its account.
const APIKeyLookup = "apiKey"

// APIKeyRules are the rows of ApiKeyService.
var APIKeyRules = gate.Rules("yandex.cloud.iam.v1.ApiKeyService",
	gate.Rule{Method: "Get", Permission: "iam.apiKeys.get", Target: gate.Via(APIKeyLookup, "api_key_id")},
	gate.Rule{Method: "List", Permission: "iam.apiKeys.list", Target: onAccountOrCaller},
	gate.Rule{Method: "Create", Permission: "iam.apiKeys.create", Target: onAccountOrCaller,
		Effect: gate.Changes, Event: "iam.CreateApiKey"},
	gate.Rule{Method: "Update", Permission: "iam.apiKeys.update", Target: gate.Via(APIKeyLookup, "api_key_id"),
		Effect: gate.Changes, Event: "iam.UpdateApiKey"},
	gate.Rule{Method: "Delete", Permission: "iam.apiKeys.delete", Target: gate.Via(APIKeyLookup, "api_key_id"),
		Effect: gate.Changes, Event: "iam.DeleteApiKey"},
	gate.Rule{Method: "ListOperations", Permission: "iam.apiKeys.listOperations", Target: gate.Via(APIKeyLookup, "api_key_id")},
	gate.Rule{Method: "ListScopes", Why: "which scopes there are is no secret"},
)

// DefaultScopes are the scopes of an API key that is created without any
// [API fact: default scopes of API keys, 2025].
var DefaultScopes = []string{
	"yc.ai.imageGeneration.execute", "yc.ai.languageModels.execute", "yc.ai.speechkitStt.execute", "yc.ai.speechkitTts.execute",
	"yc.ai.translate.execute", "yc.ai.vision.execute", "yc.monitoring.manage", "yc.search-api.execute",
	"yc.serverless.containers.invoke", "yc.serverless.functions.invoke",
}

// APIKeyService is yandex.cloud.iam.v1.ApiKeyService.
type APIKeyService struct {
	iampb.UnimplementedApiKeyServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Quotas  quota.Limits
	// Scopes lists the ids of the scopes in force, sorted.
	Scopes func(context.Context) ([]string, error)
	Now    func() time.Time
}

// Get returns an API key without its secret, which nobody has kept.
func (s *APIKeyService) Get(ctx context.Context, r *iampb.GetApiKeyRequest) (*iampb.ApiKey, error) {
	var k *iam.APIKey
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		k, err = store.GetAPIKey(tx, r.GetApiKeyId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return apiKeyProto(k), nil
}

// List pages through the API keys of an account, of the caller when none is named.
func (s *APIKeyService) List(ctx context.Context, r *iampb.ListApiKeysRequest) (*iampb.ListApiKeysResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: call.Target, Size: r.GetPageSize(), Token: r.GetPageToken()}
	keys, next, err := cloudapi.PageByID(ctx, s.DB, s.Pages, l, store.ListAPIKeys, apiKeyProto)
	return &iampb.ListApiKeysResponse{ApiKeys: keys, NextPageToken: next}, err
}

// Create makes an API key and shows its secret once.
func (s *APIKeyService) Create(ctx context.Context, r *iampb.CreateApiKeyRequest) (*iampb.CreateApiKeyResponse, error) {
	scope, scopes, err := s.scopesOf(ctx, r)
	if err != nil {
		return nil, err
	}
	expires, err := expiry(r.GetExpiresAt(), s.Now())
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	secret, k := credential.NewAPIKey()
	k.ID, k.ServiceAccountID, k.Description = resource.NewID(resource.PrefixIAM), call.Target, r.GetDescription()
	k.Scope, k.Scopes, k.ExpiresAt = scope, scopes, expires
	call.Note("api_key_id", k.ID)
	err = s.Changes.Once(ctx, "API key", k.ID, func(tx *store.Tx) error {
		if err := s.Quotas.Reserve(tx, quota.APIKeys, k.ServiceAccountID, 1); err != nil {
			return err
		}
		if err := noteAccount(tx, call, k.ServiceAccountID); err != nil {
			return err
		}
		k.CreatedAt = tx.Now()
		return store.InsertAPIKey(tx, k)
	})
	if err != nil {
		return nil, err
	}
	return &iampb.CreateApiKeyResponse{ApiKey: apiKeyProto(k), Secret: secret.Reveal()}, nil
}

// scopesOf reads the scopes of a request: the list, the older field alone, or
// neither, which means the default ones. scope is the older field.
func (s *APIKeyService) scopesOf(ctx context.Context, r *iampb.CreateApiKeyRequest) (scope string, scopes []string, err error) {
	//lint:ignore SA1019 clients send it [API fact: ApiKey.scope is deprecated]
	scope, scopes = r.GetScope(), r.GetScopes()
	switch {
	case scope != "" && len(scopes) == 0:
		if err := s.known(ctx, "scope", scope); err != nil {
			return "", nil, err
		}
		return scope, []string{scope}, nil
	case scope != "" && !slices.Contains(scopes, scope):
		return "", nil, iam.InvalidField("scope", "is not among scopes, which replace it")
	case len(scopes) == 0:
		return "", slices.Clone(DefaultScopes), nil
	}
	return scope, scopes, s.known(ctx, "", scopes...)
}

// known refuses scopes that there are not; field names the one that holds a
// single scope.
func (s *APIKeyService) known(ctx context.Context, field string, scopes ...string) error {
	all, err := s.Scopes(ctx)
	if err != nil {
		return err
	}
	for i, scope := range scopes {
		if _, ok := slices.BinarySearch(all, scope); ok {
			continue
		}
		if field == "" {
			field = fmt.Sprintf("scopes[%d]", i)
		}
		return iam.InvalidField(field, "there is no such scope")
	}
	return nil
}

// Update writes the fields of the mask, or all that can be updated without one.
func (s *APIKeyService) Update(ctx context.Context, r *iampb.UpdateApiKeyRequest) (*operationpb.Operation, error) {
	mask, err := cloudapi.NewMask(r.GetUpdateMask(), "description", "scopes", "expires_at")
	if err != nil {
		return nil, err
	}
	var expires time.Time
	if mask.Has("expires_at") {
		if expires, err = expiry(r.GetExpiresAt(), s.Now()); err != nil {
			return nil, err
		}
	}
	if mask.Has("scopes") {
		if err := s.known(ctx, "", r.GetScopes()...); err != nil {
			return nil, err
		}
	}
	return s.change(ctx, r.GetApiKeyId(), "Update API key", &iampb.UpdateApiKeyMetadata{ApiKeyId: r.GetApiKeyId()},
		func(tx *store.Tx, k *iam.APIKey) (proto.Message, error) {
			if mask.Has("description") {
				k.Description = r.GetDescription()
			}
			if mask.Has("scopes") {
				k.Scopes = r.GetScopes()
				if !slices.Contains(k.Scopes, k.Scope) {
					k.Scope = ""
				}
			}
			if mask.Has("expires_at") {
				k.ExpiresAt = expires
			}
			return apiKeyProto(k), store.UpdateAPIKey(tx, k)
		})
}

// Delete removes an API key, which nobody can use from the answer on.
func (s *APIKeyService) Delete(ctx context.Context, r *iampb.DeleteApiKeyRequest) (*operationpb.Operation, error) {
	return s.change(ctx, r.GetApiKeyId(), "Delete API key", &iampb.DeleteApiKeyMetadata{ApiKeyId: r.GetApiKeyId()},
		func(tx *store.Tx, k *iam.APIKey) (proto.Message, error) {
			if err := store.DeleteAPIKey(tx, k.ID); err != nil {
				return nil, err
			}
			return &emptypb.Empty{}, revocation.Revoke(tx, token.KindCredential, k.ID)
		})
}

// ListOperations pages through the operations on an API key.
func (s *APIKeyService) ListOperations(ctx context.Context, r *iampb.ListApiKeyOperationsRequest) (*iampb.ListApiKeyOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetApiKeyId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetApiKeyId())
	return &iampb.ListApiKeyOperationsResponse{Operations: ops, NextPageToken: next}, err
}

// ListScopes pages through the scopes that an API key may have, sorted.
func (s *APIKeyService) ListScopes(ctx context.Context, r *iampb.ListApiKeyScopesRequest) (*iampb.ListApiKeyScopesResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	all, err := s.Scopes(ctx)
	if err != nil {
		return nil, err
	}
	from, found := slices.BinarySearch(all, after)
	if found {
		from++
	}
	out := &iampb.ListApiKeyScopesResponse{}
	out.Scopes, out.NextPageToken = cloudapi.Cut(s.Pages, l, all[from:], size, func(scope string) string { return scope })
	return out, nil
}

func (s *APIKeyService) change(ctx context.Context, id, what string, meta proto.Message,
	act func(tx *store.Tx, k *iam.APIKey) (proto.Message, error)) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.Note("api_key_id", id)
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: id, Description: what, Metadata: meta,
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := holdAccount(tx, call.Target); err != nil {
			return nil, err
		}
		k, err := store.GetAPIKey(tx, id)
		if err != nil {
			return nil, err
		}
		if err := noteAccount(tx, call, k.ServiceAccountID); err != nil {
			return nil, err
		}
		return act(tx, k)
	})
}

// expiry reads an expires_at, which must lie ahead; nil means never.
func expiry(t *timestamppb.Timestamp, now time.Time) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	at := t.AsTime().Truncate(time.Microsecond) // as it is stored
	if !at.After(now) {
		return time.Time{}, iam.InvalidField("expires_at", "must be in the future")
	}
	return at, nil
}

func apiKeyProto(k *iam.APIKey) *iampb.ApiKey {
	out := &iampb.ApiKey{
		Id: k.ID, ServiceAccountId: k.ServiceAccountID, CreatedAt: cloudapi.Time(k.CreatedAt), Description: k.Description,
		LastUsedAt: cloudapi.Time(k.LastUsedAt), Scopes: k.Scopes, MaskedSecret: k.MaskedSecret,
	}
	//lint:ignore SA1019 clients read it [API fact: ApiKey.scope is deprecated]
	out.Scope = k.Scope
	if !k.ExpiresAt.IsZero() {
		out.ExpiresAt = timestamppb.New(k.ExpiresAt)
	}
	return out
}
