package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	ycsdk "github.com/yandex-cloud/go-sdk"
	"github.com/yandex-cloud/go-sdk/iamkey"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// useKey takes an authorized key of the account through its life.
func useKey(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	keys := sdk.IAM().Key()

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
	page, err := keys.List(ctx, &iam.ListKeysRequest{ServiceAccountId: account.GetId()})
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	if found := page.GetKeys(); len(found) != 1 || found[0].GetId() != id {
		return fmt.Errorf("list of keys is %v, want %s alone", found, id)
	}
	if err := signIn(ctx, created); err != nil {
		return fmt.Errorf("sign in with the new key: %w", err)
	}
	op, err := keys.Delete(ctx, &iam.DeleteKeyRequest{KeyId: id})
	if err := wait(ctx, sdk, op, err); err != nil {
		return fmt.Errorf("delete the key: %w", err)
	}
	if err := signIn(ctx, created); status.Code(err) != codes.Unauthenticated {
		return fmt.Errorf("signing in with a deleted key: %v, want Unauthenticated", err)
	}
	_, err = keys.Get(ctx, &iam.GetKeyRequest{KeyId: id})
	return wantNotFound("key", err)
}

// signIn has an SDK of its own exchange the key as it came from the server.
func signIn(ctx context.Context, created *iam.CreateKeyResponse) error {
	credentials, err := ycsdk.ServiceAccountKey(iamkey.New(created))
	if err != nil {
		return err
	}
	sdk, err := ycsdk.Build(ctx, ycsdk.Config{Credentials: credentials, Endpoint: os.Getenv("ENDPOINT"), Plaintext: true})
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

var (
	apiKeySecret    = regexp.MustCompile(`^AQVN[A-Za-z0-9_-]{35,38}$`)
	accessKeyID     = regexp.MustCompile(`^YC[A-Za-z0-9_-]{23}$`)
	accessSecret    = regexp.MustCompile(`^YC[A-Za-z0-9_-]{38}$`)
	ephemeralKeyID  = regexp.MustCompile(`^[a-z0-9]{20}$`)
	ephemeralSecret = regexp.MustCompile(`^YC[A-Za-z0-9_-]{41}$`)
	sessionToken    = regexp.MustCompile(`^s1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43,}$`)
)

// useAPIKey makes, lists and deletes an API key of the account.
func useAPIKey(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	keys := sdk.IAM().ApiKey()

	created, err := keys.Create(ctx, &iam.CreateApiKeyRequest{ServiceAccountId: account.GetId()})
	if err != nil {
		return fmt.Errorf("create an API key: %w", err)
	}
	id := created.GetApiKey().GetId()
	if !apiKeySecret.MatchString(created.GetSecret()) {
		return errors.New("the new API key comes without a secret of the known form")
	}
	page, err := keys.List(ctx, &iam.ListApiKeysRequest{ServiceAccountId: account.GetId()})
	if err != nil {
		return fmt.Errorf("list API keys: %w", err)
	}
	if found := page.GetApiKeys(); len(found) != 1 || found[0].GetId() != id || found[0].GetServiceAccountId() != account.GetId() {
		return fmt.Errorf("list of API keys is %v, want %s alone", found, id)
	}
	op, err := keys.Delete(ctx, &iam.DeleteApiKeyRequest{ApiKeyId: id})
	if err := wait(ctx, sdk, op, err); err != nil {
		return fmt.Errorf("delete the API key: %w", err)
	}
	_, err = keys.Get(ctx, &iam.GetApiKeyRequest{ApiKeyId: id})
	return wantNotFound("API key", err)
}

// useAccessKey makes, lists and deletes a static access key of the account.
func useAccessKey(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	keys := sdk.IAM().AWSCompatibility().AccessKey()

	created, err := keys.Create(ctx, &awscompatibility.CreateAccessKeyRequest{ServiceAccountId: account.GetId()})
	if err != nil {
		return fmt.Errorf("create a static access key: %w", err)
	}
	id, keyID := created.GetAccessKey().GetId(), created.GetAccessKey().GetKeyId()
	if !accessKeyID.MatchString(keyID) || !accessSecret.MatchString(created.GetSecret()) {
		return fmt.Errorf("static access key %s: its key id or its secret is not of the known form", keyID)
	}
	page, err := keys.List(ctx, &awscompatibility.ListAccessKeysRequest{ServiceAccountId: account.GetId()})
	if err != nil {
		return fmt.Errorf("list static access keys: %w", err)
	}
	if found := page.GetAccessKeys(); len(found) != 1 || found[0].GetId() != id || found[0].GetKeyId() != keyID {
		return fmt.Errorf("list of static access keys is %v, want %s alone", found, id)
	}
	op, err := keys.Delete(ctx, &awscompatibility.DeleteAccessKeyRequest{AccessKeyId: id})
	if err := wait(ctx, sdk, op, err); err != nil {
		return fmt.Errorf("delete the static access key: %w", err)
	}
	_, err = keys.Get(ctx, &awscompatibility.GetAccessKeyRequest{AccessKeyId: id})
	return wantNotFound("static access key", err)
}

// useEphemeralKey makes an ephemeral key of the caller. It is listed nowhere
// and ends by itself.
func useEphemeralKey(ctx context.Context, sdk *ycsdk.SDK) error {
	const life = 30 * time.Minute
	before := time.Now()
	key, err := sdk.IAM().AWSCompatibility().TemporaryAccessKey().CreateEphemeral(ctx, &awscompatibility.CreateEphemeralAccessKeyRequest{
		SessionName: "go-sdk-v1", Duration: durationpb.New(life),
	})
	if err != nil {
		return fmt.Errorf("create an ephemeral key: %w", err)
	}
	if !ephemeralKeyID.MatchString(key.GetAccessKeyId()) || !ephemeralSecret.MatchString(key.GetSecret()) || !sessionToken.MatchString(key.GetSessionToken()) {
		return errors.New("the ephemeral key is not of the known form")
	}
	if lives := key.GetExpiresAt().AsTime().Sub(before); lives < life-5*time.Second || lives > life+5*time.Second {
		return fmt.Errorf("the ephemeral key lives for %s, want %s", lives, life)
	}
	return nil
}
