package leakapi

import (
	"context"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// findRefreshToken finds a person's refresh token, also one that was replaced:
// whoever has it has had more. It ends with everything of the same permission.
func (s *Service) findRefreshToken(ctx context.Context, text string) (*found, error) {
	lookup, ok := s.RefreshLookup(text)
	if !ok {
		return nil, nil
	}
	var t *iam.RefreshToken
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		t, err = store.FindRefreshToken(tx, lookup)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !s.Now().Before(t.ExpiresAt) {
		return nil, nil
	}
	return s.ofPerson(ctx, t.UserID, &found{id: t.ID, end: func(tx *store.Tx) error { return cloudapi.EndGrant(tx, t.GrantID) }})
}
