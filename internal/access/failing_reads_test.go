package access_test

import (
	"errors"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

var errBroken = errors.New("broken")

// broken fails at one read after another.
type broken struct {
	*world
	at string
}

func (b broken) Ancestors(id string) ([]resource.Ref, error) {
	if b.at == "ancestors" {
		return nil, errBroken
	}
	return b.world.Ancestors(id)
}

func (b broken) Groups(s iam.SubjectID) ([]iam.SubjectID, error) {
	if b.at == "groups" {
		return nil, errBroken
	}
	return b.world.Groups(s)
}

func (b broken) OrganizationGroups(s iam.SubjectID) ([]iam.SubjectID, error) {
	if b.at == "organizations" {
		return nil, errBroken
	}
	return b.world.OrganizationGroups(s)
}

func (b broken) Bound(path []resource.Ref, holders []iam.SubjectID, visit func(at, holder int, roles []iam.RoleID) bool) error {
	if b.at == "bound" {
		// Some answers came before the failure; they must not count.
		visit(0, 0, []iam.RoleID{"admin"})
		return errBroken
	}
	return b.world.Bound(path, holders, visit)
}

func (b broken) Policies(path []resource.Ref, visit func(at int, templates []string) bool) error {
	if b.at == "policies" {
		return errBroken
	}
	return b.world.Policies(path, visit)
}

func TestCheckFails(t *testing.T) {
	c, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	checker := access.NewChecker(c)
	w := newWorld()
	w.add(resource.Organization, "acme", "")
	alice := iam.Subject{ID: "alice", Type: iam.TypeUserAccount}
	w.bind("acme", alice.ID, "admin")
	for _, at := range []string{"ancestors", "groups", "organizations", "bound", "policies"} {
		d, err := checker.Check(broken{w, at}, alice, "iam.serviceAccounts.create", "acme")
		if !errors.Is(err, errBroken) || d.Allowed {
			t.Errorf("%s broken: %+v, %v", at, d, err)
		}
	}
	if d, err := checker.Check(w, alice, "resource-manager.clouds.create", "acme"); err != nil || !d.Allowed {
		t.Errorf("after failures: %+v, %v", d, err)
	}
	if _, err := checker.CheckPath(w, alice, "resource-manager.clouds.create", nil); !errors.Is(err, iam.InvalidArgument) {
		t.Errorf("no path: %v, want INVALID_ARGUMENT", err)
	}
	if _, err := checker.Check(w, alice, "resource-manager.clouds.explode", "acme"); !errors.Is(err, iam.InvalidArgument) {
		t.Errorf("a permission that does not exist: %v, want INVALID_ARGUMENT", err)
	}
	if _, err := checker.Check(w, alice, "resource-manager.clouds.create", "globex"); !errors.Is(err, iam.NotFound) {
		t.Errorf("a resource that does not exist: %v, want NOT_FOUND", err)
	}
}
