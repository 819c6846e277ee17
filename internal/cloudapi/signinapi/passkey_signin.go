package signinapi

import (
	"context"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// PasskeySignInRules are the rows of PasskeySignInService.
var PasskeySignInRules = gate.Only(door, gate.Rules("propusk.v1.PasskeySignInService",
	gate.Rule{Method: "BeginSignIn", Proof: gate.Open},
	gate.Rule{Method: "FinishSignIn", Proof: gate.Body, Effect: gate.Changes, Event: "iam.credential.ApplicationLoginEvent"},
	gate.Rule{Method: "BeginSecondFactor", Proof: gate.Open},
	gate.Rule{Method: "FinishSecondFactor", Proof: gate.Body, Effect: gate.Changes, Event: "iam.mfa.VerifyUserCredential"},
)...)

// PasskeySignInService is propusk.v1.PasskeySignInService.
type PasskeySignInService struct {
	propuskpb.UnimplementedPasskeySignInServiceServer
	SignIn   *SignInService // which begins the sessions
	Passkeys *Passkeys
}

// BeginSignIn makes a challenge that nothing is kept of: pages are opened more
// often than anybody signs in.
func (s *PasskeySignInService) BeginSignIn(context.Context, *propuskpb.BeginPasskeySignInRequest) (*propuskpb.BeginPasskeySignInResponse, error) {
	return &propuskpb.BeginPasskeySignInResponse{Site: siteProto(s.Passkeys.offered()), Challenge: s.Passkeys.Challenges.New(useSignIn)}, nil
}

// FinishSignIn makes a session of a person whom his passkey alone has proved.
func (s *PasskeySignInService) FinishSignIn(ctx context.Context, r *propuskpb.FinishPasskeySignInRequest) (*propuskpb.SignInResponse, error) {
	return s.begin(ctx, r.GetClient())
}

// BeginSecondFactor makes a challenge for whoever holds a ticket.
func (s *PasskeySignInService) BeginSecondFactor(ctx context.Context, r *propuskpb.BeginPasskeySecondFactorRequest) (*propuskpb.BeginPasskeySecondFactorResponse, error) {
	out := &propuskpb.BeginPasskeySecondFactorResponse{Site: siteProto(s.Passkeys.offered()), Challenge: s.Passkeys.Challenges.New(useSecondFactor(r.GetTicket()))}
	err := s.Passkeys.DB.View(ctx, func(tx *store.Tx) error {
		userID, err := s.Passkeys.Factors.Holder(tx, r.GetTicket())
		if err != nil {
			return err
		}
		if out.Factors, err = factorsOf(tx, userID); err != nil {
			return err
		}
		out.Passkeys, err = hints(tx, userID)
		return err
	})
	return out, err
}

// FinishSecondFactor makes a session of a person who has proved his password and
// one of his passkeys.
func (s *PasskeySignInService) FinishSecondFactor(ctx context.Context, r *propuskpb.FinishPasskeySecondFactorRequest) (*propuskpb.SignInResponse, error) {
	return s.begin(ctx, r.GetClient(), firstMethod(r.GetTicket()))
}

func (s *PasskeySignInService) begin(ctx context.Context, client *propuskpb.Client, before ...string) (*propuskpb.SignInResponse, error) {
	call := gate.From(ctx)
	call.Note("factor", "passkey")
	fresh := newSession(string(call.Caller().ID), client, true)
	err := s.SignIn.Changes.Plain(ctx, func(tx *store.Tx) error {
		key, err := store.GetPasskey(tx, fresh.UserID, call.Identity.CredentialID)
		if iam.KindOf(err) == iam.NotFound { // taken away since
			return errPasskey
		}
		if err != nil {
			return err
		}
		fresh.Methods = append(append(append([]string(nil), before...), methodsOf(key)...), methodMFA)
		return s.SignIn.begin(tx, call, fresh)
	})
	if err != nil {
		return nil, err
	}
	return fresh.answer(), nil
}
