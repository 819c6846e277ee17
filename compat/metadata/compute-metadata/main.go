// Command compute-metadata asks the metadata address with Google's own client of
// it, and calls the API with the token that it gets.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	if !metadata.OnGCEWithContext(ctx) {
		return errors.New("it does not find that there is a metadata address")
	}
	client := metadata.NewClient(nil)
	text, err := client.GetWithContext(ctx, "instance/service-accounts/default/token")
	if err != nil {
		return fmt.Errorf("a token: %w", err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}
	if err := json.Unmarshal([]byte(text), &token); err != nil {
		return errors.New("the token's answer is no JSON")
	}
	if token.ExpiresIn < 21600 || token.ExpiresIn > 43200 || token.TokenType != "Bearer" {
		return fmt.Errorf("%d s left, type %q", token.ExpiresIn, token.TokenType)
	}
	if err := call(ctx, token.AccessToken); err != nil {
		return err
	}
	if id, err := client.InstanceIDWithContext(ctx); err != nil || id == "" {
		return fmt.Errorf("instance id %q: %w", id, err)
	}
	_, err = client.GetWithContext(ctx, "instance/nothing/of/the/sort")
	if _, ok := errors.AsType[metadata.NotDefinedError](err); !ok {
		return fmt.Errorf("an unknown path: %v, want NotDefinedError", err)
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
