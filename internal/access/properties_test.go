package access_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// worlds is how many random worlds a property is held against; a tenth of that
// in a hurry or under the race detector.
func worlds() int {
	if testing.Short() || raceDetector {
		return 10_000
	}
	return 100_000
}

// What the built-in templates deny, and what they do not.
var somePermissions = []iam.Permission{
	"iam.serviceAccounts.create", "iam.keys.create", "iam.apiKeys.create",
	"s0.things.get", "s1.things.get", "s1.things.put",
}

var someTemplates = []string{
	"iam.denyServiceAccountCreation", "iam.denyServiceAccountAuthorizedKeysCreation",
	"iam.denyServiceAccountCredentialsCreation", "iam.denyServiceAccountImpersonation", "of.laterVersion",
}

// naiveDenies is what the documentation says of someTemplates.
var naiveDenies = map[string][]iam.Permission{
	"iam.denyServiceAccountCreation":               {"iam.serviceAccounts.create"},
	"iam.denyServiceAccountAuthorizedKeysCreation": {"iam.keys.create"},
	"iam.denyServiceAccountCredentialsCreation":    {"iam.keys.create", "iam.apiKeys.create"},
}

// guess is a random world with its roles, and the names to ask about.
type guess struct {
	*world
	roles       []iam.Role
	checker     *access.Checker
	subjects    []iam.Subject
	holders     []iam.SubjectID
	ids         []string
	permissions []iam.Permission
}

