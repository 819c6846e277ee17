package oauthapi

import (
	"context"
	"errors"
	"net/url"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// AuthorizeDevice changes nothing of anybody's: the line is left by the person who
// answers. Whoever knows a public client's name could fill the audit log otherwise.
var deviceGrantRules = []gate.Rule{
	{Method: "RedeemDeviceCode", Proof: gate.Body, Effect: gate.Changes, Event: "iam.CreateIamToken"},
	{Method: "AuthorizeDevice", Proof: gate.Body},
}

// DevicePage is where people type user codes, on this server.
const DevicePage = "/device"

// DeviceGrants lets machines without a browser in (RFC 8628).
type DeviceGrants struct {
	Changes cloudapi.Changes
	Clients *Clients
	Tokens  *Tokens
	Begins  RefreshTokens
	Keys    KeyProofs
	Codes   grant.UserCodes
	// Addresses slow down those who ask for codes and do nothing with them.
	Addresses *signin.Addresses
	Issuer    func() (string, error)
}

// ProveClient proves who asks for a device code. It is no subject.
func (s *DeviceGrants) ProveClient(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	p := m.(*propuskpb.AuthorizeDeviceRequest).GetClient()
	gate.From(ctx).Note("client_id", iam.Conceal(p.GetClientId()))
	_, err := s.Clients.Prove(ctx, p)
	return nil, err
}

// drawUserCode is how often a user code is drawn that another machine has.
const drawUserCode = 3

// AuthorizeDevice makes the codes of a machine that waits for a person (RFC 8628
// section 3.2): for the built-in client and those of the profile native alone, as
// others have a browser. It fails with unauthorized_client, invalid_scope or
// invalid_dpop_proof, and with RESOURCE_EXHAUSTED.
func (s *DeviceGrants) AuthorizeDevice(ctx context.Context, r *propuskpb.AuthorizeDeviceRequest) (*propuskpb.AuthorizeDeviceResponse, error) {
	client, err := s.Clients.Find(ctx, r.GetClient().GetClientId())
	if err != nil {
		return nil, err
	}
	if client.ProfileID != oauthclient.Native {
		return nil, iam.OAuthError(iam.OAuthUnauthorizedClient, "Only clients of the profile %s let devices in", oauthclient.Native)
	}
	scopes, wrong := scopesFor(client, r.GetScope())
	if wrong != "" {
		return nil, iam.OAuthError(iam.OAuthInvalidScope, "%s", wrong)
	}
	issuer, err := s.Issuer()
	if err != nil {
		return nil, err
	}
	if err := s.Addresses.Enter(r.GetAddress()); err != nil {
		return nil, err
	}
	d := &iam.DeviceCode{ClientID: client.ID, ClientInfo: clientInfo(r.GetClientInstanceInfo()), Scopes: scopes, Address: clientInfo(r.GetAddress()), Wait: grant.DeviceInterval}
	if d.KeyThumbprint, err = provenKey(ctx, s.Keys, r.GetDpop()); err != nil {
		return nil, err
	}
	code, shown, err := s.begin(ctx, d)
	if err != nil {
		return nil, err
	}
	page := issuer + DevicePage
	return &propuskpb.AuthorizeDeviceResponse{DeviceCode: code.Reveal(), UserCode: shown, VerificationUri: page,
		VerificationUriComplete: page + "?" + url.Values{"user_code": {shown}}.Encode(),
		ExpiresIn:               int64(grant.DeviceLife / time.Second), Interval: int64(d.Wait / time.Second)}, nil
}

// begin draws the codes and writes the row.
func (s *DeviceGrants) begin(ctx context.Context, d *iam.DeviceCode) (code iam.Secret, shown string, err error) {
	for range drawUserCode {
		code, d.Lookup = grant.NewDeviceCode()
		shown, d.UserCode = s.Codes.New()
		err = s.Changes.DB.Update(ctx, func(tx *store.Tx) error {
			d.CreatedAt, d.ExpiresAt = tx.Now(), tx.Now().Add(grant.DeviceLife)
			return store.InsertDeviceCode(tx, d)
		})
		if !errors.Is(err, iam.AlreadyExists) {
			break
		}
	}
	return code, shown, err
}
