package upstream_test

import (
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/upstream"
	"github.com/propusk/propusk/internal/upstream/upstreamtest"
)

// To trust a provider with addresses is to take silence for a yes, and no for no.
func TestTrustedEmailThatIsDenied(t *testing.T) {
	w := newWorld(t, func(p *upstream.Provider) { p.TrustEmail = true })
	for _, c := range []struct {
		said any
		is   bool
	}{{nil, true}, {true, true}, {"true", true}, {false, false}, {"false", false}, {0, false}} {
		who, err := w.signIn(with("email_verified", c.said))
		if err != nil || who.EmailVerified != c.is {
			t.Errorf("the provider says %v: %+v, %v", c.said, who, err)
		}
	}
	plain := newWorld(t, func(p *upstream.Provider) {
		p.Endpoints = upstream.Endpoints{Authorization: p.Issuer + "/authorize", Token: p.Issuer + "/token", Userinfo: p.Issuer + "/userinfo"}
		p.Fields = upstream.Fields{Subject: "sub", Email: "email"}
		p.Issuer, p.TrustEmail = "", true
	})
	for said, is := range map[any]bool{nil: true, true: true, false: false} {
		who, err := plain.signIn(with("email_verified", said))
		if err != nil || who.EmailVerified != is {
			t.Errorf("plain OAuth says %v: %+v, %v", said, who, err)
		}
	}
}

// What is said of one address does not vouch for another: an ID token without an
// address may say that it is verified.
func TestVerifiedIsOfTheAddressBesideIt(t *testing.T) {
	w := newWorld(t)
	w.p.Change(func(_, c claims) { delete(c, "email"); c["email_verified"] = true })
	for said, is := range map[any]bool{nil: false, false: false, true: true} {
		who, err := w.signIn(with("email_verified", said))
		if err != nil || who.Email != "alice@example.com" || who.EmailVerified != is {
			t.Errorf("userinfo says %v: %+v, %v", said, who, err)
		}
	}
}

// Letters that cannot be seen make no address, nor do those that turn the reading.
func TestEmailThatIsSeenAsAnother(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"alice\u200b@example.com", "\u202ealice@example.com", "alice\u00a0@example.com", "a\u2028b@example.com", "alice\u00ad@example.com",
		"alice@exam\u0440le.com", "<alice@example.com>", "alice,bob@example.com", "\"a b\"@example.com", "alice@example.com,bob@example.com", "alice;@example.com"} {
		who, err := w.signIn(with("email", text))
		if err != nil || who.Email != "" || who.EmailVerified {
			t.Errorf("%q: %+v, %v", text, who, err)
		}
	}
	for _, text := range []string{"alice+tag@example.com", "o'neil@example.com", "почта@example.com"} {
		if who, err := w.signIn(with("email", text)); err != nil || who.Email != text {
			t.Errorf("%q: %+v, %v", text, who, err)
		}
	}
}

// A provider at another host does not send this server to its own machine: what
// listens on loopback trusts whoever reaches it.
func TestDiscoveryLeadsInside(t *testing.T) {
	const discovery = "/.well-known/openid-configuration"
	var s *httptest.Server
	var member, address string
	inside := 0
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside++ }))
	defer trap.Close()
	s = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d := `{"issuer":"` + s.URL + `","authorization_endpoint":"` + s.URL + `/a","token_endpoint":"` + s.URL + `/t","jwks_uri":"` + s.URL + `/k","userinfo_endpoint":"` + s.URL + `/u"}`
		if r.URL.Path == discovery {
			_, _ = rw.Write([]byte(replaced(d, member, address)))
		}
	}))
	defer s.Close()
	for _, member = range []string{"", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		for _, address = range []string{trap.URL + "/x", "http://localhost:1/x", "http://[::1]:1/x", "http://127.0.0.2/x", "https://169.254.169.254/x", "https://[fe80::1%25eth0]/x", "https://[::ffff:169.254.1.1]/x"} {
			room := upstream.New(upstream.Config{Now: time.Now, Transport: s.Client().Transport, Providers: []upstream.Provider{
				{ID: "one", Title: "One", Issuer: s.URL, ClientID: "c", ClientSecret: iam.NewSecret("s"), Scopes: []string{"openid"}}}})
			_, err := room.Begin(t.Context(), "one", back)
			if member == "" {
				if err != nil {
					t.Fatal(err)
				}
				continue
			}
			refused(t, member+" "+address, err, iam.Unavailable, "provider_away")
		}
	}
	if inside != 0 {
		t.Errorf("the trap was asked %d times", inside)
	}
}

