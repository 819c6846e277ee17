package signinapi

import (
	"context"
	"errors"
	"slices"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/upstream"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// List shows with what the caller's account is connected.
func (s *UpstreamService) List(ctx context.Context, _ *propuskpb.ListConnectionsRequest) (*propuskpb.ListConnectionsResponse, error) {
	userID := string(gate.From(ctx).Caller().ID)
	out := &propuskpb.ListConnectionsResponse{}
	var rows []*iam.ExternalIdentity
	err := s.Journeys.DB.View(ctx, func(tx *store.Tx) (err error) {
		if rows, err = store.ListExternalIdentities(tx, userID); err != nil {
			return err
		}
		_, err = store.GetPassword(tx, userID)
		if out.HasPassword = err == nil; errors.Is(err, iam.NotFound) {
			err = nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range s.Journeys.Providers.List() {
		if !slices.ContainsFunc(rows, func(x *iam.ExternalIdentity) bool { return x.Provider == p.Authority() }) {
			out.Others = append(out.Others, providerProto(p))
		}
	}
	for _, x := range rows {
		c := &propuskpb.Connection{Id: x.Provider, Email: x.Email, CreatedAt: stamp(x.CreatedAt), LastUsedAt: stamp(x.LastUsedAt)}
		if p := s.ofAuthority(x.Provider); p != nil {
			c.Provider, c.Title = p.ID, p.Title
		}
		out.Connections = append(out.Connections, c)
	}
	return out, nil
}

// ofAuthority is the provider whose accounts these are; nil when the config has it
// no more.
func (s *UpstreamService) ofAuthority(authority string) *upstream.Provider {
	for _, p := range s.Journeys.Providers.List() {
		if p.Authority() == authority {
			return p
		}
	}
	return nil
}

// BeginConnection sends the caller's browser to a provider, so that his account
// there becomes a way in here.
func (s *UpstreamService) BeginConnection(ctx context.Context, r *propuskpb.BeginConnectionRequest) (*propuskpb.UpstreamJourney, error) {
	id := gate.From(ctx).Identity
	if err := proveAgain(ctx, s.Journeys.DB, s.Passwords, r.GetPassword(), s.Now()); err != nil {
		return nil, err
	}
	return s.Journeys.begin(ctx, r.GetProvider(), iam.ChallengeConnection, string(id.Subject.ID), journey{Session: id.CredentialID})
}

// FinishConnection connects the account at a provider with which the caller's
// browser has come back.
func (s *UpstreamService) FinishConnection(ctx context.Context, r *propuskpb.FinishConnectionRequest) (*propuskpb.FinishConnectionResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	call.NoteDetail(audit.Text("provider", r.GetProvider()))
	who, err := s.Journeys.finish(ctx, r.GetProvider(), iam.ChallengeConnection, userID, call.Identity.CredentialID, r.GetAnswer())
	if err != nil {
		if errors.Is(err, iam.Unauthenticated) { // it is the answer that proves nobody, not the session
			e, _ := errors.AsType[*iam.Error](err)
			again := iam.Wrap(err, iam.FailedPrecondition, "%s", e.Message)
			again.Reason = e.Reason
			return nil, again
		}
		return nil, err
	}
	p, err := s.Journeys.Providers.Find(r.GetProvider())
	if err != nil {
		return nil, err
	}
	call.NoteDetail(audit.Text("external_id", who.Subject))
	return &propuskpb.FinishConnectionResponse{Title: p.Title}, s.SignIn.Changes.Plain(ctx, func(tx *store.Tx) error {
		return store.InsertExternalIdentity(tx, &iam.ExternalIdentity{Provider: p.Authority(), ExternalID: who.Subject, UserID: userID,
			Email: who.Email, CreatedAt: tx.Now()})
	})
}

var errLastConnection = &iam.Error{Kind: iam.FailedPrecondition, Reason: "last_way_in", Message: "It is the only way to sign in to this account; set a password first"}

// Disconnect takes an account elsewhere away from the caller's, unless he could not
// sign in any more.
func (s *UpstreamService) Disconnect(ctx context.Context, r *propuskpb.DisconnectRequest) (*propuskpb.DisconnectResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	if err := proveAgain(ctx, s.Journeys.DB, s.Passwords, r.GetPassword(), s.Now()); err != nil {
		return nil, err
	}
	var known []string
	for _, p := range s.Journeys.Providers.List() {
		known = append(known, p.Authority())
	}
	if p := s.ofAuthority(r.GetConnectionId()); p != nil {
		call.NoteDetail(audit.Text("provider", p.ID))
	}
	return &propuskpb.DisconnectResponse{}, s.SignIn.Changes.Plain(ctx, func(tx *store.Tx) error {
		if _, err := store.GetUserAccount(tx, userID); err != nil { // held: two at once do not both leave the other
			return err
		}
		if err := store.DeleteExternalIdentity(tx, userID, r.GetConnectionId()); err != nil {
			return err
		}
		left, err := store.CountWaysIn(tx, userID, known)
		if err == nil && left == 0 {
			err = errLastConnection
		}
		return err
	})
}
