package signinapi

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/upstream"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// UpstreamProofs prove the callers of UpstreamService.
type UpstreamProofs struct {
	Journeys *Journeys
	Proofs   *Proofs
	Quotas   quota.Limits
}

// All are the proofs by the full names of the methods.
func (p *UpstreamProofs) All() map[string]proof {
	return map[string]proof{
		propuskpb.UpstreamService_Finish_FullMethodName:           p.finish,
		propuskpb.UpstreamService_List_FullMethodName:             p.Proofs.session,
		propuskpb.UpstreamService_BeginConnection_FullMethodName:  p.Proofs.session,
		propuskpb.UpstreamService_FinishConnection_FullMethodName: p.Proofs.session,
		propuskpb.UpstreamService_Disconnect_FullMethodName:       p.Proofs.session,
	}
}

// finish proves a person by what a provider says. Whom an account elsewhere
// belongs to is settled here: who has none is nobody, and proved nothing.
func (p *UpstreamProofs) finish(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.FinishUpstreamRequest)
	call := gate.From(ctx)
	call.NoteDetail(audit.Text("provider", r.GetProvider()))
	who, err := p.Journeys.finish(ctx, r.GetProvider(), iam.ChallengeUpstream, "", "", r.GetAnswer())
	if err != nil {
		return nil, err
	}
	provider, err := p.Journeys.Providers.Find(r.GetProvider())
	if err != nil {
		return nil, err
	}
	position := p.Proofs.Position()
	u, err := p.settle(ctx, call, provider, who)
	if err != nil {
		return nil, err
	}
	call.NoteDetail(audit.Text("user_account_id", u.ID))
	id, err := person(u, credential.HowUpstream, position)
	if err == nil {
		id.ProvedAt = who.AuthenticatedAt
	}
	return id, err
}

var (
	errUnconnected = &iam.Error{Kind: iam.NotFound, Reason: "account_unconnected", Message: "No account here is connected with this one"}
	// It is told to nobody but who has proved that the address is his.
	errEmailTaken = &iam.Error{Kind: iam.NotFound, Reason: "account_unconnected_email", Message: "The account here with this e-mail address is not connected with this one"}
)

// settle finds the person of an account elsewhere: the one with whom it is
// connected; else, where the config says so, the one with the same address, or a
// new one.
func (p *UpstreamProofs) settle(ctx context.Context, call *gate.Call, provider *upstream.Provider, who *upstream.Person) (u *iam.UserAccount, err error) {
	for range triesToSettle {
		if u, err = p.settleOnce(ctx, call, provider, who); !errors.Is(err, iam.AlreadyExists) {
			return u, err
		}
	}
	return nil, errUnconnected // he has another account of this provider
}

// triesToSettle are more than one because somebody may have been quicker: the same
// person in another tab, or another one who likes the same login.
const triesToSettle = 3

func (p *UpstreamProofs) settleOnce(ctx context.Context, call *gate.Call, provider *upstream.Provider, who *upstream.Person) (u *iam.UserAccount, err error) {
	id := resource.NewID(resource.PrefixIAM)
	err = p.Journeys.DB.Update(ctx, func(tx *store.Tx) error {
		u = nil
		x, err := store.FindExternalIdentity(tx, provider.Authority(), who.Subject)
		if err == nil {
			if u, err = store.GetUserAccount(tx, x.UserID); err != nil {
				return err
			}
			x.Email = who.Email
			return store.UseExternalIdentity(tx, x)
		}
		if !errors.Is(err, iam.NotFound) {
			return err
		}
		same, err := personWithEmail(tx, who)
		switch {
		case err != nil:
			return err
		case same != nil && !same.EmailUnverified && provider.MatchEmail:
			if u = same; u.Status != iam.UserAccountActive {
				return nil // which is told, and nothing else happens
			}
			return connect(tx, call, provider, who, u.ID)
		case same != nil && !same.EmailUnverified:
			return errEmailTaken
		case !provider.Create:
			return errUnconnected
		}
		// An address that nobody vouches for here keeps nobody out: whoever typed it
		// need not be whose it is.
		if u, err = p.add(tx, call, provider, who, id, same == nil); err != nil {
			return err
		}
		return connect(tx, call, provider, who, u.ID)
	})
	return u, err
}

// personWithEmail is who has the address here that a provider has verified, held;
// nil when nobody has.
func personWithEmail(tx *store.Tx, who *upstream.Person) (*iam.UserAccount, error) {
	if !who.EmailVerified || !strings.Contains(who.Email, "@") {
		return nil, nil
	}
	u, err := store.GetUserAccountByLogin(tx, who.Email)
	if err == nil {
		u, err = store.GetUserAccount(tx, u.ID)
	}
	if errors.Is(err, iam.NotFound) || err == nil && iam.CanonicalEmail(u.Email) != iam.CanonicalEmail(who.Email) {
		return nil, nil
	}
	return u, err
}

// connect lets a person sign in by an account elsewhere from now on.
func connect(tx *store.Tx, call *gate.Call, provider *upstream.Provider, who *upstream.Person, userID string) error {
	err := store.InsertExternalIdentity(tx, &iam.ExternalIdentity{Provider: provider.Authority(), ExternalID: who.Subject, UserID: userID,
		Email: who.Email, CreatedAt: tx.Now(), LastUsedAt: tx.Now()})
	if err != nil {
		return err
	}
	return beside(tx, call, eventConnect, audit.Place{Type: "iam.userAccount", ID: userID}, audit.Text("provider", provider.ID), audit.Text("external_id", who.Subject))
}
