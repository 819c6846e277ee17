// Command go-sdk-v2 calls the API with version 2 of the Go SDK as a program of a
// virtual machine does: with the token that the metadata address gives.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	sdk, err := ycsdk.Build(ctx, options.WithCredentials(credentials.InstanceServiceAccount()), options.WithDiscoveryEndpoint(os.Getenv("ENDPOINT")))
	if err != nil {
		return fmt.Errorf("build the SDK: %w", err)
	}
	defer sdk.Shutdown(ctx)
	id := os.Getenv("SERVICE_ACCOUNT_ID")
	account, err := iamsdk.NewServiceAccountClient(sdk).Get(ctx, &iam.GetServiceAccountRequest{ServiceAccountId: id})
	if err != nil || account.GetId() != id {
		return fmt.Errorf("a call: %v, %w", account, err)
	}
	return nil
}
