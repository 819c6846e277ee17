package keyfile

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// PublicAudience is the audience that every SDK writes into its JWT, whatever
// server it talks to [API fact: the SDKs' jwt_token code].
const PublicAudience = "https://iam.api.cloud.yandex.net/iam/v1/tokens"

// SignJWT makes the JWT that IamTokenService.Create exchanges for an IAM token:
// PS256 with a salt of 32 bytes (RFC 7518 section 3.5), issued at now and
// expiring ttl later. The server refuses a ttl above one hour.
func SignJWT(f *File, audience string, now time.Time, ttl time.Duration) (iam.Secret, error) {
	key, err := f.Key()
	if err != nil {
		return iam.Secret{}, err
	}
	header, err := json.Marshal(struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}{"JWT", "PS256", f.ID})
	if err != nil {
		return iam.Secret{}, fmt.Errorf("sign JWT: %w", err)
	}
	claims, err := json.Marshal(struct {
		Iss string `json:"iss"`
		Aud string `json:"aud"`
		Iat int64  `json:"iat"`
		Exp int64  `json:"exp"`
	}{f.ServiceAccountID, audience, now.Unix(), now.Add(ttl).Unix()})
	if err != nil {
		return iam.Secret{}, fmt.Errorf("sign JWT: %w", err)
	}
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString(header) + "." + b64.EncodeToString(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return iam.Secret{}, fmt.Errorf("sign JWT: %w", err)
	}
	return iam.NewSecret(signed + "." + b64.EncodeToString(signature)), nil
}
