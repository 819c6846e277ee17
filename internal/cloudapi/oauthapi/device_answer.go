package oauthapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// DeviceRules are the rows of DeviceService. A person needs no role to let a
// device act for him.
var DeviceRules = gate.Only(pages, gate.Rules("propusk.v1.DeviceService",
	gate.Rule{Method: "Find", Proof: gate.Body},
	gate.Rule{Method: "Decide", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.AnswerDevice"},
)...)

// DeviceService is propusk.v1.DeviceService. Whatever a person has allowed before,
// he is asked: whoever starts a device chooses who sees its code.
type DeviceService struct {
	propuskpb.UnimplementedDeviceServiceServer
	Authorization *AuthorizationService
	Codes         grant.UserCodes
	Addresses     *signin.Addresses // where people sit who type wrong codes
}

// Find tells what a user code stands for.
func (s *DeviceService) Find(ctx context.Context, r *propuskpb.FindDeviceRequest) (*propuskpb.DeviceRequest, error) {
	d, shown, err := s.waiting(ctx, r.GetUserCode(), r.GetClient().GetAddress())
	if err != nil {
		return nil, err
	}
	client, err := s.clientOf(ctx, d)
	if err != nil {
		return nil, err
	}
	organizationID, err := s.Authorization.Clients.Organization(ctx, client)
	if err != nil {
		return nil, err
	}
	userID := gate.From(ctx).Caller().ID
	err = s.Authorization.Changes.DB.View(ctx, func(tx *store.Tx) error { return mayLetIn(tx, userID, organizationID) })
	if err != nil {
		return nil, err
	}
	program, err := s.Authorization.program(ctx, client, "")
	if err != nil {
		return nil, err
	}
	program.OnThisMachine = false // it is on another one
	return &propuskpb.DeviceRequest{Program: program, UserCode: shown, Scopes: d.Scopes, FullAccess: FullAccess(client, d.Scopes),
		Offline: slices.Contains(d.Scopes, oauthclient.ScopeOffline), Address: d.Address, ClientInstanceInfo: d.ClientInfo,
		CreatedAt: timestamppb.New(d.CreatedAt), ExpiresAt: timestamppb.New(d.ExpiresAt)}, nil
}

// Decide writes the person's answer, once. A yes makes a grant and is remembered
// as what he has allowed.
func (s *DeviceService) Decide(ctx context.Context, r *propuskpb.DecideDeviceRequest) (*propuskpb.DecideDeviceResponse, error) {
	d, _, err := s.waiting(ctx, r.GetUserCode(), r.GetClient().GetAddress())
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Note("client_id", d.ClientID)
	call.Note("scopes", strings.Join(d.Scopes, " "))
	call.Note("device_address", d.Address)
	g := &iam.OAuthGrant{ID: resource.NewID(resource.PrefixIAM), UserID: string(call.Caller().ID), ClientID: d.ClientID, ClientInfo: d.ClientInfo,
		SessionID: call.Identity.CredentialID, Scopes: d.Scopes, KeyThumbprint: d.KeyThumbprint, ExpiresAt: d.ExpiresAt.Add(mint.Life)}
	if !r.GetAllow() {
		call.Note("answer", "no")
		return &propuskpb.DecideDeviceResponse{}, s.answer(ctx, func(tx *store.Tx) error {
			return store.DecideDeviceCode(tx, d.Lookup, g.UserID, "")
		})
	}
	call.Note("answer", "yes")
	client, err := s.clientOf(ctx, d)
	if err != nil {
		return nil, err
	}
	organizationID, err := s.Authorization.restOn(ctx, call, client)
	if err != nil {
		return nil, err
	}
	return &propuskpb.DecideDeviceResponse{}, s.answer(ctx, func(tx *store.Tx) error {
		if oauthclient.Builtin(client.ID) == nil {
			if _, err := store.HoldOAuthClient(tx, client.ID); err != nil {
				return err
			}
		}
		if err := mayLetIn(tx, iam.SubjectID(g.UserID), organizationID); err != nil {
			return err
		}
		call.NoteDetail(audit.Text("oauth_grant_id", g.ID))
		return s.letIn(tx, d, g)
	})
}

// letIn writes a grant for a device, and what was allowed.
func (s *DeviceService) letIn(tx *store.Tx, d *iam.DeviceCode, g *iam.OAuthGrant) error {
	session, err := store.GetSession(tx, g.SessionID)
	if err != nil {
		return err
	}
	g.Methods, g.AuthenticatedAt, g.CreatedAt = session.Methods, session.AuthenticatedAt, tx.Now()
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
	if err := store.DecideDeviceCode(tx, d.Lookup, g.UserID, g.ID); err != nil {
		return err
	}
	return Remember(tx, g.UserID, g.ClientID, g.Scopes)
}

// answer runs the change of an answer; what is gone meanwhile is nothing that
// waits.
func (s *DeviceService) answer(ctx context.Context, act func(tx *store.Tx) error) error {
	err := s.Authorization.Changes.Plain(ctx, act)
	if errors.Is(err, iam.NotFound) {
		return errNoDevice
	}
	return err
}

// clientOf is the program of a device: none once it is gone, or may no longer ask
// for what the device has asked for.
func (s *DeviceService) clientOf(ctx context.Context, d *iam.DeviceCode) (*iam.OAuthClient, error) {
	client, err := s.Authorization.Clients.Find(ctx, d.ClientID)
	if errors.Is(err, iam.NotFound) {
		return nil, errNoDevice
	}
	if err != nil {
		return nil, err
	}
	if _, wrong := scopesFor(client, strings.Join(d.Scopes, " ")); wrong != "" {
		return nil, errNoDevice
	}
	return client, nil
}

// mayLetIn refuses a person who is no member of the organization that a program
// belongs to, as the authorization endpoint does; "" is everybody's program.
func mayLetIn(tx *store.Tx, userID iam.SubjectID, organizationID string) error {
	if organizationID == "" {
		return nil
	}
	of, err := store.OrganizationsOf(tx, userID)
	if err == nil && !slices.Contains(of, organizationID) {
		err = iam.OAuthError(iam.OAuthAccessDenied, "The person is no member of the organization that the program belongs to")
	}
	return err
}

// errNoDevice is one answer to a code that is none, unknown, answered or expired.
var errNoDevice = iam.Errorf(iam.NotFound, "No device waits with this code")

// waiting finds the device of a code that a person has typed, and the code as
// devices show it. A wrong one is counted for the person, for all nodes, and for
// the place where he sits; too many are RESOURCE_EXHAUSTED. What cannot be a code
// guesses nothing.
func (s *DeviceService) waiting(ctx context.Context, typed, address string) (d *iam.DeviceCode, shown string, err error) {
	shown, lookup, ok := s.Codes.Read(typed)
	if !ok {
		return nil, "", errNoDevice
	}
	if err := s.Addresses.Enter(address); err != nil {
		return nil, "", err
	}
	count := "device/" + string(gate.From(ctx).Caller().ID)
	err = s.Authorization.Changes.DB.Update(ctx, func(tx *store.Tx) error {
		held, err := store.HoldAttempts(tx, count)
		if err != nil {
			return err
		}
		guesses := grant.Guesses(held)
		if wait := guesses.Blocked(tx.Now()); wait > 0 {
			return tooManyCodes(wait)
		}
		d, err = store.FindWaitingDevice(tx, lookup)
		if errors.Is(err, iam.NotFound) {
			d = nil
			return store.SetAttempts(tx, count, store.Attempts(guesses.Wrong(tx.Now())))
		}
		return err
	})
	if err == nil && d == nil {
		err = errNoDevice
	}
	if err != nil {
		return nil, "", err
	}
	s.Addresses.Forgive(address)
	return d, shown, nil
}

func tooManyCodes(wait time.Duration) error {
	wait = wait.Truncate(time.Second) + time.Second
	return &iam.Error{Kind: iam.ResourceExhausted, Reason: "too_many_attempts", RetryAfter: wait,
		Message: fmt.Sprintf("Too many wrong codes; try again in %s", wait)}
}
