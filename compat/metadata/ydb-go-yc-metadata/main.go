// Command ydb-go-yc-metadata calls the API with the token that YDB's credentials
// provider finds at the metadata address.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	yc "github.com/ydb-platform/ydb-go-yc-metadata"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	instance := "http://" + os.Getenv("METADATA") + "/computeMetadata/v1/instance/service-accounts/"
	found := yc.NewInstanceServiceAccount(yc.WithURL(instance + "default/token"))
	defer found.Stop()
	token, err := found.Token(ctx)
	if err != nil {
		return fmt.Errorf("a token: %w", err)
	}
	if err := call(ctx, token); err != nil {
		return err
	}
	nobody := yc.NewInstanceServiceAccount(yc.WithURL(instance + "nobody/token"))
	defer nobody.Stop()
	if _, err := nobody.Token(ctx); err == nil {
		return fmt.Errorf("an account that is not there has a token")
	}
	return nil
}

func call(ctx context.Context, token string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("HTTP_URL")+"/iam/v1/serviceAccounts/"+os.Getenv("SERVICE_ACCOUNT_ID"), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), os.Getenv("SERVICE_ACCOUNT_ID")) {
		return fmt.Errorf("a call with the token: %d %s", answer.StatusCode, body)
	}
	return nil
}
