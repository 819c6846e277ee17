// Package upstreamtest is a provider of OpenID Connect for tests: it keeps the
// rules of one that can be trusted, over HTTP and with real keys, until a test has
// it break one.
package upstreamtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Client and its secret are what the provider knows.
const (
	ClientID     = "propusk at the provider"
	ClientSecret = "a secret: with/signs+"
)

// Claims are those of an ID token or of an account.
type Claims = map[string]any

// Provider is one. Its fields may be changed before what they are for.
type Provider struct {
	URL string // its issuer
	t   testing.TB

	mu      sync.Mutex
	keys    []*Key // that it publishes; the last signs
	codes   map[string]*code
	asked   map[string]int // requests by their paths
	instead map[string]http.HandlerFunc
	now     func() time.Time
	change  func(header, claims Claims)
	sign    func(header, claims Claims) string
	access  map[string]Claims // accounts by access tokens
	more    Claims            // members of the discovery document
	public  bool
}

// code is one that waits to be redeemed.
type code struct {
	account                    Claims
	nonce, challenge, redirect string
}

// New is a provider that lives as long as the test.
func New(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{t: t, codes: map[string]*code{}, asked: map[string]int{}, instead: map[string]http.HandlerFunc{}, access: map[string]Claims{},
		now: time.Now, keys: []*Key{first(t)}, more: Claims{}}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

var (
	firstOnce sync.Once
	firstKey  *Key
)

// first is the key that every provider begins with: to make one takes long.
func first(t testing.TB) *Key {
	firstOnce.Do(func() { firstKey = NewKey(t, "RS256", "first") })
	return firstKey
}

// Clock sets the provider's clock.
func (p *Provider) Clock(now func() time.Time) { p.set(func() { p.now = now }) }

// Instead answers a path in place of the provider; nil takes that back.
func (p *Provider) Instead(path string, h http.HandlerFunc) { p.set(func() { p.instead[path] = h }) }

// Change changes the header and the claims of ID tokens before they are signed.
func (p *Provider) Change(change func(header, claims Claims)) { p.set(func() { p.change = change }) }

// Sign makes ID tokens in place of the provider.
func (p *Provider) Sign(sign func(header, claims Claims) string) { p.set(func() { p.sign = sign }) }

// Publish sets the keys that the provider publishes; the last signs.
func (p *Provider) Publish(keys ...*Key) { p.set(func() { p.keys = keys }) }

// Discover adds members to the discovery document.
func (p *Provider) Discover(more Claims) { p.set(func() { maps.Copy(p.more, more) }) }

// Public makes the client one without a secret.
func (p *Provider) Public() { p.set(func() { p.public = true }) }

// Asked counts the requests for a path.
func (p *Provider) Asked(path string) (n int) {
	p.set(func() { n = p.asked[path] })
	return n
}

func (p *Provider) set(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

// Allow is a person who signs in at the address to which he was sent, and the
// address with which he comes back.
func (p *Provider) Allow(address string, account Claims) string {
	p.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	q := u.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != ClientID || q.Get("code_challenge_method") != "S256" ||
		len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 43 || q.Get("redirect_uri") == "" {
		p.t.Fatalf("a request that no provider takes: %s", address)
	}
	value := random()
	p.set(func() {
		p.codes[value] = &code{account: account, nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
	})
	return q.Get("redirect_uri") + "?" + url.Values{"code": {value}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode()
}

func random() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	instead := p.instead[r.URL.Path]
	p.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer(w, http.StatusOK, p.discovery())
	case "/keys":
		var list []any
		for _, k := range p.keys {
			list = append(list, k.JWK)
		}
		answer(w, http.StatusOK, Claims{"keys": list})
	case "/token":
		p.token(w, r)
	case "/userinfo":
		account, ok := p.access[r.Header.Get("Authorization")]
		if !ok {
			answer(w, http.StatusUnauthorized, Claims{"error": "invalid_token"})
			return
		}
		answer(w, http.StatusOK, account)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) discovery() Claims {
	d := Claims{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize?tenant=one", "token_endpoint": p.URL + "/token",
		"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo",
		"id_token_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "EdDSA", "HS256", "none"}}
	maps.Copy(d, p.more)
	return d
}

// token is the token endpoint.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != ClientID || !p.public && secret != ClientSecret || p.public && secret != "" {
		answer(w, http.StatusUnauthorized, Claims{"error": "invalid_client"})
		return
	}
	c := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if c == nil || r.PostFormValue("grant_type") != "authorization_code" || c.redirect != r.PostFormValue("redirect_uri") ||
		c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		answer(w, http.StatusBadRequest, Claims{"error": "invalid_grant"})
		return
	}
	access := random()
	p.access["Bearer "+access] = c.account
	out := Claims{"access_token": access, "token_type": "bearer", "expires_in": 3600}
	if c.nonce != "" {
		out["id_token"] = p.idToken(c, access)
	}
	answer(w, http.StatusOK, out)
}

func (p *Provider) idToken(c *code, access string) string {
	k := p.keys[len(p.keys)-1]
	now := p.now().Unix()
	header := Claims{"alg": k.Algorithm, "kid": k.ID, "typ": "JWT"}
	claims := Claims{"iss": p.URL, "aud": ClientID, "iat": now, "exp": now + 300, "nonce": c.nonce, "at_hash": AccessHash(k.Algorithm, access)}
	maps.Copy(claims, c.account)
	if p.change != nil {
		p.change(header, claims)
	}
	if p.sign != nil {
		return p.sign(header, claims)
	}
	return k.Sign(header, claims)
}

func answer(w http.ResponseWriter, status int, m any) {
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprint("upstreamtest: ", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
