package oauthapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

var refreshRules = []gate.Rule{
	{Method: "Refresh", Proof: gate.Body, Effect: gate.Changes, Event: "iam.CreateIamToken"},
}

// Refreshes redeems refresh tokens. All fields are required.
type Refreshes struct {
	Changes cloudapi.Changes
	Clients *Clients
	Tokens  *Tokens
	// Key is the installation's secret that a token's successor is made by.
	Key []byte
}

// errRefreshToken is the one answer to a refresh token that is none, is unknown,
// is over, is another client's or another key's, and to one whose person may not
// act or may not have it any more.
var errRefreshToken = iam.OAuthError(iam.OAuthInvalidGrant, "The refresh token is not valid: the person has to sign in again")

// Refresh makes tokens of a refresh token. When its end is near the answer has
// another one, and the old works a little longer.
func (s *Refreshes) Refresh(ctx context.Context, r *propuskpb.RefreshTokenGrantRequest) (*propuskpb.OAuthTokenResponse, error) {
	call := gate.From(ctx)
	client, err := s.Clients.Find(ctx, r.GetClient().GetClientId())
	if err != nil {
		return nil, err
	}
	lookup := grant.RefreshTokenLookup(r.GetRefreshToken())
	var g *iam.OAuthGrant
	err = s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		_, g, err = refreshToken(tx, lookup)
		return err
	})
	if err != nil {
		return nil, err
	}
	granted := stillAllowed(client, g.Scopes)
	if len(granted) == 0 && len(g.Scopes) > 0 {
		return nil, errRefreshToken
	}
	scopes, err := narrowed(client, granted, r.GetScope())
	if err != nil {
		return nil, err
	}
	next, err := grant.RefreshTokenAfter(s.Key, r.GetRefreshToken())
	if err != nil {
		return nil, err
	}
	out, claims, err := s.Tokens.Answer(ctx, Issue{Client: client, Grant: g, Scopes: scopes, Identity: call.Identity})
	if err != nil {
		return nil, err
	}
	call.Issued = claims
	call.Note("oauth_grant_id", g.ID)
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error {
		out.RefreshToken = ""
		if err := spendProof(tx, g.UserID, r.GetDpop()); err != nil {
			return err
		}
		replaced, err := useRefreshToken(tx, call, lookup, r.GetClientInstanceInfo(), next)
		if replaced {
			out.RefreshToken = next.Secret.Reveal()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// spendProof notes for all servers that a proof of possession was used: a refresh
// token is good more than once, and so whoever has seen a request, or the one that
// brought the token, could send its proof to another server, or to this one after it
// has started again.
func spendProof(tx *store.Tx, userID string, p *propuskpb.DPoPProof) error {
	if p.GetJwt() == "" {
		return nil
	}
	fresh, err := store.SpendChallenge(tx, &iam.Challenge{Lookup: grant.ProofLookup(p.GetJwt()), Purpose: iam.ChallengeKeyProof,
		UserID: userID, ExpiresAt: tx.Now().Add(grant.ProofKept)})
	if err == nil && !fresh {
		err = grant.ErrProofUsed
	}
	return err
}

// useRefreshToken notes a use, and replaces a token whose end is near. It tells
// whether there is a successor. Two uses at once wait for each other here: the
// second finds what the first has done.
func useRefreshToken(tx *store.Tx, call *gate.Call, lookup, info string, next grant.FreshRefreshToken) (replaced bool, err error) {
	t, g, err := refreshToken(tx, lookup)
	if err != nil {
		return false, err
	}
	now := tx.Now()
	if !now.Before(t.ExpiresAt) || overdue(t, now) { // since it was proved
		return false, errRefreshToken
	}
	if err := store.TouchRefreshTokens(tx, map[string]time.Time{t.ID: now}); err != nil {
		return false, err
	}
	if err := store.UseOAuthConsent(tx, g.UserID, g.ClientID); err != nil {
		return false, err
	}
	call.NoteDetail(audit.Text("refresh_token_id", t.ID))
	switch {
	case !t.ReplacedAt.IsZero():
		return true, nil
	case now.Before(t.ExpiresAt.Add(-grant.RefreshRenewal)):
		return false, nil
	}
	if err := store.ReplaceRefreshToken(tx, t.ID, now); err != nil {
		return false, err
	}
	if info := clientInfo(info); info != "" {
		g.ClientInfo = info
	}
	return true, insertRefreshToken(tx, call, g, next)
}

// refreshToken reads a refresh token and its grant; in an Update both are held.
func refreshToken(tx *store.Tx, lookup string) (*iam.RefreshToken, *iam.OAuthGrant, error) {
	t, err := store.FindRefreshToken(tx, lookup)
	if err == nil {
		var g *iam.OAuthGrant
		if g, err = store.GetOAuthGrant(tx, t.GrantID); err == nil {
			// The grant is held before the token is believed: whoever ends one, or
			// uses another token of it, holds it too.
			t, err = store.FindRefreshToken(tx, lookup)
			if err == nil {
				return t, g, nil
			}
		}
	}
	if errors.Is(err, iam.NotFound) {
		return nil, nil, errRefreshToken
	}
	return nil, nil, err
}

// overdue tells whether a token was replaced so long ago that nobody who came by
// it honestly still uses it.
func overdue(t *iam.RefreshToken, now time.Time) bool {
	return !t.ReplacedAt.IsZero() && now.After(t.ReplacedAt.Add(grant.RefreshOverlap))
}

// stillAllowed are those of a grant's scopes that the owner of the program has not
// taken out of what it may ask for.
func stillAllowed(client *iam.OAuthClient, granted []string) []string {
	var out []string
	for _, scope := range granted {
		if _, wrong := scopesFor(client, scope); wrong == "" {
			out = append(out, scope)
		}
	}
	return out
}

// narrowed are the scopes of the new tokens: those that are asked for, which are
// some of the grant's (RFC 6749 section 6). An IAM token does not tell of scopes,
// and so for one that has full access there is nothing less.
func narrowed(client *iam.OAuthClient, granted []string, asked string) ([]string, error) {
	want := iam.ScopesOf(asked)
	if len(want) == 0 {
		return granted, nil
	}
	for _, scope := range want {
		if !slices.Contains(granted, scope) {
			return nil, iam.OAuthError(iam.OAuthInvalidScope, "scope: %s was not granted", shownScope(scope))
		}
	}
	if FullAccess(client, granted) && len(want) != len(granted) {
		return nil, iam.OAuthError(iam.OAuthInvalidScope, "scope: an IAM token cannot be had with less than was granted; leave the parameter out")
	}
	return want, nil
}

// shownScope is what may be repeated of a text that a client has made up.
func shownScope(text string) string {
	const most = 64
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return iam.Conceal(text)
}
