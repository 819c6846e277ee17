package oauthapi

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// mostGrants is how many times a person has let one program act for him at most;
// the oldest makes room for another.
const mostGrants = 100

// Allow makes a grant and a code for the client, and remembers what was allowed.
// The browser goes back with a refusal when the person would have to be asked, or
// to sign in, first. An idempotency key makes it count once.
func (s *AuthorizationService) Allow(ctx context.Context, r *propuskpb.AllowAuthorizationRequest) (*propuskpb.AllowAuthorizationResponse, error) {
	a, err := s.addressed(ctx, r.GetAuthorization())
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Note("client_id", a.client.ID)
	refused, err := s.judge(ctx, a)
	if err != nil {
		return nil, err
	}
	call.Note("scopes", strings.Join(a.scopes, " "))
	organizationID := ""
	if refused == nil {
		if organizationID, err = s.restOn(ctx, call, a.client); err != nil {
			return nil, err
		}
	}
	code, lookup := grant.NewCode()
	g := &iam.OAuthGrant{ID: resource.NewID(resource.PrefixIAM), UserID: string(call.Caller().ID), ClientID: a.client.ID,
		SessionID: call.Identity.CredentialID, Scopes: a.scopes, Nonce: a.GetNonce(), KeyThumbprint: a.GetDpopJkt()}
	err = s.Changes.Once(ctx, "OAuth grant", g.ID, func(tx *store.Tx) error {
		why := refused
		if why == nil {
			at, err := s.mayAllow(tx, a, organizationID, call.Identity, r)
			if err != nil {
				return err
			}
			if why = at.refused; why == nil {
				call.NoteDetail(audit.Text("oauth_grant_id", g.ID))
				return s.begin(tx, a, at, g, lookup, r.GetAsked())
			}
		}
		return errNotAllowed{why}
	})
	var not errNotAllowed
	if errors.As(err, &not) {
		return &propuskpb.AllowAuthorizationResponse{Location: a.refused(not.refusal)}, s.recordRefusal(ctx, call, not)
	}
	if err != nil {
		return nil, err
	}
	return &propuskpb.AllowAuthorizationResponse{Location: a.answered(url.Values{"code": {code.Reveal()}})}, nil
}

// errNotAllowed undoes a change that makes nothing: the client hears why.
type errNotAllowed struct{ *refusal }

func (e errNotAllowed) Error() string { return e.code + ": " + e.description }

// recordRefusal leaves the line of a call that ends in a refusal, which is an
// answer and no error.
func (s *AuthorizationService) recordRefusal(ctx context.Context, call *gate.Call, why errNotAllowed) error {
	call.Recorded()
	return s.Changes.DB.Update(ctx, func(tx *store.Tx) error {
		return audit.Insert(tx, gate.EventOf(call, iam.OAuthError(why.code, "%s", why.description)))
	})
}

// restOn makes a change rest on the client, and on the caller's membership of the
// organization that it belongs to, which is returned.
func (s *AuthorizationService) restOn(ctx context.Context, call *gate.Call, client *iam.OAuthClient) (organizationID string, err error) {
	organizationID, err = s.Clients.Organization(ctx, client)
	if err == nil && organizationID != "" {
		id := *call.Identity
		id.DependsOn = append(id.DependsOnIn(organizationID), token.Dependency{Kind: token.KindCredential, ID: client.ID})
		call.Identity = &id
	}
	return organizationID, err
}

func (s *AuthorizationService) mayAllow(tx *store.Tx, a *asked, organizationID string, id *credential.Identity, r *propuskpb.AllowAuthorizationRequest) (*standing, error) {
	if oauthclient.Builtin(a.client.ID) == nil {
		if _, err := store.HoldOAuthClient(tx, a.client.ID); errors.Is(err, iam.NotFound) {
			return nil, errNoClient
		} else if err != nil {
			return nil, err
		}
	}
	if _, err := store.GetUserAccount(tx, string(id.Subject.ID)); err != nil { // holds him: what he has allowed stays allowed until the commit
		return nil, err
	}
	at, err := s.stand(tx, a, organizationID, id.CredentialID, timeOf(r.GetSignedInSince()))
	if err != nil {
		return nil, err
	}
	switch {
	case at.next == propuskpb.PrepareAuthorizationResponse_SIGN_IN:
		at.refuse(loginRequired, "The person has to sign in again")
	case at.next == propuskpb.PrepareAuthorizationResponse_ASK && !r.GetAsked():
		at.refuse(consentRequired, "The person has to be asked")
	}
	return at, nil
}

// begin writes a grant with its code, and what was allowed.
func (s *AuthorizationService) begin(tx *store.Tx, a *asked, at *standing, g *iam.OAuthGrant, lookup string, asked bool) error {
	now := tx.Now()
	g.Methods, g.AuthenticatedAt, g.CreatedAt = at.session.Methods, at.session.AuthenticatedAt, now
	g.ExpiresAt = now.Add(grant.CodeLife + mint.Life)
	if err := store.InsertOAuthGrant(tx, g); err != nil {
		return err
	}
	beyond, err := store.EndOAuthGrantsBeyond(tx, g.UserID, g.ClientID, mostGrants)
	if err != nil {
		return err
	}
	if err := cloudapi.RevokeGrants(tx, beyond); err != nil {
		return err
	}
	err = store.InsertOAuthCode(tx, &iam.OAuthCode{Lookup: lookup, GrantID: g.ID, RedirectURI: a.GetRedirectUri(),
		Challenge: a.GetCodeChallenge(), ExpiresAt: now.Add(grant.CodeLife)})
	if err != nil {
		return err
	}
	if !asked {
		return store.UseOAuthConsent(tx, g.UserID, g.ClientID)
	}
	return Remember(tx, g.UserID, g.ClientID, g.Scopes)
}

// Remember adds what a person has allowed a program now to what he has before.
func Remember(tx *store.Tx, userID, clientID string, scopes []string) error {
	all := slices.Clone(scopes)
	before, err := store.GetOAuthConsent(tx, userID, clientID)
	if err != nil && !errors.Is(err, iam.NotFound) {
		return err
	}
	if err == nil {
		all = append(slices.Clone(before.Scopes), without(scopes, before.Scopes)...)
	}
	return store.SetOAuthConsent(tx, &iam.OAuthConsent{UserID: userID, ClientID: clientID, Scopes: all, CreatedAt: tx.Now(), LastUsedAt: tx.Now()})
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
