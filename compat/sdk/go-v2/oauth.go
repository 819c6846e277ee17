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
	"github.com/yandex-cloud/go-sdk/v2/pkg/options"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// useOAuthToken calls as a person, alice, whose OAuth token the SDK exchanges.
func useOAuthToken(ctx context.Context) error {
	secret := os.Getenv("OAUTH_TOKEN")
	alice, err := asPerson(ctx, secret)
	if err != nil {
		return err
	}
	if alice.GetYandexPassportUserAccount().GetLogin() != "alice" || alice.GetYandexPassportUserAccount().GetDefaultEmail() == "" {
		return fmt.Errorf("alice sees herself as %v", alice)
	}
	_, err = asPerson(ctx, secret[:len(secret)-1])
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "OAuth token is invalid or expired") {
		return errors.New("an OAuth token that is cut short is not refused as it should be")
	}
	return nil
}

func asPerson(ctx context.Context, oauthToken string) (*iam.UserAccount, error) {
	sdk, err := ycsdk.Build(ctx,
		options.WithCredentials(credentials.OAuthToken(oauthToken)),
		options.WithDiscoveryEndpoint(os.Getenv("ENDPOINT")),
	)
	if err != nil {
		return nil, fmt.Errorf("build the SDK: %w", err)
	}
	defer sdk.Shutdown(ctx)
	return iamsdk.NewYandexPassportUserAccountClient(sdk).GetByLogin(ctx, &iam.GetUserAccountByLoginRequest{Login: "alice"})
}
