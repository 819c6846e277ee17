package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"github.com/yandex-cloud/go-sdk/v2"
	awssdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1/awscompatibility"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

var (
	accessKeyID     = regexp.MustCompile(`^YC[A-Za-z0-9_-]{23}$`)
	accessSecret    = regexp.MustCompile(`^YC[A-Za-z0-9_-]{38}$`)
	ephemeralKeyID  = regexp.MustCompile(`^[a-z0-9]{20}$`)
	ephemeralSecret = regexp.MustCompile(`^YC[A-Za-z0-9_-]{41}$`)
	sessionToken    = regexp.MustCompile(`^s1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43,}$`)
)

// useAccessKey takes a static access key of the account through its life. What
// it signs is in compat/sigv4, sts and s3.
func useAccessKey(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	keys := awssdk.NewAccessKeyClient(sdk)

	created, err := keys.Create(ctx, &awscompatibility.CreateAccessKeyRequest{ServiceAccountId: account.GetId(), Description: "made by go-sdk v2"})
	if err != nil {
		return fmt.Errorf("create a static access key: %w", err)
	}
	id, keyID := created.GetAccessKey().GetId(), created.GetAccessKey().GetKeyId()
	if !accessKeyID.MatchString(keyID) || !accessSecret.MatchString(created.GetSecret()) {
		return fmt.Errorf("static access key %s: its key id or its secret is not of the known form", keyID)
	}
	key, err := keys.Get(ctx, &awscompatibility.GetAccessKeyRequest{AccessKeyId: id})
	if err != nil {
		return fmt.Errorf("get the static access key: %w", err)
	}
	if key.GetServiceAccountId() != account.GetId() || key.GetKeyId() != keyID || key.GetDescription() != "made by go-sdk v2" || key.GetCreatedAt() == nil {
		return fmt.Errorf("static access key is %v", key)
	}
	found, err := keys.Iterator(ctx, &awscompatibility.ListAccessKeysRequest{ServiceAccountId: account.GetId()}).TakeAll()
	if err != nil {
		return fmt.Errorf("list static access keys: %w", err)
	}
	if len(found) != 1 || found[0].GetId() != id {
		return fmt.Errorf("list of static access keys is %v, want %s alone", found, id)
	}
	update, err := keys.Update(ctx, &awscompatibility.UpdateAccessKeyRequest{
		AccessKeyId: id, Description: "changed", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}},
	})
	if err != nil {
		return fmt.Errorf("update the static access key: %w", err)
	}
	if key, err = update.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the static access key's update: %w", err)
	}
	if key.GetDescription() != "changed" || key.GetKeyId() != keyID {
		return fmt.Errorf("updated static access key is %v", key)
	}
	gone, err := keys.Delete(ctx, &awscompatibility.DeleteAccessKeyRequest{AccessKeyId: id})
	if err != nil {
		return fmt.Errorf("delete the static access key: %w", err)
	}
	if _, err := gone.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the static access key's end: %w", err)
	}
	_, err = keys.Get(ctx, &awscompatibility.GetAccessKeyRequest{AccessKeyId: id})
	return wantNotFound("static access key", err)
}

// useEphemeralKey makes an ephemeral key of the caller. It is listed nowhere
// and ends by itself.
func useEphemeralKey(ctx context.Context, sdk *ycsdk.SDK) error {
	const life = 30 * time.Minute
	before := time.Now()
	key, err := awssdk.NewTemporaryAccessKeyClient(sdk).CreateEphemeral(ctx, &awscompatibility.CreateEphemeralAccessKeyRequest{
		SessionName: "go-sdk-v2", Duration: durationpb.New(life),
		Policy: `{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}}`,
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
