package mint

import (
	"context"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// AccessLife is how long an access token of this server's own endpoints lives
// unless AccessRequest.NotAfter shortens it. It is no longer than IDLife, by which
// keys stay published.
const AccessLife = time.Hour

// accessType is the type of a JWT that is an access token (RFC 9068 section 2.1).
// An ID token has another, so that neither is taken for the other.
const accessType = "at+jwt"

// AccessRequest asks for an access token of a program (RFC 9068).
type AccessRequest struct {
	Issuer   string
	Subject  string // id of the person; of the client when it acts for nobody
	ClientID string
	GrantID  string // "" when no person has granted it
	// SessionID is the session that the token ends with; "" when it ends with none.
	SessionID string
	SecretID  string // by which a client got a token of its own; "" of a person's
	Scopes    []string
	Audience  string // "" means the issuer: its userinfo endpoint
	NotAfter  time.Time
}

// AccessClaims are what an access token says.
type AccessClaims struct {
	ID        string
	Issuer    string
	Subject   string
	ClientID  string
	GrantID   string
	SessionID string
	SecretID  string
	Scopes    []string
	Audience  string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

type accessClaims struct {
	idClaims
	Client string `json:"client_id"`
	Scope  string `json:"scope,omitempty"`
	Grant  string `json:"grant_id,omitempty"`
	// As in ID tokens.
	Session string `json:"sid,omitempty"`
	Secret  string `json:"client_secret_id,omitempty"`
}

// MintAccess makes an access token. It fails as Mint does.
func (k *IDKeys) MintAccess(ctx context.Context, r AccessRequest) (*IDToken, error) {
	made, now, err := k.begin(ctx, AccessLife, r.NotAfter)
	if err != nil {
		return nil, err
	}
	audience := r.Audience
	if audience == "" {
		audience = r.Issuer
	}
	return made.signed(accessType, accessClaims{
		idClaims: idClaims{r.Issuer, r.Subject, audience, now.Unix(), made.ExpiresAt.Unix(), made.ID},
		Client:   r.ClientID, Scope: strings.Join(r.Scopes, " "), Grant: r.GrantID, Session: r.SessionID, Secret: r.SecretID})
}

// VerifyAccess reads an access token that this server has made and that has not
// expired, whomever it is for. Whether its grant and its session live is not in it. It fails
// with UNAUTHENTICATED, or as reading the keys fails.
func (k *IDKeys) VerifyAccess(ctx context.Context, text, issuer string) (*AccessClaims, error) {
	var c accessClaims
	if err := k.verify(ctx, text, accessType, &c); err != nil {
		return nil, err
	}
	now := k.config.Now()
	switch {
	case c.Issuer != issuer:
		return nil, errAccessToken
	case now.Unix() >= c.Expires:
		return nil, refuseAccess("token_expired", "The access token has expired")
	case now.Add(time.Minute).Unix() < c.IssuedAt: // made on a node whose clock is ahead
		return nil, errAccessToken
	}
	return &AccessClaims{ID: c.ID, Issuer: c.Issuer, Subject: c.Subject, ClientID: c.Client, GrantID: c.Grant, SessionID: c.Session, SecretID: c.Secret, Scopes: iam.ScopesOf(c.Scope),
		Audience: c.Audience, IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(c.Expires, 0).UTC()}, nil
}

// Hint is what an ID token says of whom it was made for.
type Hint struct {
	Subject  string
	ClientID string // its audience
}

// VerifyHint reads an ID token that this server has made, also one that has
// expired (OpenID Connect RP-Initiated Logout 1.0 section 4). One whose key is
// forgotten is refused as any other.
func (k *IDKeys) VerifyHint(ctx context.Context, text, issuer string) (*Hint, error) {
	var c idClaims
	if err := k.verify(ctx, text, "JWT", &c); err != nil {
		return nil, err
	}
	if c.Issuer != issuer {
		return nil, errAccessToken
	}
	return &Hint{Subject: c.Subject, ClientID: c.Audience}, nil
}

var errAccessToken = refuseAccess("token_invalid", "The token is not one of this server's")

func refuseAccess(reason, text string) *iam.Error {
	return &iam.Error{Kind: iam.Unauthenticated, Reason: reason, Message: text}
}
