package upstream_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/upstream"
)

// with is alice with other claims; nil takes one away.
func with(pairs ...any) claims {
	c := claims{}
	for k, v := range alice {
		c[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		if c[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		}
	}
	return c
}

// Addresses count as a person's only when the provider says that they are.
func TestEmail(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		email, verified any
		want            string
		is              bool
	}{
		{"alice@example.com", true, "alice@example.com", true},
		{"alice@example.com", "true", "alice@example.com", true},
		{"alice@example.com", false, "alice@example.com", false},
		{"alice@example.com", nil, "alice@example.com", false},
		{"alice@example.com", 1, "alice@example.com", false},
		{"alice@example.com", "yes", "alice@example.com", false},
		{"alice", true, "", false},
		{"a b@example.com", true, "", false},
		{"a@b@example.com", true, "", false},
		{"alice@example.com\x00", true, "", false},
		{strings.Repeat("a", 90) + "@example.com", true, "", false},
		{7, true, "", false},
	} {
		who, err := w.signIn(with("email", c.email, "email_verified", c.verified))
		if err != nil || who.Email != c.want || who.EmailVerified != c.is {
			t.Errorf("%v, %v: %+v, %v", c.email, c.verified, who, err)
		}
	}
	who, err := w.signIn(with("EMAIL", "evil@example.com", "Email_Verified", true, "email_verified", nil))
	if err != nil || who.Email != "alice@example.com" || who.EmailVerified {
		t.Errorf("names in capitals: %+v, %v", who, err)
	}
	who, err = w.signIn(with("name", "a\u0007b", "given_name", strings.Repeat("x", 257), "family_name", " Liddell "))
	if err != nil || who.Name != "" || who.GivenName != "" || who.FamilyName != "Liddell" {
		t.Errorf("names: %+v, %v", who, err)
	}
}

// An ID token without an address is filled up, by the same account's alone.
func TestUserinfo(t *testing.T) {
	w := newWorld(t)
	bare := func(_, c claims) { delete(c, "email"); delete(c, "email_verified") }
	w.p.Change(bare)
	who, err := w.signIn(alice)
	if err != nil || who.Email != "alice@example.com" || !who.EmailVerified || w.p.Asked("/userinfo") != 1 {
		t.Fatalf("%+v, %v", who, err)
	}
	w.p.Change(func(h, c claims) { bare(h, c); c["sub"] = "another" })
	_, err = w.signIn(alice)
	refused(t, "of another account", err, iam.Unauthenticated, "provider_answer")
}

// Domains are those of addresses that are the person's.
func TestDomains(t *testing.T) {
	w := newWorld(t, func(p *upstream.Provider) { p.Domains = []string{"example.com", "Example.ORG"} })
	for _, c := range []struct {
		account claims
		ok      bool
	}{
		{alice, true},
		{with("email", "alice@EXAMPLE.org"), true},
		{with("email_verified", false), false},
		{with("email", "alice@sub.example.com"), false},
		{with("email", "alice@evil.example"), false},
		{with("email", nil), false},
		{with("hd", "example.com"), true},
		{with("hd", "evil.example"), false}, // an address of the domain, an account of another
	} {
		_, err := w.signIn(c.account)
		if c.ok && err != nil {
			t.Errorf("%v: %v", c.account, err)
		}
		if !c.ok {
			refused(t, "domain", err, iam.PermissionDenied, "provider_domain")
		}
	}
}

