package server

import (
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// OAuth tokens that have expired are listed for a while and then forgotten.
func TestCleanForgetsExpiredOAuthTokens(t *testing.T) {
	db, _ := twoNodes(t)
	now := time.Now()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		all := []error{store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje1", Login: "alice"})}
		for id, end := range map[string]time.Time{"old": now.Add(-oauthTokensKept - time.Hour), "expired": now.Add(-oauthTokensKept + time.Hour), "live": now.Add(time.Hour)} {
			all = append(all, store.InsertOAuthToken(tx, &iam.OAuthToken{ID: id, UserID: "aje1", Lookup: id, ExpiresAt: end}))
		}
		return errors.Join(all...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Server{db: db}).clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx *store.Tx) error {
		left, err := store.ListOAuthTokens(tx, "aje1", store.Page{Limit: 9})
		if err == nil && (len(left) != 2 || left[0].ID != "expired" || left[1].ID != "live") {
			t.Errorf("%d are left", len(left))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
