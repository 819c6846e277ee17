package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// DevOAuthTokenFile holds the OAuth token of a person, alice; `dev` leaves it
// in its data folder.
const DevOAuthTokenFile = "oauth-token"

// ensureDevOAuthToken leaves a file with an OAuth token that works: the one
// that is there, or a fresh one. A person who was deleted, or whom an operator
// has suspended, gets none.
func (s *Server) ensureDevOAuthToken(ctx context.Context, userID string) (iam.Secret, error) {
	path := filepath.Join(s.cfg.Data, DevOAuthTokenFile)
	if text, err := os.ReadFile(path); err == nil {
		kept := iam.NewSecret(strings.TrimSpace(string(text)))
		good, err := s.worksForDev(ctx, kept, userID)
		if good || err != nil {
			return kept, err
		}
	}
	secret, t := newOAuthToken("made by dev")
	made := false
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		u, err := store.GetUserAccount(tx, userID)
		if made = err == nil && u.Status == iam.UserAccountActive; !made {
			return err
		}
		return s.insertOAuthToken(tx, t, userID)
	})
	if errors.Is(err, iam.NotFound) {
		err = nil
	}
	if err != nil || !made {
		return iam.Secret{}, err
	}
	if err := os.WriteFile(path+".new", []byte(secret.Reveal()+"\n"), 0o600); err != nil {
		return iam.Secret{}, err
	}
	return secret, os.Rename(path+".new", path)
}

// worksForDev tells whether a text is a live OAuth token of a person.
func (s *Server) worksForDev(ctx context.Context, secret iam.Secret, userID string) (good bool, err error) {
	if !credential.OAuthTokenForm(secret.Reveal()) {
		return false, nil
	}
	err = s.db.View(ctx, func(tx *store.Tx) error {
		t, err := store.FindOAuthToken(tx, credential.SecretLookup(secret))
		good = err == nil && t.UserID == userID && s.now().Before(t.ExpiresAt)
		return err
	})
	if errors.Is(err, iam.NotFound) {
		err = nil
	}
	return good, err
}
