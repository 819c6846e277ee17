package signinapi

import (
	"context"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

var errNoFactor = iam.Errorf(iam.FailedPrecondition, "The account has no second factor that recovery codes would stand in for")

// RenewRecoveryCodes gives the caller fresh recovery codes in place of those he has.
func (s *AccountService) RenewRecoveryCodes(ctx context.Context, r *propuskpb.RenewRecoveryCodesRequest) (*propuskpb.RenewRecoveryCodesResponse, error) {
	userID := string(gate.From(ctx).Caller().ID)
	if err := proveAgain(ctx, s.Changes.DB, s.Passwords, r.GetPassword(), s.Now()); err != nil {
		return nil, err
	}
	codes, hashes := signin.NewRecoveryCodes(userID)
	err := s.Changes.Plain(ctx, func(tx *store.Tx) error {
		if _, err := store.GetUserAccount(tx, userID); err != nil { // holds him while what he has is looked at
			return err
		}
		factors, err := factorsOf(tx, userID)
		if err != nil {
			return err
		}
		if len(factors) == 0 {
			return errNoFactor
		}
		return store.SetRecoveryCodes(tx, userID, hashes)
	})
	if err != nil {
		return nil, err
	}
	return &propuskpb.RenewRecoveryCodesResponse{RecoveryCodes: codes}, nil
}
