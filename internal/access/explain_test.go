package access_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

func anywhere(iam.RoleID, resource.Kind) error { return nil }

// onlyOn keeps owners of clouds on clouds, as the API does.
func onlyOn(role iam.RoleID, kind resource.Kind) error {
	if role == "resource-manager.clouds.owner" && kind != resource.Cloud {
		return iam.Errorf(iam.InvalidArgument, "on a cloud only")
	}
	return nil
}

var (
	acmeRef  = resource.Ref{Kind: resource.Organization, ID: "acme"}
	mainRef  = resource.Ref{Kind: resource.Cloud, ID: "main"}
	devRef   = resource.Ref{Kind: resource.Folder, ID: "dev"}
	robotRef = resource.Ref{Kind: resource.ServiceAccount, ID: "robot"}
)

func explainedWorld() *world {
	w := newWorld()
	w.add(acmeRef.Kind, "acme", "")
	w.add(mainRef.Kind, "main", "acme")
	w.add(devRef.Kind, "dev", "main")
	w.add(robotRef.Kind, "robot", "dev")
	w.groups["alice"] = []iam.SubjectID{"devs"}
	w.members["alice"] = []iam.SubjectID{iam.OrganizationUsers("acme")}
	w.bind("robot", "alice", "iam.serviceAccounts.user")
	w.bind("dev", "devs", "editor")
	w.bind("main", iam.OrganizationUsers("acme"), "role.gone")
	w.bind("acme", iam.AllAuthenticatedUsers, "viewer")
	w.bind("acme", "stranger", "admin")
	return w
}

