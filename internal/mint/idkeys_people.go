package mint

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// PersonClaims are what an ID token tells of a person (OpenID Connect Core 1.0
// section 5.1); empty ones are left out.
type PersonClaims struct {
	Name          string
	GivenName     string
	FamilyName    string
	Login         string // preferred_username
	Email         string
	EmailVerified bool
	Groups        []string
}

// PersonIDRequest asks for an ID token of a person who has allowed a program to
// know who he is.
type PersonIDRequest struct {
	Issuer          string
	Subject         string // id of the person
	ClientID        string // whom the token is for
	Nonce           string // as the program gave it; "" when it gave none
	AuthenticatedAt time.Time
	Methods         []string // how he has proved himself, RFC 8176
	SessionID       string   // "" when the token is of no session
	// AccessToken is that which comes with the ID token; its hash is in it.
	AccessToken iam.Secret
	Claims      PersonClaims
	NotAfter    time.Time // zero: nothing shortens the token's life
}

// IDClaims are the claims that ID tokens may have; those of service accounts have
// the first six [API fact: ID token].
func IDClaims() []string {
	return []string{"iss", "sub", "aud", "iat", "exp", "jti", "azp", "auth_time", "nonce", "at_hash", "amr", "sid",
		"name", "given_name", "family_name", "preferred_username", "email", "email_verified", "groups"}
}

type personIDClaims struct {
	idClaims
	Party    string   `json:"azp"`
	AuthTime int64    `json:"auth_time"`
	Nonce    string   `json:"nonce,omitempty"`
	Hash     string   `json:"at_hash,omitempty"`
	Methods  []string `json:"amr,omitempty"`
	Session  string   `json:"sid,omitempty"`

	Name          string   `json:"name,omitempty"`
	GivenName     string   `json:"given_name,omitempty"`
	FamilyName    string   `json:"family_name,omitempty"`
	Login         string   `json:"preferred_username,omitempty"`
	Email         string   `json:"email,omitempty"`
	EmailVerified *bool    `json:"email_verified,omitempty"`
	Groups        []string `json:"groups,omitempty"`
}

// MintPerson makes an ID token of a person (OpenID Connect Core 1.0 section 2). It
// fails as Mint does.
func (k *IDKeys) MintPerson(ctx context.Context, r PersonIDRequest) (*IDToken, error) {
	made, now, err := k.begin(ctx, IDLife, r.NotAfter)
	if err != nil {
		return nil, err
	}
	c := personIDClaims{
		idClaims: idClaims{r.Issuer, r.Subject, r.ClientID, now.Unix(), made.ExpiresAt.Unix(), made.ID},
		Party:    r.ClientID, AuthTime: r.AuthenticatedAt.Unix(), Nonce: r.Nonce, Methods: r.Methods, Session: r.SessionID,
		Name: r.Claims.Name, GivenName: r.Claims.GivenName, FamilyName: r.Claims.FamilyName, Login: r.Claims.Login,
		Email: r.Claims.Email, Groups: r.Claims.Groups,
	}
	if c.Email != "" {
		c.EmailVerified = &r.Claims.EmailVerified
	}
	if t := r.AccessToken.Reveal(); t != "" {
		sum := sha256.Sum256([]byte(t)) // the left half (OpenID Connect Core 1.0 section 3.1.3.6)
		c.Hash = base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	return made.signed("JWT", c)
}
