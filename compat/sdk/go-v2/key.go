package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/iamkey"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// useKey takes an authorized key of the account through its life.
func useKey(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	keys := iamsdk.NewKeyClient(sdk)

	created, err := keys.Create(ctx, &iam.CreateKeyRequest{ServiceAccountId: account.GetId()})
	if err != nil {
		return fmt.Errorf("create a key: %w", err)
	}
	if !strings.Contains(created.GetPrivateKey(), "-----BEGIN PRIVATE KEY-----") {
		return errors.New("the new key comes without a private half")
	}
	id := created.GetKey().GetId()
	key, err := keys.Get(ctx, &iam.GetKeyRequest{KeyId: id})
	if err != nil {
		return fmt.Errorf("get the key: %w", err)
	}
	if key.GetServiceAccountId() != account.GetId() || key.GetKeyAlgorithm() != iam.Key_RSA_2048 || key.GetPublicKey() == "" {
		return fmt.Errorf("key is %v", key)
	}
	found, err := keys.Iterator(ctx, &iam.ListKeysRequest{ServiceAccountId: account.GetId()}).TakeAll()
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	if len(found) != 1 || found[0].GetId() != id {
		return fmt.Errorf("list of keys is %v, want %s alone", found, id)
	}
	if err := signIn(ctx, created); err != nil {
		return fmt.Errorf("sign in with the new key: %w", err)
	}
	op, err := keys.Delete(ctx, &iam.DeleteKeyRequest{KeyId: id})
	if err != nil {
		return fmt.Errorf("delete the key: %w", err)
	}
	if _, err := op.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the key's end: %w", err)
	}
	if err := signIn(ctx, created); status.Code(err) != codes.Unauthenticated {
		return fmt.Errorf("signing in with a deleted key: %v, want Unauthenticated", err)
	}
	_, err = keys.Get(ctx, &iam.GetKeyRequest{KeyId: id})
	return wantNotFound("key", err)
}

// signIn has an SDK of its own exchange the key as it came from the server.
func signIn(ctx context.Context, created *iam.CreateKeyResponse) error {
	key, err := credentials.ServiceAccountKey(iamkey.New(created))
	if err != nil {
		return err
	}
	sdk, err := ycsdk.Build(ctx, options.WithCredentials(key), options.WithDiscoveryEndpoint(os.Getenv("ENDPOINT")))
	if err != nil {
		return err
	}
	defer sdk.Shutdown(ctx)
	token, err := sdk.CreateIAMToken(ctx)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(token.GetIamToken(), "t1.") {
		return errors.New("the IAM token does not begin with t1.")
	}
	return nil
}