func TestExplainAllowed(t *testing.T) {
	w := explainedWorld()
	w.bind("acme", "alice", "iam.serviceAccounts.keyAdmin")
	got, err := builtinChecker(t).Explain(w, alice, "iam.keys.create", "robot", anywhere)
	if err != nil {
		t.Fatal(err)
	}
	byGroup := access.Grant{Resource: devRef, Holder: "devs", Role: "editor"}
	byItself := access.Grant{Resource: acmeRef, Holder: "alice", Role: "iam.serviceAccounts.keyAdmin"}
	lacks := "the role does not have the permission"
	want := &access.Explanation{
		Subject: alice, Permission: "iam.keys.create", Path: []resource.Ref{robotRef, devRef, mainRef, acmeRef},
		Holders: []access.Holder{
			{ID: "alice", Kind: access.HolderSelf}, {ID: "devs", Kind: access.HolderGroup},
			{ID: "group:organization:acme:users", Kind: access.HolderSystem},
			{ID: iam.AllAuthenticatedUsers, Kind: access.HolderSystem}, {ID: iam.AllUsers, Kind: access.HolderSystem},
		},
		Bindings: []access.BoundRole{
			{Grant: access.Grant{Resource: robotRef, Holder: "alice", Role: "iam.serviceAccounts.user"}, Why: lacks},
			{Grant: byGroup, Grants: true, Through: []iam.RoleID{"editor", "iam.editor", "iam.serviceAccounts.keyAdmin", "iam.serviceAccounts.authorizedKeyAdmin"}},
			{Grant: access.Grant{Resource: mainRef, Holder: "group:organization:acme:users", Role: "role.gone"}, Why: "no such role exists any more"},
			{Grant: byItself, Grants: true, Through: []iam.RoleID{"iam.serviceAccounts.keyAdmin", "iam.serviceAccounts.authorizedKeyAdmin"}},
			{Grant: access.Grant{Resource: acmeRef, Holder: iam.AllAuthenticatedUsers, Role: "viewer"}, Why: lacks},
		},
		Decision:   access.Decision{Allowed: true, Path: []resource.Ref{robotRef, devRef, mainRef, acmeRef}, By: byGroup},
		Sufficient: []access.Grant{byGroup, byItself},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExplainDeniedByPolicy(t *testing.T) {
	w := explainedWorld()
	w.deny("dev", "iam.denyServiceAccountImpersonation")
	w.deny("acme", "iam.denyServiceAccountAuthorizedKeysCreation")
	got, err := builtinChecker(t).Explain(w, alice, "iam.keys.create", "robot", anywhere)
	if err != nil {
		t.Fatal(err)
	}
	denial := access.Denial{Resource: acmeRef, Template: "iam.denyServiceAccountAuthorizedKeysCreation"}
	want := []access.BoundPolicy{
		{Denial: access.Denial{Resource: devRef, Template: "iam.denyServiceAccountImpersonation"}},
		{Denial: denial, Denies: true},
	}
	if diff := cmp.Diff(want, got.Policies); diff != "" {
		t.Error(diff)
	}
	if got.Decision.Allowed || got.Decision.DeniedBy != denial || len(got.Sufficient) != 1 || got.Smallest != nil || got.Roles != nil {
		t.Errorf("%+v", got)
	}
}

func TestExplainDenied(t *testing.T) {
	checker := builtinChecker(t)
	w := explainedWorld()
	got, err := checker.Explain(w, alice, "resource-manager.clouds.delete", "main", onlyOn)
	if err != nil {
		t.Fatal(err)
	}
	var roles []iam.RoleID
	for i, r := range got.Roles {
		roles = append(roles, r.Role)
		if i > 0 && r.Permissions < got.Roles[i-1].Permissions {
			t.Errorf("%s holds fewer permissions than the one before it", r.Role)
		}
	}
	if diff := cmp.Diff([]iam.RoleID{"resource-manager.clouds.owner", "organization-manager.organizations.owner"}, roles); diff != "" {
		t.Errorf("who may delete a cloud: %s", diff)
	}
	if diff := cmp.Diff([]resource.Ref{mainRef}, got.Roles[0].On); diff != "" {
		t.Errorf("a cloud's owner can be bound on: %s", diff)
	}
	if got.Smallest == nil || *got.Smallest != (access.Grant{Resource: mainRef, Holder: "alice", Role: "resource-manager.clouds.owner"}) {
		t.Errorf("the smallest binding: %+v", got.Smallest)
	}

	group, err := checker.Explain(w, iam.Subject{ID: "devs", Type: iam.TypeGroup}, "iam.keys.create", "robot", anywhere)
	if err != nil || group.Decision.Allowed || group.Holders != nil || group.Smallest != nil {
		t.Errorf("a group: %+v, %v", group, err)
	}
}

func TestExplainFails(t *testing.T) {
	checker := builtinChecker(t)
	w := explainedWorld()
	if _, err := checker.Explain(w, alice, "iam.keys.explode", "robot", anywhere); !errors.Is(err, iam.InvalidArgument) {
		t.Errorf("a permission that does not exist: %v", err)
	}
	if _, err := checker.Explain(w, alice, "iam.keys.create", "ghost", anywhere); !errors.Is(err, iam.NotFound) {
		t.Errorf("a resource that does not exist: %v", err)
	}
	if _, err := checker.ExplainPath(w, alice, "iam.keys.create", nil, anywhere); !errors.Is(err, iam.InvalidArgument) {
		t.Errorf("no path: %v", err)
	}
	for _, at := range []string{"ancestors", "groups", "organizations", "bound", "policies"} {
		if _, err := checker.Explain(broken{w, at}, alice, "iam.keys.create", "robot", anywhere); !errors.Is(err, errBroken) {
			t.Errorf("%s broken: %v", at, err)
		}
	}
}

// What an explanation says is so: it agrees with the check, every sufficient
// binding suffices alone, the smallest one turns a denial, and where it names
// none there is none.
func TestExplanationsAreTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	turned := 0
	for range worlds() / 20 {
		g := randomGuess(t, r)
		s, p, id := pick(r, g.subjects), pick(r, g.permissions), pick(r, g.ids)
		x, err := g.checker.Explain(g, s, p, id, anywhere)
		if err != nil {
			t.Fatal(err)
		}
		if x.Decision.Allowed != g.allows(t, s, p, id) || x.Decision.Allowed && len(x.Sufficient) == 0 {
			t.Fatalf("%v %s on %s: %+v", s, p, id, x)
		}
		for _, b := range x.Bindings {
			n := len(b.Through)
			if b.Grants != (n > 0) || b.Grants == (b.Why != "") || n > 0 && b.Through[0] != b.Role {
				t.Fatalf("%+v", b)
			}
		}
		bound := g.bound
		policies := slices.ContainsFunc(x.Policies, func(p access.BoundPolicy) bool { return p.Denies })
		for _, only := range x.Sufficient {
			g.bound = map[pair][]iam.RoleID{}
			g.bind(only.Resource.ID, only.Holder, only.Role)
			if g.naive(s, p, id) != !policies {
				t.Fatalf("%v %s on %s: %+v alone is said to suffice", s, p, id, only)
			}
		}
		g.bound = bound
		if x.Smallest != nil {
			turned++
			g.bind(x.Smallest.Resource.ID, x.Smallest.Holder, x.Smallest.Role)
			if x.Decision.Allowed || !g.naive(s, p, id) {
				t.Fatalf("%v %s on %s: %+v is said to turn it", s, p, id, x.Smallest)
			}
			continue
		}
		for _, role := range g.roles { // nothing turns it, or nothing has to
			g.bind(id, s.ID, role.ID)
		}
		if s.ID != "" && !x.Decision.Allowed && g.naive(s, p, id) {
			t.Fatalf("%v %s on %s: a binding would have turned it: %+v", s, p, id, x)
		}
	}
	if turned == 0 {
		t.Error("no denial was ever turned: this proves nothing")
	}
}
