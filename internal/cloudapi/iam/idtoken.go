package iam

import (
	"cmp"
	"context"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// IDTokenRules are the rows of IdTokenService.
var IDTokenRules = gate.Rules("propusk.v1.IdTokenService",
	gate.Rule{Method: "Create", Why: "an account's own; for another one iam.serviceAccounts.createIdToken is asked for on it",
		Effect: gate.Issues, Event: "propusk.CreateIdToken"},
)

// IDTokenService is propusk.v1.IdTokenService: JWTs by which service accounts
// prove themselves to third parties.
type IDTokenService struct {
	propuskpb.UnimplementedIdTokenServiceServer
	DB   *store.DB
	Keys IDTokens
	// Issuer is the address that tokens name as theirs.
	Issuer func() (string, error)
	Now    func() time.Time
}

// IDTokens makes ID tokens; *mint.IDKeys is one.
type IDTokens interface {
	Mint(ctx context.Context, r mint.IDRequest) (*mint.IDToken, error)
}

// Create makes an ID token. It ends with the caller's own proof and with the
// account, because a third party hears of no revocation.
func (s *IDTokenService) Create(ctx context.Context, r *propuskpb.CreateIdTokenRequest) (*propuskpb.CreateIdTokenResponse, error) {
	caller := gate.From(ctx).Identity
	id := r.GetServiceAccountId()
	if id == "" {
		if caller.Subject.Type != iam.TypeServiceAccount {
			return nil, iam.InvalidField("service_account_id", "required, because the caller is not a service account")
		}
		id = string(caller.Subject.ID)
	}
	audience := cmp.Or(r.GetAudience(), id)
	if err := checkAudience(audience); err != nil {
		return nil, err
	}
	if caller.Subject != (iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}) {
		if err := gate.Require(ctx, "iam.serviceAccounts.createIdToken", resource.ServiceAccount, id); err != nil {
			return nil, err
		}
	}
	account, err := s.account(ctx, id)
	if err != nil {
		return nil, err
	}
	issuer, err := s.Issuer()
	if err != nil {
		return nil, err
	}
	t, err := s.Keys.Mint(ctx, mint.IDRequest{
		Issuer: issuer, Subject: id, Audience: audience, NotAfter: earlier(caller.NotAfter, account.ExpiresAt)})
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.NoteDetail(audit.Text("service_account_id", id))
	call.NoteDetail(audit.Text("audience", audience))
	call.NoteDetail(audit.Text("jti", t.ID))
	call.NoteDetail(audit.Text("signing_key_id", t.KeyID))
	call.NoteDetail(audit.Time("expires_at", t.ExpiresAt))
	return &propuskpb.CreateIdTokenResponse{IdToken: t.Text.Reveal(), ExpiresAt: timestamppb.New(t.ExpiresAt)}, nil
}

// account is an active account as it is in the store now: what this node
// remembers may be a second old, and an ID token cannot be called back. For the
// same reason the caller is proved again when something that the proof rests on
// has ended and this node has not heard.
func (s *IDTokenService) account(ctx context.Context, id string) (*iam.ServiceAccount, error) {
	var account *iam.ServiceAccount
	var path []resource.Ref
	caller := gate.From(ctx).Identity
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if account, err = store.GetServiceAccount(tx, id); err != nil {
			return err
		}
		if path, err = store.Ancestors(tx, id); err != nil {
			return err
		}
		ended, err := store.Ended(tx, caller.DependsOn, caller.Position)
		if ended {
			err = store.ErrMoved
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	call.Target, call.Path = id, path
	if account.StatusAt(s.Now()) != iam.ServiceAccountActive {
		return nil, iam.Errorf(iam.FailedPrecondition, "Service account %s is suspended", id)
	}
	return account, nil
}

// checkAudience takes one name of whom a token is for, as the third party
// spells it; its length is checked with the message.
func checkAudience(audience string) error {
	if strings.TrimSpace(audience) != audience {
		return iam.InvalidField("audience", "must not begin or end with a space")
	}
	for _, c := range audience {
		if !unicode.IsPrint(c) {
			return iam.InvalidField("audience", "must be printable characters alone")
		}
	}
	return nil
}
