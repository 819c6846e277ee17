// Command go-v2 takes a service account and a key of every kind through their whole life
// with version 2 of the Go SDK, over TLS.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	key, err := credentials.ServiceAccountKeyFile(os.Getenv("KEY_FILE"))
	if err != nil {
		return err
	}
	sdk, err := ycsdk.Build(ctx,
		options.WithCredentials(key),
		options.WithDiscoveryEndpoint(os.Getenv("ENDPOINT")),
	)
	if err != nil {
		return fmt.Errorf("build the SDK: %w", err)
	}
	defer sdk.Shutdown(ctx)

	token, err := sdk.CreateIAMToken(ctx)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if !strings.HasPrefix(token.GetIamToken(), "t1.") {
		return errors.New("the IAM token does not begin with t1.")
	}
	account, err := createAccount(ctx, sdk)
	if err != nil {
		return err
	}
	if err := useKey(ctx, sdk, account); err != nil {
		return err
	}
	if err := useAPIKey(ctx, sdk, account); err != nil {
		return err
	}
	if err := useAccessKey(ctx, sdk, account); err != nil {
		return err
	}
	if err := useEphemeralKey(ctx, sdk); err != nil {
		return err
	}
	if err := useOAuthClient(ctx, sdk, os.Getenv("FOLDER_ID"), os.Getenv("ACCOUNT_NAME")); err != nil {
		return err
	}
	if err := useOAuthToken(ctx); err != nil {
		return fmt.Errorf("as a person: %w", err)
	}
	return deleteAccount(ctx, sdk, account)
}

func createAccount(ctx context.Context, sdk *ycsdk.SDK) (*iam.ServiceAccount, error) {
	accounts := iamsdk.NewServiceAccountClient(sdk)
	folder, name := os.Getenv("FOLDER_ID"), os.Getenv("ACCOUNT_NAME")

	op, err := accounts.Create(ctx, &iam.CreateServiceAccountRequest{
		FolderId:    folder,
		Name:        name,
		Description: "made by go-sdk v2",
		Labels:      map[string]string{"made-by": "go-sdk-v2"},
	})
	if err != nil {
		return nil, fmt.Errorf("create the account: %w", err)
	}
	id := op.Metadata().GetServiceAccountId()
	account, err := op.Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for the account: %w", err)
	}
	if account.GetId() == "" || account.GetId() != id {
		return nil, fmt.Errorf("account %q, its operation's metadata say %q", account.GetId(), id)
	}
	if account.GetName() != name || account.GetFolderId() != folder || account.GetCreatedAt() == nil ||
		account.GetStatus() != iam.ServiceAccount_ACTIVE || account.GetLabels()["made-by"] != "go-sdk-v2" {
		return nil, fmt.Errorf("created account is %v", account)
	}

	found, err := accounts.Iterator(ctx, &iam.ListServiceAccountsRequest{
		FolderId: folder,
		Filter:   fmt.Sprintf("name = %q", name),
	}).TakeAll()
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	if len(found) != 1 || found[0].GetId() != id {
		return nil, fmt.Errorf("list by name gives %v, want %s alone", found, id)
	}
	return account, nil
}

func deleteAccount(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	accounts := iamsdk.NewServiceAccountClient(sdk)
	op, err := accounts.Delete(ctx, &iam.DeleteServiceAccountRequest{ServiceAccountId: account.GetId()})
	if err != nil {
		return fmt.Errorf("delete the account: %w", err)
	}
	if _, err := op.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the account's end: %w", err)
	}
	_, err = accounts.Get(ctx, &iam.GetServiceAccountRequest{ServiceAccountId: account.GetId()})
	return wantNotFound("account", err)
}

func wantNotFound(what string, err error) error {
	if code := status.Code(err); code != codes.NotFound {
		return fmt.Errorf("deleted %s answers %v (%v), want NotFound", what, code, err)
	}
	return nil
}
