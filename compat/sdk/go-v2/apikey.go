package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// useAPIKey takes an API key of the account through its life.
func useAPIKey(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	keys := iamsdk.NewApiKeyClient(sdk)

	created, err := keys.Create(ctx, &iam.CreateApiKeyRequest{ServiceAccountId: account.GetId(), Description: "made by go-sdk v2"})
	if err != nil {
		return fmt.Errorf("create an API key: %w", err)
	}
	secret, id := created.GetSecret(), created.GetApiKey().GetId()
	if len(secret) < 39 || !strings.HasPrefix(secret, "AQVN") {
		return errors.New("the new API key comes without a secret of the known form")
	}
	known, err := keys.ListScopes(ctx, &iam.ListApiKeyScopesRequest{PageSize: 1000})
	if err != nil {
		return fmt.Errorf("list the scopes of API keys: %w", err)
	}
	for _, scope := range created.GetApiKey().GetScopes() {
		if !slices.Contains(known.GetScopes(), scope) {
			return fmt.Errorf("the new API key has the scope %s, which is not in the list of scopes", scope)
		}
	}
	key, err := keys.Get(ctx, &iam.GetApiKeyRequest{ApiKeyId: id})
	if err != nil {
		return fmt.Errorf("get the API key: %w", err)
	}
	if key.GetServiceAccountId() != account.GetId() || key.GetDescription() != "made by go-sdk v2" || key.GetCreatedAt() == nil ||
		len(key.GetScopes()) == 0 || key.GetMaskedSecret() != "****"+secret[len(secret)-6:] {
		return fmt.Errorf("API key is %v", key)
	}
	found, err := keys.Iterator(ctx, &iam.ListApiKeysRequest{ServiceAccountId: account.GetId()}).TakeAll()
	if err != nil {
		return fmt.Errorf("list API keys: %w", err)
	}
	if len(found) != 1 || found[0].GetId() != id {
		return fmt.Errorf("list of API keys is %v, want %s alone", found, id)
	}
	if err := refusedByIAM(ctx, secret, id); err != nil {
		return err
	}
	scopes := []string{"yc.ydb.topics.manage", "yc.ai.vision.execute"} // not sorted: the order comes back
	update, err := keys.Update(ctx, &iam.UpdateApiKeyRequest{
		ApiKeyId: id, Scopes: scopes, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"scopes"}},
	})
	if err != nil {
		return fmt.Errorf("update the API key: %w", err)
	}
	if key, err = update.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the API key's update: %w", err)
	}
	if !slices.Equal(key.GetScopes(), scopes) || key.GetDescription() != "made by go-sdk v2" {
		return fmt.Errorf("updated API key is %v", key)
	}
	gone, err := keys.Delete(ctx, &iam.DeleteApiKeyRequest{ApiKeyId: id})
	if err != nil {
		return fmt.Errorf("delete the API key: %w", err)
	}
	if _, err := gone.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the API key's end: %w", err)
	}
	_, err = keys.Get(ctx, &iam.GetApiKeyRequest{ApiKeyId: id})
	return wantNotFound("API key", err)
}

// refusedByIAM shows the API key to IAM's own API, which takes none and says so
// without repeating it.
func refusedByIAM(ctx context.Context, secret, id string) error {
	conn, err := grpc.NewClient(os.Getenv("ENDPOINT"), grpc.WithTransportCredentials(credentials.NewTLS(nil)))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Api-Key "+secret)
	_, err = iam.NewApiKeyServiceClient(conn).Get(ctx, &iam.GetApiKeyRequest{ApiKeyId: id})
	if text := status.Convert(err).Message(); status.Code(err) != codes.Unauthenticated ||
		!strings.Contains(text, "API keys are not accepted here") || strings.Contains(text, secret) {
		return fmt.Errorf("IAM answers an API key %v, want Unauthenticated with a word about API keys", status.Code(err))
	}
	return nil
}
