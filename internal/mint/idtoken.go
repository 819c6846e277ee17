package mint

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// IDAlgorithm signs ID tokens (RFC 7518 section 3.3): the one that every
// relying party must know (OpenID Connect Core 1.0 section 15.1).
const IDAlgorithm = "RS256"

// IDRequest asks for an ID token of a service account.
type IDRequest struct {
	Issuer   string // where third parties find the keys
	Subject  string // id of the account
	Audience string
	NotAfter time.Time // zero: nothing shortens the token's life
}

// IDToken is an ID token and what it says.
type IDToken struct {
	Text      iam.Secret
	ID        string // "jti"
	KeyID     string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

type idHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

type idClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`
}

// Mint makes an ID token. No row is written but, the first time, the key's. It
// fails with UNAUTHENTICATED when NotAfter has passed, and UNAVAILABLE when no
// key may sign.
func (k *IDKeys) Mint(ctx context.Context, r IDRequest) (*IDToken, error) {
	made, now, err := k.begin(ctx, IDLife, r.NotAfter)
	if err != nil {
		return nil, err
	}
	return made.signed("JWT", idClaims{r.Issuer, r.Subject, r.Audience, now.Unix(), made.ExpiresAt.Unix(), made.ID})
}

// unsigned is a token whose claims are still to be written.
type unsigned struct {
	IDToken
	key *rsa.PrivateKey
}

// begin chooses the key and the end of a token that is made now.
func (k *IDKeys) begin(ctx context.Context, life time.Duration, notAfter time.Time) (*unsigned, time.Time, error) {
	at := k.config.Now()
	now := at.UTC().Truncate(time.Second)
	expires := now.Add(life)
	if !notAfter.IsZero() && notAfter.Before(expires) {
		expires = notAfter.UTC().Truncate(time.Second)
		if !expires.After(now) {
			e := iam.Errorf(iam.Unauthenticated, "What proves the caller has expired")
			e.Reason = "credential_expired"
			return nil, now, e
		}
	}
	key, err := k.signing(ctx, at)
	if err != nil {
		return nil, now, err
	}
	return &unsigned{IDToken{ID: k.ids.next(), KeyID: key.ID, IssuedAt: now, ExpiresAt: expires}, key.private}, now, nil
}

func (u *unsigned) signed(typ string, claims any) (*IDToken, error) {
	text, err := signRS256(u.key, idHeader{IDAlgorithm, u.KeyID, typ}, claims)
	if err != nil {
		return nil, iam.Wrap(err, iam.Internal, "The token could not be signed")
	}
	t := u.IDToken
	t.Text = iam.NewSecret(text)
	return &t, nil
}

// signRS256 is a JWS in compact serialization (RFC 7515 section 7.1).
func signRS256(key *rsa.PrivateKey, header, claims any) (string, error) {
	text := make([]byte, 0, 1024)
	for _, part := range [...]any{header, claims} {
		encoded, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		if len(text) > 0 {
			text = append(text, '.')
		}
		text = base64.RawURLEncoding.AppendEncode(text, encoded)
	}
	sum := sha256.Sum256(text)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return string(base64.RawURLEncoding.AppendEncode(append(text, '.'), signature)), nil
}

type jwk struct {
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Modulus   string `json:"n"`
	Exponent  string `json:"e"`
}

// JWKS is the published keys as third parties read them (RFC 7517 section 5),
// those that sign, signed while their tokens may live, and will sign. It makes
// the first key, so that nobody keeps an empty set.
func (k *IDKeys) JWKS(ctx context.Context) ([]byte, error) {
	keys, err := k.ring(ctx, true)
	if err != nil {
		return nil, err
	}
	set := struct {
		Keys []jwk `json:"keys"`
	}{[]jwk{}}
	for _, key := range k.published(keys) {
		set.Keys = append(set.Keys, jwk{"RSA", "sig", IDAlgorithm, key.ID,
			base64.RawURLEncoding.EncodeToString(key.private.N.Bytes()),
			base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.private.E)).Bytes())})
	}
	return json.Marshal(set)
}
