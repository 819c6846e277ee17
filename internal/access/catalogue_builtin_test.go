package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

func builtin(t testing.TB) *access.Catalogue {
	t.Helper()
	c, err := access.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var owners = []iam.RoleID{"resource-manager.clouds.owner", "organization-manager.organizations.owner"}

// What somebody may do on the whole hierarchy is somebody's who owns it: no
// builtin role stands outside of admin, but for what makes owners owners.
func TestAdminHoldsEverythingButOwnership(t *testing.T) {
	c := builtin(t)
	for _, r := range c.Roles() {
		if slices.Contains(owners, r.ID) {
			if c.CoversAll([]iam.RoleID{"admin"}, r.ID) {
				t.Errorf("admin covers %s", r.ID)
			}
			continue
		}
		if !c.CoversAll([]iam.RoleID{"admin"}, r.ID) {
			t.Errorf("admin does not cover %s", r.ID)
		}
		if !c.CoversAll([]iam.RoleID{"organization-manager.organizations.owner"}, r.ID) {
			t.Errorf("an organization's owner does not cover %s", r.ID)
		}
	}
}

// auditor and viewer change nothing: the verbs that they hold are all known to
// be harmless, so that a new permission in them is looked at by somebody.
func TestReadersOnlyRead(t *testing.T) {
	c := builtin(t)
	harmless := func(verb string) bool {
		return slices.ContainsFunc([]string{"get", "list", "read", "resolve"}, func(p string) bool { return strings.HasPrefix(verb, p) }) ||
			slices.Contains([]string{"explain", "select", "connect", "pull"}, verb)
	}
	for _, r := range c.Roles() {
		_, name, _ := strings.Cut(string(r.ID), ".")
		reader := r.ID == "viewer" || name == "auditor" || name == "viewer" || strings.HasSuffix(name, ".viewer") || strings.HasSuffix(name, ".auditor")
		if !reader || r.ID == "k8s.cluster-api.viewer" {
			continue
		}
		for _, p := range allPermissions(c) {
			verb := string(p[strings.LastIndex(string(p), ".")+1:])
			if c.Grants(r.ID, p) && !harmless(verb) {
				t.Errorf("%s may %s", r.ID, p)
			}
		}
	}
	for _, p := range allPermissions(c) {
		if c.Grants("auditor", p) && !strings.Contains(string(p), ".get") && !strings.Contains(string(p), ".list") &&
			p != "iam.services.resolveAgent" && p != "propusk.access.explain" {
			t.Errorf("auditor may %s, which reads data", p)
		}
		for _, secret := range []iam.Permission{"lockbox.payloads.get", "iam.serviceAccounts.createToken"} {
			if p == secret && c.Grants("editor", p) {
				t.Errorf("editor may %s", p)
			}
		}
	}
}

// editor leaves alone who has access to what.
func TestOnlyAdminsDecideAccess(t *testing.T) {
	c := builtin(t)
	for _, p := range allPermissions(c) {
		decides := strings.HasSuffix(string(p), ".updateAccessBindings") || strings.HasSuffix(string(p), ".updateAccessPolicyBindings")
		if decides && c.Grants("editor", p) {
			t.Errorf("editor may %s", p)
		}
	}
}

func allPermissions(c *access.Catalogue) []iam.Permission {
	var all []iam.Permission
	for _, r := range c.Roles() {
		all = append(all, r.Permissions...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// The whole catalogue of the documentation, by name.
func TestCatalogueIsWhole(t *testing.T) {
	c := builtin(t)
	family := func(prefix string, names ...string) (all []iam.RoleID) {
		for _, n := range names {
			all = append(all, iam.RoleID(prefix+n))
		}
		return all
	}
	for _, id := range slices.Concat(
		family("", "auditor", "viewer", "editor", "admin"),
		family("iam.", "auditor", "viewer", "editor", "admin"),
		family("iam.serviceAccounts.", "user", "tokenCreator", "accessKeyAdmin", "apiKeyAdmin", "authorizedKeyAdmin", "keyAdmin",
			"ephemeralAccessKeyAdmin", "federatedCredentialViewer", "federatedCredentialEditor", "admin"),
		family("iam.workloadIdentityFederations.", "auditor", "viewer", "user", "editor", "admin"),
		family("iam.userAccounts.", "refreshTokenViewer", "refreshTokenRevoker"),
		family("resource-manager.", "auditor", "viewer", "editor", "admin", "clouds.member", "clouds.owner"),
		family("organization-manager.", "auditor", "viewer", "editor", "admin", "organizations.owner", "passportUserAdmin", "users.viewer"),
		family("organization-manager.groups.", "viewer", "editor", "memberAdmin", "admin", "externalCreator", "externalConverter", "externalManager"),
		family("organization-manager.federations.", "auditor", "viewer", "extGroupsViewer", "extGroupsManager", "extGroupsCleaner", "userAdmin", "editor", "admin"),
		family("organization-manager.userpools.", "auditor", "viewer", "editor", "userAdmin", "admin", "syncAgent", "extGroupsViewer", "extGroupsManager", "extGroupsCleaner"),
		family("organization-manager.osLogins.", "viewer", "admin"),
		family("organization-manager.samlApplications.", "auditor", "viewer", "editor", "userAdmin", "admin"),
		family("organization-manager.oauthApplications.", "auditor", "viewer", "editor", "userAdmin", "admin"),
		family("organization-manager.idpInstances.", "billingViewer", "billingAdmin", "viewer", "admin"),
		family("quota-manager.", "viewer", "requestOperator"),
		family("audit-trails.", "auditor", "viewer", "editor", "admin", "configViewer"),
	) {
		if _, err := c.Role(id); err != nil {
			t.Error(err)
		}
	}
}

// Includes as the documentation draws them.
func TestOrganizationRolesInclude(t *testing.T) {
	c := builtin(t)
	for role, parts := range map[iam.RoleID][]iam.RoleID{
		"organization-manager.auditor": {"organization-manager.osLogins.viewer", "organization-manager.groups.viewer",
			"organization-manager.federations.auditor", "organization-manager.userpools.auditor", "iam.userAccounts.refreshTokenViewer"},
		"organization-manager.viewer": {"organization-manager.auditor", "organization-manager.users.viewer", "organization-manager.federations.viewer",
			"organization-manager.userpools.viewer", "organization-manager.idpInstances.billingViewer"},
		"organization-manager.editor": {"organization-manager.federations.editor", "organization-manager.userpools.editor",
			"organization-manager.groups.editor", "organization-manager.samlApplications.editor", "organization-manager.oauthApplications.editor"},
		"organization-manager.admin": {"organization-manager.editor", "organization-manager.federations.admin", "organization-manager.userpools.admin",
			"organization-manager.osLogins.admin", "organization-manager.samlApplications.admin", "organization-manager.oauthApplications.admin",
			"organization-manager.groups.memberAdmin", "organization-manager.groups.externalCreator", "organization-manager.groups.externalManager",
			"organization-manager.passportUserAdmin", "organization-manager.idpInstances.billingAdmin", "src.repositories.admin"},
		"organization-manager.federations.editor":  {"organization-manager.federations.viewer", "organization-manager.federations.userAdmin"},
		"organization-manager.federations.viewer":  {"organization-manager.federations.auditor", "organization-manager.federations.extGroupsViewer"},
		"organization-manager.userpools.admin":     {"organization-manager.userpools.editor", "organization-manager.userpools.extGroupsManager"},
		"organization-manager.userpools.syncAgent": {"organization-manager.userpools.extGroupsManager"},
		"iam.editor": {"iam.viewer", "iam.serviceAccounts.federatedCredentialEditor", "iam.userAccounts.refreshTokenViewer", "iam.userAccounts.refreshTokenRevoker"},
		"iam.admin":  {"iam.editor", "iam.serviceAccounts.admin", "iam.serviceAccounts.user", "iam.workloadIdentityFederations.admin"},
	} {
		for _, part := range parts {
			if !c.CoversAll([]iam.RoleID{role}, part) {
				t.Errorf("%s does not cover %s", role, part)
			}
		}
	}
	if c.CoversAll([]iam.RoleID{"organization-manager.admin"}, "organization-manager.groups.externalConverter") {
		t.Error("organization-manager.admin covers externalConverter, which stands alone")
	}
}

func TestScopesNarrow(t *testing.T) {
	c := builtin(t)
	if n := len(c.Scopes()); n != 18 {
		t.Errorf("%d scopes, want 18", n)
	}
	for _, tc := range []struct {
		scopes []string
		p      iam.Permission
		want   bool
	}{
		{nil, "ydb.tables.select", false},
		{[]string{}, "ydb.tables.select", false},
		{[]string{"yc.ydb.tables.manage"}, "ydb.tables.select", true},
		{[]string{"yc.ydb.tables.manage"}, "ydb.streams.write", false},
		{[]string{"yc.ydb.tables.manage", "yc.ydb.topics.manage"}, "ydb.streams.write", true},
		{[]string{"yc.monitoring.read"}, "monitoring.data.write", false},
		{[]string{"yc.nothing"}, "ydb.tables.select", false},
		{[]string{"yc.nothing", "yc.ydb.tables.manage"}, "ydb.tables.select", true},
		{[]string{"yc.ydb.tables.manage"}, "ydb.tables.explode", false},
		{[]string{""}, "ydb.tables.select", false},
	} {
		if got := c.ScopeAllows(tc.scopes, tc.p); got != tc.want {
			t.Errorf("ScopeAllows(%q, %s) = %v", tc.scopes, tc.p, got)
		}
	}
}

func TestResourceTypes(t *testing.T) {
	c := builtin(t)
	for _, kind := range []resource.Kind{resource.Organization, resource.Cloud, resource.Folder, resource.ServiceAccount, resource.Group} {
		rt, ok := c.ResourceType(kind)
		parent, _ := resource.ParentKind(kind)
		if !ok || (parent == "" && len(rt.Parents) != 0) || (parent != "" && !slices.Equal(rt.Parents, []resource.Kind{parent})) {
			t.Errorf("%s: %v %v, the tree says below %q", kind, rt, ok, parent)
		}
	}
	for kind, anonymous := range map[resource.Kind]bool{
		"ydb.database": false, "iam.gizmo": false, "storage.bucket": true, "container-registry.image": true,
		"container-registry.registry": true, "resource-manager.folder": false, "nobody.knows": false,
	} {
		if _, known := c.ResourceType(kind); known == (kind == "nobody.knows") {
			t.Errorf("%s: known = %v", kind, known)
		}
		if c.Anonymous(kind) != anonymous {
			t.Errorf("Anonymous(%s) = %v", kind, !anonymous)
		}
	}
	for i, rt := range c.ResourceTypes()[1:] {
		if c.ResourceTypes()[i].Type >= rt.Type {
			t.Errorf("not sorted: %s", rt.Type)
		}
	}
}
