package oauthapi

import (
	"cmp"
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// DeviceProofs prove a person by the code of a device that he has let in.
type DeviceProofs struct {
	DB      *store.DB
	Clients *Clients
	Grants  *credential.Grant
	Keys    KeyProofs
	Idle    time.Duration // without use, after which a session has ended
}

// errInvalidDevice is one answer to a device code that is unknown, used, another
// program's, or of a grant that has ended.
var errInvalidDevice = iam.OAuthError(iam.OAuthInvalidGrant,
	"The device code is not valid: it has been used, was not made for this program, or what the person has allowed has ended")

// Prove judges a machine's question for its token (RFC 8628 section 3.4). What is
// made of a yes ends with the session that the person was in. While nobody has
// answered it fails with authorization_pending or slow_down, which leave no line.
func (p *DeviceProofs) Prove(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.RedeemDeviceCodeRequest)
	call := gate.From(ctx)
	call.Note("client_id", iam.Conceal(r.GetClient().GetClientId()))
	client, err := p.Clients.Prove(ctx, r.GetClient())
	if err != nil {
		return nil, err
	}
	thumbprint, err := provenKey(ctx, p.Keys, r.GetDpop())
	if err != nil {
		return nil, err
	}
	position := min(client.Position, p.Grants.Reads.Position()) // before the rows: what changes after it ends what is made of this
	d, err := p.poll(ctx, r.GetDeviceCode(), client.Client.ID, thumbprint)
	var waits *iam.Error
	if errors.As(err, &waits) && (waits.Reason == iam.OAuthAuthorizationPending || waits.Reason == iam.OAuthSlowDown) {
		return nil, call.Answers(err)
	}
	if err != nil {
		return nil, err
	}
	g, session, err := p.answered(ctx, d)
	if err != nil {
		return nil, err
	}
	call.Note("oauth_grant_id", g.ID)
	id, err := p.Grants.Prove(ctx, position, credential.HowDeviceCode, g, client.Client)
	if errors.Is(err, iam.Unauthenticated) {
		return nil, iam.OAuthError(iam.OAuthInvalidGrant, "%s", messageOf(err))
	}
	if err != nil {
		return nil, err
	}
	p.Grants.InSession(id, session, p.Idle)
	return id, nil
}

// poll answers a machine's question, and writes that it has asked, and the first
// key that it shows: not of what no question changes any more, or anybody could
// keep the store busy.
func (p *DeviceProofs) poll(ctx context.Context, code, clientID, thumbprint string) (d *iam.DeviceCode, err error) {
	lookup := grant.DeviceCodeLookup(code)
	var answer error
	judge := func(tx *store.Tx) (writes bool, err error) {
		if d, err = store.GetDeviceCode(tx, lookup); err != nil {
			return false, err
		}
		if d.ClientID != clientID {
			return false, errInvalidDevice
		}
		if d.KeyThumbprint != "" && d.KeyThumbprint != thumbprint {
			return false, iam.OAuthError(iam.OAuthInvalidGrant, "The device code is bound to a key: a proof of possession of that key is needed")
		}
		bound := d.KeyThumbprint != thumbprint
		d.KeyThumbprint = thumbprint
		writes, answer = grant.PollDevice(d, tx.Now())
		return writes || bound && answer == nil, nil
	}
	writes := false
	err = p.DB.View(ctx, func(tx *store.Tx) (err error) {
		writes, err = judge(tx)
		return err
	})
	if err == nil && writes {
		err = p.DB.Update(ctx, func(tx *store.Tx) error { // anew: others may ask at the same time
			if writes, err := judge(tx); err != nil || !writes {
				return err
			}
			return store.NoteDevicePoll(tx, d)
		})
	}
	if errors.Is(err, iam.NotFound) {
		err = errInvalidDevice
	}
	return d, cmp.Or(err, answer)
}

// answered is what a person's yes has made, and his session.
func (p *DeviceProofs) answered(ctx context.Context, d *iam.DeviceCode) (g *iam.OAuthGrant, session *iam.Session, err error) {
	err = p.DB.View(ctx, func(tx *store.Tx) (err error) {
		if g, err = store.GetOAuthGrant(tx, d.GrantID); err != nil {
			return err
		}
		if session, err = store.GetSession(tx, g.SessionID); err == nil && !tx.Now().Before(session.ExpiresAt) {
			return errInvalidDevice
		}
		return err
	})
	if errors.Is(err, iam.NotFound) {
		err = errInvalidDevice
	}
	return g, session, err
}

// RedeemDeviceCode makes the first tokens of a grant, and uses the code up.
func (s *DeviceGrants) RedeemDeviceCode(ctx context.Context, r *propuskpb.RedeemDeviceCodeRequest) (*propuskpb.OAuthTokenResponse, error) {
	call := gate.From(ctx)
	lookup := grant.DeviceCodeLookup(r.GetDeviceCode())
	d, g, err := s.granted(ctx, lookup)
	if err != nil {
		return nil, err
	}
	client, err := s.Clients.Find(ctx, g.ClientID)
	if err != nil {
		return nil, err
	}
	g.KeyThumbprint = d.KeyThumbprint
	g.ClientInfo = cmp.Or(clientInfo(r.GetClientInstanceInfo()), d.ClientInfo)
	// Before the transaction: what is made is nobody's unless the code is used up.
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
		if err := store.UseDeviceCode(tx, lookup); err != nil {
			return err
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
		secret, err = s.Begins.Begin(tx, call, client, g, drawn)
		return err
	})
	if errors.Is(err, iam.NotFound) { // somebody was quicker
		return nil, errInvalidDevice
	}
	if err != nil {
		return nil, err
	}
	s.Addresses.Forgive(d.Address)
	out.RefreshToken = secret.Reveal()
	return out, nil
}

func (s *DeviceGrants) granted(ctx context.Context, lookup string) (d *iam.DeviceCode, g *iam.OAuthGrant, err error) {
	err = s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		if d, err = store.GetDeviceCode(tx, lookup); err != nil {
			return err
		}
		g, err = store.GetOAuthGrant(tx, d.GrantID)
		return err
	})
	if errors.Is(err, iam.NotFound) {
		err = errInvalidDevice
	}
	return d, g, err
}
