package signin_test

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// town has alice, whose password is "rainy sunday", and bob, who has none.
type town struct {
	*clock
	db        *store.DB
	hasher    *signin.Hasher
	passwords *signin.Passwords
	locked    []string
	mu        sync.Mutex
}

const alicesPassword = "rainy sunday"

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{clock: newClock()}
	w.db = store.New(openEngine(t), store.Options{Now: w.Now})
	t.Cleanup(func() { _ = w.db.Close() })
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.hasher = signin.NewHasher(signin.HasherConfig{Cost: cheap, AtOnce: 1, Waiting: 2000, Now: time.Now})
	w.passwords = &signin.Passwords{DB: w.db, Hasher: w.hasher, Addresses: signin.NewAddresses(w.Now), Key: []byte("key"),
		Locked: func(_ *store.Tx, id string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.locked = append(w.locked, id)
			return nil
		}}
	w.update(t, func(tx *store.Tx) error {
		if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje1", Login: "alice", Email: "alice@example.com"}); err != nil {
			return err
		}
		if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje2", Login: "bob"}); err != nil {
			return err
		}
		return store.SetPassword(tx, &iam.Password{UserID: "aje1", PHC: cheap.PHC(iam.NewSecret(alicesPassword)), ChangedAt: tx.Now()})
	})
	return w
}

// openEngine is SQLite's, or PostgreSQL's where the environment asks for it.
func openEngine(t *testing.T) store.Engine {
	t.Helper()
	var e store.Engine
	var err error
	if os.Getenv("PROPUSK_TEST_ENGINE") == "postgres" {
		e, err = postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(pgtest.Shared(t).Schema(t))})
	} else {
		e, err = sqlite.OpenMemory()
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (w *town) update(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := w.db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

var nextAddress atomic.Int64

// try signs in from an address of its own, unless one is given.
func (w *town) try(t *testing.T, login, password string) (*iam.UserAccount, error) {
	t.Helper()
	n := nextAddress.Add(1)
	return w.passwords.Prove(t.Context(), login, iam.NewSecret(password), fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255))
}
