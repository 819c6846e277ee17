package access_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
)

func TestBuiltinRoles(t *testing.T) {
	c, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []iam.RoleID{
		"auditor", "viewer", "editor", "admin", "iam.auditor", "iam.viewer", "iam.editor", "iam.admin",
		"iam.serviceAccounts.user", "iam.serviceAccounts.tokenCreator", "iam.serviceAccounts.accessKeyAdmin",
		"iam.serviceAccounts.apiKeyAdmin", "iam.serviceAccounts.authorizedKeyAdmin", "iam.serviceAccounts.keyAdmin",
		"iam.serviceAccounts.admin", "resource-manager.auditor", "resource-manager.viewer", "resource-manager.editor",
		"resource-manager.admin", "resource-manager.clouds.member", "resource-manager.clouds.owner",
		"organization-manager.viewer", "organization-manager.editor", "organization-manager.admin",
		"organization-manager.organizations.owner",
	} {
		if r, err := c.Role(id); err != nil || r.ID != id {
			t.Errorf("Role(%s) = %v, %v", id, r.ID, err)
		}
	}
	if _, err := c.Role("iam.nobody"); !errors.Is(err, iam.NotFound) {
		t.Errorf("an unknown role: %v, want NOT_FOUND", err)
	}
	if !c.Has("iam.keys.create") || c.Has("iam.keys.explode") {
		t.Error("Has is wrong about a permission")
	}
	if c.Grants("admin", "iam.keys.explode") || c.Grants("nobody", "iam.keys.create") {
		t.Error("what does not exist grants something")
	}
	for i, r := range c.Roles()[1:] {
		if c.Roles()[i].ID >= r.ID {
			t.Errorf("roles are not sorted: %s before %s", c.Roles()[i].ID, r.ID)
		}
	}
}

// The order of the roles as the documentation draws it: each covers the next.
func TestRolesCoverEachOther(t *testing.T) {
	c, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, chain := range [][]iam.RoleID{
		{"organization-manager.organizations.owner", "resource-manager.clouds.owner", "admin", "editor", "viewer", "auditor"},
		{"organization-manager.organizations.owner", "organization-manager.admin", "organization-manager.editor", "organization-manager.viewer", "organization-manager.auditor"},
		{"resource-manager.clouds.owner", "resource-manager.admin", "resource-manager.editor", "resource-manager.viewer", "resource-manager.auditor"},
		{"admin", "iam.admin", "iam.editor", "iam.viewer", "iam.auditor"},
		{"editor", "iam.editor"}, {"viewer", "iam.viewer"}, {"auditor", "iam.auditor"},
		{"iam.admin", "iam.serviceAccounts.admin", "iam.serviceAccounts.keyAdmin", "iam.serviceAccounts.authorizedKeyAdmin"},
		{"iam.serviceAccounts.admin", "iam.serviceAccounts.tokenCreator"},
		{"editor", "iam.serviceAccounts.user"}, {"resource-manager.clouds.owner", "iam.serviceAccounts.user"},
	} {
		for i := range chain[1:] {
			if !c.CoversAll([]iam.RoleID{chain[i]}, chain[i+1]) {
				t.Errorf("%s does not cover %s", chain[i], chain[i+1])
			}
		}
	}
	for _, no := range [][2]iam.RoleID{
		{"editor", "iam.serviceAccounts.tokenCreator"}, {"admin", "resource-manager.clouds.owner"},
		{"resource-manager.clouds.owner", "organization-manager.organizations.owner"}, {"viewer", "editor"},
		{"organization-manager.admin", "viewer"}, {"admin", "nobody"}, {"nobody", "viewer"},
	} {
		if c.CoversAll([]iam.RoleID{no[0]}, no[1]) {
			t.Errorf("%s covers %s", no[0], no[1])
		}
	}
}

func TestCatalogueRefuses(t *testing.T) {
	role := func(id iam.RoleID, includes ...iam.RoleID) iam.Role {
		return iam.Role{ID: id, Description: "A role.", Includes: includes}
	}
	for name, tc := range map[string]struct {
		roles []iam.Role
		want  []string
	}{
		"unknown includes":        {[]iam.Role{role("a.x", "a.y", "a.z")}, []string{"includes a.y, which", "includes a.z, which"}},
		"itself":                  {[]iam.Role{role("a.x", "a.x")}, []string{"a.x: includes itself"}},
		"circle":                  {[]iam.Role{role("a.x", "a.y"), role("a.y", "a.z"), role("a.z", "a.x")}, []string{"includes itself: a.x > a.y > a.z > a.x"}},
		"circle through a class":  {[]iam.Role{role("viewer"), role("a.viewer", "viewer")}, []string{"includes itself"}},
		"twice":                   {[]iam.Role{role("a.x"), role("b.x"), role("a.x")}, []string{"role a.x: defined twice"}},
		"bad ids, all at once":    {[]iam.Role{role("A"), role("a..b"), role("a.b.c.d"), role(""), role("a.b\n")}, []string{`"A"`, `"a..b"`, `"a.b.c.d"`, `""`, `"a.b\n"`}},
		"an id too long":          {[]iam.Role{role(iam.RoleID("a." + strings.Repeat("x", 63)))}, []string{"64 characters"}},
		"no description":          {[]iam.Role{{ID: "a.x"}}, []string{"role a.x: description: must be 1 to"}},
		"permission out of shape": {[]iam.Role{{ID: "a.x", Description: "A role.", Permissions: []iam.Permission{"a.b", "a.B.c", "a.b.*"}}}, []string{`"a.b"`, `"a.B.c"`, `"a.b.*"`}},
		"permission twice":        {[]iam.Role{{ID: "a.x", Description: "A role.", Permissions: []iam.Permission{"a.b.c", "a.b.c"}}}, []string{"a.b.c is there twice"}},
		"include twice":           {[]iam.Role{role("a.x", "a.y", "a.y"), role("a.y")}, []string{"a.y is there twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := access.Compile(access.Definitions{Roles: tc.roles})
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}
