package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const goodFile = `
roles:
  - id: gizmo.viewer
    description: See gizmos.
    includes: [auditor]
    permissions: [gizmo.gizmos.get]
scopes:
  - id: acme.gizmos.see
    description: See gizmos.
    permissions: [gizmo.gizmos.get]
resourceTypes:
  - type: gizmo.shelf
    description: Holds gizmos.
    parents: [resource-manager.folder]
  - type: gizmo.gizmo
    description: Turns.
    parents: [gizmo.shelf, resource-manager.folder]
    anonymous: true
`

func parse(t testing.TB, name, file string) access.Definitions {
	t.Helper()
	d, err := access.ParseDefinitions(name, []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseDefinitions(t *testing.T) {
	want := access.Definitions{
		Roles: []iam.Role{{ID: "gizmo.viewer", Description: "See gizmos.", Includes: []iam.RoleID{"auditor"},
			Permissions: []iam.Permission{"gizmo.gizmos.get"}}},
		Scopes: []access.Scope{{ID: "acme.gizmos.see", Description: "See gizmos.", Permissions: []iam.Permission{"gizmo.gizmos.get"}}},
		ResourceTypes: []access.ResourceType{
			{Type: "gizmo.shelf", Description: "Holds gizmos.", Parents: []resource.Kind{resource.Folder}},
			{Type: "gizmo.gizmo", Description: "Turns.", Parents: []resource.Kind{"gizmo.shelf", resource.Folder}, Anonymous: true},
		},
	}
	if diff := cmp.Diff(want, parse(t, "good", goodFile), cmpopts.IgnoreUnexported(access.Definitions{})); diff != "" {
		t.Error(diff)
	}
	if d := parse(t, "empty lists", "roles:\nscopes:\n"); len(d.Roles)+len(d.Scopes) != 0 {
		t.Errorf("empty lists: %v", d)
	}
}

// Whoever wrote a bad file is told the line and the field, of all mistakes.
func TestParseDefinitionsSaysWhere(t *testing.T) {
	for name, tc := range map[string]struct{ file, want string }{
		"nothing":            {"", "f: the file is empty"},
		"not YAML":           {"roles: [", "f: line 1: "},
		"a list":             {"- id: a.x\n", "f:1: a mapping is expected"},
		"a number of roles":  {"roles: 7\n", "f:1: roles: a list is expected"},
		"two documents":      {"roles: []\n---\nroles: []\n", "f: one document is expected"},
		"unknown top key":    {"roles: []\nrole: []\n", `f:2: the key "role" is not known here`},
		"unknown key":        {"roles:\n- id: a.x\n  description: d\n  permisions: []\n", `f:4: roles[0]: the key "permisions" is not known here`},
		"key twice":          {"roles:\n- id: a.x\n  description: d\n  description: e\n", "f:4: roles[0]: the key description is there twice"},
		"no id":              {"roles:\n- description: d\n", "f:2: roles[0]: id is missing"},
		"no description":     {"roles:\n- id: a.x\n", "f:2: roles[0]: description is missing"},
		"empty description":  {"roles:\n- id: a.x\n  description: ''\n", "f:3: roles[0].description: must be 1 to"},
		"signs for a screen": {"roles:\n- id: a.x\n  description: \"a\\e[2J\"\n", "f:3: roles[0].description: must be of printable characters"},
		"id of a number":     {"roles:\n- id: 7\n  description: d\n", "f:2: roles[0].id: a text is expected"},
		"id of a list":       {"roles:\n- id: [a.x]\n  description: d\n", "f:2: roles[0].id: a text is expected"},
		"bad role id":        {"roles:\n- {id: a.x.y.z, description: d}\n", `f:2: roles[0].id: "a.x.y.z" must look like`},
		"bad include":        {"roles:\n- {id: a.x, description: d, includes: [viewer, A]}\n", `f:2: roles[0].includes[1]: "A" must look like`},
		"bad permission":     {"roles:\n- id: a.x\n  description: d\n  permissions:\n  - a.b.c\n  - a.b.*\n", `f:6: roles[0].permissions[1]: "a.b.*" must look like`},
		"permission twice":   {"roles:\n- {id: a.x, description: d, permissions: [a.b.c, a.b.c]}\n", "f:2: roles[0].permissions[1]: a.b.c is there twice"},
		"role twice":         {"roles:\n- {id: a.x, description: d}\n- {id: a.x, description: d}\n", "f:3: role a.x: defined already in f:2"},
		"second of two":      {"roles:\n- {id: a.x, description: d}\n- {id: A, description: d}\n", `f:3: roles[1].id: "A"`},
		"bad scope id":       {"scopes:\n- {id: everything, description: d}\n", `f:2: scopes[0].id: "everything" must look like`},
		"bad type":           {"resourceTypes:\n- {type: gizmo, description: d}\n", `f:2: resourceTypes[0].type: "gizmo" must look like`},
		"bad flag":           {"resourceTypes:\n- {type: a.b, description: d, anonymous: maybe}\n", "f:2: resourceTypes[0].anonymous: true or false is expected"},
		"whose is no key":    {"roles:\n- {id: a.x, description: d, organization: b}\n", `the key "organization" is not known here`},
		"alias":              {"roles:\n- &r {id: a.x, description: d}\n- *r\n", "f:3: roles[1]: a mapping is expected"},
		"merge":              {"roles:\n- &r {id: a.x, description: d}\n- <<: *r\n", `f:3: roles[1]: the key "<<" is not known here`},
		"too large":          {"#" + strings.Repeat(" ", access.MaxFile), "f: larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := access.ParseDefinitions("f", []byte(tc.file))
			if iam.KindOf(err) != iam.InvalidArgument || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// What the grammar allows and what does not fit together: each with the file
// and the line where it stands.
func TestCompileSaysWhere(t *testing.T) {
	own, err := parse(t, "own", "roles:\n- {id: acme.turner, description: Turns.}\n").Of("bpf1")
	if err != nil {
		t.Fatal(err)
	}
	ownOf := func(file string) access.Definitions {
		d, err := parse(t, "f", file).Of("bpf2")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, tc := range map[string]struct {
		more access.Definitions
		want string
	}{
		"a builtin role":           {parse(t, "f", "roles:\n- {id: iam.viewer, description: d}\n"), "and f:2: role iam.viewer: defined twice"},
		"a builtin scope":          {parse(t, "f", "scopes:\n- {id: yc.postbox.send, description: d}\n"), "scope yc.postbox.send: defined twice"},
		"a builtin type":           {parse(t, "f", "resourceTypes:\n- {type: ydb.database, description: d}\n"), "resource type ydb.database: defined twice"},
		"unknown include":          {parse(t, "f", "roles:\n- {id: a.x, description: d, includes: [a.y]}\n"), "f:2: role a.x: includes a.y, which does not exist"},
		"circle through primitive": {parse(t, "f", "roles:\n- {id: a.viewer, description: d, includes: [viewer]}\n"), "includes itself"},
		"scope of nothing":         {parse(t, "f", "scopes:\n- {id: a.b, description: d, permissions: [a.b.c]}\n"), "f:2: scope a.b: permission a.b.c is in no role"},
		"type below nothing":       {parse(t, "f", "resourceTypes:\n- {type: a.b, description: d, parents: [a.c]}\n"), "f:2: resource type a.b: stands below a.c, which does not exist"},
		"type below itself":        {parse(t, "f", "resourceTypes:\n- {type: a.b, description: d, parents: [a.b]}\n"), "stands below itself"},
		"owner's own":              {parse(t, "f", "roles:\n- {id: a.x, description: d, permissions: [resource-manager.clouds.delete]}\n"), "f:2: role a.x: holds resource-manager.clouds.delete, which is for resource-manager.clouds.owner alone"},
		"owner included":           {ownOf("roles:\n- {id: a.x, description: d, includes: [organization-manager.organizations.owner]}\n"), "role a.x: holds organization-manager.organizations.delete, which is for"},
		"owner's own by name":      {parse(t, "f", "roles:\n- {id: a.admin, description: d, permissions: [resource-manager.clouds.delete]}\n"), "role a.admin: holds resource-manager.clouds.delete"},
		"another's include":        {ownOf("roles:\n- {id: a.x, description: d, includes: [acme.turner]}\n"), "role a.x: includes acme.turner, which belongs to one organization alone"},
		"permission of nobody":     {ownOf("roles:\n- {id: a.x, description: d, permissions: [a.b.c]}\n"), "role a.x: permission a.b.c is in no role of everybody's"},
		"everybody's of one's own": {parse(t, "f", "roles:\n- {id: a.x, description: d, includes: [acme.turner]}\n"), "role a.x: includes acme.turner, which belongs to one organization alone"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := access.BuiltinDefinitions()
			if err != nil {
				t.Fatal(err)
			}
			_, err = access.Compile(d.With(own).With(tc.more))
			if iam.KindOf(err) != iam.InvalidArgument || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// A role of one organization, however it is called, gives nothing to roles that
// count everywhere; it may be made of everybody's and of its own.
func TestOwnRoles(t *testing.T) {
	all := parse(t, "all", "roles:\n- {id: gizmo.parts.turner, description: d, permissions: [gizmo.parts.turn]}\n")
	own, err := parse(t, "own", "roles:\n"+
		"- {id: acme.admin, description: d, includes: [acme.turner, admin]}\n"+
		"- {id: acme.turner, description: d, permissions: [gizmo.parts.turn]}\n").Of("bpf1")
	if err != nil {
		t.Fatal(err)
	}
	d, err := access.BuiltinDefinitions()
	if err != nil {
		t.Fatal(err)
	}
	c, err := access.Compile(d.With(all).With(own))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Grants("acme.admin", "gizmo.parts.turn") || !c.CoversAll([]iam.RoleID{"acme.admin"}, "admin") {
		t.Error("acme.admin does not hold what it includes")
	}
	if !c.Grants("admin", "gizmo.parts.turn") || !c.Grants("resource-manager.clouds.owner", "gizmo.parts.turn") || c.Grants("editor", "gizmo.parts.turn") {
		t.Error("admin and whoever includes it hold what everybody's roles list, and no others do")
	}
	own, err = parse(t, "own", "roles:\n- {id: acme.viewer, description: d, permissions: [iam.serviceAccounts.createToken]}\n").Of("bpf1")
	if err != nil {
		t.Fatal(err)
	}
	if c, err = access.Compile(d.With(all).With(own)); err != nil || c.Grants("viewer", "iam.serviceAccounts.createToken") {
		t.Errorf("everybody's viewer holds what one organization's has: %v", err)
	}
	if r, err := c.Role("acme.viewer"); err != nil || r.Organization != "bpf1" {
		t.Errorf("Role = %v, %v", r, err)
	}
	if _, err := parse(t, "f", goodFile).Of("bpf1"); iam.KindOf(err) != iam.InvalidArgument {
		t.Errorf("an organization's own scopes: %v", err)
	}
}

// Taken apart into rows and put together again, definitions are the same.
func TestItems(t *testing.T) {
	d := parse(t, "f", goodFile+"  - {type: a.b, description: \"\\\"<&> é\\U0001F600\\n\\\\\"}\n")
	roundTrip(t, d)
	if _, err := access.JoinItems([]access.Item{{Kind: access.ItemRole, ID: "a.x", Body: `{"id":"a.x","description":"d"},{"id":"a.y","description":"d"}`}}); err == nil {
		t.Error("two definitions in one row are accepted")
	}
	if _, err := access.JoinItems([]access.Item{{Kind: access.ItemScope, ID: "a.x", Organization: "bpf1", Body: `{"id":"a.x","description":"d"}`}}); err == nil {
		t.Error("an organization's own scope is accepted")
	}
}

func roundTrip(t *testing.T, d access.Definitions) {
	t.Helper()
	items, err := d.Items()
	if err != nil {
		t.Fatal(err)
	}
	again, err := access.JoinItems(items)
	if err != nil {
		t.Fatalf("%v\n%v", err, items)
	}
	equal := []cmp.Option{cmpopts.IgnoreUnexported(access.Definitions{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(d, again, equal...); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	text, err := d.Format()
	if err != nil {
		t.Fatal(err)
	}
	printed, err := access.ParseDefinitions("exported", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(d, printed, equal...); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}

func TestBuiltinRoundTrips(t *testing.T) {
	d, err := access.BuiltinDefinitions()
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, d)
}

// Whatever file is taken in can be kept, written out and read again, and a
// catalogue of it gives what it says and not more than what is listed.
func FuzzParseDefinitions(f *testing.F) {
	f.Add([]byte(goodFile))
	f.Add([]byte("roles:\n  - {id: a.x, description: d, permissions: [a.b.c], includes: [a.y]}\n  - {id: a.y, description: '- # x'}\n"))
	f.Add([]byte("roles: [{id: a.x, description: &d d}, {id: a.y, description: *d}]"))
	f.Add([]byte("roles: &r [*r]"))
	f.Add([]byte("{\"scopes\":[{\"id\":\"a.b\",\"description\":\"\\u2028\"}]}"))
	f.Add([]byte("resourceTypes: [{type: a.b, description: |\n  x\n , anonymous: true}]"))
	f.Fuzz(func(t *testing.T, file []byte) {
		d, err := access.ParseDefinitions("f", file)
		if err != nil {
			if iam.KindOf(err) != iam.InvalidArgument {
				t.Fatal(err)
			}
			return
		}
		roundTrip(t, d)
		c, err := access.Compile(d)
		if err != nil {
			return
		}
		for _, r := range d.Roles {
			for _, p := range r.Permissions {
				if !c.Grants(r.ID, p) {
					t.Fatalf("%s lists %s and does not grant it", r.ID, p)
				}
			}
			for _, in := range r.Includes {
				if !c.CoversAll([]iam.RoleID{r.ID}, in) {
					t.Fatalf("%s includes %s and does not cover it", r.ID, in)
				}
			}
		}
		for _, s := range d.Scopes {
			for _, p := range s.Permissions {
				if !c.ScopeAllows([]string{s.ID}, p) {
					t.Fatalf("scope %s lists %s and does not allow it", s.ID, p)
				}
			}
		}
	})
}
