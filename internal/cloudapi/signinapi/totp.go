package signinapi

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// BeginTotp makes a secret for the caller's authenticator app and shows it.
func (s *AccountService) BeginTotp(ctx context.Context, r *propuskpb.BeginTotpRequest) (*propuskpb.BeginTotpResponse, error) {
	userID := string(gate.From(ctx).Caller().ID)
	if err := proveAgain(ctx, s.Changes.DB, s.Passwords, r.GetPassword(), s.Now()); err != nil {
		return nil, err
	}
	secret := signin.NewTOTPSecret()
	sealed, err := s.Box.Seal(store.TOTPPlace(userID), secret)
	if err != nil {
		return nil, err
	}
	var login string
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error {
		u, err := store.GetUserAccount(tx, userID)
		if err != nil {
			return err
		}
		login = u.Login
		return store.BeginTOTP(tx, &iam.TOTPSecret{UserID: userID, Sealed: sealed, CreatedAt: tx.Now()})
	})
	if err != nil {
		return nil, err
	}
	return &propuskpb.BeginTotpResponse{
		Secret: signin.TOTPText(secret).Reveal(), OtpauthUrl: signin.TOTPURL(s.Issuer, login, secret).Reveal(),
	}, nil
}

// ConfirmTotp makes the app a factor once a code has shown that it holds the
// secret, and answers with recovery codes. The code's step counts as used, and
// every code as an attempt, before it is judged. All other sessions end, and every
// sign-in that is under way: whoever knows the password alone is to be out.
func (s *AccountService) ConfirmTotp(ctx context.Context, r *propuskpb.ConfirmTotpRequest) (*propuskpb.ConfirmTotpResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	var app *iam.TOTPSecret
	err := s.Changes.DB.View(ctx, func(tx *store.Tx) (err error) {
		app, err = store.GetTOTP(tx, userID)
		return err
	})
	if errors.Is(err, iam.NotFound) || err == nil && !waits(app, s.Now()) {
		return nil, errNotBegun
	}
	if err != nil {
		return nil, err
	}
	if err := s.Factors.Admit(ctx, userID); err != nil {
		return nil, err
	}
	secret, err := s.Box.Open(store.TOTPPlace(userID), app.Sealed)
	if err != nil {
		return nil, iam.Wrap(err, iam.Unavailable, "The app's secret cannot be opened just now")
	}
	step, ok := signin.TOTPStepOf(secret, r.GetCode(), s.Now())
	if !ok {
		return nil, errWrongCode
	}
	codes, hashes := signin.NewRecoveryCodes(userID)
	err = s.Changes.Plain(ctx, func(tx *store.Tx) error {
		now, err := store.GetTOTP(tx, userID)
		if err != nil {
			return err
		}
		if !bytes.Equal(now.Sealed, app.Sealed) || !waits(now, tx.Now()) {
			return errNotBegun // begun anew meanwhile: the code is of another secret
		}
		used, err := store.UseTOTPStep(tx, userID, step)
		if err != nil {
			return err
		}
		if !used {
			return errWrongCode
		}
		confirmed, err := store.ConfirmTOTP(tx, userID, tx.Now())
		if err != nil {
			return err
		}
		if !confirmed {
			return errNotBegun
		}
		if err := signin.ForgetCodes(tx, userID); err != nil {
			return err
		}
		if err := store.SetRecoveryCodes(tx, userID, hashes); err != nil {
			return err
		}
		ended, err := endProvedByPassword(tx, userID, call.Identity.CredentialID)
		call.NoteDetail(endedDetail(ended))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &propuskpb.ConfirmTotpResponse{RecoveryCodes: codes}, nil
}

// endProvedByPassword ends a person's sessions but one, and every sign-in in which
// the password has been judged and no session has begun yet.
func endProvedByPassword(tx *store.Tx, userID, but string) (ended int, err error) {
	password := passwordOf(userID)
	if err := revocation.Revoke(tx, password.Kind, password.ID); err != nil {
		return 0, err
	}
	return EndSessions(tx, userID, but)
}

// waits tells whether an app may still be confirmed.
func waits(app *iam.TOTPSecret, now time.Time) bool {
	return app.ConfirmedAt.IsZero() && now.Sub(app.CreatedAt) < signin.ConfirmLife
}

var (
	errNotBegun  = iam.Errorf(iam.FailedPrecondition, "No authenticator app is waiting to be confirmed")
	errNoApp     = iam.Errorf(iam.FailedPrecondition, "The account has no authenticator app")
	errWrongCode = func() error {
		e := iam.InvalidField("code", "is wrong, or too old: codes change every 30 seconds")
		e.Reason = "code"
		return e
	}()
)

// RemoveTotp takes the caller's app away, with his recovery codes.
func (s *AccountService) RemoveTotp(ctx context.Context, r *propuskpb.RemoveTotpRequest) (*propuskpb.RemoveTotpResponse, error) {
	userID := string(gate.From(ctx).Caller().ID)
	if err := proveAgain(ctx, s.Changes.DB, s.Passwords, r.GetPassword(), s.Now()); err != nil {
		return nil, err
	}
	return &propuskpb.RemoveTotpResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		had, err := store.DeleteTOTP(tx, userID)
		if err == nil && !had {
			return errNoApp
		}
		return err
	})
}
