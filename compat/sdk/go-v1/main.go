// Command go-v1 takes a service account and a key of every kind through their whole life
// with version 1 of the Go SDK, without TLS.
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
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ycsdk "github.com/yandex-cloud/go-sdk"
	"github.com/yandex-cloud/go-sdk/iamkey"
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
	key, err := iamkey.ReadFromJSONFile(os.Getenv("KEY_FILE"))
	if err != nil {
		return err
	}
	credentials, err := ycsdk.ServiceAccountKey(key)
	if err != nil {
		return err
	}
	sdk, err := ycsdk.Build(ctx, ycsdk.Config{
		Credentials: credentials,
		Endpoint:    os.Getenv("ENDPOINT"),
		Plaintext:   true,
	})
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
	if err := useOAuthToken(ctx); err != nil {
		return fmt.Errorf("as a person: %w", err)
	}
	return deleteAccount(ctx, sdk, account)
}

func createAccount(ctx context.Context, sdk *ycsdk.SDK) (*iam.ServiceAccount, error) {
	accounts := sdk.IAM().ServiceAccount()
	folder, name := os.Getenv("FOLDER_ID"), os.Getenv("ACCOUNT_NAME")

	op, err := sdk.WrapOperation(accounts.Create(ctx, &iam.CreateServiceAccountRequest{
		FolderId:    folder,
		Name:        name,
		Description: "made by go-sdk v1",
	}))
	if err != nil {
		return nil, fmt.Errorf("create the account: %w", err)
	}
	metadata, err := op.Metadata()
	if err != nil {
		return nil, fmt.Errorf("metadata of the operation: %w", err)
	}
	id := metadata.(*iam.CreateServiceAccountMetadata).GetServiceAccountId()
	if err := op.Wait(ctx); err != nil {
		return nil, fmt.Errorf("wait for the account: %w", err)
	}
	response, err := op.Response()
	if err != nil {
		return nil, fmt.Errorf("response of the operation: %w", err)
	}
	account := response.(*iam.ServiceAccount)
	if account.GetId() == "" || account.GetId() != id {
		return nil, fmt.Errorf("account %q, its operation's metadata say %q", account.GetId(), id)
	}
	if account.GetName() != name || account.GetFolderId() != folder || account.GetCreatedAt() == nil {
		return nil, fmt.Errorf("created account is %v", account)
	}

	page, err := accounts.List(ctx, &iam.ListServiceAccountsRequest{
		FolderId: folder,
		PageSize: 100,
		Filter:   fmt.Sprintf("name=%q", name),
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	if found := page.GetServiceAccounts(); len(found) != 1 || found[0].GetId() != id {
		return nil, fmt.Errorf("list by name gives %v, want %s alone", found, id)
	}
	return account, nil
}

func deleteAccount(ctx context.Context, sdk *ycsdk.SDK, account *iam.ServiceAccount) error {
	accounts := sdk.IAM().ServiceAccount()
	op, err := accounts.Delete(ctx, &iam.DeleteServiceAccountRequest{ServiceAccountId: account.GetId()})
	if err := wait(ctx, sdk, op, err); err != nil {
		return fmt.Errorf("delete the account: %w", err)
	}
	_, err = accounts.Get(ctx, &iam.GetServiceAccountRequest{ServiceAccountId: account.GetId()})
	return wantNotFound("account", err)
}

func wait(ctx context.Context, sdk *ycsdk.SDK, op *operation.Operation, err error) error {
	wrapped, err := sdk.WrapOperation(op, err)
	if err != nil {
		return err
	}
	return wrapped.Wait(ctx)
}

func wantNotFound(what string, err error) error {
	if code := status.Code(err); code != codes.NotFound {
		return fmt.Errorf("deleted %s answers %v (%v), want NotFound", what, code, err)
	}
	return nil
}
