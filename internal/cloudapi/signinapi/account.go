package signinapi

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// AccountRules are the rows of AccountService. A person needs no role for what
// is his own.
var AccountRules = gate.Only(door, gate.Rules("propusk.v1.AccountService",
	gate.Rule{Method: "Get", Proof: gate.Body},
	gate.Rule{Method: "ListSessions", Proof: gate.Body},
	gate.Rule{Method: "EndSession", Proof: gate.Body, Effect: gate.Changes, Event: "iam.credential.RevokeSsoSession"},
	gate.Rule{Method: "EndOtherSessions", Proof: gate.Body, Effect: gate.Changes, Event: "iam.credential.RevokeSsoSession"},
	gate.Rule{Method: "ChangePassword", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.ChangePassword"},
	gate.Rule{Method: "BeginTotp", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.BeginUserCredential"},
	gate.Rule{Method: "ConfirmTotp", Proof: gate.Body, Effect: gate.Changes, Event: "iam.mfa.CreateUserCredential"},
	gate.Rule{Method: "RemoveTotp", Proof: gate.Body, Effect: gate.Changes, Event: "iam.mfa.DeleteUserCredential"},
	gate.Rule{Method: "RenewRecoveryCodes", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.RenewRecoveryCodes"},
	gate.Rule{Method: "ListOAuthTokens", Proof: gate.Body},
	gate.Rule{Method: "CreateOAuthToken", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.CreateOAuthToken"},
	gate.Rule{Method: "RevokeOAuthToken", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.RevokeOAuthToken"},
	gate.Rule{Method: "CreateIamToken", Proof: gate.Body, Effect: gate.Issues, Event: "iam.CreateIamToken"},
)...)

// AccountService is propusk.v1.AccountService.
type AccountService struct {
	propuskpb.UnimplementedAccountServiceServer
	Changes   cloudapi.Changes
	Pages     cloudapi.Pages
	Passwords *signin.Passwords
	Factors   *signin.SecondFactors
	Minter    *mint.Minter
	Box       Box
	Issuer    string        // what authenticator apps show beside the login
	Idle      time.Duration // after which a session has ended
	Places    signin.Places // names of networks
	Now       func() time.Time
}

// Box keeps secrets at rest; *seal.Box is one.
type Box interface {
	Seal(at seal.Place, secret []byte) ([]byte, error)
	Open(at seal.Place, sealed []byte) ([]byte, error)
}

const mostOrganizations = 100 // that are shown

// Get shows the caller to himself.
func (s *AccountService) Get(ctx context.Context, _ *propuskpb.GetAccountRequest) (*propuskpb.Account, error) {
	id := gate.From(ctx).Identity
	userID := string(id.Subject.ID)
	var out *propuskpb.Account
	err := s.Changes.DB.View(ctx, func(tx *store.Tx) error {
		u, err := store.GetUserAccount(tx, userID)
		if err != nil {
			return err
		}
		session, err := store.GetSession(tx, id.CredentialID)
		if err != nil {
			return err
		}
		out = &propuskpb.Account{Id: u.ID, Login: u.Login, Email: u.Email, Name: u.Name, CreatedAt: stamp(u.CreatedAt),
			Session: s.session(session, session.ID), SecondFactors: &propuskpb.SecondFactors{}}
		p, err := store.GetPassword(tx, userID)
		if err == nil {
			out.PasswordChangedAt = stamp(p.ChangedAt)
		} else if !errors.Is(err, iam.NotFound) {
			return err
		}
		if err := addFactors(tx, out.SecondFactors, userID); err != nil {
			return err
		}
		out.Organizations, err = organizationsOf(tx, id.Subject.ID)
		return err
	})
	return out, err
}

func addFactors(tx *store.Tx, out *propuskpb.SecondFactors, userID string) error {
	app, err := store.GetTOTP(tx, userID)
	if err != nil && !errors.Is(err, iam.NotFound) {
		return err
	}
	if err == nil && !app.ConfirmedAt.IsZero() {
		out.TotpAddedAt = stamp(app.ConfirmedAt)
	}
	passkeys, err := store.CountPasskeys(tx, userID)
	out.Passkeys = int64(passkeys)
	if err != nil || passkeys == 0 && out.TotpAddedAt == nil {
		return err
	}
	left, err := store.CountRecoveryCodes(tx, userID)
	out.RecoveryCodesLeft = int64(left)
	return err
}

func organizationsOf(tx *store.Tx, who iam.SubjectID) ([]*propuskpb.AccountOrganization, error) {
	ids, err := store.OrganizationsOf(tx, who)
	if err != nil {
		return nil, err
	}
	var out []*propuskpb.AccountOrganization
	for _, id := range ids[:min(len(ids), mostOrganizations)] {
		o, err := store.GetOrganization(tx, id)
		if errors.Is(err, iam.NotFound) {
			continue // on its way out
		}
		if err != nil {
			return nil, err
		}
		out = append(out, &propuskpb.AccountOrganization{Id: o.ID, Name: o.Name, Title: o.Title})
	}
	return out, nil
}

// ListSessions pages through the caller's sessions.
func (s *AccountService) ListSessions(ctx context.Context, r *propuskpb.ListSessionsRequest) (*propuskpb.ListSessionsResponse, error) {
	call := gate.From(ctx)
	l := cloudapi.List{Method: call.Rule.Method, Parent: string(call.Caller().ID), Size: r.GetPageSize(), Token: r.GetPageToken()}
	since := s.Now().Add(-s.Idle)
	read := func(tx *store.Tx, userID string, p store.Page) ([]*iam.Session, error) {
		return store.ListSessions(tx, userID, since, p)
	}
	page, next, err := cloudapi.PageByID(ctx, s.Changes.DB, s.Pages, l, read,
		func(row *iam.Session) *propuskpb.AccountSession { return s.session(row, call.Identity.CredentialID) })
	return &propuskpb.ListSessionsResponse{Sessions: page, NextPageToken: next}, err
}

// session is sessionProto with the name of the place.
func (s *AccountService) session(row *iam.Session, current string) *propuskpb.AccountSession {
	out := sessionProto(row, current)
	out.Place = s.Places.Of(row.Address)
	return out
}

// EndSession ends one of the caller's sessions. Another person's is NOT_FOUND.
func (s *AccountService) EndSession(ctx context.Context, r *propuskpb.EndSessionRequest) (*propuskpb.EndSessionResponse, error) {
	call := gate.From(ctx)
	call.Note("session_id", r.GetSessionId())
	return &propuskpb.EndSessionResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		return endSession(tx, string(call.Caller().ID), r.GetSessionId())
	})
}

// EndOtherSessions ends all of the caller's sessions but the one that asks.
func (s *AccountService) EndOtherSessions(ctx context.Context, _ *propuskpb.EndOtherSessionsRequest) (*propuskpb.EndOtherSessionsResponse, error) {
	call := gate.From(ctx)
	var ended int
	err := s.Changes.Plain(ctx, func(tx *store.Tx) (err error) {
		ended, err = EndSessions(tx, string(call.Caller().ID), call.Identity.CredentialID)
		call.NoteDetail(endedDetail(ended))
		return err
	})
	return &propuskpb.EndOtherSessionsResponse{Ended: int64(ended)}, err
}
