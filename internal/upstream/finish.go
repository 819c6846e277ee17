package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Answer is what a browser has brought back from a provider, to the address that
// is the provider's alone. Its journey has been found and used up, and the browser
// is the one that set out.
type Answer struct {
	Code    iam.Secret
	Issuer  string // iss, RFC 9207; "" when it was not given
	Error   string // RFC 6749 section 4.1.2.1; "" when there is a code
	Browser iam.Secret
	Back    string // the address itself
	// Since is when the person set out to prove himself anew; zero: he need not. A
	// provider that says that it was before is not believed to have asked him. One
	// that does not say when is: that he comes back by it has to do.
	Since time.Time
}

// longestFinish is how long a browser that has come back waits.
const longestFinish = 20 * time.Second

// Finish asks the provider whom the answer's code stands for. It fails with
// UNAUTHENTICATED when the person has said no or the answer proves nobody, with
// PERMISSION_DENIED when the provider's domains are others than his, and with
// UNAVAILABLE when the provider does not answer.
func (all *Providers) Finish(ctx context.Context, id string, a Answer) (*Person, error) {
	p, err := all.find(id)
	if err != nil {
		return nil, err
	}
	leave, err := p.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, stop := context.WithTimeout(ctx, longestFinish)
	defer stop()
	d, err := p.document(ctx)
	if err != nil {
		return nil, err
	}
	if p.Issuer != "" && a.Issuer != p.Issuer && (a.Issuer != "" || d.saysIssuer) {
		return nil, doubtful(errors.New("the answer is another provider's"))
	}
	if a.Error != "" {
		return nil, declined(a.Error)
	}
	if a.Code.Reveal() == "" {
		return nil, doubtful(errors.New("neither a code nor an error"))
	}
	t, err := p.redeem(ctx, d, a)
	if err != nil {
		return nil, err
	}
	person, err := p.person(ctx, d, t, (&Journey{Browser: a.Browser}).nonce())
	if err != nil {
		return nil, err
	}
	if !a.Since.IsZero() && person.stale(a.Since) {
		return nil, &iam.Error{Kind: iam.Unauthenticated, Reason: "provider_stale", Message: "The provider has not asked anew who this is"}
	}
	if !p.admits(person) {
		return nil, &iam.Error{Kind: iam.PermissionDenied, Reason: "provider_domain", Message: "Accounts of this e-mail domain may not sign in by this provider"}
	}
	return person, nil
}

// declined is the answer to a provider's error, whose text stays in the log, and
// no more of it than a code may have.
func declined(code string) error {
	if code != "access_denied" {
		return doubtful(errors.New("error " + shortCode(code)))
	}
	return &iam.Error{Kind: iam.Unauthenticated, Reason: "provider_declined", Message: "Signing in was not allowed at the provider"}
}

func shortCode(code string) string {
	if len(code) > 40 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "of no known form"
	}
	return code
}

// tokens are what a code was redeemed for.
type tokens struct{ access, id string }

const longestToken = 32 << 10 // bytes

// redeem is the token request (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
func (p *provider) redeem(ctx context.Context, d *document, a Answer) (*tokens, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {a.Code.Reveal()}, "redirect_uri": {a.Back},
		"code_verifier": {(&Journey{Browser: a.Browser}).verifier()}}
	secret := p.ClientSecret.Reveal()
	if secret == "" || d.secretInForm {
		form.Set("client_id", p.ClientID)
	}
	if secret != "" && d.secretInForm {
		form.Set("client_secret", secret)
	}
	status, m, err := p.web.post(ctx, d.token, form, func(r *http.Request) {
		if secret != "" && !d.secretInForm { // RFC 6749 section 2.3.1
			r.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(secret))
		}
	})
	switch {
	case status >= 500 || status == http.StatusTooManyRequests || status == 0:
		return nil, away(fmt.Errorf("token endpoint: status %d: %w", status, err))
	case err != nil:
		return nil, doubtful(fmt.Errorf("token endpoint: %w", err))
	case status != http.StatusOK:
		return nil, doubtful(fmt.Errorf("token endpoint: status %d, error %s", status, shortCode(m.text("error"))))
	}
	t := &tokens{access: m.text("access_token"), id: m.text("id_token")}
	switch {
	case t.access == "" || len(t.access) > longestToken || strings.ContainsFunc(t.access, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, doubtful(errors.New("token endpoint: no access token"))
	case !strings.EqualFold(m.text("token_type"), "bearer"):
		return nil, doubtful(errors.New("token endpoint: the access token is not of the type Bearer"))
	case p.Issuer != "" && t.id == "":
		return nil, doubtful(errors.New("token endpoint: no ID token"))
	}
	return t, nil
}

// admits judges the domains of the config, by an address that is the person's.
// What Google calls a hosted domain is the one that rules the account: an address
// of a domain may be anybody's there.
func (p *provider) admits(who *Person) bool {
	if len(p.Domains) == 0 {
		return true
	}
	_, domain, _ := strings.Cut(who.Email, "@")
	allowed := func(domain string) bool {
		return domain != "" && slices.ContainsFunc(p.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
	}
	if !who.EmailVerified || !allowed(domain) {
		return false
	}
	if who.hosted != "" || p.Issuer == google {
		return allowed(who.hosted)
	}
	return true
}
