package oauthapi

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// AuthorizationRules are the rows of AuthorizationService. A person needs no role
// to let a program act for him.
var AuthorizationRules = gate.Only(pages, gate.Rules("propusk.v1.AuthorizationService",
	gate.Rule{Method: "Check", Proof: gate.Open},
	gate.Rule{Method: "Prepare", Proof: gate.Body},
	gate.Rule{Method: "Allow", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.AllowProgram"},
	gate.Rule{Method: "ListPrograms", Proof: gate.Body},
	gate.Rule{Method: "RemoveProgram", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.RemoveProgram"},
	gate.Rule{Method: "SignOutTarget", Proof: gate.Open},
)...)

// AuthorizationService is propusk.v1.AuthorizationService.
type AuthorizationService struct {
	propuskpb.UnimplementedAuthorizationServiceServer
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
	Clients *Clients
	Keys    *mint.IDKeys
	Issuer  func() (string, error) // the address that answers name as theirs
	Now     func() time.Time
}

// Check judges a request before anybody signs in.
func (s *AuthorizationService) Check(ctx context.Context, r *propuskpb.CheckAuthorizationRequest) (*propuskpb.CheckAuthorizationResponse, error) {
	a, err := s.addressed(ctx, r.GetAuthorization())
	if err != nil {
		return nil, err
	}
	out := &propuskpb.CheckAuthorizationResponse{}
	refused, err := s.judge(ctx, a)
	if err != nil {
		return nil, err
	}
	if refused != nil {
		out.RefusalLocation = a.refused(refused)
		return out, nil
	}
	if a.prompted(promptNone) {
		out.LoginRequiredLocation = a.refused(&refusal{loginRequired, "Nobody is signed in"})
	}
	out.Program, err = s.program(ctx, a.client, a.GetRedirectUri())
	return out, err
}

// program is a client as a person is shown it.
func (s *AuthorizationService) program(ctx context.Context, client *iam.OAuthClient, redirectURI string) (*propuskpb.OAuthProgram, error) {
	p := &propuskpb.OAuthProgram{ClientId: client.ID, Name: client.Name}
	p.RedirectOrigin, p.OnThisMachine = originOf(client, redirectURI)
	var err error
	if p.OrganizationId, err = s.Clients.Organization(ctx, client); err != nil || p.OrganizationId == "" {
		return p, err
	}
	err = s.Changes.DB.View(ctx, func(tx *store.Tx) error {
		o, err := store.GetOrganization(tx, p.OrganizationId)
		if err == nil {
			p.OrganizationName = o.Name
			if o.Title != "" {
				p.OrganizationName = o.Title
			}
		}
		return err
	})
	return p, err
}

// signInFresh is for how long a person who was sent to sign in has just done so.
const signInFresh = 15 * time.Minute

// mustSignIn tells whether a person has to prove himself again: the program asks
// for it, or he last did so too long ago. After he was sent to sign in will do.
func (a *asked) mustSignIn(now, proved, since time.Time) bool {
	age := now.Sub(proved)
	if !since.IsZero() && !proved.Before(since) && age < signInFresh {
		return false
	}
	return a.prompted(promptLogin) || a.prompted(promptSelect) || a.maxAge >= 0 && age > a.maxAge
}

// standing is how a request stands with a person.
type standing struct {
	next    propuskpb.PrepareAuthorizationResponse_Next
	refused *refusal
	session *iam.Session
	consent *iam.OAuthConsent // nil: none
	fresh   []string          // scopes that he has not allowed before
}

// stand looks how a request stands with the person of a session.
func (s *AuthorizationService) stand(tx *store.Tx, a *asked, organizationID, sessionID string, since time.Time) (*standing, error) {
	session, err := store.GetSession(tx, sessionID)
	if err != nil {
		return nil, err
	}
	out := &standing{session: session, fresh: a.scopes}
	if organizationID != "" {
		of, err := store.OrganizationsOf(tx, iam.SubjectID(session.UserID))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(of, organizationID) {
			return out.refuse(iam.OAuthAccessDenied, "The person is no member of the organization that the program belongs to"), nil
		}
	}
	if a.mustSignIn(s.Now(), session.AuthenticatedAt, since) {
		if a.prompted(promptNone) {
			return out.refuse(loginRequired, "The person has to sign in again"), nil
		}
		out.next = propuskpb.PrepareAuthorizationResponse_SIGN_IN
		return out, nil
	}
	if a.person != "" && a.person != session.UserID {
		return out.refuse(loginRequired, "Another person is signed in than the one of id_token_hint"), nil
	}
	out.consent, err = store.GetOAuthConsent(tx, session.UserID, a.client.ID)
	switch {
	case errors.Is(err, iam.NotFound):
		out.consent = nil
	case err != nil:
		return nil, err
	default:
		out.fresh = without(a.scopes, out.consent.Scopes)
	}
	out.next = propuskpb.PrepareAuthorizationResponse_ALLOWED
	if out.consent == nil || len(out.fresh) > 0 || a.prompted(promptConsent) || a.byAnybody() {
		out.next = propuskpb.PrepareAuthorizationResponse_ASK
		if a.prompted(promptNone) {
			return out.refuse(consentRequired, "The person has to be asked"), nil
		}
	}
	return out, nil
}

// byAnybody tells of requests that anybody's program may make in the client's name,
// and get the answer to: of native clients, and of others without a secret at a port
// of the person's machine. Being allowed once is nothing to go by (RFC 8252 section
// 8.6).
func (a *asked) byAnybody() bool {
	_, onMachine := originOf(a.client, a.GetRedirectUri())
	return a.client.ProfileID == oauthclient.Native || onMachine && slices.Contains(a.client.AuthenticationMethods, oauthclient.NoSecret)
}

func (s *standing) refuse(code, description string) *standing {
	s.next, s.refused = propuskpb.PrepareAuthorizationResponse_REFUSED, &refusal{code, description}
	return s
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(v string) bool { return slices.Contains(some, v) })
}

// Prepare tells what has to happen before the caller can answer a request.
func (s *AuthorizationService) Prepare(ctx context.Context, r *propuskpb.PrepareAuthorizationRequest) (*propuskpb.PrepareAuthorizationResponse, error) {
	a, err := s.addressed(ctx, r.GetAuthorization())
	if err != nil {
		return nil, err
	}
	wrong, err := s.judge(ctx, a)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		return &propuskpb.PrepareAuthorizationResponse{Next: propuskpb.PrepareAuthorizationResponse_REFUSED, RefusalLocation: a.refused(wrong)}, nil
	}
	organizationID, err := s.Clients.Organization(ctx, a.client)
	if err != nil {
		return nil, err
	}
	var at *standing
	err = s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		at, err = s.stand(tx, a, organizationID, gate.From(ctx).Identity.CredentialID, timeOf(r.GetSignedInSince()))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &propuskpb.PrepareAuthorizationResponse{Next: at.next, Scopes: a.scopes, NewScopes: at.fresh,
		FullAccess: FullAccess(a.client, a.scopes), Offline: slices.Contains(a.scopes, oauthclient.ScopeOffline),
		DeniedLocation: a.refused(&refusal{iam.OAuthAccessDenied, "The person has said no"})}
	if at.refused != nil {
		out.RefusalLocation = a.refused(at.refused)
	}
	return out, nil
}
