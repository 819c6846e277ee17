package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/iam"
)

// every are the roles prefix+name.
func every(prefix string, names ...string) (all []iam.RoleID) {
	for _, n := range names {
		all = append(all, iam.RoleID(prefix+n))
	}
	return all
}

// TestRolesInclude: what the documentation draws as part of a role is part of it.
func TestRolesInclude(t *testing.T) {
	const accounts, federations, groups, om = "iam.serviceAccounts.", "iam.workloadIdentityFederations.", "organization-manager.groups.", "organization-manager."
	parts := map[iam.RoleID][]iam.RoleID{
		"viewer":                               {"auditor"},
		"editor":                               {"viewer", accounts + "user"},
		"admin":                                {"editor", accounts + "user"},
		accounts + "keyAdmin":                  every(accounts, "accessKeyAdmin", "apiKeyAdmin", "authorizedKeyAdmin"),
		accounts + "admin":                     every(accounts, "keyAdmin", "tokenCreator"),
		federations + "viewer":                 {federations + "auditor"},
		federations + "editor":                 {federations + "viewer"},
		federations + "admin":                  every(federations, "editor", "user"),
		accounts + "federatedCredentialEditor": {accounts + "federatedCredentialViewer"},
		"iam.viewer":                           {"iam.auditor"},
		"resource-manager.viewer":              {"resource-manager.auditor"},
		"resource-manager.editor":              {"resource-manager.viewer"},
		"resource-manager.admin":               {"resource-manager.editor"},
		"resource-manager.clouds.owner":        {"admin", "resource-manager.admin", "resource-manager.clouds.member", accounts + "user"},
		om + "editor":                          {om + "viewer"},
		om + "organizations.owner":             {om + "admin"},
		groups + "editor":                      {groups + "viewer"},
		groups + "admin":                       every(groups, "editor", "memberAdmin"),
		om + "osLogins.admin":                  {om + "osLogins.viewer"},
		om + "idpInstances.billingAdmin":       {om + "idpInstances.billingViewer"},
		om + "userpools.syncAgent":             {om + "userpools.extGroupsManager"},
	}
	for _, kind := range []string{om + "federations.", om + "userpools."} {
		parts[iam.RoleID(kind+"viewer")] = every(kind, "auditor", "extGroupsViewer")
		parts[iam.RoleID(kind+"editor")] = every(kind, "viewer", "userAdmin")
		parts[iam.RoleID(kind+"admin")] = every(kind, "editor", "extGroupsManager", "extGroupsCleaner")
		parts[iam.RoleID(kind+"extGroupsManager")] = every(kind, "extGroupsViewer")
		parts[iam.RoleID(kind+"extGroupsCleaner")] = every(kind, "extGroupsViewer")
	}
	c := builtin(t)
	for role, all := range parts {
		if _, err := c.Role(role); err != nil {
			t.Error(err)
		}
		for _, part := range all {
			if !c.CoversAll([]iam.RoleID{role}, part) {
				t.Errorf("%s does not cover %s", role, part)
			}
		}
	}
}