func randomGuess(t *testing.T, r *rand.Rand) *guess {
	t.Helper()
	g := &guess{world: newWorld(), permissions: somePermissions}
	g.randomRoles(r)
	c, err := access.Compile(access.Definitions{Roles: g.roles, ResourceTypes: []access.ResourceType{
		{Type: "storage.bucket", Description: "Open to all.", Anonymous: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	g.checker = access.NewChecker(c)
	g.randomTree(r)
	g.randomPeople(r)
	for range r.IntN(12) {
		g.bind(pick(r, g.ids), pick(r, g.holders), pick(r, g.roles).ID)
	}
	for range r.IntN(4) {
		g.deny(pick(r, g.ids), pick(r, someTemplates))
	}
	return g
}

// randomRoles makes roles that include only later ones, so no circles.
func (g *guess) randomRoles(r *rand.Rand) {
	ids := []iam.RoleID{"viewer", "s0.viewer", "s1.viewer", "s0.a", "s0.b", "s1.c"}
	for i, id := range ids {
		role := iam.Role{ID: id, Description: "A role."}
		for _, later := range ids[i+1:] {
			if r.IntN(4) == 0 && !slices.Contains([]iam.RoleID{"s0.viewer", "s1.viewer"}, later) {
				role.Includes = append(role.Includes, later)
			}
		}
		for _, p := range g.permissions {
			if r.IntN(4) == 0 {
				role.Permissions = append(role.Permissions, p)
			}
		}
		g.roles = append(g.roles, role)
	}
	r.Shuffle(len(g.roles), func(i, j int) { g.roles[i], g.roles[j] = g.roles[j], g.roles[i] })
	own := iam.Role{ID: "own.viewer", Description: "Of one organization.", Organization: "r00", Includes: []iam.RoleID{"s0.a"}, Permissions: g.permissions[:2]}
	g.roles = append(g.roles, own)
	all := iam.Role{ID: "s0.all", Description: "Keeps every permission in some role.", Permissions: g.permissions}
	g.roles = append(g.roles, all)
}

func (g *guess) randomTree(r *rand.Rand) {
	kinds := []resource.Kind{resource.Organization, resource.Cloud, resource.Folder, pick(r, []resource.Kind{resource.ServiceAccount, "storage.bucket"})}
	levels := make([][]string, len(kinds))
	for l, kind := range kinds {
		for i := range 1 + r.IntN(2) {
			parent := ""
			if l > 0 {
				parent = pick(r, levels[l-1])
			}
			id := fmt.Sprintf("r%d%d", l, i)
			g.add(kind, id, parent)
			levels[l] = append(levels[l], id)
			g.ids = append(g.ids, id)
		}
	}
}

func (g *guess) randomPeople(r *rand.Rand) {
	groups := []iam.SubjectID{"g0", "g1"}
	organization := iam.OrganizationUsers("r00")
	for i := range 3 {
		s := iam.Subject{ID: iam.SubjectID(fmt.Sprintf("u%d", i)), Type: pick(r, []iam.SubjectType{iam.TypeUserAccount, iam.TypeServiceAccount, iam.TypeFederatedUser})}
		g.subjects = append(g.subjects, s)
		g.holders = append(g.holders, s.ID)
		for _, gr := range groups {
			if r.IntN(3) == 0 {
				g.groups[s.ID] = append(g.groups[s.ID], gr)
			}
		}
		if r.IntN(2) == 0 {
			g.members[s.ID] = append(g.members[s.ID], organization)
		}
	}
	g.subjects = append(g.subjects, iam.Subject{ID: "g0", Type: iam.TypeGroup}, iam.Subject{}, iam.Subject{Type: iam.TypeAnonymous})
	g.holders = append(append(g.holders, groups...), organization, iam.AllUsers, iam.AllAuthenticatedUsers)
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (g *guess) allows(t *testing.T, s iam.Subject, p iam.Permission, id string) bool {
	t.Helper()
	d, err := g.checker.Check(g, s, p, id)
	if err != nil {
		t.Fatal(err)
	}
	if d.Allowed != (d.By != access.Grant{}) || len(d.Path) == 0 || d.Path[0].ID != id {
		t.Fatalf("Check(%v, %s, %s) = %+v", s, p, id, d)
	}
	if denied := d.DeniedBy; denied != (access.Denial{}) && (d.Allowed || !slices.Contains(g.denied[denied.Resource.ID], denied.Template)) {
		t.Fatalf("Check(%v, %s, %s) = %+v", s, p, id, d)
	}
	return d.Allowed
}

// naive decides without sets and numbers: it walks bindings, roles and policies.
func (g *guess) naive(s iam.Subject, p iam.Permission, id string) bool {
	granted, kind, top := false, g.refs[id].Kind, id
	for g.parent[top] != "" {
		top = g.parent[top]
	}
	for ; id != ""; id = g.parent[id] {
		for _, template := range g.denied[id] {
			if slices.Contains(naiveDenies[template], p) {
				return false
			}
		}
		for bound, roles := range g.bound {
			if bound.resource != id || !g.naiveCounts(s, bound.subject, kind) {
				continue
			}
			for _, role := range roles {
				if g.naiveHolds(role, p) && (role != "own.viewer" || top == "r00") {
					granted = true
				}
			}
		}
	}
	return granted
}

func (g *guess) naiveCounts(s iam.Subject, as iam.SubjectID, kind resource.Kind) bool {
	switch {
	case s.Type == iam.TypeAnonymous:
		return as == iam.AllUsers && kind == "storage.bucket"
	case s.Type == iam.TypeGroup || s.ID == "":
		return false
	}
	return as == s.ID || as == iam.AllUsers || as == iam.AllAuthenticatedUsers ||
		slices.Contains(g.groups[s.ID], as) || slices.Contains(g.members[s.ID], as)
}

func (g *guess) naiveHolds(id iam.RoleID, p iam.Permission) bool {
	for _, r := range g.roles {
		primitive := id == "viewer" && (r.ID == "s0.viewer" || r.ID == "s1.viewer")
		if primitive && g.naiveHolds(r.ID, p) {
			return true
		}
		if r.ID != id {
			continue
		}
		if slices.Contains(r.Permissions, p) {
			return true
		}
		for _, in := range r.Includes {
			if g.naiveHolds(in, p) {
				return true
			}
		}
	}
	return false
}

func TestAgreesWithNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	allowed, asked := 0, 0
	for n := range worlds() {
		g := randomGuess(t, r)
		for range 12 {
			s, p, id := pick(r, g.subjects), pick(r, g.permissions), pick(r, g.ids)
			got, want := g.allows(t, s, p, id), g.naive(s, p, id)
			if got != want {
				t.Fatalf("world %d: %v %s on %s: %v, naively %v\nbound: %v", n, s, p, id, got, want, g.bound)
			}
			asked++
			if got {
				allowed++
			}
		}
	}
	if allowed < asked/20 || allowed > asked*19/20 {
		t.Errorf("%d of %d allowed: the worlds are too dull to prove anything", allowed, asked)
	}
}

// Adding a binding never removes a permission, and removing it and adding it
// again changes nothing.
func TestBindingsOnlyAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range worlds() / 20 {
		g := randomGuess(t, r)
		before := g.everything(t)
		id, holder, role := pick(r, g.ids), pick(r, g.holders), pick(r, g.roles).ID
		had := slices.Contains(g.bound[pair{id, holder}], role)
		g.bind(id, holder, role)
		after := g.everything(t)
		for i := range before {
			if before[i] && !after[i] {
				t.Fatalf("binding %s to %s on %s took a permission away", role, holder, id)
			}
		}
		g.unbind(id, holder, role)
		if without := g.everything(t); !had && !slices.Equal(before, without) {
			t.Fatal("removing the binding does not undo adding it")
		}
		g.bind(id, holder, role)
		if !slices.Equal(after, g.everything(t)) {
			t.Fatal("removing and adding the binding changed something")
		}
	}
}

// What a binding grants on a resource, the same binding on an ancestor grants
// there too.
func TestAncestorGrantsAtLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range worlds() / 20 {
		g := randomGuess(t, r)
		id, holder, role := pick(r, g.ids), pick(r, g.holders), pick(r, g.roles).ID
		path, err := g.Ancestors(id)
		if err != nil {
			t.Fatal(err)
		}
		clear(g.bound)
		g.bind(id, holder, role)
		below := g.everything(t)
		g.unbind(id, holder, role)
		g.bind(pick(r, path).ID, holder, role)
		above := g.everything(t)
		for i := range below {
			if below[i] && !above[i] {
				t.Fatalf("%s to %s on %s grants more than above it", role, holder, id)
			}
		}
	}
}

// Binding a policy never grants, denies what it is for and nothing else, and
// taking it off undoes it.
func TestPoliciesOnlyDeny(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	denied := 0
	for range worlds() / 20 {
		g := randomGuess(t, r)
		id, template := pick(r, g.ids), pick(r, someTemplates)
		if slices.Contains(g.denied[id], template) {
			continue
		}
		before := g.everything(t)
		g.deny(id, template)
		after := g.everything(t)
		for i := range before {
			what := g.permissions[i/len(g.ids)%len(g.permissions)]
			if after[i] && !before[i] {
				t.Fatalf("%s on %s grants %s", template, id, what)
			}
			if before[i] && !after[i] {
				denied++
				if !slices.Contains(naiveDenies[template], what) {
					t.Fatalf("%s on %s denies %s", template, id, what)
				}
			}
		}
		g.allow(id, template)
		if !slices.Equal(before, g.everything(t)) {
			t.Fatal("taking the policy off does not undo it")
		}
	}
	if denied == 0 {
		t.Error("nothing was ever denied: this proves nothing")
	}
}

// everything asks every question of a world.
func (g *guess) everything(t *testing.T) []bool {
	t.Helper()
	var all []bool
	for _, s := range g.subjects {
		for _, p := range g.permissions {
			for _, id := range g.ids {
				all = append(all, g.allows(t, s, p, id))
			}
		}
	}
	return all
}

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
