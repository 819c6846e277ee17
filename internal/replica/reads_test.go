package replica_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var robotPath = []resource.Ref{
	{Kind: resource.ServiceAccount, ID: "robot"}, {Kind: resource.Folder, ID: "dev"},
	{Kind: resource.Cloud, ID: "main"}, {Kind: resource.Organization, ID: "acme"},
}

func TestReadsAreTheStores(t *testing.T) {
	f := newFixture(t, nil)
	ctx := t.Context()
	f.addUsers("alice")
	f.bind("dev", "viewer", "alice")
	f.bind("dev", "editor", "alice")
	f.update(func(tx *store.Tx) error {
		if err := store.InsertGroup(tx, &iam.Group{ID: "devs", OrganizationID: "acme", Name: "devs", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if _, err := store.AddGroupMember(tx, "devs", iam.Subject{ID: "alice", Type: iam.TypeUserAccount}); err != nil {
			return err
		}
		_, err := store.AddMember(tx, "acme", "alice")
		return err
	})
	// Twice: from the store, then from memory, where nothing is looked up.
	for turn := range 2 {
		n := f.misses(func() {
			if k, err := f.r.Key(ctx, "key"); err != nil || k.ServiceAccountID != "robot" || k.Public == nil || k.PublicKey != "" {
				t.Errorf("Key: %+v, %v", k, err)
			}
			if a, err := f.r.ServiceAccount(ctx, "robot"); err != nil || a.FolderID != "dev" {
				t.Errorf("ServiceAccount: %+v, %v", a, err)
			}
			if u, err := f.r.UserAccount(ctx, "alice"); err != nil || u.Login != "alice" {
				t.Errorf("UserAccount: %+v, %v", u, err)
			}
			path, err := f.r.Ancestors(ctx, "robot")
			check(t, "Ancestors", path, robotPath, err)
			self, parent, err := f.r.Parent(ctx, "main")
			check(t, "Parent", []resource.Ref{self, parent}, robotPath[2:], err)
			_, above, err := f.r.Parent(ctx, "acme")
			check(t, "Parent of the root", above, resource.Ref{}, err)
			roles, err := f.r.Roles(ctx, "dev", "alice")
			check(t, "Roles", roles, []iam.RoleID{"editor", "viewer"}, err)
			none, err := f.r.Roles(ctx, "dev", "bob")
			check(t, "Roles of nobody", none, nil, err)
			bare, err := f.r.Roles(ctx, "main", "alice")
			check(t, "Roles where nothing is bound", bare, nil, err)
			groups, err := f.r.Groups(ctx, "alice")
			check(t, "Groups", groups, []iam.SubjectID{"devs"}, err)
			organizations, err := f.r.Organizations(ctx, "alice")
			check(t, "Organizations", organizations, []string{"acme"}, err)
		})
		if turn == 1 && n != 0 {
			t.Errorf("%d look-ups when all is remembered", n)
		}
	}
}

func check[T any](t *testing.T, what string, got, want T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Absence is remembered, and ends with the insert's Update.
func TestAbsenceEnds(t *testing.T) {
	f := newFixture(t, nil)
	ctx := t.Context()
	reads := map[string]func() error{
		"key":      func() error { _, err := f.r.Key(ctx, "new"); return err },
		"account":  func() error { _, err := f.r.ServiceAccount(ctx, "new"); return err },
		"user":     func() error { _, err := f.r.UserAccount(ctx, "new"); return err },
		"resource": func() error { _, err := f.r.Ancestors(ctx, "new"); return err },
		"parent":   func() error { _, _, err := f.r.Parent(ctx, "new"); return err },
	}
	for turn := range 2 {
		n := f.misses(func() {
			for name, read := range reads {
				if err := read(); !errors.Is(err, iam.NotFound) {
					t.Errorf("%s: %v, want NOT_FOUND", name, err)
				}
			}
		})
		if turn == 1 && n != 0 {
			t.Errorf("%d look-ups for what is known to be absent", n)
		}
	}
	if s := f.r.Stats(); s.Absent == 0 || s.Entries != 0 {
		t.Errorf("%+v: absence belongs in its own memory", s)
	}
	f.addUsers("new")
	f.update(func(tx *store.Tx) error {
		if err := store.InsertServiceAccount(tx, account("new")(tx)); err != nil {
			return err
		}
		return store.InsertKey(tx, authorizedKey("new", "new")(tx))
	})
	for name, read := range reads {
		if err := read(); err != nil {
			t.Errorf("%s, after the insert: %v", name, err)
		}
	}
}

// Whatever an Update changes, no later read shows what was before.
func TestChangesAreInForce(t *testing.T) {
	f := newFixture(t, nil)
	ctx := t.Context()
	roles := func() []iam.RoleID {
		got, err := f.r.Roles(ctx, "main", "alice")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for range 3 {
		if got := roles(); got != nil {
			t.Fatalf("before: %v", got)
		}
		f.bind("main", "viewer", "alice")
		if got := roles(); len(got) != 1 {
			t.Fatalf("bound: %v", got)
		}
		f.bind("main", "viewer", "bob")
		f.unbind("main", "viewer", "alice")
		if got := roles(); got != nil {
			t.Fatalf("unbound: %v", got)
		}
		f.unbind("main", "viewer", "bob")
	}
	if _, err := f.r.Key(ctx, "key"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.r.Ancestors(ctx, "robot"); err != nil {
		t.Fatal(err)
	}
	f.update(func(tx *store.Tx) error {
		return store.SetServiceAccountStatus(tx, "robot", iam.ServiceAccountSuspended, "a test")
	})
	if a, err := f.r.ServiceAccount(ctx, "robot"); err != nil || a.Status != iam.ServiceAccountSuspended {
		t.Errorf("suspended: %+v, %v", a, err)
	}
	f.update(func(tx *store.Tx) error { _, err := store.DeleteFolder(tx, "dev"); return err })
	for name, read := range map[string]func() error{
		"key":      func() error { _, err := f.r.Key(ctx, "key"); return err },
		"account":  func() error { _, err := f.r.ServiceAccount(ctx, "robot"); return err },
		"resource": func() error { _, err := f.r.Ancestors(ctx, "robot"); return err },
		"folder":   func() error { _, err := f.r.Ancestors(ctx, "dev"); return err },
	} {
		if err := read(); !errors.Is(err, iam.NotFound) {
			t.Errorf("%s, after the folder's deletion: %v", name, err)
		}
	}
}

func TestKeyThatCannotBeRead(t *testing.T) {
	f := newFixture(t, nil)
	f.update(func(tx *store.Tx) error {
		k := authorizedKey("bad", "robot")(tx)
		k.PublicKey = "not a key"
		return store.InsertKey(tx, k)
	})
	for range 2 {
		if _, err := f.r.Key(t.Context(), "bad"); iam.KindOf(err) != iam.Internal {
			t.Errorf("%v, want INTERNAL", err)
		}
	}
}

// An id as long as somebody likes costs no memory.
func TestHugeIDs(t *testing.T) {
	f := newFixture(t, nil)
	huge := string(make([]byte, 1<<20))
	for range 2 {
		if _, err := f.r.Key(t.Context(), huge); !errors.Is(err, iam.NotFound) {
			t.Errorf("%v, want NOT_FOUND", err)
		}
		if _, err := f.r.Roles(t.Context(), huge, iam.SubjectID(huge)); err != nil {
			t.Error(err)
		}
	}
	if s := f.r.Stats(); s.Bytes > 1024 {
		t.Errorf("%+v after two huge ids", s)
	}
}
