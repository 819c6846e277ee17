package access_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

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
