package replica_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// hall is a real engine whose views a test can count, hold and break, and
// which it can exchange for another, as a restore does.
type hall struct {
	store.Engine
	mu     sync.Mutex
	before func(context.Context) error // runs at the start of every view
	after  func()                      // runs in a view, after its reads
	views  atomic.Int64
	inside atomic.Int64
	most   atomic.Int64
}

func (h *hall) set(before func(context.Context) error, after func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.after = before, after
}

func (h *hall) exchange(e store.Engine) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Engine = e
}

func (h *hall) now() (store.Engine, func(context.Context) error, func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Engine, h.before, h.after
}

func (h *hall) View(ctx context.Context, fn func(store.Conn) error) error {
	engine, before, after := h.now()
	h.views.Add(1)
	n := h.inside.Add(1)
	defer h.inside.Add(-1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	if before != nil {
		if err := before(ctx); err != nil {
			return err
		}
	}
	return engine.View(ctx, func(c store.Conn) error {
		err := fn(c)
		if after != nil {
			after()
		}
		return err
	})
}

func (h *hall) Update(ctx context.Context, fn func(store.Conn) error) error {
	engine, _, _ := h.now()
	return engine.Update(ctx, fn)
}

func newEngine(t testing.TB) store.Engine {
	t.Helper()
	e, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

type fixture struct {
	t    testing.TB
	hall *hall
	db   *store.DB
	r    *replica.Replica
}

// newFixture is a replica over a real store that holds an organization "acme",
// a cloud "main", a folder "dev", an account "robot" and its key "key".
func newFixture(t testing.TB, change func(*replica.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, hall: &hall{Engine: newEngine(t)}}
	f.db = store.New(f.hall, store.Options{})
	cfg := replica.Config{DB: f.db}
	if change != nil {
		change(&cfg)
	}
	f.r = replica.New(cfg)
	f.seed()
	if err := f.r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) seed() {
	f.update(func(tx *store.Tx) error {
		if err := store.InsertOrganization(tx, &iam.Organization{ID: "acme", Name: "acme", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if err := store.InsertCloud(tx, &iam.Cloud{ID: "main", OrganizationID: "acme", Name: "main", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if err := store.InsertFolder(tx, &iam.Folder{ID: "dev", CloudID: "main", Name: "dev", Status: iam.FolderActive, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if err := store.InsertServiceAccount(tx, account("robot")(tx)); err != nil {
			return err
		}
		return store.InsertKey(tx, authorizedKey("key", "robot")(tx))
	})
}

func (f *fixture) update(fn func(tx *store.Tx) error) {
	f.t.Helper()
	if err := f.db.Update(f.t.Context(), fn); err != nil {
		f.t.Fatal(err)
	}
}

func account(id string) func(*store.Tx) *iam.ServiceAccount {
	return func(tx *store.Tx) *iam.ServiceAccount {
		return &iam.ServiceAccount{ID: id, FolderID: "dev", Name: id, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()}
	}
}

var publicPEM = sync.OnceValue(func() string {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
})

func authorizedKey(id, accountID string) func(*store.Tx) *iam.Key {
	return func(tx *store.Tx) *iam.Key {
		return &iam.Key{ID: id, ServiceAccountID: accountID, Algorithm: iam.RSA2048, PublicKey: publicPEM(), CreatedAt: tx.Now()}
	}
}

func binding(role iam.RoleID, subject iam.SubjectID) iam.AccessBinding {
	return iam.AccessBinding{Role: role, Subject: iam.Subject{ID: subject, Type: iam.TypeUserAccount}}
}

func (f *fixture) bind(resourceID string, role iam.RoleID, subject iam.SubjectID) {
	f.t.Helper()
	f.update(func(tx *store.Tx) error {
		_, err := store.AddBinding(tx, resourceID, binding(role, subject))
		return err
	})
}

func (f *fixture) unbind(resourceID string, role iam.RoleID, subject iam.SubjectID) {
	f.t.Helper()
	f.update(func(tx *store.Tx) error {
		_, err := store.RemoveBinding(tx, resourceID, binding(role, subject))
		return err
	})
}

func (f *fixture) addUsers(ids ...string) {
	f.t.Helper()
	f.update(func(tx *store.Tx) error {
		for _, id := range ids {
			if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: id, Login: id, CreatedAt: tx.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// misses counts the keys that a function looks up in the store.
func (f *fixture) misses(fn func()) uint64 {
	before := f.r.Stats().Misses
	fn()
	return f.r.Stats().Misses - before
}

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%06d", prefix, i)
	}
	return ids
}

func within(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing in 10 s", what)
	}
}
