package grant_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
)

const proofURL = "https://id.example/oauth/token"

var proofTime = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

type members = map[string]any

// prover signs proofs with a key of its own.
type prover struct {
	alg  string
	jwk  members
	sign func(signed []byte) []byte
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newES256() *prover {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	point := must(key.PublicKey.Bytes())
	return &prover{"ES256", members{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}, func(signed []byte) []byte {
		sum := sha256.Sum256(signed)
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}}
}

func newEdDSA() *prover {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return &prover{"EdDSA", members{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}, func(signed []byte) []byte { return ed25519.Sign(private, signed) }}
}

func newRSA(alg string, bits int) *prover {
	key := must(rsa.GenerateKey(rand.Reader, bits))
	jwk := members{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	return &prover{alg, jwk, func(signed []byte) []byte {
		sum := sha256.Sum256(signed)
		if alg == "PS256" {
			return must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]))
	}}
}

func (p *prover) header() members { return members{"typ": "dpop+jwt", "alg": p.alg, "jwk": p.jwk} }

func claimsAt(at time.Time, id string) members {
	return members{"jti": id, "htm": "POST", "htu": proofURL, "iat": at.Unix()}
}

func (p *prover) proof(header, claims members) string {
	signed := b64(must(json.Marshal(header))) + "." + b64(must(json.Marshal(claims)))
	return signed + "." + b64(p.sign([]byte(signed)))
}

// call is a call that there was not before.
func call() string { return rand.Text() }

func newDPoP(now *time.Time) *grant.DPoP { return &grant.DPoP{Now: func() time.Time { return *now }} }

func TestProofs(t *testing.T) {
	for _, p := range []*prover{newES256(), newEdDSA(), newRSA("RS256", 2048), newRSA("PS256", 2048)} {
		now := proofTime
		d := newDPoP(&now)
		thumbprint, err := d.Prove(call(), p.proof(p.header(), claimsAt(now, "1")), "POST", proofURL)
		if err != nil || !grant.ThumbprintForm(thumbprint) {
			t.Fatalf("%s: %q, %v", p.alg, thumbprint, err)
		}
		again, err := d.Prove(call(), p.proof(p.header(), claimsAt(now.Add(30*time.Second), "2")), "POST", proofURL)
		if err != nil || again != thumbprint {
			t.Errorf("%s: the same key is %q, then %q, %v", p.alg, thumbprint, again, err)
		}
	}
}

