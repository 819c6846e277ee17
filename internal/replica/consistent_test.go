package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

var alice = iam.Subject{ID: "alice", Type: iam.TypeUserAccount}

// rolesOf reads as a check does: the way up, whom the subject counts as, and
// what is bound to any of them, until a role is met that satisfies.
func rolesOf(v *replica.View, subject iam.SubjectID, id string, enough iam.RoleID) (met bool, err error) {
	path, err := v.Ancestors(id)
	if err != nil {
		return false, err
	}
	groups, err := v.Groups(subject)
	if err != nil {
		return false, err
	}
	organizations, err := v.OrganizationGroups(subject)
	if err != nil {
		return false, err
	}
	holders := slices.Concat([]iam.SubjectID{subject}, groups, organizations, []iam.SubjectID{iam.AllUsers})
	err = v.Bound(path, holders, func(_, _ int, roles []iam.RoleID) bool {
		met = slices.Contains(roles, enough)
		return !met
	})
	return met, err
}

func TestConsistentTellsWhatItRead(t *testing.T) {
	f := newFixture(t, nil)
	f.bind("dev", "editor", "alice")
	f.bind("main", "viewer", "bob")
	var met bool
	ask := func(v *replica.View) (err error) {
		met, err = rolesOf(v, "alice", "robot", "editor")
		return err
	}
	want := []store.Change{
		{Kind: store.ChangeResource, Key: "robot"}, {Kind: store.ChangeResource, Key: "dev"},
		{Kind: store.ChangeResource, Key: "main"}, {Kind: store.ChangeResource, Key: "acme"},
		{Kind: store.ChangeGroups, Key: "alice"}, {Kind: store.ChangeMember, Key: "alice"},
		{Kind: store.ChangeBinding, Key: "dev/alice"},
	}
	space := make([]store.Change, 0, 16)
	for turn := range 3 {
		at, keys, err := f.r.ConsistentInto(t.Context(), space, ask)
		if err != nil || !met || at != f.r.Position() {
			t.Fatalf("turn %d: %v at %d, %v", turn, met, at, err)
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("turn %d: keys (-want +got):\n%s", turn, diff)
		}
		if &keys[0] != &space[:1][0] {
			t.Error("the given space is not used")
		}
	}
}

