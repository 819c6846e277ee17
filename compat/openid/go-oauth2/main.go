// Command signin signs a person in as a program written in Go does: by the code
// flow of golang.org/x/oauth2, with PKCE, the ID token read by go-oidc.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	provider, err := oidc.NewProvider(ctx, os.Getenv("ISSUER"))
	if err != nil {
		return err
	}
	back, err := url.Parse(os.Getenv("REDIRECT_URI"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", back.Host)
	if err != nil {
		return err
	}
	config := oauth2.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"), Endpoint: provider.Endpoint(),
		RedirectURL: back.String(), Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}
	switch os.Getenv("AUTH_METHOD") {
	case "client_secret_basic":
		config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	default:
		config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	answered := make(chan url.Values, 1)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "You may close this page.")
		answered <- r.URL.Query()
	}))
	fmt.Println(config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
	var answer url.Values
	select {
	case answer = <-answered:
	case <-time.After(time.Minute):
		return errors.New("nobody came back")
	}
	if answer.Get("state") != state || answer.Get("iss") != os.Getenv("ISSUER") {
		return fmt.Errorf("came back with %v", answer)
	}
	if answer.Get("error") != "" {
		return fmt.Errorf("%s: %s", answer.Get("error"), answer.Get("error_description"))
	}
	tokens, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return err
	}
	return tell(ctx, provider, &config, tokens, nonce)
}

// tell prints what the program has learnt and got.
func tell(ctx context.Context, provider *oidc.Provider, config *oauth2.Config, tokens *oauth2.Token, nonce string) error {
	text, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, text)
	if err != nil {
		return err
	}
	if id.Nonce != nonce {
		return errors.New("the nonce is another one")
	}
	if err := id.VerifyAccessToken(tokens.AccessToken); err != nil {
		return err
	}
	out := map[string]any{"subject": id.Subject, "access_token": tokens.AccessToken, "refresh_token": tokens.RefreshToken}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return err
	}
	out["claims"] = claims
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return err
	}
	if info.Subject != id.Subject {
		return fmt.Errorf("userinfo is about %s", info.Subject)
	}
	out["email"] = info.Email
	if tokens.RefreshToken != "" {
		old := *tokens
		old.Expiry = time.Now().Add(-time.Hour)
		renewed, err := config.TokenSource(ctx, &old).Token()
		if err != nil {
			return err
		}
		out["renewed_access_token"] = renewed.AccessToken
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
