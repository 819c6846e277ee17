package signinapi

import (
	"context"

	"golang.org/x/text/unicode/norm"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// newPassword looks whether a password will do for a person and makes what is
// kept of it.
func newPassword(ctx context.Context, db *store.DB, passwords *signin.Passwords, userID, text string) (user *iam.UserAccount, phc string, err error) {
	err = db.View(ctx, func(tx *store.Tx) (err error) {
		user, err = store.GetUserAccount(tx, userID)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	secret := iam.NewSecret(text)
	if err := CheckPassword("new_password", secret, user); err != nil {
		return nil, "", err
	}
	phc, err = passwords.Hash(ctx, userID, secret)
	return user, phc, err
}

// CheckPassword is signin.CheckPassword for a person.
func CheckPassword(field string, password iam.Secret, u *iam.UserAccount) error {
	return signin.CheckPassword(field, password, u.Login, u.Email, u.Name, u.GivenName, u.FamilyName)
}

// SetPassword gives a person a password and ends what the old one has led to:
// his sessions but one, every ticket, and every sign-in that is under way. It tells
// how many sessions there were. With "" no session stays, and no program acts for
// him any more either: the password was set by somebody who did not know the old one.
func SetPassword(tx *store.Tx, userID, phc, but string) (ended int, err error) {
	if err := store.SetPassword(tx, &iam.Password{UserID: userID, PHC: phc, ChangedAt: tx.Now()}); err != nil {
		return 0, err
	}
	for _, purpose := range []iam.TicketPurpose{iam.TicketSecondFactor, iam.TicketPasswordReset} {
		if err := store.DeleteTickets(tx, userID, purpose); err != nil {
			return 0, err
		}
	}
	if err := signin.ForgetAttempts(tx, userID); err != nil {
		return 0, err
	}
	if but == "" {
		if _, err := cloudapi.EndGrants(tx, userID, ""); err != nil {
			return 0, err
		}
	}
	return endProvedByPassword(tx, userID, but)
}

// ChangePassword sets another password and ends all other sessions.
func (s *AccountService) ChangePassword(ctx context.Context, r *propuskpb.ChangePasswordRequest) (*propuskpb.ChangePasswordResponse, error) {
	call := gate.From(ctx)
	userID := string(call.Caller().ID)
	if err := s.Passwords.ProveAgain(ctx, userID, iam.NewSecret(r.GetPassword())); err != nil {
		return nil, err
	}
	if norm.NFC.String(r.GetPassword()) == norm.NFC.String(r.GetNewPassword()) {
		e := iam.InvalidField("new_password", "is the present one")
		e.Reason = "password_same"
		return nil, e
	}
	_, phc, err := newPassword(ctx, s.Changes.DB, s.Passwords, userID, r.GetNewPassword())
	if err != nil {
		return nil, err
	}
	return &propuskpb.ChangePasswordResponse{}, s.Changes.Plain(ctx, func(tx *store.Tx) error {
		ended, err := SetPassword(tx, userID, phc, call.Identity.CredentialID)
		call.NoteDetail(endedDetail(ended))
		return err
	})
}