// TestRolesHoldNoMore: roles of one purpose hold what it takes. A permission
// may begin with one of some prefixes, and must not end with one of some verbs.
func TestRolesHoldNoMore(t *testing.T) {
	const accounts = "iam.serviceAccounts."
	keys := []string{"iam.keys.", "iam.apiKeys.", "iam.accessKeys."}
	organization := []string{"organization-manager.", "iam.refreshTokens.", "iam.subjects.", "iam.accessAnalyzer.list", "propusk.access.explain", "quota-manager.quotaLimits.", "src."}
	cloud := []string{"resource-manager.", "quota-manager.quotaLimits."}
	for role, may := range map[iam.RoleID]struct{ begin, never []string }{
		accounts + "user":                         {[]string{accounts + "get", accounts + "list", accounts + "use"}, nil},
		accounts + "tokenCreator":                 {[]string{accounts + "createToken", accounts + "createIdToken"}, nil},
		accounts + "authorizedKeyAdmin":           {keys[:1], nil},
		accounts + "apiKeyAdmin":                  {keys[1:2], nil},
		accounts + "accessKeyAdmin":               {keys[2:], nil},
		accounts + "keyAdmin":                     {keys, nil},
		accounts + "ephemeralAccessKeyAdmin":      {[]string{"iam.ephemeralAccessKeys.create"}, nil},
		accounts + "federatedCredentialEditor":    {[]string{"iam.federatedCredentials."}, nil},
		accounts + "admin":                        {append(keys, accounts, "resource-manager.folders.get"), nil},
		"iam.editor":                              {[]string{"iam.", "propusk.access.explain", "quota-manager.quotaLimits.", "resource-manager."}, []string{"updateAccessBindings", ".createToken", ".createIdToken", "clouds.update", "clouds.create", ".enable"}},
		"iam.admin":                               {[]string{"iam.", "propusk.access.explain", "propusk.tokenReviews.", "quota-manager.quotaLimits.", "resource-manager."}, []string{"clouds.updateAccessBindings", "folders.updateAccessBindings", "clouds.delete"}},
		"iam.workloadIdentityFederations.user":    {[]string{"iam.workloadIdentityFederations.use"}, []string{"update", "Bindings"}},
		"iam.workloadIdentityFederations.editor":  {[]string{"iam.workloadIdentityFederations."}, []string{".updateAccessBindings", ".use"}},
		"resource-manager.viewer":                 {cloud, []string{".create", ".update", ".delete", "updateAccessBindings", "updateAccessPolicyBindings"}},
		"resource-manager.editor":                 {cloud, []string{"updateAccessBindings", "updateAccessPolicyBindings", "clouds.delete"}},
		"resource-manager.admin":                  {cloud, []string{"clouds.delete"}},
		"organization-manager.viewer":             {organization, []string{".create", ".update", ".delete", ".invite", "updateAccessBindings"}},
		"organization-manager.editor":             {organization, []string{"updateAccessBindings", "updateAccessPolicyBindings", ".invite", "organizations.delete", "groups.updateMembers"}},
		"organization-manager.admin":              {organization, []string{"organizations.delete", "convertToExternal"}},
		"organization-manager.groups.memberAdmin": {[]string{"organization-manager.groups."}, []string{".create", ".update", ".delete", "updateAccessBindings"}},
		"organization-manager.passportUserAdmin":  {[]string{"organization-manager.users.", "iam.subjects."}, nil},
		"organization-manager.users.viewer":       {[]string{"organization-manager.users.list", "iam.subjects."}, nil},
		"quota-manager.requestOperator":           {[]string{"quota-manager."}, []string{"quotaLimits.update"}},
		"admin":                                   {[]string{""}, []string{"clouds.delete", "organizations.delete"}},
		"editor":                                  {[]string{""}, []string{"updateAccessBindings", "updateAccessPolicyBindings", ".createToken", ".createIdToken", ".invite", "updateMembers"}},
		"auditor":                                 {[]string{""}, []string{".create", ".update", ".delete", ".use", ".read", ".createToken", ".createIdToken"}},
	} {
		checkHolds(t, builtin(t), role, may.begin, may.never)
	}
	checkHolds(t, builtin(t), "resource-manager.clouds.member", nil, nil) // no right by itself
}

func checkHolds(t *testing.T, c *access.Catalogue, role iam.RoleID, begin, never []string) {
	t.Helper()
	held := 0
	for _, p := range allPermissions(c) {
		if !c.Grants(role, p) {
			continue
		}
		held++
		begins := func(prefix string) bool { return strings.HasPrefix(string(p), prefix) }
		ends := func(verb string) bool { return strings.HasSuffix(string(p), verb) }
		if !slices.ContainsFunc(begin, begins) || slices.ContainsFunc(never, ends) {
			t.Errorf("%s may %s", role, p)
		}
	}
	if held == 0 != (begin == nil) {
		t.Errorf("%s holds %d permissions", role, held)
	}
}
