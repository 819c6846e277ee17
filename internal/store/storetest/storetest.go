// Package storetest is the contract of a store engine, as a test suite that
// every engine passes.
package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Run tests an engine. open returns an engine on an empty database each time it
// is called; the suite migrates and closes it.
func Run(t *testing.T, open func(t *testing.T) store.Engine) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"rows", rowTests},
		{"tree", treeTests},
		{"API keys", apiKeyTests},
		{"static access keys", accessKeyTests},
		{"OAuth clients", oauthClientTests},
		{"secrets at rest and ends", sealedTests},
		{"bindings", bindingTests},
		{"standings", standingTests},
		{"policies and quotas", policyTests},
		{"people", peopleTests},
		{"OAuth tokens", oauthTokenTests},
		{"membership", membershipTests},
		{"groups", groupTests},
		{"owners", ownerTests},
		{"many at once", manyTests},
		{"resources of other services", registeredTests},
		{"definitions", definitionTests},
		{"signing in", signInTests},
		{"grants of OAuth", oauthGrantTests},
		{"refresh tokens", refreshTokenTests},
		{"device codes", deviceCodeTests},
		{"joining", joinTests},
		{"accounts elsewhere", externalIdentityTests},
		{"records", recordTests},
		{"paging", pagingTests},
		{"feed", feedTests},
		{"transactions", transactionTests},
		{"endings", endingTests},
		{"races", raceTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, tt := range g.tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, newFixture(t, open)) })
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, f *fixture)
}

// fixture is a migrated store with a clock that stands still.
type fixture struct {
	db     *store.DB
	engine store.Engine

	mu  sync.Mutex
	now time.Time
}

// start has nanoseconds, so that a column that kept more than microseconds shows.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)

func newFixture(t *testing.T, open func(t *testing.T) store.Engine) *fixture {
	t.Helper()
	f := &fixture{engine: open(t), now: start}
	f.db = store.New(f.engine, store.Options{Now: f.clock})
	t.Cleanup(func() {
		if err := f.db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := f.db.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return f
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fixture) update(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := f.db.Update(t.Context(), fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func (f *fixture) view(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := f.db.View(t.Context(), fn); err != nil {
		t.Fatalf("view: %v", err)
	}
}

// refuse runs an update that must fail with a kind and a text.
func (f *fixture) refuse(t *testing.T, kind iam.Kind, text string, fn func(tx *store.Tx) error) {
	t.Helper()
	wantRefusal(t, f.db.Update(t.Context(), fn), kind, text)
}

func wantRefusal(t *testing.T, err error, kind iam.Kind, text string) {
	t.Helper()
	var e *iam.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want %v", err, kind)
	}
	if e.Kind != kind || e.Message != text {
		t.Fatalf("refused with %v %q, want %v %q", e.Kind, e.Message, kind, text)
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// changes returns everything that the feed tells of after a position, flat.
func (f *fixture) changes(t *testing.T, after iam.Position) []store.Change {
	t.Helper()
	var all []store.Change
	f.view(t, func(tx *store.Tx) error {
		entries, err := store.ReadChanges(tx, after, 1_000_000)
		for _, e := range entries {
			all = append(all, e.Changes...)
		}
		return err
	})
	return all
}

func (f *fixture) head(t *testing.T) iam.Position {
	t.Helper()
	var head iam.Position
	f.view(t, func(tx *store.Tx) (err error) {
		head, err = tx.Head()
		return err
	})
	return head
}

// told checks that fn makes exactly one entry of the feed with these changes.
func (f *fixture) told(t *testing.T, want []store.Change, fn func(tx *store.Tx) error) {
	t.Helper()
	before := f.head(t)
	f.update(t, fn)
	same(t, "feed", want, f.changes(t, before))
	after := before + 1
	if len(want) == 0 {
		after = before
	}
	same(t, "head", after, f.head(t))
}
