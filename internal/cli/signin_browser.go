package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
)

const (
	callbackPath = "/auth/callback" // [API fact: sign-in with a browser]
	signInLimit  = 10 * time.Minute
)

// hints is what a person said of himself before signing in.
type hints struct{ federation, username string }

// byBrowser has the person sign in on the server's pages: the code flow with
// PKCE (RFC 8252, RFC 7636), whose answer comes to an address of this machine.
func (i *issuer) byBrowser(ctx context.Context, in *profile.SignIn, h hints) (profile.Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, signInLimit, errors.New("nobody has signed in for too long"))
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return profile.Token{}, fmt.Errorf("wait for the browser: %w", err)
	}
	back := "http://" + listener.Addr().String() + callbackPath
	verifier, state := drawn(), drawn()
	link, err := i.link(in, h, back, verifier, state)
	if err != nil {
		_ = listener.Close()
		return profile.Token{}, err
	}
	answers := make(chan url.Values, 1)
	server := &http.Server{ReadHeaderTimeout: httpLimit, Handler: callback(i.URL, state, answers)}
	go func() { _ = server.Serve(listener) }()
	defer func() { // the page that says so is to arrive
		quick, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(quick)
	}()
	i.invite(ctx, link)
	var q url.Values
	select {
	case <-ctx.Done():
		return profile.Token{}, context.Cause(ctx)
	case q = <-answers:
	}
	if q.Get("error") != "" {
		return profile.Token{}, fmt.Errorf("sign in: %w", &refusal{code: q.Get("error"), text: q.Get("error_description")})
	}
	began := i.s.env.Now()
	answer, err := i.post(ctx, in, i.Token, url.Values{
		"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {back}, "code_verifier": {verifier}})
	if err != nil {
		return profile.Token{}, fmt.Errorf("sign in: %w", err)
	}
	return i.take(in, answer, began)
}

func (i *issuer) link(in *profile.SignIn, h hints, back, verifier, state string) (string, error) {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"response_type": {"code"}, "client_id": {publicClient}, "redirect_uri": {back}, "scope": {signInScope}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	if h.federation != "" {
		q.Set("yc_federation_hint", h.federation) // [API fact: sign-in with a browser]
	}
	if h.username != "" {
		q.Set("login_hint", h.username)
	}
	if in.Key != nil {
		name, err := thumbprint(in.Key)
		if err != nil {
			return "", err
		}
		q.Set("dpop_jkt", name)
	}
	return i.Authorization + "?" + q.Encode(), nil
}

// callback takes the one answer that belongs to the question, and tells the
// person that the page may be closed.
func callback(issuer, state string, answers chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case r.URL.Path != callbackPath || r.Method != http.MethodGet:
			http.NotFound(w, r)
		case q.Get("state") != state || q.Get("iss") != issuer: // another program's page, or another server's answer (RFC 9207)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "This is no answer to what was asked.\n")
		case q.Get("error") != "":
			_, _ = io.WriteString(w, "You are not signed in. Close this page: the terminal says more.\n")
			offer(answers, q)
		default:
			_, _ = io.WriteString(w, "You are signed in. Close this page and go back to the terminal.\n")
			offer(answers, q)
		}
	})
}

func offer(answers chan<- url.Values, q url.Values) {
	select {
	case answers <- q:
	default: // the first has come already
	}
}

// invite shows the person where to sign in.
func (i *issuer) invite(ctx context.Context, link string) {
	fmt.Fprintf(i.s.env.Stderr, "Please go to %s in order to sign in.\n", link)
	if i.s.noBrowser {
		return
	}
	name, args := "xdg-open", []string{link}
	switch chosen := i.s.env.variable("BROWSER"); {
	case chosen != "":
		name = chosen
	case runtime.GOOS == "darwin":
		name = "open"
	case runtime.GOOS == "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", link}
	}
	c := exec.CommandContext(ctx, name, args...)
	if c.Start() != nil {
		i.s.tell("no browser could be opened: open the link yourself")
		return
	}
	go func() { _ = c.Wait() }()
}

// drawn is a secret of 256 random bits.
func drawn() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
