package access_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// house is a real store with a replica over it, and a checker: organization
// "acme", cloud "main", folder "dev", account "robot", group "devs".
type house struct {
	t       testing.TB
	queries *atomic.Int64 // that the store was asked, in all
	db      *store.DB
	replica *replica.Replica
	checker *access.Checker
}

var (
	alice = iam.Subject{ID: "alice", Type: iam.TypeUserAccount}
	bob   = iam.Subject{ID: "bob", Type: iam.TypeUserAccount}
)

func newHouse(t testing.TB) *house {
	t.Helper()
	e, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	queries := new(atomic.Int64)
	db := store.New(counted{e, queries}, store.Options{})
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, queries: queries, db: db, replica: replica.New(replica.Config{DB: db}), checker: access.NewChecker(c)}
	h.update(func(tx *store.Tx) error {
		if err := store.InsertOrganization(tx, &iam.Organization{ID: "acme", Name: "acme", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if err := store.InsertCloud(tx, &iam.Cloud{ID: "main", OrganizationID: "acme", Name: "main", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if err := store.InsertFolder(tx, &iam.Folder{ID: "dev", CloudID: "main", Name: "dev", Status: iam.FolderActive, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		robot := &iam.ServiceAccount{ID: "robot", FolderID: "dev", Name: "robot", Status: iam.ServiceAccountActive, CreatedAt: tx.Now()}
		if err := store.InsertServiceAccount(tx, robot); err != nil {
			return err
		}
		return h.addGroup(tx, "devs")
	})
	return h
}

// counted is an engine whose queries are counted.
type counted struct {
	store.Engine
	queries *atomic.Int64
}

func (c counted) View(ctx context.Context, fn func(store.Conn) error) error {
	return c.Engine.View(ctx, func(conn store.Conn) error { return fn(countedConn{conn, c.queries}) })
}

type countedConn struct {
	store.Conn
	queries *atomic.Int64
}

func (c countedConn) Query(query string, args ...any) (store.Rows, error) {
	c.queries.Add(1)
	return c.Conn.Query(query, args...)
}

func (h *house) update(fn func(tx *store.Tx) error) {
	h.t.Helper()
	if err := h.db.Update(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) addGroup(tx *store.Tx, id string) error {
	return store.InsertGroup(tx, &iam.Group{ID: id, OrganizationID: "acme", Name: id, CreatedAt: tx.Now()})
}

func (h *house) bind(tx *store.Tx, resourceID string, role iam.RoleID, subject iam.SubjectID) error {
	_, err := store.AddBinding(tx, resourceID, iam.AccessBinding{Role: role, Subject: iam.Subject{ID: subject, Type: iam.TypeUserAccount}})
	return err
}

// decide checks with what the replica remembers.
func (h *house) decide(s iam.Subject, what iam.Permission, id string) access.Decision {
	h.t.Helper()
	_, _, d := h.decideGuarded(s, what, id)
	return d
}

// decideGuarded also returns what a change that rests on the decision is
// guarded with.
func (h *house) decideGuarded(s iam.Subject, what iam.Permission, id string) (at iam.Position, keys []store.Change, d access.Decision) {
	h.t.Helper()
	at, keys, err := h.replica.Consistent(h.t.Context(), func(v *replica.View) (err error) {
		v.About(s.ID)
		d, err = h.checker.Check(v, s, what, id)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return at, keys, d
}

// rows reads the store and remembers nothing.
type rows struct{ tx *store.Tx }

func (r rows) Ancestors(id string) ([]resource.Ref, error)     { return store.Ancestors(r.tx, id) }
func (r rows) Groups(s iam.SubjectID) ([]iam.SubjectID, error) { return store.GroupsOf(r.tx, s) }

func (r rows) OrganizationGroups(s iam.SubjectID) ([]iam.SubjectID, error) {
	ids, err := store.OrganizationsOf(r.tx, s)
	var groups []iam.SubjectID
	for _, id := range ids {
		groups = append(groups, iam.OrganizationUsers(id))
	}
	return groups, err
}

func (r rows) Bound(path []resource.Ref, holders []iam.SubjectID, visit func(at, holder int, roles []iam.RoleID) bool) error {
	for i, ref := range path {
		for j, h := range holders {
			roles, err := store.RolesOf(r.tx, ref.ID, h)
			if err != nil {
				return err
			}
			if len(roles) > 0 && !visit(i, j, roles) {
				return nil
			}
		}
	}
	return nil
}

func (r rows) Policies(path []resource.Ref, visit func(at int, templates []string) bool) error {
	for i, ref := range path {
		bound, err := store.PoliciesOn(r.tx, []string{ref.ID})
		if err != nil {
			return err
		}
		if ids := bound[ref.ID]; len(ids) > 0 && !visit(i, ids) {
			return nil
		}
	}
	return nil
}

// crowd makes alice a member of ten groups and of the organization, and binds
// a role that does not help her to herself, to one group and to n strangers, on
// every ancestor.
func (h *house) crowd(n int) {
	h.t.Helper()
	h.update(func(tx *store.Tx) error {
		for i := range 10 {
			id := fmt.Sprintf("aje%017d", i)
			if err := h.addGroup(tx, id); err != nil {
				return err
			}
			if _, err := store.AddGroupMember(tx, id, alice); err != nil {
				return err
			}
		}
		if _, err := store.AddMember(tx, "acme", alice.ID); err != nil {
			return err
		}
		for _, id := range []string{"robot", "dev", "main", "acme"} {
			if err := h.bind(tx, id, "resource-manager.viewer", "aje00000000000000003"); err != nil {
				return err
			}
			for i := range n {
				if err := h.bind(tx, id, "admin", iam.SubjectID(fmt.Sprintf("stranger%d", i))); err != nil {
					return err
				}
			}
		}
		return h.bind(tx, "dev", "auditor", alice.ID)
	})
}

// strangers binds a role to so many others on a resource.
func (h *house) strangers(id string, n int) {
	h.t.Helper()
	for from := 0; from < n; from += 10_000 {
		h.update(func(tx *store.Tx) error {
			for i := from; i < min(n, from+10_000); i++ {
				if err := h.bind(tx, id, "admin", iam.SubjectID(fmt.Sprintf("stranger%d", i))); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
