// Command provider works as the Terraform provider does, on the SDK that the
// provider is built on: it creates, reads back, changes, reads and deletes
// clouds, folders, service accounts and groups, and gives access to each in the
// provider's three ways (member, binding, policy), with masks and an
// idempotency key on every call, reads too.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	"github.com/yandex-cloud/go-sdk/v2/pkg/transport/middleware/idempotency"
	"google.golang.org/grpc"
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
		options.WithCustomDialOptions(grpc.WithChainUnaryInterceptor(idempotency.Interceptor())),
	)
	if err != nil {
		return fmt.Errorf("build the SDK: %w", err)
	}
	defer sdk.Shutdown(ctx)
	p := &provider{sdk: sdk, name: os.Getenv("ACCOUNT_NAME")}

	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"data sources", p.dataSources},
		{"resources", p.resources},
		{"group membership", p.membership},
		{"a thousand deltas", p.thousand},
		{"one key, one change", p.sameKey},
		{"a person's token", byToken},
	} {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}