// The key and thumbprint of RFC 7638 section 3.1.
func TestThumbprint(t *testing.T) {
	const published = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
	got := grant.ThumbprintOfRSA("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst"+
		"n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08q"+
		"NLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "AQAB")
	if got != published {
		t.Errorf("the thumbprint is %s, published is %s", got, published)
	}
}

func TestProofsRefused(t *testing.T) {
	p, other := newES256(), newES256()
	with := func(m members, name string, value any) members {
		m = maps.Clone(m)
		if m[name] = value; value == nil {
			delete(m, name)
		}
		return m
	}
	good := claimsAt(proofTime, "x")
	jwk := func(name string, value any) string {
		return p.proof(with(p.header(), "jwk", with(p.jwk, name, value)), good)
	}
	head := func(name string, value any) string { return p.proof(with(p.header(), name, value), good) }
	claim := func(name string, value any) string { return p.proof(p.header(), with(good, name, value)) }
	whole := p.proof(p.header(), good)
	small := newRSA("RS256", 2048)
	small.jwk["n"] = small.jwk["n"].(string)[:170]
	for what, proof := range map[string]string{
		"nothing": "", "no JWT": "a.b", "four parts": whole + ".", "padded": whole + "=", "a line break": whole[:9] + "\n" + whole[9:],
		"too long":         whole + strings.Repeat("A", grant.MaxProof),
		"no type":          head("typ", nil),
		"another type":     head("typ", "JWT"),
		"no algorithm":     head("alg", nil),
		"none":             head("alg", "none"),
		"HMAC":             head("alg", "HS256"),
		"another one":      head("alg", "EdDSA"),
		"critical":         head("crit", []string{"x"}),
		"no key":           head("jwk", nil),
		"a private key":    jwk("d", "AAAA"),
		"a shared key":     jwk("k", "AAAA"),
		"no coordinate":    jwk("y", nil),
		"off the curve":    jwk("x", p.jwk["y"]),
		"another curve":    jwk("crv", "P-384"),
		"another kind":     jwk("kty", "RSA"),
		"a small RSA key":  small.proof(small.header(), good),
		"another's key":    p.proof(other.header(), good),
		"a cut signature":  whole[:len(whole)-4],
		"no id":            claim("jti", nil),
		"an empty id":      claim("jti", ""),
		"a number as id":   claim("jti", 7),
		"no method":        claim("htm", nil),
		"another method":   claim("htm", "GET"),
		"no address":       claim("htu", nil),
		"another host":     claim("htu", "https://id.example.evil/oauth/token"),
		"another path":     claim("htu", "https://id.example/oauth/revoke"),
		"another port":     claim("htu", "https://id.example:8443/oauth/token"),
		"another scheme":   claim("htu", "http://id.example/oauth/token"),
		"userinfo":         claim("htu", "https://a@id.example/oauth/token"),
		"dots":             claim("htu", "https://id.example/x/../oauth/token"),
		"an encoded slash": claim("htu", "https://id.example/oauth%2Ftoken"),
		"no time":          claim("iat", nil),
		"a text as time":   claim("iat", "now"),
		"an early time":    claim("iat", proofTime.Add(-61*time.Second).Unix()),
		"a late time":      claim("iat", proofTime.Add(61*time.Second).Unix()),
		"a negative time":  claim("iat", -1),
		"a huge time":      claim("iat", 1e300),
		"a field twice":    twice(p, good),
	} {
		now := proofTime
		thumbprint, err := newDPoP(&now).Prove(call(), proof, "POST", proofURL)
		var e *iam.Error
		if thumbprint != "" && err == nil || !errors.As(err, &e) || e.Reason != iam.OAuthInvalidDPoPProof {
			t.Errorf("%s: %q, %v", what, thumbprint, err)
		}
	}
}

func twice(p *prover, claims members) string {
	text := string(must(json.Marshal(claims)))
	signed := b64(must(json.Marshal(p.header()))) + "." + b64([]byte(strings.Replace(text, `{`, `{"htm":"GET",`, 1)))
	return signed + "." + b64(p.sign([]byte(signed)))
}

// The address is compared as addresses are: letter case of the host, the usual
// port, query and fragment do not matter.
func TestProofAddress(t *testing.T) {
	p := newEdDSA()
	for i, htu := range []string{proofURL, "HTTPS://ID.example:443/oauth/token", proofURL + "?x=y", proofURL + "#z"} {
		now := proofTime
		claims := claimsAt(now, string(rune('a'+i)))
		claims["htu"] = htu
		if _, err := newDPoP(&now).Prove(call(), p.proof(p.header(), claims), "POST", proofURL); err != nil {
			t.Errorf("%s: %v", htu, err)
		}
	}
}

// A proof is good once, for as long as its time would let it be good again; one
// with the same id under another key is another one.
func TestProofIsGoodOnce(t *testing.T) {
	p, other := newEdDSA(), newEdDSA()
	now := proofTime
	d := newDPoP(&now)
	late := p.proof(p.header(), claimsAt(now.Add(time.Minute), "1")) // good for two minutes
	for i := range 25 {
		_, err := d.Prove(call(), late, "POST", proofURL)
		if i == 0 && err != nil || i > 0 && !errors.Is(err, iam.Unauthenticated) {
			t.Fatalf("after %s: %v", now.Sub(proofTime), err)
		}
		if i == 0 {
			if _, err := d.Prove(call(), other.proof(other.header(), claimsAt(now, "1")), "POST", proofURL); err != nil {
				t.Errorf("the same id under another key: %v", err)
			}
		}
		now = now.Add(5 * time.Second)
	}
	if n := d.Remembered(); n != 1 { // the other one could not come again
		t.Errorf("%d proofs are remembered", n)
	}
	now = now.Add(time.Hour)
	if _, err := d.Prove(call(), p.proof(p.header(), claimsAt(now, "2")), "POST", proofURL); err != nil {
		t.Fatal(err)
	}
	if n := d.Remembered(); n != 1 {
		t.Errorf("an hour later %d proofs are remembered", n)
	}
}

// A call that is walked again shows its proof again; nobody else may.
func TestProofInOneCall(t *testing.T) {
	p := newES256()
	now := proofTime
	d := newDPoP(&now)
	proof := p.proof(p.header(), claimsAt(now, "1"))
	for i, c := range []struct {
		call string
		good bool
	}{{"a", true}, {"a", true}, {"b", false}, {"a", true}, {"", false}} {
		_, err := d.Prove(c.call, proof, "POST", proofURL)
		if c.good && err != nil || !c.good && !errors.Is(err, grant.ErrProofUsed) {
			t.Errorf("%d, in the call %q: %v", i, c.call, err)
		}
	}
	// The same id with another time is another text and the same proof.
	if _, err := d.Prove("a", p.proof(p.header(), claimsAt(now.Add(time.Second), "1")), "POST", proofURL); !errors.Is(err, grant.ErrProofUsed) {
		t.Errorf("another text: %v", err)
	}
}

// A signature can be written in more than one way, and of some keys by everybody.
func TestProofLookup(t *testing.T) {
	p := newES256()
	one, two := p.proof(p.header(), claimsAt(proofTime, "1")), p.proof(p.header(), claimsAt(proofTime, "1"))
	other := p.proof(p.header(), claimsAt(proofTime, "2"))
	if one == two || grant.ProofLookup(one) != grant.ProofLookup(two) || grant.ProofLookup(one) == grant.ProofLookup(other) {
		t.Error("the note of a proof does not follow what is signed")
	}
	if grant.ProofLookup("") == "" {
		t.Error("nothing has no note")
	}
}

// Nobody fills the memory: beyond a number that honest programs do not make,
// the next is told to wait.
func TestProofsAreBounded(t *testing.T) {
	now := proofTime
	d := newDPoP(&now)
	d.Fill()
	p := newEdDSA()
	_, err := d.Prove(call(), p.proof(p.header(), claimsAt(now, "1")), "POST", proofURL)
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != iam.ResourceExhausted || e.RetryAfter <= 0 {
		t.Fatalf("%v", err)
	}
	now = now.Add(3 * time.Minute)
	if _, err := d.Prove(call(), p.proof(p.header(), claimsAt(now, "1")), "POST", proofURL); err != nil {
		t.Errorf("later: %v", err)
	}
}

func FuzzProof(f *testing.F) {
	for _, p := range []*prover{newES256(), newEdDSA(), newRSA("RS256", 2048)} {
		f.Add(p.proof(p.header(), claimsAt(proofTime, "1")))
	}
	f.Add("")
	f.Add("e30.e30.")
	f.Add(b64([]byte(`{"typ":"dpop+jwt","alg":"RS256","jwk":{"kty":"RSA","n":"AA","e":"AA"}}`)) + ".e30.AA")
	f.Fuzz(func(t *testing.T, text string) {
		now := proofTime
		thumbprint, err := newDPoP(&now).Prove(call(), text, "POST", proofURL)
		if err == nil && !grant.ThumbprintForm(thumbprint) {
			t.Errorf("%q has the thumbprint %q", text, thumbprint)
		}
		if err != nil && iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func BenchmarkProof(b *testing.B) {
	for _, p := range []*prover{newES256(), newEdDSA(), newRSA("PS256", 4096)} {
		b.Run(p.alg, func(b *testing.B) {
			proof := p.proof(p.header(), claimsAt(proofTime, "1"))
			now := proofTime
			for b.Loop() {
				if _, err := newDPoP(&now).Prove(call(), proof, "POST", proofURL); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
