package leakapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// findClientSecret tells of the secret of an OAuth client, whose owner is whoever
// reads the audit log of the client's folder.
func (s *Service) findClientSecret(ctx context.Context, text string) (*found, error) {
	if !credential.OAuthClientSecretForm(text) {
		return nil, nil
	}
	var secret *iam.OAuthClientSecret
	var client *iam.OAuthClient
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if secret, err = store.FindOAuthClientSecret(tx, credential.SecretLookup(iam.NewSecret(text))); err != nil {
			return err
		}
		client, err = store.GetOAuthClient(tx, secret.OAuthClientID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if hash := sha256.Sum256([]byte(text)); subtle.ConstantTimeCompare(hash[:], secret.Hash) != 1 {
		return nil, nil
	}
	f := &found{id: secret.ID, subject: iam.Subject{ID: iam.SubjectID(client.ID)}, name: client.Name, end: func(tx *store.Tx) error {
		return deleted(tx, secret.ID, store.DeleteOAuthClientSecret)
	}}
	f.path, err = s.Accounts.Ancestors(ctx, client.FolderID)
	return f, err
}
