// Package upstream owns how another provider says who somebody is: OpenID Connect
// (discovery, authorization code with PKCE, ID tokens), and plain OAuth 2.0 with
// an address that tells of the account. What it promises: nobody is believed to be
// whom a provider did not name to this very browser, in answer to this very
// journey; a provider that is slow, away or hostile costs a bounded time and
// memory, and nothing of what it says reaches a page; its keys are kept as long as
// they may be, and asked for again no more than it bears.
//
// It knows no accounts of this server and no store.
package upstream

import (
	"net/http"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Provider is one provider of the config, which has been checked.
type Provider struct {
	ID    string // in addresses of this server
	Title string // for people

	Issuer    string    // of OpenID Connect; "" for OAuth 2.0 with Endpoints
	Endpoints Endpoints // of OAuth 2.0 without OpenID Connect

	ClientID     string
	ClientSecret iam.Secret // empty for a public client
	Scopes       []string

	Fields     Fields // how plain OAuth 2.0 names what it tells
	TrustEmail bool   // the provider tells of no address that it has not looked at
	Domains    []string

	// What is done with people whom it vouches for.
	MatchEmail        bool     // link the account with the same verified e-mail address
	Create            bool     // make accounts for those who have none
	Organizations     []string // of such accounts
	TrustSecondFactor bool     // do not ask for a second factor here
}

// Endpoints of a provider without discovery.
type Endpoints struct {
	Authorization, Token, Userinfo string
}

// Fields are names in the answer of Endpoints.Userinfo.
type Fields struct {
	Subject, Email, Name, Login string
}

// Authority is what a provider's accounts belong to: the issuer, or the address
// that tells of them. ID may come to mean another provider, this does not.
func (p *Provider) Authority() string {
	if p.Issuer != "" {
		return p.Issuer
	}
	return p.Endpoints.Userinfo
}

// Config is what the room needs.
type Config struct {
	Providers []Provider
	Now       func() time.Time
	// Transport reaches the providers; nil is one of the room's own.
	Transport http.RoundTripper
}

// Providers ask the providers of the config. Safe for use by many goroutines.
type Providers struct {
	all []*provider
}

// New asks nobody: what a provider says of itself is read when somebody goes there.
func New(c Config) *Providers {
	all := &Providers{}
	if len(c.Providers) == 0 {
		return all
	}
	web := newFetcher(c.Transport)
	for _, p := range c.Providers {
		all.all = append(all.all, &provider{Provider: p, web: web, now: c.Now, places: make(chan struct{}, mostAtOnce)})
	}
	return all
}

// List are the providers in the order of the config. Read-only.
func (all *Providers) List() []*Provider {
	out := make([]*Provider, len(all.all))
	for i, p := range all.all {
		out[i] = &p.Provider
	}
	return out
}

// Find is the provider of an id; NOT_FOUND when there is none.
func (all *Providers) Find(id string) (*Provider, error) {
	p, err := all.find(id)
	if err != nil {
		return nil, err
	}
	return &p.Provider, nil
}

func (all *Providers) find(id string) (*provider, error) {
	if i := slices.IndexFunc(all.all, func(p *provider) bool { return p.ID == id }); i >= 0 {
		return all.all[i], nil
	}
	return nil, &iam.Error{Kind: iam.NotFound, Reason: "provider_unknown", Message: "There is no such provider"}
}

// mostAtOnce people may wait for one provider; others are told to come back.
const mostAtOnce = 32

// provider is one with what is remembered of it.
type provider struct {
	Provider
	web    *fetcher
	now    func() time.Time
	places chan struct{}

	documents remembered[*document]
	keys      remembered[keySet]
}

// enter takes a place among those who wait for the provider, which leave gives back.
func (p *provider) enter() (leave func(), err error) {
	select {
	case p.places <- struct{}{}:
		return func() { <-p.places }, nil
	default:
		return nil, &iam.Error{Kind: iam.Unavailable, Reason: "provider_busy", RetryAfter: 5 * time.Second,
			Message: "Too many people are signing in by this provider just now; try again in a few seconds"}
	}
}

// away is one answer to everything that keeps a provider from answering. The cause
// is for the log.
func away(cause error) error {
	e := iam.Wrap(cause, iam.Unavailable, "The provider cannot be reached just now")
	e.Reason, e.RetryAfter = "provider_away", 30*time.Second
	return e
}

// doubtful is one answer to everything that does not prove anybody. The cause is
// for the log.
func doubtful(cause error) error {
	e := iam.Wrap(cause, iam.Unauthenticated, "The provider's answer does not prove who this is")
	e.Reason = "provider_answer"
	return e
}
