package upstream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// JourneyLife is how long a person may take at a provider.
const JourneyLife = 10 * time.Minute

// Journey is a browser's way to a provider. The provider is shown State; Browser
// stays with the browser, and the nonce and the proof of PKCE are made of it, so
// that what is kept of a journey here lets nobody finish it.
type Journey struct {
	URL     string
	State   iam.Secret
	Browser iam.Secret
}

// Prefixes of both secrets, each followed by 256 random bits in base64url.
const (
	statePrefix   = "us1."
	browserPrefix = "ub1."
)

// Begin makes a journey to a provider that sends the browser back to an address of
// this server. It fails with NOT_FOUND, or with UNAVAILABLE when the provider has
// to be asked for its addresses and does not tell them.
func (all *Providers) Begin(ctx context.Context, id, back string) (*Journey, error) {
	return all.begin(ctx, id, back, false)
}

// BeginAnew is Begin for somebody who has to prove himself now: a provider of
// OpenID Connect is asked not to take a session that he has there for it, and to
// tell when he did (OpenID Connect Core 1.0 section 3.1.2.1); see Answer.Since.
// OAuth 2.0 has no word for that.
func (all *Providers) BeginAnew(ctx context.Context, id, back string) (*Journey, error) {
	return all.begin(ctx, id, back, true)
}

func (all *Providers) begin(ctx context.Context, id, back string, anew bool) (*Journey, error) {
	p, err := all.find(id)
	if err != nil {
		return nil, err
	}
	d, err := p.document(ctx)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(d.authorization)
	if err != nil {
		return nil, away(err)
	}
	j := &Journey{State: newSecret(statePrefix), Browser: newSecret(browserPrefix)}
	q := u.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": p.ClientID, "redirect_uri": back, "scope": strings.Join(p.Scopes, " "),
		"state": j.State.Reveal(), "code_challenge_method": "S256", "code_challenge": digest(j.verifier()),
	} {
		q.Set(name, value)
	}
	if p.Issuer != "" {
		q.Set("nonce", j.nonce())
	}
	switch {
	case !anew || p.Issuer == "":
	case p.Issuer == google: // which takes no "login", and answers unknown words by an error
		q.Set("prompt", "select_account")
	default:
		q.Set("prompt", "login")
		q.Set("max_age", "0")
	}
	u.RawQuery = q.Encode()
	j.URL = u.String()
	return j, nil
}

// Lookup is what a state is found by.
func Lookup(state string) string { return sum(state) }

// BrowserMark is what is kept of Journey.Browser.
func BrowserMark(browser iam.Secret) string { return sum(browser.Reveal()) }

// SameBrowser tells whether the browser that comes back is the one with a mark.
func SameBrowser(browser iam.Secret, mark string) bool {
	return mark != "" && browser.Reveal() != "" && subtle.ConstantTimeCompare([]byte(BrowserMark(browser)), []byte(mark)) == 1
}

func newSecret(prefix string) iam.Secret {
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	return iam.NewSecret(prefix + base64.RawURLEncoding.EncodeToString(raw[:]))
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

func digest(text string) string {
	s := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(s[:])
}

func (j *Journey) nonce() string    { return digest("nonce at a provider\x00" + j.Browser.Reveal()) }
func (j *Journey) verifier() string { return digest("proof of PKCE\x00" + j.Browser.Reveal()) }
