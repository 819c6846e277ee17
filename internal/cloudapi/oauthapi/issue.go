package oauthapi

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

const bearer = "Bearer"

// Tokens makes what the token endpoint answers with.
type Tokens struct {
	DB      *store.DB
	Clients *Clients
	Minter  *mint.Minter
	Keys    *mint.IDKeys
	Issuer  func() (string, error) // the address that tokens name as theirs
}

// Issue is a program that is to get tokens for a person who is proved.
type Issue struct {
	Client   *iam.OAuthClient
	Grant    *iam.OAuthGrant
	Scopes   []string // of these tokens: some of the grant's
	Identity *credential.Identity
	// RefreshToken goes into the answer when it is not empty.
	RefreshToken iam.Secret
	// FirstTime says that these are the grant's first tokens: they repeat its nonce.
	FirstTime bool
}

// FullAccess tells whether a client with some scopes may do all that its person
// may: its access tokens are IAM tokens then. Once its owner has taken "cloud" out
// of what it may ask for, what people have allowed before is no reason either.
func FullAccess(client *iam.OAuthClient, scopes []string) bool {
	return client.ID == oauthclient.PublicSDK ||
		slices.Contains(scopes, oauthclient.ScopeCloud) && slices.Contains(client.Scopes, oauthclient.ScopeCloud)
}

// Answer makes an access token, and with the scope "openid" an ID token, and notes
// them in the call's audit line. The claims are those of an IAM token, which the
// caller hands to the call as issued; nil when the access token is none. No row is
// written. It fails as minting and the reads do.
func (t *Tokens) Answer(ctx context.Context, i Issue) (*propuskpb.OAuthTokenResponse, *token.Claims, error) {
	out := &propuskpb.OAuthTokenResponse{TokenType: bearer, RefreshToken: i.RefreshToken.Reveal(), Scope: strings.Join(i.Scopes, " ")}
	issuer, err := t.Issuer()
	if err != nil {
		return nil, nil, err
	}
	claims, err := t.access(ctx, i, issuer, out)
	if err != nil {
		return nil, nil, err
	}
	if slices.Contains(i.Scopes, oauthclient.ScopeOpenID) {
		if out.IdToken, err = t.idToken(ctx, i, issuer, out.AccessToken); err != nil {
			return nil, nil, err
		}
	}
	return out, claims, nil
}

func (t *Tokens) access(ctx context.Context, i Issue, issuer string, out *propuskpb.OAuthTokenResponse) (*token.Claims, error) {
	id := i.Identity
	if FullAccess(i.Client, i.Scopes) {
		text, claims, err := t.Minter.Mint(ctx, mint.Request{Subject: id.Subject, OrganizationID: id.OrganizationID,
			Position: id.Position, NotAfter: id.NotAfter, DependsOn: id.DependsOn})
		if err != nil {
			return nil, err
		}
		out.AccessToken, out.ExpiresIn = text, int64(claims.ExpiresAt.Sub(claims.IssuedAt)/time.Second)
		return claims, nil
	}
	made, err := t.Keys.MintAccess(ctx, mint.AccessRequest{Issuer: issuer, Subject: string(id.Subject.ID), ClientID: i.Client.ID,
		GrantID: i.Grant.ID, SessionID: sessionOf(id), Scopes: i.Scopes, NotAfter: id.NotAfter})
	if err != nil {
		return nil, err
	}
	out.AccessToken, out.ExpiresIn = made.Text.Reveal(), int64(made.ExpiresAt.Sub(made.IssuedAt)/time.Second)
	call := gate.From(ctx)
	call.NoteDetail(audit.Text("jti", made.ID))
	call.NoteDetail(audit.Text("signing_key_id", made.KeyID))
	call.NoteDetail(audit.Time("expires_at", made.ExpiresAt))
	return nil, nil
}

// sessionOf is the session that what is made of an identity ends with; "" when it
// ends with none.
func sessionOf(id *credential.Identity) string {
	for _, d := range id.DependsOn {
		if d.Kind == token.KindSession {
			return d.ID
		}
	}
	return ""
}

func (t *Tokens) idToken(ctx context.Context, i Issue, issuer, accessToken string) (string, error) {
	organizationID, err := t.Clients.Organization(ctx, i.Client)
	if err != nil {
		return "", err
	}
	userID := string(i.Identity.Subject.ID)
	r := mint.PersonIDRequest{Issuer: issuer, Subject: userID, ClientID: i.Client.ID, AuthenticatedAt: i.Grant.AuthenticatedAt,
		Methods: i.Grant.Methods, SessionID: i.Grant.SessionID, AccessToken: iam.NewSecret(accessToken), NotAfter: i.Identity.NotAfter}
	if i.FirstTime {
		r.Nonce = i.Grant.Nonce
	}
	err = t.DB.View(ctx, func(tx *store.Tx) (err error) {
		r.Claims, err = claimsOf(tx, userID, cmp.Or(organizationID, i.Identity.OrganizationID), i.Scopes)
		return err
	})
	if err != nil {
		return "", err
	}
	made, err := t.Keys.MintPerson(ctx, r)
	if err != nil {
		return "", err
	}
	gate.From(ctx).NoteDetail(audit.Text("id_token_jti", made.ID))
	return made.Text.Reveal(), nil
}
