package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
)

const signInLimit = 10 * time.Minute

// hints is what a person said of himself before signing in.
type hints struct{ federation, userPool, username string }

// byBrowser has the person sign in on the server's pages: the code flow with
// PKCE (RFC 8252, RFC 7636), whose answer comes to an address of this machine.
func (i *issuer) byBrowser(ctx context.Context, in *profile.SignIn, limit time.Duration) (profile.Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNobody)
	defer cancel()
	verifier, state := drawn(), drawn()
	c := &callback{issuer: i.URL, state: state, arrived: make(chan arrival, 1)}
	stop, err := c.listen()
	if err != nil {
		return profile.Token{}, fmt.Errorf("wait for the browser: %w", err)
	}
	defer stop()
	back := "http://" + c.host + callbackPath
	link, err := i.link(in, back, verifier, state)
	if err != nil {
		return profile.Token{}, err
	}
	if err := i.announce(ctx, in, link); err != nil {
		return profile.Token{}, err
	}
	i.invite(link)
	var a arrival
	select {
	case <-ctx.Done():
		return profile.Token{}, fmt.Errorf("sign in: %w", context.Cause(ctx))
	case a = <-c.arrived:
	}
	if a.errorCode != "" {
		return profile.Token{}, fmt.Errorf("sign in: %w", &refusal{code: a.errorCode, text: a.errorText})
	}
	began := i.s.env.Now()
	answer, err := i.post(ctx, in, i.Token, url.Values{
		"grant_type": {"authorization_code"}, "code": {a.code}, "redirect_uri": {back}, "code_verifier": {verifier}})
	if err != nil {
		return profile.Token{}, fmt.Errorf("sign in: %w", err)
	}
	return i.take(in, answer, began)
}

func (i *issuer) link(in *profile.SignIn, back, verifier, state string) (string, error) {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {publicClient}, "redirect_uri": {back}, "scope": {signInScope}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	if hint := firstOf(in.Federation, in.UserPool); hint != "" {
		q.Set("yc_federation_hint", hint) // [API fact: sign-in with a browser]
	}
	if in.Username != "" {
		q.Set("login_hint", in.Username)
	}
	if in.Key != nil {
		name, err := thumbprint(in.Key)
		if err != nil {
			return "", err
		}
		q.Set("dpop_jkt", name)
	}
	mark := "?"
	if strings.Contains(i.Authorization, "?") {
		mark = "&"
	}
	return i.Authorization + mark + q.Encode(), nil
}

// announce says through what the person signs in [API fact: the tool's texts],
// and finds out whether the server knows it: otherwise only the browser would
// be told, and this program would wait.
func (i *issuer) announce(ctx context.Context, in *profile.SignIn, link string) error {
	for _, h := range [][2]string{{"federation-id", in.Federation}, {"userpool-id", in.UserPool}, {"username", in.Username}} {
		if h[1] != "" {
			i.s.say("You are going to be authenticated via %s '%s'.", h[0], h[1])
		}
	}
	hint := firstOf(in.Federation, in.UserPool)
	if hint == "" {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, link, nil)
	if err != nil {
		return err
	}
	res, err := i.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("sign in: %w", plain(err))
	}
	_ = res.Body.Close()
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("sign in: the server at %s does not know %q, or lets nobody sign in through it (%s)", i.URL, clipped(hint), clipped(res.Status))
	}
	return nil
}

// drawn is a secret of 256 random bits.
func drawn() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func shutdown(server *http.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
