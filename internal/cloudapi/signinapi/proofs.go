package signinapi

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// Proofs prove the callers of both services.
type Proofs struct {
	DB            *store.DB
	Passwords     *signin.Passwords
	SecondFactors *signin.SecondFactors
	Session       *credential.Session
	Position      func() iam.Position
	// Seen notes that a session, and so the person, was there.
	Seen func(sessionID, userID string)
}

type proof = func(ctx context.Context, m proto.Message) (*credential.Identity, error)

// All are the proofs by the full names of the methods.
func (p *Proofs) All() map[string]proof {
	all := map[string]proof{
		propuskpb.SignInService_Start_FullMethodName:              p.password,
		propuskpb.SignInService_FinishSecondFactor_FullMethodName: p.secondFactor,
		propuskpb.SignInService_SignOut_FullMethodName:            p.session,
		propuskpb.SignInService_ResetPassword_FullMethodName:      p.resetToken,
	}
	for _, r := range AccountRules {
		all[r.Method] = p.session
	}
	return all
}

func (p *Proofs) password(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.StartSignInRequest)
	position := p.Position() // before the rows, as in every proof
	u, err := p.Passwords.Prove(ctx, r.GetLogin(), iam.NewSecret(r.GetPassword()), r.GetClient().GetAddress())
	if u != nil {
		gate.From(ctx).Note("user_account_id", u.ID)
	}
	if err != nil {
		return nil, err
	}
	return person(u, credential.HowPassword, position)
}

func (p *Proofs) secondFactor(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.FinishSecondFactorRequest)
	position := p.Position()
	userID, err := p.SecondFactors.Prove(ctx, r.GetTicket(), signin.Code{TOTP: r.GetCode(), Recovery: r.GetRecoveryCode()}, r.GetClient().GetAddress())
	if userID != "" {
		gate.From(ctx).Note("user_account_id", userID)
	}
	if err != nil {
		return nil, err
	}
	u, err := p.user(ctx, userID)
	if err != nil {
		return nil, err
	}
	return person(u, credential.HowSecondFactor, position)
}

var errResetToken = &iam.Error{Kind: iam.Unauthenticated, Reason: "reset_token_ended", Message: "The link has been used, has expired or was replaced by another one"}

func (p *Proofs) resetToken(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.ResetPasswordRequest)
	position := p.Position()
	var u *iam.UserAccount
	err := p.DB.View(ctx, func(tx *store.Tx) error {
		t, err := store.FindTicket(tx, iam.TicketPasswordReset, signin.TicketLookup(r.GetResetToken()))
		if errors.Is(err, iam.NotFound) {
			return errResetToken
		}
		if err != nil {
			return err
		}
		u, err = store.GetUserAccount(tx, t.UserID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return person(u, credential.HowPasswordReset, position)
}

func (p *Proofs) session(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	id, err := p.Session.Prove(ctx, m.(interface{ GetSession() string }).GetSession())
	if err == nil {
		p.Seen(id.CredentialID, string(id.Subject.ID))
	}
	return id, err
}

func (p *Proofs) user(ctx context.Context, id string) (u *iam.UserAccount, err error) {
	err = p.DB.View(ctx, func(tx *store.Tx) (err error) {
		u, err = store.GetUserAccount(tx, id)
		return err
	})
	return u, err
}

// person is a proved one, unless he is suspended, which is told to nobody else.
func person(u *iam.UserAccount, how string, position iam.Position) (*credential.Identity, error) {
	if u.Status != iam.UserAccountActive {
		return nil, &iam.Error{Kind: iam.FailedPrecondition, Reason: "account_suspended", Message: "The account is suspended"}
	}
	return &credential.Identity{
		Subject: iam.Subject{ID: iam.SubjectID(u.ID), Type: iam.TypeUserAccount}, How: how, Position: position,
		DependsOn: []token.Dependency{{Kind: token.KindSubject, ID: u.ID}, passwordOf(u.ID)},
	}, nil
}

// passwordOf is a person's password as something to depend on. Judging one takes
// time, and what was right when it was read lets nobody in who signs in with it
// while another one is set: cloudapi.Changes looks whether it has ended since.
func passwordOf(userID string) token.Dependency {
	return token.Dependency{Kind: token.KindCredential, ID: userID}
}
