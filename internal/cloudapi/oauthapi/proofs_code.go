package oauthapi

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// CodeProofs prove a person by a code that he has sent a program with.
type CodeProofs struct {
	DB      *store.DB
	Clients *Clients
	Grants  *credential.Grant
	Keys    KeyProofs
	Idle    time.Duration // without use, after which a session has ended
	Now     func() time.Time
}

// KeyProofs checks proofs of possession; *grant.DPoP is one.
type KeyProofs interface {
	// Prove is the thumbprint of the key of a proof that came with a request, in
	// the call of an id.
	Prove(call, jwt, method, url string) (thumbprint string, err error)
}

// provenKey is the thumbprint of the key of a proof that came with a call; "" when
// none came.
func provenKey(ctx context.Context, keys KeyProofs, p *propuskpb.DPoPProof) (string, error) {
	if p.GetJwt() == "" {
		return "", nil
	}
	return keys.Prove(gate.From(ctx).RequestID, p.GetJwt(), p.GetMethod(), p.GetUrl())
}

// possession checks that a program has the key that what it shows is bound to, and
// returns the thumbprint of the key that it has shown. A proof is looked at even
// where none is needed: a wrong one is a mistake, and fails with invalid_dpop_proof
// (RFC 9449 section 5). A good one of another key, and none, leave what is shown
// not valid, which refused says.
func possession(ctx context.Context, keys KeyProofs, given *propuskpb.DPoPProof, want string, refused error) (string, error) {
	thumbprint, err := provenKey(ctx, keys, given)
	if err == nil && want != "" && thumbprint != want {
		err = refused
	}
	return thumbprint, err
}

// errInvalidCode is one answer to a code that is unknown, another program's,
// expired or used, and to a redirect URI or a verifier that is not its own.
var errInvalidCode = iam.OAuthError(iam.OAuthInvalidGrant,
	"The code is not valid: it has been used or has expired, or was not made for this program, redirect_uri and code_verifier")

// Prove checks a redemption: first the client, then its code (RFC 6749 section
// 4.1.3, RFC 7636 section 4.6, RFC 9449 section 10). A code that its own client
// redeems again ends its grant. What is made of it ends with the session that the
// person was in. It fails with invalid_client, invalid_grant or
// invalid_dpop_proof, or as the reads fail.
func (p *CodeProofs) Prove(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.RedeemCodeRequest)
	call := gate.From(ctx)
	call.Note("client_id", iam.Conceal(r.GetClient().GetClientId()))
	client, err := p.Clients.Prove(ctx, r.GetClient())
	if err != nil {
		return nil, err
	}
	position := min(client.Position, p.Grants.Reads.Position()) // before the rows: what changes after it ends what is made of this
	c, g, session, err := p.find(ctx, r.GetCode())
	if err != nil {
		return nil, err
	}
	if g.ClientID != client.Client.ID {
		return nil, errInvalidCode
	}
	call.Note("oauth_grant_id", g.ID)
	if !c.UsedAt.IsZero() {
		return nil, endReused(ctx, p.DB, c.Lookup)
	}
	switch {
	case !p.Now().Before(c.ExpiresAt), c.RedirectURI != r.GetRedirectUri(), !grant.VerifierFits(c.Challenge, r.GetCodeVerifier()), session == nil:
		return nil, errInvalidCode
	}
	thumbprint, err := possession(ctx, p.Keys, r.GetDpop(), g.KeyThumbprint, errCodeKey)
	if err != nil {
		return nil, err
	}
	id, err := p.Grants.Prove(ctx, position, credential.HowAuthorizationCode, g, client.Client)
	if errors.Is(err, iam.Unauthenticated) {
		return nil, iam.OAuthError(iam.OAuthInvalidGrant, "%s", messageOf(err))
	}
	if err != nil {
		return nil, err
	}
	p.Grants.InSession(id, session, p.Idle)
	id.KeyThumbprint = thumbprint
	return id, nil
}

// find reads a code with what it belongs to. The session is nil when it is over.
func (p *CodeProofs) find(ctx context.Context, code string) (c *iam.OAuthCode, g *iam.OAuthGrant, session *iam.Session, err error) {
	lookup, ok := grant.CodeLookup(code)
	if !ok {
		return nil, nil, nil, errInvalidCode
	}
	err = p.DB.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = store.FindOAuthCode(tx, lookup); err != nil {
			return err
		}
		if g, err = store.GetOAuthGrant(tx, c.GrantID); err != nil {
			return err
		}
		session, err = store.GetSession(tx, g.SessionID)
		if errors.Is(err, iam.NotFound) || err == nil && !p.Now().Before(session.ExpiresAt) {
			session, err = nil, nil
		}
		return err
	})
	if errors.Is(err, iam.NotFound) {
		err = errInvalidCode
	}
	return c, g, session, err
}

// errCodeKey is the answer to the right program and a code that is bound to another key.
var errCodeKey = iam.OAuthError(iam.OAuthInvalidGrant, "The code is bound to a key: a proof of possession of that key is needed")

// endReused ends the grant of a code that was used before, in a change of its own:
// somebody has stolen it, and which of the two is not known (RFC 6749 section
// 4.1.2). It returns the answer to whoever came second.
func endReused(ctx context.Context, db *store.DB, lookup string) error {
	call := gate.From(ctx)
	err := db.Update(ctx, func(tx *store.Tx) error {
		c, err := store.FindOAuthCode(tx, lookup)
		if errors.Is(err, iam.NotFound) {
			return nil // ended already
		}
		if err != nil {
			return err
		}
		g, err := store.GetOAuthGrant(tx, c.GrantID)
		if errors.Is(err, iam.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := cloudapi.EndGrant(tx, g.ID); err != nil {
			return err
		}
		e := gate.EventOf(call, nil)
		e.Type = audit.TypeOf("propusk.EndGrant")
		e.Details = audit.Details{audit.Text("oauth_grant_id", g.ID), audit.Text("client_id", g.ClientID),
			audit.Text("subject_id", g.UserID), audit.Text("reason", "code_reused")}
		return audit.Insert(tx, e)
	})
	if err != nil {
		return err
	}
	return errInvalidCode
}

// messageOf is the text of an error that a caller may read.
func messageOf(err error) string {
	var e *iam.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
