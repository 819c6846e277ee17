package replica_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// boundOn lists what is bound to holders on a path, until enough is met.
func (f *fixture) boundOn(path []resource.Ref, holders []iam.SubjectID, enough iam.RoleID) []string {
	f.t.Helper()
	var seen map[string]bool
	_, _, err := f.r.Consistent(f.t.Context(), func(v *replica.View) error {
		seen = map[string]bool{}
		return v.Bound(path, holders, func(at, holder int, roles []iam.RoleID) bool {
			for _, role := range roles {
				seen[fmt.Sprintf("%s to %s on %s", role, holders[holder], path[at].ID)] = true
			}
			return !slices.Contains(roles, enough)
		})
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(seen))
}

func refs(ids ...string) []resource.Ref {
	path := make([]resource.Ref, len(ids))
	for i, id := range ids {
		path[i] = resource.Ref{Kind: "some.thing", ID: id}
	}
	return path
}

// The path is the caller's: what is remembered of one question must not answer
// another that was put together in the same place.
func TestPathInOnePlace(t *testing.T) {
	f := newFixture(t, nil)
	f.bind("dev", "editor", "alice")
	f.bind("main", "viewer", "bob")
	holders := []iam.SubjectID{"alice"}
	path := refs("table", "dev")
	for turn := range 4 { // from the store, from what is known, from the answer
		path[1].ID = "dev"
		if got := f.boundOn(path, holders, ""); len(got) != 1 {
			t.Errorf("turn %d: below dev: %v", turn, got)
		}
	}
	path[1].ID = "main"
	if got := f.boundOn(path, holders, ""); got != nil {
		t.Errorf("below main: %v", got)
	}
	path[1].ID = "dev"
	path[0].ID = "other"
	if got := f.boundOn(path, holders, ""); len(got) != 1 {
		t.Errorf("another table below dev: %v", got)
	}
}

// Holders of the same first name are told apart, and those found with one who
// was content with the first role do not hide the others' roles.
func TestPartOfAnAnswer(t *testing.T) {
	f := newFixture(t, nil)
	f.bind("dev", "editor", "devs")
	f.bind("main", "viewer", "alice")
	f.bind("main", "auditor", "devs")
	path := refs("dev", "main")
	_ = f.boundOn(path, []iam.SubjectID{"bob", "devs"}, "") // the group's are known from now on
	holders := []iam.SubjectID{"alice", "devs"}
	for range 3 {
		misses := f.misses(func() {
			if got := f.boundOn(path, holders, "editor"); !slices.Contains(got, "editor to devs on dev") {
				t.Errorf("until an editor is met: %v", got)
			}
		})
		if misses > 0 {
			t.Errorf("%d look-ups, though what was known was enough", misses)
		}
	}
	all := []string{"auditor to devs on main", "editor to devs on dev", "viewer to alice on main"}
	for range 3 {
		if diff := cmp.Diff(all, f.boundOn(path, holders, "")); diff != "" {
			t.Errorf("all of them: %s", diff)
		}
	}
	f.unbind("dev", "editor", "devs")
	if diff := cmp.Diff([]string{"auditor to devs on main", "viewer to alice on main"}, f.boundOn(path, holders, "editor")); diff != "" {
		t.Errorf("after one is gone: %s", diff)
	}
}

func TestPoliciesOnAPath(t *testing.T) {
	f := newFixture(t, nil)
	f.update(func(tx *store.Tx) error {
		for _, p := range [][2]string{{"acme", "b"}, {"dev", "d"}, {"acme", "a"}} {
			if err := store.BindPolicy(tx, p[0], store.PolicyBinding{TemplateID: p[1]}); err != nil {
				return err
			}
		}
		return nil
	})
	ask := func(most int) (got []string) {
		t.Helper()
		_, _, err := f.r.Consistent(t.Context(), func(v *replica.View) error {
			got = nil
			up, err := v.Ancestors("robot")
			if err != nil {
				return err
			}
			return v.Policies(append(refs("table"), up...), func(at int, templates []string) bool {
				got = append(got, fmt.Sprint(at, templates))
				return len(got) < most
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for range 2 {
		if diff := cmp.Diff([]string{"2 [d]", "4 [a b]"}, ask(9)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"2 [d]"}, ask(1)); diff != "" {
			t.Error(diff)
		}
	}
	if n := f.misses(func() { _ = ask(9) }); n > 0 {
		t.Errorf("%d look-ups of what is remembered", n)
	}
	f.update(func(tx *store.Tx) error { return store.UnbindPolicy(tx, "dev", "d") })
	if diff := cmp.Diff([]string{"4 [a b]"}, ask(9)); diff != "" {
		t.Errorf("after one was taken off: %s", diff)
	}
}
