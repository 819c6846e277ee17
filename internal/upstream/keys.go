package upstream

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const (
	// mostKeys of a provider are looked at.
	mostKeys     = 64
	leastRSABits = 2048
	mostRSABits  = 8192
	longestKeyID = 256
)

// key is a public key of a provider, and the algorithms that it is good for.
type key struct {
	id         string
	algorithms []string
	public     crypto.PublicKey
}

type keySet []key

// keysFor are the keys that may have signed with an algorithm: those of an id, or
// all when the token names none. One that is unknown is asked for again, for a
// provider changes its keys.
func (p *provider) keysFor(ctx context.Context, d *document, id, algorithm string) (keySet, error) {
	fetch := func(ctx context.Context) (keySet, error) {
		m, err := p.web.get(ctx, d.keys, "")
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		all, err := keySetOf(m)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		return all, nil
	}
	for _, lacking := range []bool{false, true} {
		all, err := p.keys.get(ctx, p.now, lacking, fetch)
		if err != nil {
			return nil, away(err)
		}
		if fit := all.fit(id, algorithm); len(fit) > 0 {
			return fit, nil
		}
	}
	return nil, doubtful(errors.New("signed with a key that the provider does not publish"))
}

func (all keySet) fit(id, algorithm string) (fit keySet) {
	for _, k := range all {
		if (id == "" || k.id == id) && slices.Contains(k.algorithms, algorithm) {
			fit = append(fit, k)
		}
	}
	return fit
}

// keySetOf reads a JWK Set (RFC 7517 section 5). What cannot be used is passed
// over, as the RFC says. A set without keys says that all were withdrawn; what is
// no set at all says nothing.
func keySetOf(m members) (keySet, error) {
	var list []json.RawMessage
	if json.Unmarshal(m["keys"], &list) != nil || list == nil {
		return nil, errors.New("not a set of keys")
	}
	var all keySet
	for _, raw := range list[:min(len(list), mostKeys)] {
		if jwk, err := objectOf(raw); err == nil {
			if k, ok := keyOf(jwk); ok {
				all = append(all, k)
			}
		}
	}
	return all, nil
}

func keyOf(jwk members) (k key, ok bool) {
	k.id = jwk.text("kid")
	if use := jwk.text("use"); use != "" && use != "sig" || len(k.id) > longestKeyID {
		return k, false
	}
	if jwk.has("key_ops") && !slices.Contains(jwk.texts("key_ops"), "verify") {
		return k, false
	}
	switch jwk.text("kty") {
	case "RSA":
		k.public, k.algorithms = rsaKey(jwk), []string{"RS256", "PS256"}
	case "EC":
		k.public, k.algorithms = ecKey(jwk), []string{"ES256"}
	case "OKP":
		k.public, k.algorithms = edKey(jwk), []string{"EdDSA"}
	}
	if said := jwk.text("alg"); said != "" {
		if !slices.Contains(k.algorithms, said) {
			return k, false
		}
		k.algorithms = []string{said}
	}
	return k, k.public != nil
}

func rsaKey(jwk members) crypto.PublicKey {
	n, e := jwk.bytes("n"), jwk.bytes("e")
	if len(n) == 0 || len(n) > mostRSABits/8 || len(e) == 0 || len(e) > 4 {
		return nil
	}
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if k.N.BitLen() < leastRSABits || k.E < 3 || k.E > 1<<31-1 || k.E%2 == 0 || k.N.Bit(0) == 0 {
		return nil
	}
	return k
}

func ecKey(jwk members) crypto.PublicKey {
	x, y := jwk.bytes("x"), jwk.bytes("y")
	if jwk.text("crv") != "P-256" || len(x) != 32 || len(y) != 32 {
		return nil
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil // not on the curve
	}
	return k
}

func edKey(jwk members) crypto.PublicKey {
	x := jwk.bytes("x")
	if jwk.text("crv") != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil
	}
	return ed25519.PublicKey(x)
}

// bytes is a member in base64url; nil when it is none.
func (m members) bytes(name string) []byte {
	b, err := decode(m.text(name))
	if err != nil {
		return nil
	}
	return b
}

var strict = base64.RawURLEncoding.Strict()

// decode reads base64url without padding, spelled in the one way there is.
func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return nil, errors.New("not base64url")
	}
	return strict.DecodeString(text)
}
