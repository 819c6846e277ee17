package iamclient

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// Kinds of a subject token (RFC 8693 section 3).
const (
	TypeIDToken     = "urn:ietf:params:oauth:token-type:id_token"
	TypeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	exchangePath  = "/oauth/token" // [API fact: token exchange]
	longestAnswer = 64 << 10
)

// ExchangerOptions say where IAM's token endpoint is.
type ExchangerOptions struct {
	URL     string // IAM's public address, such as https://auth.example.com; http on loopback alone
	CAFile  string // as in Options; with http, it is for nothing
	Now     func() time.Time
	Attempt time.Duration // as in Options
}

// Exchanger exchanges tokens of other issuers (RFC 8693). It is safe for
// concurrent use.
type Exchanger struct {
	address string
	http    *http.Client
	now     func() time.Time
	attempt time.Duration
}

// NewExchanger fails with INVALID_ARGUMENT.
func NewExchanger(o ExchangerOptions) (*Exchanger, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, iam.InvalidField("url", "is no address such as https://auth.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, iam.InvalidField("url", "there is more in it than a scheme, a host and a path")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, iam.InvalidField("url", "%s is not this machine, and a credential does not travel without TLS", u.Hostname())
	}
	config, err := tlsConfig(o.CAFile)
	if err != nil {
		return nil, err
	}
	e := &Exchanger{address: strings.TrimSuffix(u.String(), "/") + exchangePath, now: o.Now, attempt: o.Attempt}
	if e.now == nil {
		e.now = time.Now
	}
	if e.attempt <= 0 {
		e.attempt = defaultAttempt
	}
	e.http = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialLimit}).DialContext,
			TLSClientConfig: config, TLSHandshakeTimeout: dialLimit, ForceAttemptHTTP2: true,
			MaxIdleConns: 2, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a credential goes where it was sent, no further
	}
	return e, nil
}

// Close ends the connections that are idle.
func (e *Exchanger) Close() { e.http.CloseIdleConnections() }

// Exchange exchanges a subject token of the given type for an IAM token of
// account; "" for account: of whom the subject token stands for. It tries again
// while IAM cannot be reached, until ctx ends, and fails with a Refusal.
func (e *Exchanger) Exchange(ctx context.Context, subject iam.Secret, subjectType, account string) (Token, error) {
	form := url.Values{
		"grant_type": {grantExchange}, "requested_token_type": {TypeAccessToken},
		"subject_token": {subject.Reveal()}, "subject_token_type": {subjectType},
	}
	if account != "" {
		form.Set("audience", account)
	}
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		got, err := e.once(ctx, form, subject)
		if err == nil {
			return got, nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if iam.KindOf(err) != iam.Unavailable || ctx.Err() != nil || !sleep(ctx, pause/2+rand.N(pause)) {
			return Token{}, last
		}
	}
}

func (e *Exchanger) once(ctx context.Context, form url.Values, subject iam.Secret) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, e.attempt)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, iam.Wrap(err, iam.InvalidArgument, "the address of the token endpoint is none")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", userAgent)
	answer, err := e.http.Do(r)
	if err != nil {
		return Token{}, &Refusal{Failure: iam.Errorf(iam.Unavailable, "%s", shown(err.Error(), []iam.Secret{subject}))}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	if err != nil {
		return Token{}, &Refusal{Failure: iam.Errorf(iam.Unavailable, "the token endpoint's answer broke off")}
	}
	if answer.StatusCode != http.StatusOK {
		return Token{}, oauthRefusal(answer, body, subject)
	}
	return e.received(body)
}

func (e *Exchanger) received(body []byte) (Token, error) {
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &got); err != nil { // of its text nothing is told: the token may be in it
		return Token{}, iam.Errorf(iam.Internal, "the token endpoint's answer is no JSON object")
	}
	return NewToken(got.AccessToken, got.ExpiresIn, e.now())
}

// NewToken is a token that was received now with expiresIn seconds of its life
// left. Without that number the token's own end counts, if it can be read. One
// that has ended is UNAVAILABLE.
func NewToken(text string, expiresIn int64, now time.Time) (Token, error) {
	if err := CheckToken(text); err != nil {
		return Token{}, err
	}
	life := time.Duration(min(max(expiresIn, 0), int64(longestLife/time.Second))) * time.Second
	if claims, err := token.ParseUnverified(text); life == 0 && err == nil {
		life = min(claims.ExpiresAt.Sub(now.Round(0)), longestLife)
	}
	if life <= 0 {
		return Token{}, iam.Errorf(iam.Unavailable, "the token in the answer has ended, or nobody tells when it will")
	}
	return Token{Text: iam.NewSecret(text), ReceivedAt: now, ExpiresAt: now.Add(life)}, nil
}

// oauthKinds are the errors of RFC 6749 section 5.2 and RFC 8693 section 2.2.2,
// by which invalid_request is what is said of a subject token that is good for
// nothing.
var oauthKinds = map[string]iam.Kind{
	"invalid_request": iam.Unauthenticated, "invalid_scope": iam.InvalidArgument, "unsupported_grant_type": iam.Unimplemented,
	"invalid_grant": iam.Unauthenticated, "invalid_client": iam.Unauthenticated, "invalid_token": iam.Unauthenticated,
	"invalid_target": iam.PermissionDenied, "unauthorized_client": iam.PermissionDenied, "access_denied": iam.PermissionDenied,
	"temporarily_unavailable": iam.Unavailable,
}

// oauthRefusal is an answer that is not 200. What says that the server is not
// there, or is too busy, is UNAVAILABLE whatever the body.
func oauthRefusal(answer *http.Response, body []byte, subject iam.Secret) error {
	var told struct {
		Code string `json:"error"`
		Text string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &told) // a proxy's page is no JSON
	secrets := []iam.Secret{subject}
	r := &Refusal{RequestID: shown(answer.Header.Get(requestIDHeader), secrets)}
	kind, known := oauthKinds[told.Code]
	switch status := answer.StatusCode; {
	case status == http.StatusTooManyRequests || status >= 500 && status != http.StatusNotImplemented:
		r.Failure = iam.Errorf(iam.Unavailable, "the token endpoint answers %d %s", status, shown(told.Text, secrets))
	case known:
		r.Failure = iam.Errorf(kind, "%s", shown(told.Text, secrets))
	default: // not the protocol's: nothing that can be trusted to be about the credential
		r.RequestID = ""
		r.Failure = iam.Errorf(iam.Internal, "the token endpoint answers %d, which is no answer of OAuth", status)
	}
	return r
}
