package leakapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// findOAuthToken tells of a person's OAuth token. To end it is to end every IAM
// token of the person, too: those that somebody made of it outlive it
// otherwise, and whoever holds it could end them as well.
func (s *Service) findOAuthToken(ctx context.Context, text string) (*found, error) {
	if !credential.OAuthTokenForm(text) {
		return nil, nil
	}
	var t *iam.OAuthToken
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		t, err = store.FindOAuthToken(tx, credential.SecretLookup(iam.NewSecret(text)))
		return err
	})
	if err != nil {
		return nil, err
	}
	if hash := sha256.Sum256([]byte(text)); subtle.ConstantTimeCompare(hash[:], t.Hash) != 1 || !s.Now().Before(t.ExpiresAt) {
		return nil, nil
	}
	return s.ofPerson(ctx, t.UserID, &found{id: t.ID, end: func(tx *store.Tx) error {
		if err := store.DeleteOAuthToken(tx, t.ID); err != nil {
			return err
		}
		return revocation.Revoke(tx, token.KindSubject, t.UserID)
	}})
}

// ofPerson tells whose a person's credential is: NOT_FOUND when the person is
// gone. It concerns every organization that the person is in.
func (s *Service) ofPerson(ctx context.Context, id string, f *found) (*found, error) {
	f.subject = iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}
	return f, s.DB.View(ctx, func(tx *store.Tx) error {
		u, err := store.GetUserAccount(tx, id)
		if err != nil {
			return err
		}
		f.dormant = f.dormant || u.Status != iam.UserAccountActive
		organizations, err := store.OrganizationsOf(tx, f.subject.ID)
		f.path, f.others = nil, nil
		for i, o := range organizations {
			path := []resource.Ref{{Kind: resource.Organization, ID: o}}
			if i == 0 {
				f.path = path
			} else {
				f.others = append(f.others, path)
			}
		}
		return err
	})
}