// A provider without OpenID Connect: what it tells is believed because it comes
// from its own address, and its address is trusted when the config says so.
func TestPlainOAuth(t *testing.T) {
	plain := func(trust bool) *world {
		return newWorld(t, func(p *upstream.Provider) {
			p.Endpoints = upstream.Endpoints{Authorization: p.Issuer + "/authorize", Token: p.Issuer + "/token", Userinfo: p.Issuer + "/userinfo"}
			p.Fields = upstream.Fields{Subject: "id", Email: "default_email", Name: "real_name", Login: "login"}
			p.Issuer, p.Scopes, p.TrustEmail = "", []string{"login:email"}, trust
		})
	}
	account := claims{"id": "1130000012345678", "default_email": "ivan@ya.example", "real_name": "Иван", "login": "ivan", "sub": "evil", "email": "evil@evil.example"}
	for _, trust := range []bool{true, false} {
		w := plain(trust)
		who, err := w.signIn(account)
		want := &upstream.Person{Subject: "1130000012345678", Email: "ivan@ya.example", EmailVerified: trust, Name: "Иван", Login: "ivan"}
		if d := cmp.Diff(want, who, cmpopts.IgnoreUnexported(upstream.Person{})); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
		if n := w.p.Asked("/.well-known/openid-configuration") + w.p.Asked("/keys"); n != 0 {
			t.Errorf("it was asked %d times for what it has not", n)
		}
	}
	w := plain(true)
	account["id"] = 1130000012345678
	if who, err := w.signIn(account); err != nil || who.Subject != "1130000012345678" {
		t.Errorf("a number: %+v, %v", who, err)
	}
	for _, id := range []any{nil, 0, -1, 1.5, "", true, []string{"x"}} {
		account["id"] = id
		_, err := w.signIn(account)
		refused(t, "no account", err, iam.Unauthenticated, "provider_answer")
	}
	j, err := w.room.Begin(t.Context(), "one", back)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(j.URL)
	if q := u.Query(); q.Has("nonce") || q.Get("scope") != "login:email" || strings.Contains(j.URL, j.Browser.Reveal()) {
		t.Errorf("sent to %s", j.URL)
	}
}

// A client without a secret, and one whose secret goes into the form.
func TestClientProofs(t *testing.T) {
	public := newWorld(t, func(p *upstream.Provider) { p.ClientSecret = iam.Secret{} })
	public.p.Public()
	if _, err := public.signIn(alice); err != nil {
		t.Errorf("public: %v", err)
	}
	form := newWorld(t)
	form.p.Discover(claims{"token_endpoint_auth_methods_supported": []string{"private_key_jwt", "client_secret_post"}})
	if _, err := form.signIn(alice); err != nil {
		t.Errorf("post: %v", err)
	}
	neither := newWorld(t)
	neither.p.Discover(claims{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}})
	_, err := neither.room.Begin(t.Context(), "one", back)
	refused(t, "neither", err, iam.Unavailable, "provider_away")
	wrong := newWorld(t, func(p *upstream.Provider) { p.ClientSecret = iam.NewSecret("another") })
	_, err = wrong.signIn(alice)
	refused(t, "another secret", err, iam.Unauthenticated, "provider_answer")
	if strings.Contains(err.Error(), "another") {
		t.Errorf("the secret is told: %v", err)
	}
}

// Of what discovery says nothing leads to where nobody may be asked.
func TestDiscoveryLeadsAstray(t *testing.T) {
	for _, member := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		for _, address := range []string{"http://evil.example/x", "https://u:p@evil.example/", "https://evil.example/#x", "javascript:alert(1)", "//evil.example", "https://", "file:///etc/passwd", "https://evil.example/\\x", "https://evil example/"} {
			w := newWorld(t)
			w.p.Discover(claims{member: address})
			_, err := w.room.Begin(t.Context(), "one", back)
			refused(t, member+" "+address, err, iam.Unavailable, "provider_away")
		}
	}
	w := newWorld(t)
	w.p.Discover(claims{"id_token_signing_alg_values_supported": []string{"HS256", "none"}})
	_, err := w.room.Begin(t.Context(), "one", back)
	refused(t, "no algorithm", err, iam.Unavailable, "provider_away")
	w = newWorld(t)
	w.p.Discover(claims{"id_token_signing_alg_values_supported": []string{"ES256"}}) // and signs with RS256
	_, err = w.signIn(alice)
	refused(t, "another algorithm than it says", err, iam.Unauthenticated, "provider_answer")
}
