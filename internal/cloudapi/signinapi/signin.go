// Package signinapi serves propusk.v1.SignInService and AccountService: people
// who sign in, and what they do with their own accounts. The web door alone
// reaches it.
package signinapi

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// door is the only one that may call: it tells where a person sits, by which
// attempts are slowed down.
const door = "web"

// SignInRules are the rows of SignInService.
var SignInRules = gate.Only(door, gate.Rules("propusk.v1.SignInService",
	gate.Rule{Method: "Start", Proof: gate.Body, Effect: gate.Changes, Event: "iam.credential.ApplicationLoginEvent"},
	gate.Rule{Method: "FinishSecondFactor", Proof: gate.Body, Effect: gate.Changes, Event: "iam.mfa.VerifyUserCredential"},
	gate.Rule{Method: "SignOut", Proof: gate.Body, Effect: gate.Changes, Event: "iam.credential.RevokeSsoSession"},
	gate.Rule{Method: "ResetPassword", Proof: gate.Body, Effect: gate.Changes, Event: "propusk.ResetPassword"},
)...)

// SignInService is propusk.v1.SignInService.
type SignInService struct {
	propuskpb.UnimplementedSignInServiceServer
	Changes   cloudapi.Changes
	Passwords *signin.Passwords
	Life      time.Duration // of a session, however busy it is
	Idle      time.Duration // without use, after which a session has ended
}

// Start makes a session of a person who has proved his password, or a ticket to
// the second factor when he has one.
func (s *SignInService) Start(ctx context.Context, r *propuskpb.StartSignInRequest) (*propuskpb.SignInResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	fresh := newSession(userID, r.GetClient(), false, methodPassword)
	ticket, lookup := signin.NewTicket()
	var expires time.Time
	var factors []propuskpb.Factor
	err := s.Changes.Plain(ctx, func(tx *store.Tx) (err error) {
		if factors, err = factorsOf(tx, userID); err != nil {
			return err
		}
		if len(factors) == 0 {
			call.NoteDetail(audit.Text("second_factor", "none"))
			return s.begin(tx, call, fresh)
		}
		call.NoteDetail(audit.Text("second_factor", "asked"))
		expires = tx.Now().Add(signin.TicketLife)
		return store.InsertTicket(tx, &iam.Ticket{Lookup: lookup, Purpose: iam.TicketSecondFactor, UserID: userID,
			Tries: signin.TicketTries, ExpiresAt: expires})
	})
	if err != nil {
		return nil, err
	}
	if len(factors) == 0 {
		return fresh.answer(), nil
	}
	return &propuskpb.SignInResponse{Result: &propuskpb.SignInResponse_SecondFactor_{SecondFactor: &propuskpb.SignInResponse_SecondFactor{
		Ticket: ticket.Reveal(), ExpiresAt: timestamppb.New(expires),
		Factors: factors,
	}}}, nil
}

// factorsOf are the second factors that a person may show; none when his password
// is enough. A recovery code stands in for those there are.
func factorsOf(tx *store.Tx, userID string) (out []propuskpb.Factor, err error) {
	app, err := store.GetTOTP(tx, userID)
	if err != nil && !errors.Is(err, iam.NotFound) {
		return nil, err
	}
	if err == nil && !app.ConfirmedAt.IsZero() {
		out = append(out, propuskpb.Factor_TOTP)
	}
	passkeys, err := store.CountPasskeys(tx, userID)
	if err != nil {
		return nil, err
	}
	if passkeys > 0 {
		out = append(out, propuskpb.Factor_PASSKEY)
	}
	if len(out) > 0 {
		out = append(out, propuskpb.Factor_RECOVERY_CODE)
	}
	return out, nil
}

// FinishSecondFactor makes a session of a person who has proved both factors.
func (s *SignInService) FinishSecondFactor(ctx context.Context, r *propuskpb.FinishSecondFactorRequest) (*propuskpb.SignInResponse, error) {
	call := gate.From(ctx)
	factor, methods := "totp", []string{firstMethod(r.GetTicket()), methodOTP, methodMFA}
	if r.GetCode() == "" {
		factor, methods = "recoveryCode", []string{firstMethod(r.GetTicket()), methodMFA}
	}
	fresh := newSession(string(call.Caller().ID), r.GetClient(), true, methods...)
	call.Note("factor", factor)
	err := s.Changes.Plain(ctx, func(tx *store.Tx) error { return s.begin(tx, call, fresh) })
	if err != nil {
		return nil, err
	}
	return fresh.answer(), nil
}

// SignOut ends the session that proved the caller.
func (s *SignInService) SignOut(ctx context.Context, _ *propuskpb.SignOutRequest) (*propuskpb.SignOutResponse, error) {
	call := gate.From(ctx)
	call.Note("session_id", call.Identity.CredentialID)
	return &propuskpb.SignOutResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		return endSession(tx, string(call.Caller().ID), call.Identity.CredentialID)
	})
}

// ResetPassword sets a password by a ticket that an operator has made. Whoever
// signed in with the old one is out.
func (s *SignInService) ResetPassword(ctx context.Context, r *propuskpb.ResetPasswordRequest) (*propuskpb.ResetPasswordResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	user, phc, err := newPassword(ctx, s.Changes.DB, s.Passwords, userID, r.GetNewPassword())
	if err != nil {
		return nil, err
	}
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if err := store.DeleteTicket(tx, signin.TicketLookup(r.GetResetToken())); errors.Is(err, iam.NotFound) {
			return errResetToken // somebody was quicker
		} else if err != nil {
			return err
		}
		ended, err := SetPassword(tx, userID, phc, "")
		call.NoteDetail(endedDetail(ended))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &propuskpb.ResetPasswordResponse{Login: user.Login}, nil
}
