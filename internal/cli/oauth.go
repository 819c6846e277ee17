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
}

// federationEndpoint is the URL of the server's pages: what is said, or else
// where the API is, for one address may serve both.
func (s *session) federationEndpoint(said string) string {
	if said = s.setting(said, "", "federation-endpoint"); said != "" {
		return said
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
	i := &issuer{s: s, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true},
		Timeout:       httpLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, misuse("--federation-endpoint: %q is no URL", at)
	}
	answer, err := i.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("find where people sign in: %w; say it by --federation-endpoint URL", plain(err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(answer.Body, mostAnswer)).Decode(i) != nil {
		return nil, fmt.Errorf("%s does not say where people sign in; name the server's HTTP address by --federation-endpoint URL", at)
	}
	if strings.TrimRight(i.URL, "/") != at { // or another's document could be passed for it
		return nil, fmt.Errorf("the server at %s says that its address is %s: give that one by --federation-endpoint", at, printable(i.URL))
	}
	for _, u := range []string{i.Authorization, i.Token} {
		if err := safeURL(u); err != nil {
			return nil, fmt.Errorf("the server at %s names an address that is not safe: %w", at, err)
		}
	}
	return i, nil
}

// safeURL takes URLs with TLS, and without on this machine.
func safeURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is no URL of a server", printable(text))
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q: a token does not travel without TLS", printable(text))
}

// plain is an error of a request without its address, which may hold a secret.
func plain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if op, ok := errors.AsType[*net.OpError](u.Err); ok {
			return op
		}
		return u.Err
	}
	return err
}

// oauthAnswer is RFC 6749 sections 5.1 and 5.2, RFC 8628 section 3.2.
type oauthAnswer struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`

	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	Interval                int64  `json:"interval"`

	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refusal is what an endpoint refused, by its code.
type refusal struct {
	code, text string
	requestID  string
}

func (r *refusal) Error() string {
	text := r.code
	if r.text != "" {
		text += ": " + r.text
	}
	if r.requestID != "" {
		text += " (request id " + r.requestID + ")"
	}
	return printable(text)
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
		proof, err := proofOf(in.Key, r.Method, endpoint, i.s.env.Now())
		if err != nil {
			return nil, err
		}
		r.Header.Set("DPoP", proof)
	}
	res, err := i.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, plain(err)
	}
	defer res.Body.Close()
	var answer oauthAnswer
	err = json.NewDecoder(io.LimitReader(res.Body, mostAnswer)).Decode(&answer)
	switch {
	case answer.Error != "":
		return nil, &refusal{answer.Error, answer.Description, res.Header.Get(requestIDHeader)}
	case err != nil || res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answers %s, and not as it should", printable(res.Status))
	}
	return &answer, nil
}

// take is the IAM token of an answer, whose refresh token, when there is a new
// one, becomes the sign-in's.
func (i *issuer) take(in *profile.SignIn, answer *oauthAnswer, began time.Time) (profile.Token, error) {
	text, err := oneWord(answer.AccessToken)
	if err != nil || text == "" {
		return profile.Token{}, errors.New("the server answers with no token")
	}
	if answer.RefreshToken != "" {
		in.RefreshToken = iam.NewSecret(answer.RefreshToken)
	}
	return i.s.received(text, timestamppb.New(i.s.env.Now().Add(time.Duration(answer.ExpiresIn)*time.Second)), began), nil
}

// refresh makes an IAM token of the sign-in of the profile. It reads the sign-in
// again: another process may just have got a new refresh token.
func (s *session) refresh(ctx context.Context) (profile.Token, error) {
	kept := profile.SignInsOf(s.configPath)
	in, err := kept.Get(s.profileName)
	if err != nil {
		return profile.Token{}, err
	}
	again := misuse("the sign-in of profile %q has ended: sign in again by init", s.profileName)
	if in == nil || in.RefreshToken.Reveal() == "" {
		return profile.Token{}, again
	}
	i, err := s.issuerAt(ctx, in.Issuer)
	if err != nil {
		return profile.Token{}, err
	}
	began, before := s.env.Now(), in.RefreshToken.Reveal()
	answer, err := i.post(ctx, in, i.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {before}})
	if r, ok := errors.AsType[*refusal](err); ok && r.code == "invalid_grant" {
		return profile.Token{}, fmt.Errorf("%w: %w", again, err)
	}
	if err != nil {
		return profile.Token{}, fmt.Errorf("renew the sign-in: %w", err)
	}
	got, err := i.take(in, answer, began)
	if err == nil && in.RefreshToken.Reveal() != before {
		if err := kept.Put(s.profileName, in); err != nil {
			s.tell("the new refresh token could not be kept, and the old one ends in a minute: %v", err)
		}
	}
	return got, err
}
