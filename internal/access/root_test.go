package access_test

import (
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// A path that a service has put together may end with a root of its own behind
// the organization: there too the organization's own roles count, and no other's.
func TestOwnRolesBesideAnotherRoot(t *testing.T) {
	h := newHouse(t)
	all := parse(t, "all", "roles:\n- {id: gizmo.parts.turner, description: d, permissions: [gizmo.parts.turn]}\n")
	d, err := access.BuiltinDefinitions()
	if err != nil {
		t.Fatal(err)
	}
	d = d.With(all)
	for role, of := range map[string]string{"acme.turner": "acme", "other.turner": "other"} {
		own, err := parse(t, "own", "roles:\n- {id: "+role+", description: d, permissions: [gizmo.parts.turn]}\n").Of(of)
		if err != nil {
			t.Fatal(err)
		}
		d = d.With(own)
	}
	c, err := access.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	checker := access.NewChecker(c)
	h.update(func(tx *store.Tx) error {
		if err := h.bind(tx, "dev", "acme.turner", "alice"); err != nil {
			return err
		}
		return h.bind(tx, "dev", "other.turner", "bob")
	})
	for who, want := range map[iam.Subject]bool{alice: true, bob: false} {
		var got access.Decision
		_, _, err := h.replica.Consistent(t.Context(), func(v *replica.View) error {
			path, err := v.Ancestors("dev")
			if err != nil {
				return err
			}
			path = append(path[:len(path):len(path)], resource.Ref{Kind: "iam.gizmo", ID: "cluster"})
			got, err = checker.CheckPath(v, who, "gizmo.parts.turn", path)
			return err
		})
		if err != nil || got.Allowed != want {
			t.Errorf("%s: allowed %v, %v; want %v", who.ID, got.Allowed, err, want)
		}
	}
}