// replaced is a document with another value of a member.
func replaced(d, member, value string) string {
	at := strings.Index(d, `"`+member+`":"`)
	if member == "" || at < 0 {
		return d
	}
	at += len(member) + 4
	return d[:at] + value + d[at+strings.Index(d[at:], `"`):]
}

// One bad answer does not take the good keys away, and withdrawn keys are gone.
func TestKeysAreNotPoisoned(t *testing.T) {
	w := newWorld(t)
	if _, err := w.signIn(alice); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`{}`, `{"error":"evil"}`, `{"keys":null}`, `{"keys":{}}`, `{"keys":"evil"}`} {
		w.advance(61 * time.Minute)
		w.p.Instead("/keys", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(bad)) })
		if _, err := w.signIn(alice); err != nil {
			t.Errorf("after %s: %v", bad, err)
		}
	}
	w.advance(61 * time.Minute)
	w.p.Instead("/keys", nil)
	w.p.Publish(upstreamtest.NewKey(t, "RS256", "other"))
	w.p.Instead("/keys", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`{"keys":[]}`)) })
	_, err := w.signIn(alice)
	refused(t, "all keys are withdrawn", err, iam.Unauthenticated, "provider_answer")
}

// Signatures have one form each, and weak keys sign nothing.
func TestSignatureForms(t *testing.T) {
	w := newWorld(t)
	key := upstreamtest.NewKey(t, "ES256", "ec")
	w.p.Publish(key)
	if _, err := w.signIn(alice); err != nil {
		t.Fatal(err)
	}
	split := func(text string) (signed string, signature []byte) {
		at := strings.LastIndexByte(text, '.')
		signature, err := base64.RawURLEncoding.DecodeString(text[at+1:])
		if err != nil {
			t.Fatal(err)
		}
		return text[:at+1], signature
	}
	for what, sign := range map[string]func(h, c claims) string{
		"ASN.1": func(h, c claims) string {
			signed, raw := split(key.Sign(h, c))
			der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
			if err != nil {
				t.Fatal(err)
			}
			return signed + upstreamtest.Text(der)
		},
		"zeros": func(h, c claims) string {
			signed, _ := split(key.Sign(h, c))
			return signed + upstreamtest.Text(make([]byte, 64))
		},
		"the order of the curve": func(h, c claims) string {
			signed, _ := split(key.Sign(h, c))
			n := elliptic.P256().Params().N.Bytes()
			return signed + upstreamtest.Text(slices.Concat(n, n))
		},
		"a byte more": func(h, c claims) string {
			signed, raw := split(key.Sign(h, c))
			return signed + upstreamtest.Text(append(raw, 0))
		},
		"other bits at the end": func(h, c claims) string {
			text := key.Sign(h, c) // 64 bytes: the last character has four bits that say nothing
			return text[:len(text)-1] + map[byte]string{'A': "B", 'Q': "R", 'g': "h", 'w': "x"}[text[len(text)-1]]
		},
		"an RSA algorithm": func(h, c claims) string { h["alg"] = "RS256"; return key.Sign(h, c) },
		"b64":              func(h, c claims) string { h["b64"], h["crit"] = false, []string{"b64"}; return key.Sign(h, c) },
	} {
		w.p.Sign(sign)
		_, err := w.signIn(alice)
		refused(t, what, err, iam.Unauthenticated, "provider_answer")
	}
	w.p.Sign(func(h, c claims) string { // who nests one token in another
		h["cty"] = "JWT"
		at := strings.SplitN(key.Sign(h, c), ".", 3)
		return at[0] + "." + upstreamtest.Text([]byte(key.Sign(h, c))) + "." + at[2]
	})
	_, err := w.signIn(alice)
	refused(t, "nested", err, iam.Unauthenticated, "provider_answer")
}
