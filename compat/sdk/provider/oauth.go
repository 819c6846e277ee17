package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
)

// tokenCredentials takes what stands in the provider's setting "token" as the
// provider does: what begins with "t1." and has two dots is an IAM token,
// everything else an OAuth token, to be exchanged.
func tokenCredentials(token string) credentials.Credentials {
	if strings.HasPrefix(token, "t1.") && strings.Count(token, ".") == 2 {
		return credentials.IAMToken(token)
	}
	return credentials.OAuthToken(token)
}

// byToken calls as a person, alice, with her OAuth token in the setting, and
// then with the IAM token that it was exchanged for.
func byToken(ctx context.Context) error {
	token := os.Getenv("OAUTH_TOKEN")
	for _, kind := range []string{"OAuth", "IAM"} {
		sdk, err := ycsdk.Build(ctx, options.WithCredentials(tokenCredentials(token)), options.WithDiscoveryEndpoint(os.Getenv("ENDPOINT")))
		if err != nil {
			return fmt.Errorf("build the SDK: %w", err)
		}
		defer sdk.Shutdown(ctx)
		p := &provider{sdk: sdk}
		out := &resourcemanager.Cloud{}
		err = p.call(ctx, "yandex.cloud.resourcemanager.v1.CloudService.Get", &resourcemanager.GetCloudRequest{CloudId: os.Getenv("CLOUD_ID")}, out)
		if err != nil || out.GetId() != os.Getenv("CLOUD_ID") {
			return fmt.Errorf("alice's cloud by an %s token is %v, %w", kind, out, err)
		}
		if kind == "IAM" {
			break
		}
		made, err := sdk.CreateIAMToken(ctx)
		if err != nil {
			return fmt.Errorf("exchange: %w", err)
		}
		token = made.GetIamToken()
	}
	return nil
}
