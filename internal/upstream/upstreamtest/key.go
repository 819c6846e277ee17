package upstreamtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
)

// Key is a key pair of a provider.
type Key struct {
	ID, Algorithm string
	JWK           Claims
	private       crypto.Signer
}

// NewKey makes a key pair for an algorithm: RS256, PS256, ES256 or EdDSA.
func NewKey(t testing.TB, algorithm, id string) *Key {
	t.Helper()
	k := &Key{ID: id, Algorithm: algorithm}
	var err error
	switch algorithm {
	case "RS256", "PS256":
		var r *rsa.PrivateKey
		if r, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
			k.private, k.JWK = r, Claims{"kty": "RSA", "n": Text(r.N.Bytes()), "e": Text(big.NewInt(int64(r.E)).Bytes())}
		}
	case "ES256":
		var e *ecdsa.PrivateKey
		if e, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			var point []byte
			point, err = e.PublicKey.Bytes()
			k.private, k.JWK = e, Claims{"kty": "EC", "crv": "P-256", "x": Text(point[1:33]), "y": Text(point[33:])}
		}
	default:
		var public ed25519.PublicKey
		var private ed25519.PrivateKey
		public, private, err = ed25519.GenerateKey(rand.Reader)
		k.private, k.JWK = private, Claims{"kty": "OKP", "crv": "Ed25519", "x": Text(public)}
	}
	if err != nil {
		t.Fatal(err)
	}
	k.JWK["kid"], k.JWK["alg"], k.JWK["use"] = id, algorithm, "sig"
	return k
}

// Public is the public half.
func (k *Key) Public() crypto.PublicKey { return k.private.Public() }

// Text is base64url without padding.
func Text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Unsigned are a JWT's first two parts.
func Unsigned(header, claims Claims) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	return Text(h) + "." + Text(c)
}

// Sign makes a JWT with the key's own algorithm, whatever the header says.
func (k *Key) Sign(header, claims Claims) string {
	text := Unsigned(header, claims)
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch k.Algorithm {
	case "RS256":
		signature, err = k.private.Sign(rand.Reader, sum[:], crypto.SHA256)
	case "PS256":
		signature, err = k.private.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case "ES256":
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, k.private.(*ecdsa.PrivateKey), sum[:]); err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	default:
		signature, err = k.private.Sign(rand.Reader, []byte(text), crypto.Hash(0))
	}
	if err != nil {
		panic("upstreamtest: " + err.Error())
	}
	return text + "." + Text(signature)
}

// SignHMAC makes a JWT with HS256 and a secret that everybody knows.
func SignHMAC(secret []byte, header, claims Claims) string {
	header["alg"] = "HS256"
	text := Unsigned(header, claims)
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(text))
	return text + "." + Text(m.Sum(nil))
}

// AccessHash is at_hash.
func AccessHash(algorithm, access string) string {
	if algorithm == "EdDSA" {
		sum := sha512.Sum512([]byte(access))
		return Text(sum[:32])
	}
	sum := sha256.Sum256([]byte(access))
	return Text(sum[:16])
}
