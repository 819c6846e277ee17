package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

const (
	publicClient = "yc.oauth.public-sdk" // [API fact: the tool's own client]
	signInScope  = "openid"              // [API fact: sign-in with a browser]

	defaultPages = "http://127.0.0.1:8080" // where serve and dev listen for HTTP
	httpLimit    = 30 * time.Second
	mostAnswer   = 256 << 10
	mostText     = 1000     // bytes of a text from outside that is shown
	mostToken    = 16 << 10 // bytes of a token
	longestLife  = 366 * 24 * time.Hour
)

// issuer is a server at which people sign in, as its discovery document
// describes it (OpenID Connect Discovery 1.0 section 3).
type issuer struct {
	URL           string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Device        string `json:"device_authorization_endpoint"`

	s      *session
	client *http.Client
	ahead  time.Duration // of this machine's clock the server's is, when that matters
	sleep  func(context.Context, time.Duration) error
}

// pagesOfProfile is what the profile says of the server's pages, unless another
// server is asked this time.
func (s *session) pagesOfProfile() string {
	if s.profiles == nil || firstOf(s.profiles.Get(s.profileName, "endpoint"), defaultEndpoint) != s.endpoint {
		return ""
	}
	return s.profiles.Get(s.profileName, "federation-endpoint")
}

// federationEndpoint is the URL of the server's pages: what is said, or else
// where the API is, for one address may serve both.
func (s *session) federationEndpoint(said string) string {
	if said != "" {
		if strings.Contains(said, "://") {
			return said
		}
		return "https://" + said // [API fact: the tool takes a host]
	}
	if s.endpoint == defaultEndpoint {
		return defaultPages
	}
	if s.plaintext {
		return "http://" + s.endpoint
	}
	return "https://" + s.endpoint
}

// issuerAt reads the discovery document of a server.
func (s *session) issuerAt(ctx context.Context, at string) (*issuer, error) {
	at = strings.TrimRight(at, "/")
	if err := safeURL(at); err != nil {
		return nil, misuse("--federation-endpoint: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.caFile != "" {
		pool, err := readCertificates(s.caFile)
		if err != nil {
			return nil, &Misuse{err}
		}
		config.RootCAs = pool
	}
	i := &issuer{s: s, sleep: sleep, client: &http.Client{
		Transport:     &http.Transport{Proxy: s.proxyOf, TLSClientConfig: config, DisableKeepAlives: true, MaxResponseHeaderBytes: mostAnswer},
		Timeout:       httpLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, misuse("--federation-endpoint: %q is no URL", at)
	}
	began := s.env.Now()
	answer, err := i.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("find where people sign in, at %s: %w; name the server's HTTP address by --federation-endpoint", printable(at), plain(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s does not say where people sign in (%s); name the server's HTTP address by --federation-endpoint", printable(at), printable(answer.Status))
	}
	i.learnClock(answer.Header, began)
	return i, i.read(answer.Body, at)
}

// proxyOf is the proxy of a request; a server without TLS is on this machine.
func (s *session) proxyOf(r *http.Request) (*url.URL, error) {
	if r.URL.Scheme != "https" {
		return nil, nil
	}
	return s.proxyFor(net.JoinHostPort(r.URL.Hostname(), firstOf(r.URL.Port(), "443")))
}

// read reads the discovery document of the server at an address. Everything
// that it names is at least as safe as that address.
func (i *issuer) read(body io.Reader, at string) error {
	if err := json.NewDecoder(io.LimitReader(body, mostAnswer)).Decode(i); err != nil {
		return fmt.Errorf("%s does not say where people sign in; name the server's HTTP address by --federation-endpoint", printable(at))
	}
	if strings.TrimRight(i.URL, "/") != at { // or another's document could be passed for it
		return fmt.Errorf("the server at %s says that its address is %q: give that one by --federation-endpoint", printable(at), clipped(i.URL))
	}
	scheme, _, _ := strings.Cut(at, "://")
	for _, u := range []*string{&i.Authorization, &i.Token, &i.Device} {
		if *u == "" && u == &i.Device {
			continue
		}
		if err := safeURL(*u); err != nil {
			return fmt.Errorf("the server at %s names an address that is not safe: %w", printable(at), err)
		}
		if !strings.HasPrefix(*u, scheme+"://") {
			return fmt.Errorf("the server at %s names an address of another kind: %q", printable(at), clipped(*u))
		}
	}
	return nil
}

// shellWords are what shells act on, and addresses need not have: a browser is
// often started by a script. & stands in our own links too.
const shellWords = "\"'`$;|<>(){}\\*!^"

// safeURL takes URLs with TLS, and without on this machine.
func safeURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || len(text) > mostText || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(shellWords, r) }):
		return fmt.Errorf("%q is no URL of a server", clipped(text))
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q: a token does not travel without TLS", clipped(text))
}

