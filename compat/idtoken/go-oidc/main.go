// Command verify checks an ID token as a relying party written in Go does: it
// is told the issuer and its own name, and finds everything else by discovery.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	claims, err := verify(context.Background(), os.Getenv("ISSUER"), os.Getenv("AUDIENCE"), os.Getenv("ID_TOKEN"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	os.Stdout.Write(claims)
}

func verify(ctx context.Context, issuer, audience, text string) (json.RawMessage, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, text)
	if err != nil {
		return nil, err
	}
	var claims json.RawMessage
	return claims, token.Claims(&claims)
}
