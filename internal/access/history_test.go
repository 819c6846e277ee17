package access_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// history is a store that many change at once, with the change of every
// position, so that the world at any of them can be made again.
type history struct {
	*guess
	db []*store.DB // two nodes on one engine

	mu      sync.Mutex
	folders []string // that live, roughly
	all     []string // every id that was ever used
	changes []event
	asked   []asked
}

// event is what one transaction has changed in the world.
type event struct {
	at      iam.Position
	changes []func(*world)
}

// asked is a check, and its answer.
type asked struct {
	at   iam.Position
	who  iam.Subject
	what iam.Permission
	id   string
	d    access.Decision
	gone bool
}

func newHistory(t *testing.T, r *rand.Rand) *history {
	t.Helper()
	e, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	h := &history{guess: &guess{world: newWorld(), permissions: somePermissions}}
	h.db = []*store.DB{store.New(e, store.Options{}), store.New(e, store.Options{})}
	t.Cleanup(func() { _ = e.Close() })
	if err := h.db[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.randomRoles(r)
	c, err := access.Compile(access.Definitions{Roles: h.roles})
	if err != nil {
		t.Fatal(err)
	}
	h.checker = access.NewChecker(c)
	organization := iam.OrganizationUsers("r00")
	h.subjects = []iam.Subject{alice, bob, {ID: "carol", Type: iam.TypeFederatedUser}}
	h.holders = []iam.SubjectID{"alice", "bob", "carol", "g0", "g1", organization, iam.AllAuthenticatedUsers}
	h.all = []string{"r00", "r10", "r11"}
	err = h.db[0].Update(t.Context(), func(tx *store.Tx) error {
		errs := []error{store.InsertOrganization(tx, &iam.Organization{ID: "r00", Name: "r00", CreatedAt: tx.Now()})}
		for _, id := range []string{"r10", "r11"} {
			errs = append(errs, store.InsertCloud(tx, &iam.Cloud{ID: id, OrganizationID: "r00", Name: id, CreatedAt: tx.Now()}))
		}
		for _, id := range []string{"g0", "g1"} {
			errs = append(errs, store.InsertGroup(tx, &iam.Group{ID: id, OrganizationID: "r00", Name: id, CreatedAt: tx.Now()}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	h.add(resource.Organization, "r00", "")
	h.add(resource.Cloud, "r10", "r00")
	h.add(resource.Cloud, "r11", "r00")
	return h
}

// change changes one to three things in one transaction and writes down what
// that was.
func (h *history) change(ctx context.Context, db *store.DB, r *rand.Rand, name string) error {
	seed, n := r.Uint64(), 1+r.IntN(3)
	var made event
	var folders, gone []string
	h.mu.Lock()
	live := slices.Clone(h.folders)
	h.mu.Unlock()
	err := db.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error { // may run twice: all of it begins anew
		r := rand.New(rand.NewPCG(seed, 1))
		head, err := tx.Head()
		made, folders, gone = event{at: head + 1}, nil, nil
		for i := range n {
			if err != nil {
				return err
			}
			var did func(*world)
			if kind := pick(r, []int{0, 1, 1, 1, 2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 9}); kind == 0 || len(live) == 0 {
				// A folder goes with its account, and another comes under either cloud.
				old := ""
				if len(live) > 3 {
					old = pick(r, live)
				}
				did, err = h.replaceFolder(tx, old, fmt.Sprintf("%sx%d", name, i), pick(r, []string{"r10", "r11"}))
				folders, gone = append(folders, fmt.Sprintf("%sx%d", name, i)), append(gone, old)
			} else {
				did, err = h.shake(tx, r, kind, pick(r, append([]string{"r00", "r10", "r11"}, live...)))
			}
			if did != nil {
				made.changes = append(made.changes, did)
			}
		}
		return err
	})
	if errors.Is(err, iam.NotFound) || errors.Is(err, iam.AlreadyExists) {
		return nil // somebody was faster: no trace of it
	}
	if err != nil || len(made.changes) == 0 {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = append(h.changes, made)
	h.folders = slices.DeleteFunc(append(h.folders, folders...), func(id string) bool { return slices.Contains(gone, id) })
	for _, id := range folders {
		h.all = append(h.all, id, id+"a")
	}
	return nil
}

func (h *history) replaceFolder(tx *store.Tx, old, id, cloud string) (func(*world), error) {
	if old != "" {
		if _, err := store.DeleteFolder(tx, old); err != nil {
			return nil, err
		}
	}
	if err := store.InsertFolder(tx, &iam.Folder{ID: id, CloudID: cloud, Name: id, Status: iam.FolderActive, CreatedAt: tx.Now()}); err != nil {
		return nil, err
	}
	account := &iam.ServiceAccount{ID: id + "a", FolderID: id, Name: id, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()}
	return func(w *world) {
		for _, dead := range []string{old, old + "a"} {
			delete(w.refs, dead)
			delete(w.denied, dead)
			maps.DeleteFunc(w.bound, func(p pair, _ []iam.RoleID) bool { return p.resource == dead })
		}
		w.add(resource.Folder, id, cloud)
		w.add(resource.ServiceAccount, id+"a", id)
	}, store.InsertServiceAccount(tx, account)
}

// shake changes a binding, a group, a membership or a policy; nil when it was
// so before.
func (h *history) shake(tx *store.Tx, r *rand.Rand, kind int, id string) (did func(*world), err error) {
	holder, role, template := pick(r, h.holders), pick(r, h.roles).ID, pick(r, someTemplates[:3])
	group, who := pick(r, []iam.SubjectID{"g0", "g1"}), pick(r, h.subjects)
	changed := true
	switch kind {
	case 1:
		changed, err = store.AddBinding(tx, id, iam.AccessBinding{Role: role, Subject: iam.Subject{ID: holder, Type: iam.TypeUserAccount}})
		did = func(w *world) { w.bind(id, holder, role) }
	case 2, 3:
		changed, err = store.RemoveBinding(tx, id, iam.AccessBinding{Role: role, Subject: iam.Subject{ID: holder}})
		did = func(w *world) { w.unbind(id, holder, role) }
	case 4:
		changed, err = store.AddGroupMember(tx, string(group), who)
		did = func(w *world) { w.groups[who.ID] = append(w.groups[who.ID], group) }
	case 5:
		changed, err = store.RemoveGroupMember(tx, string(group), who.ID)
		did = func(w *world) {
			w.groups[who.ID] = slices.DeleteFunc(w.groups[who.ID], func(g iam.SubjectID) bool { return g == group })
		}
	case 6:
		changed, err = store.AddMember(tx, "r00", who.ID)
		did = func(w *world) { w.members[who.ID] = []iam.SubjectID{iam.OrganizationUsers("r00")} }
	case 7:
		changed, err = store.RemoveMember(tx, "r00", who.ID)
		did = func(w *world) { // and all that he had there
			delete(w.members, who.ID)
			delete(w.groups, who.ID)
			maps.DeleteFunc(w.bound, func(p pair, _ []iam.RoleID) bool { return p.subject == who.ID })
		}
	case 8:
		err = store.BindPolicy(tx, id, store.PolicyBinding{TemplateID: template})
		did = func(w *world) { w.deny(id, template) }
	default:
		err = store.UnbindPolicy(tx, id, template)
		did = func(w *world) { w.allow(id, template) }
	}
	if !changed {
		did = nil
	}
	return did, err
}
