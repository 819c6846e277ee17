package signin

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

const (
	// TicketLife is how long a person may take for the second factor.
	TicketLife = 5 * time.Minute
	// TicketTries is how many codes may be tried with one ticket.
	TicketTries = 5
	// ConfirmLife is how long a secret that is shown may take to be confirmed.
	ConfirmLife = 15 * time.Minute
	// ResetLife is how long a link to reset a password works.
	ResetLife = time.Hour
)

// SecondFactors prove people who have proved their passwords once more. Safe for
// use by many goroutines.
type SecondFactors struct {
	DB        *store.DB
	Addresses *Addresses
	Open      func(at seal.Place, sealed []byte) ([]byte, error)
	Locked    func(tx *store.Tx, userID string) error // as of Passwords
	Now       Clock
}

// Code is one of the proofs that a person may show.
type Code struct {
	TOTP     string
	Recovery string // when TOTP is ""
	// Passkey judges what a passkey has answered, and notes that it was used; nil
	// when none has. It is called in a transaction, perhaps more than once.
	Passkey func(tx *store.Tx, userID string) (ok bool, err error)
}

var (
	errTicket = &iam.Error{Kind: iam.Unauthenticated, Reason: "ticket_expired", Message: "The sign-in has taken too long, or is over; begin anew"}
	errSpent  = &iam.Error{Kind: iam.Unauthenticated, Reason: "ticket_spent", Message: "The code is wrong, and was the last one that could be tried; begin anew"}
	errCode   = &iam.Error{Kind: iam.Unauthenticated, Reason: "code_wrong", Message: "The code is wrong, or was used before"}
)

// Prove takes a ticket and a code and tells whose they are; the ticket is then
// used up. The attempt is counted before it is judged, at the ticket and at the
// person. It fails with UNAUTHENTICATED, whose Reason is ticket_expired or
// ticket_spent when another code would not help; with RESOURCE_EXHAUSTED while it is too early to
// try again; or as the store does. The person is returned in every case in which
// the ticket led to one.
func (f *SecondFactors) Prove(ctx context.Context, ticket string, code Code, address string) (userID string, err error) {
	if err := f.Addresses.Enter(address); err != nil {
		return "", err
	}
	lookup := TicketLookup(ticket)
	userID, secret, err := f.begin(ctx, ticket)
	if err != nil {
		return userID, err
	}
	step, fits := TOTPStepOf(secret, code.TOTP, f.Now())
	var left int
	ok := false
	err = f.DB.Update(ctx, func(tx *store.Tx) error {
		ok = false
		t, err := store.TryTicket(tx, iam.TicketSecondFactor, lookup)
		if errors.Is(err, iam.NotFound) {
			return errTicket
		}
		if err != nil {
			return err
		}
		left = t.Tries
		if err := f.admit(tx, userID); err != nil {
			return err
		}
		switch {
		case code.Passkey != nil:
			ok, err = code.Passkey(tx, userID)
		case code.TOTP == "":
			ok, err = store.UseRecoveryCode(tx, userID, RecoveryHash(userID, code.Recovery))
		case fits && len(secret) > 0:
			ok, err = store.UseTOTPStep(tx, userID, step)
		}
		if err != nil || !ok {
			return err
		}
		if err := store.DeleteTicket(tx, lookup); err != nil {
			return err
		}
		return ForgetCodes(tx, userID)
	})
	switch {
	case err != nil:
		return userID, err
	case ok:
		f.Addresses.Forgive(address)
		return userID, nil
	case left == 0:
		return userID, errSpent
	}
	return userID, errCode
}

// Admit counts a code that is to confirm a person's app, before it is judged, with
// those of his sign-ins; see ForgetCodes. It fails with RESOURCE_EXHAUSTED while
// it is too early.
func (f *SecondFactors) Admit(ctx context.Context, userID string) error {
	return f.DB.Update(ctx, func(tx *store.Tx) error { return f.admit(tx, userID) })
}

func (f *SecondFactors) admit(tx *store.Tx, userID string) error {
	locked, err := admit(tx, secondFactorAttempts(userID))
	if err != nil || !locked || f.Locked == nil {
		return err
	}
	return f.Locked(tx, userID)
}

// ForgetCodes lets a person who has shown the right code begin to count anew.
func ForgetCodes(tx *store.Tx, userID string) error {
	return store.DeleteAttempts(tx, secondFactorAttempts(userID))
}

// Holder tells whose a ticket is, and leaves it as it is. It fails as Prove does.
func (f *SecondFactors) Holder(tx *store.Tx, ticket string) (userID string, err error) {
	t, err := store.FindTicket(tx, iam.TicketSecondFactor, TicketLookup(ticket))
	if errors.Is(err, iam.NotFound) {
		return "", errTicket
	}
	if err != nil {
		return "", err
	}
	return t.UserID, nil
}

// begin reads whose ticket it is and the secret of his app, nil without one.
func (f *SecondFactors) begin(ctx context.Context, ticket string) (userID string, secret []byte, err error) {
	var app *iam.TOTPSecret
	err = f.DB.View(ctx, func(tx *store.Tx) (err error) {
		if userID, err = f.Holder(tx, ticket); err != nil {
			return err
		}
		app, err = store.GetTOTP(tx, userID)
		if err == nil && !app.ConfirmedAt.IsZero() {
			return nil
		}
		if err != nil && !errors.Is(err, iam.NotFound) {
			return err
		}
		app = nil
		passkeys, err := store.CountPasskeys(tx, userID)
		if err == nil && passkeys == 0 { // taken away since
			err = errTicket
		}
		return err
	})
	if err != nil || app == nil {
		return userID, nil, err
	}
	secret, err = f.Open(store.TOTPPlace(userID), app.Sealed)
	if err != nil {
		return userID, nil, iam.Wrap(err, iam.Unavailable, "The authenticator app's secret cannot be opened just now")
	}
	return userID, secret, nil
}

// IsWrongCode tells whether an error of Prove is about the proof itself, and
// another one may be tried.
func IsWrongCode(err error) bool { return errors.Is(err, errCode) }

// IsSpent tells whether an error of Prove is about the proof itself, which was the
// last one that could be tried.
func IsSpent(err error) bool { return errors.Is(err, errSpent) }
