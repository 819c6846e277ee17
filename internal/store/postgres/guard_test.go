package postgres_test

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/token"
)

// TestGuardOfWhatTheFeedDoesNotTell: the feed tells of no session, and yet one
// whose password has ended while it was begun does not begin. The other change
// commits between the guard's first look and the row.
func TestGuardOfWhatTheFeedDoesNotTell(t *testing.T) {
	dbs, _ := cluster(t, pgtest.Shared(t), 2)
	var position iam.Position
	if err := dbs[0].Update(t.Context(), func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje1", Login: "alice", CreatedAt: tx.Now()})
	}); err != nil {
		t.Fatal(err)
	}
	if err := dbs[0].View(t.Context(), func(tx *store.Tx) (err error) {
		position, err = tx.Head()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	hash := token.HashID(token.KindCredential, "aje1")
	guarded := store.WithGuard(context.Background(), position, []store.Change{{Kind: store.ChangeRevocation, Key: hex.EncodeToString(hash[:])}})
	var once sync.Once
	err := dbs[0].Update(guarded, func(tx *store.Tx) error {
		once.Do(func() {
			if err := dbs[1].Update(context.Background(), func(tx *store.Tx) error {
				if _, err := store.GetUserAccount(tx, "aje1"); err != nil {
					return err
				}
				if _, err := store.DeleteSessions(tx, "aje1", ""); err != nil {
					return err
				}
				return revocation.Revoke(tx, token.KindCredential, "aje1")
			}); err != nil {
				t.Error(err)
			}
		})
		return store.InsertSession(tx, &iam.Session{ID: "ajes", UserID: "aje1", Lookup: "l", CreatedAt: tx.Now(), LastSeenAt: tx.Now(), ExpiresAt: tx.Now()})
	})
	if !errors.Is(err, store.ErrMoved) {
		t.Errorf("%v, want ErrMoved", err)
	}
	if err := dbs[0].View(t.Context(), func(tx *store.Tx) error {
		_, err := store.GetSession(tx, "ajes")
		return err
	}); !errors.Is(err, iam.NotFound) {
		t.Errorf("the session has begun: %v", err)
	}
}
