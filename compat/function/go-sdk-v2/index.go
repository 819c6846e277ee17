// The function calls the API with version 2 of the Go SDK, as its documentation
// has it: with the token that the metadata address gives.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
)

// Handler answers with the id of the function's own account.
func Handler(ctx context.Context) (string, error) {
	sdk, err := ycsdk.Build(ctx, options.WithCredentials(credentials.InstanceServiceAccount()), options.WithDiscoveryEndpoint(os.Getenv("ENDPOINT")))
	if err != nil {
		return "", fmt.Errorf("build the SDK: %w", err)
	}
	defer sdk.Shutdown(ctx)
	account, err := iamsdk.NewServiceAccountClient(sdk).Get(ctx, &iam.GetServiceAccountRequest{ServiceAccountId: os.Getenv("SERVICE_ACCOUNT_ID")})
	return account.GetId(), err
}
