package upstream

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

// FuzzIDToken: whatever stands in the place of an ID token, nobody is proved who
// holds no key of the provider's.
func FuzzIDToken(f *testing.F) {
	public, private, _ := ed25519.GenerateKey(nil)
	encode := base64.RawURLEncoding.EncodeToString
	good := encode([]byte(`{"alg":"EdDSA","kid":"k"}`)) + "." + encode([]byte(`{"iss":"https://one.example","aud":"c","sub":"s","iat":1000,"exp":1300,"nonce":"n"}`))
	good += "." + encode(ed25519.Sign(private, []byte(good)))
	for _, seed := range []string{good, good + "x", "a.b.c", "..", encode([]byte(`{"alg":"none"}`)) + ".e30.", encode([]byte(`{"alg":"HS256","kid":"k"}`)) + ".e30.AAAA", ""} {
		f.Add(seed)
	}
	p := &provider{Provider: Provider{Issuer: "https://one.example", ClientID: "c"}, now: func() time.Time { return time.Unix(1010, 0) }}
	p.keys.value, p.keys.fetched, p.keys.asked = keySet{{"k", []string{"EdDSA"}, crypto.PublicKey(public)}}, p.now(), p.now()
	d := &document{algorithms: algorithms}
	if c, err := p.idToken(f.Context(), d, good, "n", ""); err != nil || c.text("sub") != "s" {
		f.Fatalf("the good one: %v", err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := p.idToken(t.Context(), d, text, "n", ""); err == nil && text != good {
			t.Fatalf("%q proves somebody", text)
		}
	})
}

// FuzzDocuments: no answer of a provider breaks the room, and what is taken of it
// is of a form that may be used.
func FuzzDocuments(f *testing.F) {
	for _, seed := range []string{
		`{"issuer":"https://one.example","authorization_endpoint":"https://one.example/a","token_endpoint":"https://one.example/t","jwks_uri":"https://one.example/k"}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"OKP","crv":"Ed25519","x":"AA"},{"kty":"oct","k":"AA"}]}`,
		`{"sub":7,"email":"a@b","email_verified":"true","exp":1e9,"aud":["a"]}`, `[]`, `null`, `{"keys":{}}`,
	} {
		f.Add([]byte(seed))
	}
	p := &provider{Provider: Provider{Issuer: "https://one.example"}}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := objectOf(text)
		if err != nil {
			return
		}
		if d, err := documentOf(m, p.Issuer); err == nil {
			for _, address := range []string{d.authorization, d.token, d.keys} {
				if CheckAddress(address) != nil {
					t.Fatalf("%q is taken", address)
				}
			}
		}
		set, _ := keySetOf(m)
		for _, k := range set {
			if len(k.algorithms) == 0 || k.public == nil {
				t.Fatalf("a key for nothing: %+v", k)
			}
		}
		who := p.personOf(m.text("sub"), m)
		if who.EmailVerified && who.Email == "" || len(who.Email) > longestEmail {
			t.Fatalf("%+v", who)
		}
		_, _ = m.time("exp")
		_ = m.id("sub")
		if !json.Valid(text) {
			t.Fatalf("%q is taken for JSON", text)
		}
	})
}

// Google's addresses are the account's when Google rules them.
func TestGoogle(t *testing.T) {
	p := &provider{Provider: Provider{Issuer: google, Domains: []string{"corp.example"}}}
	for _, c := range []struct {
		claims           string
		verified, admits bool
	}{
		{`{"email":"a@corp.example","email_verified":true,"hd":"corp.example"}`, true, true},
		{`{"email":"a@corp.example","email_verified":true}`, false, false}, // a private account with such an address
		{`{"email":"a@gmail.com","email_verified":true}`, true, false},
		{`{"email":"a@gmail.com.evil.example","email_verified":true}`, false, false},
		{`{"email":"a@corp.example","email_verified":false,"hd":"corp.example"}`, false, false},
		{`{"email":"a@corp.example","email_verified":true,"hd":"evil.example"}`, true, false},
	} {
		m, err := objectOf([]byte(c.claims))
		if err != nil {
			t.Fatal(err)
		}
		who := p.personOf("s", m)
		if who.EmailVerified != c.verified || p.admits(who) != c.admits {
			t.Errorf("%s: %+v, admitted %v", c.claims, who, p.admits(who))
		}
	}
}

// Keys that are too weak, broken or for something else are passed over.
func TestKeysThatAreNone(t *testing.T) {
	for _, jwk := range []string{
		`{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}`,
		`{"kty":"RSA","n":"AQAB","e":"AQAB"}`,
		`{"kty":"RSA","n":"` + number(256, 1) + `","e":"AQ"}`,
		`{"kty":"RSA","n":"` + number(256, 1) + `","e":"Ag"}`,
		`{"kty":"RSA","n":"` + number(256, 1) + `","e":"AQABAQAB"}`,
		`{"kty":"RSA","n":"` + number(256, 0) + `","e":"AQAB"}`,
		`{"kty":"RSA","n":"` + number(2048, 1) + `","e":"AQAB"}`,
		`{"kty":"RSA","n":"` + number(256, 1) + `","e":"AQAB","use":"enc"}`,
		`{"kty":"RSA","n":"` + number(256, 1) + `","e":"AQAB","alg":"HS256"}`,
		`{"kty":"RSA","n":"` + number(256, 1) + `","e":"AQAB","alg":"RS512"}`,
		`{"kty":"RSA","n":"` + number(256, 1) + `","e":"AQAB","key_ops":["encrypt"]}`,
		`{"kty":"EC","crv":"P-256","x":"` + number(32, 1) + `","y":"` + number(32, 1) + `"}`,
		`{"kty":"EC","crv":"P-384","x":"` + number(32, 1) + `","y":"` + number(32, 1) + `"}`,
		`{"kty":"OKP","crv":"X25519","x":"` + number(32, 1) + `"}`, `{"kty":"OKP","crv":"Ed25519","x":"AA"}`, `{}`, `7`, `"x"`,
	} {
		m, err := objectOf([]byte(`{"keys":[` + jwk + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if all, err := keySetOf(m); err != nil || len(all) != 0 {
			t.Errorf("%.60s is taken", jwk)
		}
	}
	m, _ := objectOf([]byte(`{"keys":[{"kty":"RSA","n":"` + number(256, 1) + `","e":"AQAB","key_ops":["verify"]}]}`))
	if all, err := keySetOf(m); err != nil || len(all) != 1 || len(all[0].algorithms) != 2 {
		t.Errorf("a good one: %v", all)
	}
}

// number is a number of so many bytes that ends in a byte.
func number(bytes int, last byte) string {
	b := make([]byte, bytes)
	b[0], b[bytes-1] = 0xc1, last
	return base64.RawURLEncoding.EncodeToString(b)
}
