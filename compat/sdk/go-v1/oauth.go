package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	ycsdk "github.com/yandex-cloud/go-sdk"
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
	sdk, err := ycsdk.Build(ctx, ycsdk.Config{
		Credentials: ycsdk.OAuthToken(oauthToken),
		Endpoint:    os.Getenv("ENDPOINT"),
		Plaintext:   true,
	})
	if err != nil {
		return nil, fmt.Errorf("build the SDK: %w", err)
	}
	defer sdk.Shutdown(ctx)
	return sdk.IAM().YandexPassportUserAccount().GetByLogin(ctx, &iam.GetUserAccountByLoginRequest{Login: "alice"})
}
