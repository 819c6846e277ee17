// Command go-sdk-v1 calls the API with version 1 of the Go SDK as a program of a
// virtual machine does: with the token that the metadata address gives.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	ycsdk "github.com/yandex-cloud/go-sdk"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	sdk, err := ycsdk.Build(ctx, ycsdk.Config{Credentials: ycsdk.InstanceServiceAccount(), Endpoint: os.Getenv("ENDPOINT"), Plaintext: true})
	if err != nil {
		return fmt.Errorf("build the SDK: %w", err)
	}
	defer sdk.Shutdown(ctx)
	id := os.Getenv("SERVICE_ACCOUNT_ID")
	account, err := sdk.IAM().ServiceAccount().Get(ctx, &iam.GetServiceAccountRequest{ServiceAccountId: id})
	if err != nil || account.GetId() != id {
		return fmt.Errorf("a call: %v, %w", account, err)
	}
	return nil
}