// A change guarded by a decision fails when what the decision rests on went.
func TestGuardNoticesWhatMoved(t *testing.T) {
	f := newFixture(t, nil)
	f.update(func(tx *store.Tx) error {
		if err := store.InsertGroup(tx, &iam.Group{ID: "devs", OrganizationID: "acme", Name: "devs", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		_, err := store.AddGroupMember(tx, "devs", alice)
		return err
	})
	other := f.anotherNode()
	for name, tc := range map[string]struct {
		move  func(tx *store.Tx) error
		moved bool
	}{
		"nothing":    {func(*store.Tx) error { return nil }, false},
		"a stranger": {func(tx *store.Tx) error { _, err := store.AddBinding(tx, "dev", binding("viewer", "bob")); return err }, false},
		"the binding": {func(tx *store.Tx) error {
			_, err := store.RemoveBinding(tx, "dev", binding("editor", "devs"))
			return err
		}, true},
		"the group": {func(tx *store.Tx) error { _, err := store.RemoveGroupMember(tx, "devs", "alice"); return err }, true},
	} {
		t.Run(name, func(t *testing.T) {
			f.bind("dev", "editor", "devs")
			at, keys, err := f.r.Consistent(t.Context(), func(v *replica.View) error {
				met, err := rolesOf(v, "alice", "dev", "editor")
				if err == nil && !met {
					err = errors.New("denied")
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Update(t.Context(), tc.move); err != nil {
				t.Fatal(err)
			}
			err = f.db.Update(store.WithGuard(t.Context(), at, keys), func(tx *store.Tx) error {
				return store.InsertServiceAccount(tx, account("made"+fmt.Sprint(at))(tx))
			})
			if errors.Is(err, store.ErrMoved) != tc.moved || (err != nil && !tc.moved) {
				t.Errorf("%v, moved: %v", err, tc.moved)
			}
			f.update(func(tx *store.Tx) error {
				_, err := store.AddGroupMember(tx, "devs", alice)
				return err
			})
		})
	}
}

// Bindings on two resources, and a membership, always change in one
// transaction, from two nodes, while checks run: no check sees the one without
// the others.
func TestNoWorldThatNeverWas(t *testing.T) {
	f := newFixture(t, func(c *replica.Config) { c.Poll = time.Millisecond; c.MaxBytes = 1 << 20 })
	f.bind("dev", "viewer", "somebody") // so that the pairs themselves are looked up
	f.bind("main", "viewer", "somebody")
	f.update(func(tx *store.Tx) error {
		return store.InsertGroup(tx, &iam.Group{ID: "devs", OrganizationID: "acme", Name: "devs", CreatedAt: tx.Now()})
	})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.r.Run(ctx) })
	for n, db := range []*store.DB{f.db, f.anotherNode()} {
		subject := iam.Subject{ID: iam.SubjectID(fmt.Sprintf("subject%d", n)), Type: iam.TypeUserAccount}
		wg.Go(func() { flip(t, ctx, db, subject) })
	}
	var seen [2]atomic.Int64
	deadline := time.Now().Add(1500 * time.Millisecond)
	var checks sync.WaitGroup
	for n := range 4 {
		subject := iam.SubjectID(fmt.Sprintf("subject%d", n%2))
		checks.Go(func() {
			for time.Now().Before(deadline) {
				state, err := lookAt(ctx, f.r, subject)
				if err != nil {
					t.Error(err)
					return
				}
				if state[0] != state[1] || state[1] != state[2] {
					t.Errorf("%s: on dev %v, on main %v, in the group %v", subject, state[0], state[1], state[2])
					return
				}
				i := 0
				if state[0] {
					i = 1
				}
				seen[i].Add(1)
				if n < 2 && rand.IntN(50) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	checks.Wait()
	stop()
	wg.Wait()
	t.Logf("seen unbound %d times, bound %d times, at %d", seen[0].Load(), seen[1].Load(), f.r.Position())
	if seen[0].Load() == 0 || seen[1].Load() == 0 {
		t.Error("only one state was ever seen: this proves nothing")
	}
}

// flip binds a subject on dev and main and puts it into the group, or undoes
// all three, each time in one transaction.
func flip(t *testing.T, ctx context.Context, db *store.DB, subject iam.Subject) {
	b := iam.AccessBinding{Role: "editor", Subject: subject}
	for on := true; ctx.Err() == nil; on = !on {
		err := db.Update(ctx, func(tx *store.Tx) error {
			var errs [3]error
			if on {
				_, errs[0] = store.AddBinding(tx, "dev", b)
				_, errs[1] = store.AddBinding(tx, "main", b)
				_, errs[2] = store.AddGroupMember(tx, "devs", subject)
			} else {
				_, errs[0] = store.RemoveBinding(tx, "dev", b)
				_, errs[1] = store.RemoveBinding(tx, "main", b)
				_, errs[2] = store.RemoveGroupMember(tx, "devs", subject.ID)
			}
			return errors.Join(errs[:]...)
		})
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
	}
}

// lookAt tells whether a subject is bound on dev, on main, and in the group.
func lookAt(ctx context.Context, r *replica.Replica, subject iam.SubjectID) (state [3]bool, err error) {
	_, _, err = r.Consistent(ctx, func(v *replica.View) error {
		state = [3]bool{}
		path, err := v.Ancestors("dev")
		if err != nil {
			return err
		}
		err = v.Bound(path, []iam.SubjectID{subject}, func(at, _ int, roles []iam.RoleID) bool {
			state[at] = slices.Contains(roles, "editor")
			return true
		})
		if err != nil {
			return err
		}
		groups, err := v.Groups(subject)
		state[2] = len(groups) > 0
		return err
	})
	return state, err
}

// When the feed moves under every attempt, one snapshot of the store answers.
func TestConsistentFallsBackToASnapshot(t *testing.T) {
	f := newFixture(t, nil)
	f.bind("dev", "editor", "alice")
	n := 0
	var got []iam.RoleID
	at, keys, err := f.r.Consistent(t.Context(), func(v *replica.View) error {
		got = nil
		n++
		path, err := v.Ancestors("robot")
		if err != nil {
			return err
		}
		if n <= 10 {
			f.addUsers(fmt.Sprintf("user%d", n)) // the feed moves
		}
		if _, err := v.Groups("alice"); err != nil {
			return err
		}
		if _, err := v.Organizations("alice"); err != nil {
			return err
		}
		return v.Bound(path, []iam.SubjectID{"nobody", "alice"}, func(i, j int, roles []iam.RoleID) bool {
			if path[i].ID != "dev" || j != 1 {
				t.Errorf("%v has %v", path[i], roles)
			}
			got = roles
			return true
		})
	})
	if err != nil || len(got) != 1 || n != 5 {
		t.Errorf("%v, %v, after %d runs", got, err, n)
	}
	// The last run's own change is after its snapshot.
	if at != f.r.Position()-1 || len(keys) != 7 {
		t.Errorf("at %d of %d, keys %v", at, f.r.Position(), keys)
	}
}

func TestConsistentReportsAbsence(t *testing.T) {
	f := newFixture(t, nil)
	for range 2 {
		_, keys, err := f.r.Consistent(t.Context(), func(v *replica.View) error {
			_, err := rolesOf(v, "alice", "ghost", "editor")
			return err
		})
		if !errors.Is(err, iam.NotFound) {
			t.Errorf("%v, want NOT_FOUND", err)
		}
		if diff := cmp.Diff([]store.Change{{Kind: store.ChangeResource, Key: "ghost"}}, keys); diff != "" {
			t.Error(diff)
		}
	}
}