// clipped is a text from outside, fit for a terminal and for one message.
func clipped(text string) string {
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + "…"
	}
	return printable(text)
}

// plain is an error of a request without its address, which may hold a secret.
func plain(err error) error {
	if strings.Contains(err.Error(), "malformed HTTP response") {
		return errors.New("what answers there is no HTTP server")
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op
		}
	}
	return &shownError{err}
}

// shownError is an error in which a server may have written, as a certificate's
// names are: its text is fit for a terminal.
type shownError struct{ err error }

func (e *shownError) Error() string { return clipped(e.err.Error()) }
func (e *shownError) Unwrap() error { return e.err }

// oauthAnswer is RFC 6749 sections 5.1 and 5.2, RFC 8628 section 3.2.
type oauthAnswer struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`

	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	Interval                int64  `json:"interval"` // seconds

	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refusal is what an endpoint refused, by its code.
type refusal struct {
	code, text string
	requestID  string
}

func (r *refusal) Error() string {
	text := clipped(r.code)
	if r.text != "" {
		text += ": " + clipped(r.text)
	}
	if r.requestID != "" {
		text += " (request id " + clipped(r.requestID) + ")"
	}
	return text
}

// post sends a form to an endpoint, with a proof when the sign-in is bound.
func (i *issuer) post(ctx context.Context, in *profile.SignIn, endpoint string, form url.Values) (*oauthAnswer, error) {
	form.Set("client_id", publicClient)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%q is no URL", printable(endpoint))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "propusk-cli/"+i.s.env.Version)
	if in.Key != nil {
		proof, err := proofOf(in.Key, r.Method, endpoint, i.s.env.Now().Add(i.ahead))
		if err != nil {
			return nil, err
		}
		r.Header.Set("DPoP", proof)
	}
	began := time.Now()
	res, err := i.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, plain(err)
	}
	defer res.Body.Close()
	if i.s.debug {
		fmt.Fprintf(i.s.env.Stderr, "debug: POST %s: %s in %v, request id %s\n", endpoint, printable(res.Status),
			time.Since(began).Round(time.Millisecond), clipped(res.Header.Get(requestIDHeader)))
	}
	return readAnswer(res)
}

// readAnswer reads what an endpoint says: a *refusal when it refuses.
func readAnswer(res *http.Response) (*oauthAnswer, error) {
	var answer oauthAnswer
	err := json.NewDecoder(io.LimitReader(res.Body, mostAnswer)).Decode(&answer)
	switch {
	case err == nil && answer.Error != "":
		return nil, &refusal{answer.Error, answer.Description, res.Header.Get(requestIDHeader)}
	case err != nil || res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answers %s, and not as it should", clipped(res.Status))
	}
	return &answer, nil
}

var errNoToken = errors.New("the server answers with no token that is of use here")

// take is the IAM token of an answer, whose refresh token, when there is a new
// one, becomes the sign-in's.
func (i *issuer) take(in *profile.SignIn, answer *oauthAnswer, began time.Time) (profile.Token, error) {
	text, err := oneWord(answer.AccessToken)
	if err != nil || text == "" || len(text) > mostToken || !strings.EqualFold(answer.TokenType, "bearer") { // RFC 6749 section 7.1
		return profile.Token{}, errNoToken
	}
	next, err := oneWord(answer.RefreshToken)
	if err != nil || len(next) > mostToken {
		return profile.Token{}, errNoToken
	}
	if next != "" {
		in.RefreshToken = iam.NewSecret(next)
	}
	return i.s.received(text, timestamppb.New(i.s.env.Now().Add(seconds(answer.ExpiresIn, longestLife))), began), nil
}
