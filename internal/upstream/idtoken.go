package upstream

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"
)

// algorithms that an ID token may be signed with (RFC 7518 section 3.1, RFC 8037):
// by a key pair all of them. What the token itself says never adds to them.
var algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}

const (
	longestIDToken = 32 << 10 // bytes
	// clockSkew is how far a provider's clock may be from ours.
	clockSkew = time.Minute
	// oldestIDToken: one is made for the code that has just been redeemed.
	oldestIDToken = 10 * time.Minute
)

// idToken checks an ID token (OpenID Connect Core 1.0 section 3.1.3.7) and returns
// its claims.
func (p *provider) idToken(ctx context.Context, d *document, text, nonce, accessToken string) (members, error) {
	header, claims, signed, signature, err := splitJWT(text)
	if err != nil {
		return nil, doubtful(err)
	}
	algorithm := header.text("alg")
	if !slices.Contains(algorithms, algorithm) || !slices.Contains(d.algorithms, algorithm) {
		return nil, doubtful(errors.New("signed in a way that is not taken here"))
	}
	if header.has("crit") {
		return nil, doubtful(errors.New("an extension must be understood that is not"))
	}
	id := header.text("kid")
	if len(id) > longestKeyID || header.has("kid") && id == "" {
		return nil, doubtful(errors.New("the key is not named in a way that can be read"))
	}
	keys, err := p.keysFor(ctx, d, id, algorithm)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(keys, func(k key) bool { return signedBy(k.public, algorithm, signed, signature) }) {
		return nil, doubtful(errors.New("the signature is not the provider's"))
	}
	if err := p.checkClaims(claims, nonce); err != nil {
		return nil, doubtful(err)
	}
	if claims.has("at_hash") && !atHashFits(claims.text("at_hash"), algorithm, accessToken) {
		return nil, doubtful(errors.New("at_hash is of another access token"))
	}
	return claims, nil
}

// splitJWT takes a JWT in the compact form apart (RFC 7515 section 3.1).
func splitJWT(text string) (header, claims members, signed string, signature []byte, err error) {
	fail := errors.New("not a JWT")
	parts := strings.Split(text, ".")
	if len(text) > longestIDToken || len(parts) != 3 {
		return nil, nil, "", nil, fail
	}
	var raw [3][]byte
	for i := range parts {
		if raw[i], err = decode(parts[i]); err != nil {
			return nil, nil, "", nil, fail
		}
	}
	header, err = objectOf(raw[0])
	if err == nil {
		claims, err = objectOf(raw[1])
	}
	if err != nil {
		return nil, nil, "", nil, fail
	}
	return header, claims, text[:len(parts[0])+1+len(parts[1])], raw[2], nil
}

func signedBy(public crypto.PublicKey, algorithm, signed string, signature []byte) bool {
	sum := sha256.Sum256([]byte(signed))
	switch k := public.(type) {
	case *rsa.PublicKey:
		if algorithm == "PS256" {
			return rsa.VerifyPSS(k, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return algorithm == "RS256" && rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && len(signature) == 64 &&
			ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case ed25519.PublicKey:
		return algorithm == "EdDSA" && ed25519.Verify(k, []byte(signed), signature)
	}
	return false
}

func (p *provider) checkClaims(c members, nonce string) error {
	now := p.now()
	audience := c.texts("aud")
	expires, ends := c.time("exp")
	issued, began := c.time("iat")
	switch {
	case c.text("iss") != p.Issuer:
		return errors.New("iss is another issuer")
	case !slices.Contains(audience, p.ClientID):
		return errors.New("aud is another client")
	case len(audience) > 1 && !c.has("azp"):
		return errors.New("aud has several values and azp is missing")
	case c.has("azp") && c.text("azp") != p.ClientID:
		return errors.New("azp is another client")
	case !ends || !now.Before(expires.Add(clockSkew)):
		return errors.New("exp is over or missing")
	case !began || issued.After(now.Add(clockSkew)):
		return errors.New("iat is in the future or missing")
	case now.Sub(issued) > oldestIDToken:
		return errors.New("iat is too long ago")
	case nonce == "" || subtle.ConstantTimeCompare([]byte(c.text("nonce")), []byte(nonce)) != 1:
		return errors.New("nonce is another one")
	}
	if start, given := c.time("nbf"); c.has("nbf") && (!given || start.After(now.Add(clockSkew))) {
		return errors.New("nbf is in the future")
	}
	return nil
}

// atHashFits compares the left half of the access token's hash, by the hash of the
// algorithm (OpenID Connect Core 1.0 section 3.1.3.6); that of Ed25519 is SHA-512.
func atHashFits(said, algorithm, accessToken string) bool {
	var half []byte
	if algorithm == "EdDSA" {
		sum := sha512.Sum512([]byte(accessToken))
		half = sum[:32]
	} else {
		sum := sha256.Sum256([]byte(accessToken))
		half = sum[:16]
	}
	given, err := decode(said)
	return err == nil && subtle.ConstantTimeCompare(given, half) == 1
}
