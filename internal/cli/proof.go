package cli

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/resource"
)

// jwk is a public key of P-256 (RFC 7517), its members in the order of RFC 7638.
type jwk struct {
	Curve string `json:"crv"`
	Type  string `json:"kty"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

func jwkOf(key *ecdsa.PrivateKey) (jwk, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return jwk{}, err
	}
	const size = 32 // bytes of a coordinate
	return jwk{"P-256", "EC", base64.RawURLEncoding.EncodeToString(point[1 : 1+size]), base64.RawURLEncoding.EncodeToString(point[1+size:])}, nil
}

// thumbprint names a key (RFC 7638 section 3).
func thumbprint(key *ecdsa.PrivateKey) (string, error) {
	public, err := jwkOf(key)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(public)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// proofOf proves the possession of a key for one request (RFC 9449 section 4.2).
func proofOf(key *ecdsa.PrivateKey, method, url string, now time.Time) (string, error) {
	public, err := jwkOf(key)
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(struct {
		Type      string `json:"typ"`
		Algorithm string `json:"alg"`
		Key       jwk    `json:"jwk"`
	}{"dpop+jwt", "ES256", public})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(struct {
		ID     string `json:"jti"`
		Method string `json:"htm"`
		URL    string `json:"htu"`
		Issued int64  `json:"iat"`
	}{resource.NewUUID(), method, url, now.Unix()})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("prove the key: %w", err)
	}
	var signature [64]byte // RFC 7518 section 3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}
