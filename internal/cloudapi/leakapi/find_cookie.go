package leakapi

import (
	"context"
	"errors"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// findCookie finds the session of a person who has signed in with a browser. It
// ends as the person would end it, with everything that was made of it.
func (s *Service) findCookie(ctx context.Context, text string) (*found, error) {
	session, err := s.Cookie(ctx, text)
	if errors.Is(err, iam.Unauthenticated) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.ofPerson(ctx, session.UserID, &found{id: session.ID, end: func(tx *store.Tx) error {
		if err := store.DeleteSession(tx, session.UserID, session.ID); err != nil {
			return err
		}
		return revocation.Revoke(tx, token.KindSession, session.ID)
	}})
}
