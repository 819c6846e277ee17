package oauthapi

import (
	"context"
	"errors"
	"unicode"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

var codeRules = []gate.Rule{
	{Method: "RedeemCode", Proof: gate.Body, Effect: gate.Changes, Event: "iam.CreateIamToken"},
}

// Codes redeems authorization codes.
type Codes struct {
	Changes   cloudapi.Changes
	Clients   *Clients
	Tokens    *Tokens
	Refreshed RefreshTokens
}

// mostClientInfo is how much of what a program calls itself is kept, in characters.
const mostClientInfo = 256

// RedeemCode makes the first tokens of a grant, and uses the code up. Of two at
// one moment one gets them, and the other ends them.
func (s *Codes) RedeemCode(ctx context.Context, r *propuskpb.RedeemCodeRequest) (*propuskpb.OAuthTokenResponse, error) {
	call := gate.From(ctx)
	lookup, ok := grant.CodeLookup(r.GetCode())
	if !ok {
		return nil, errInvalidCode
	}
	client, g, err := s.granted(ctx, call.Identity.CredentialID)
	if err != nil {
		return nil, err
	}
	// A key that was shown here and not before binds what comes after (RFC 9449 section 5).
	g.ClientInfo, g.KeyThumbprint = clientInfo(r.GetClientInstanceInfo()), call.Identity.KeyThumbprint
	// Before the transaction, which does nothing but itself: what is made is
	// nobody's unless the code is used up.
	out, claims, err := s.Tokens.Answer(ctx, Issue{Client: client, Grant: g, Scopes: g.Scopes, Identity: call.Identity, FirstTime: true})
	if err != nil {
		return nil, err
	}
	call.Issued = claims
	drawn := grant.NewRefreshToken()
	var secret iam.Secret
	err = s.Changes.Plain(ctx, func(tx *store.Tx) (err error) {
		if _, err := store.GetOAuthGrant(tx, g.ID); err != nil { // holds it
			return err
		}
		used, err := store.UseOAuthCode(tx, lookup)
		if err != nil {
			return err
		}
		if !used {
			return errSecondUse
		}
		if err := spendProof(tx, g.UserID, r.GetDpop()); err != nil {
			return err
		}
		if err := store.BindOAuthGrant(tx, g); err != nil {
			return err
		}
		if err := store.UseOAuthConsent(tx, g.UserID, g.ClientID); err != nil {
			return err
		}
		secret, err = s.Refreshed.Begin(tx, call, client, g, drawn)
		return err
	})
	switch {
	case errors.Is(err, errSecondUse):
		return nil, endReused(ctx, s.Changes.DB, lookup)
	case errors.Is(err, iam.NotFound):
		return nil, errInvalidCode
	case err != nil:
		return nil, err
	}
	out.RefreshToken = secret.Reveal()
	return out, nil
}

var errSecondUse = errors.New("the code has been used")

// granted is what a redemption is about.
func (s *Codes) granted(ctx context.Context, grantID string) (*iam.OAuthClient, *iam.OAuthGrant, error) {
	var g *iam.OAuthGrant
	err := s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		g, err = store.GetOAuthGrant(tx, grantID)
		return err
	})
	if errors.Is(err, iam.NotFound) {
		err = errInvalidCode
	}
	if err != nil {
		return nil, nil, err
	}
	client, err := s.Clients.Find(ctx, g.ClientID)
	if errors.Is(err, iam.NotFound) {
		err = errInvalidCode
	}
	return client, g, err
}

// clientInfo is what a program calls itself, without what nobody can read.
func clientInfo(text string) string {
	out := make([]rune, 0, mostClientInfo)
	for _, c := range text {
		if !unicode.IsControl(c) && len(out) < mostClientInfo {
			out = append(out, c)
		}
	}
	return string(out)
}
