package cloudapi_test

import (
	"cmp"
	"slices"
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

// A role that left a file while it was bound, and comes back as another
// organization's own, is nothing where it is still bound: neither may its
// holder do what it says, nor hand it out in other roles.
func TestRoleOfAnotherOrganizationHandsOutNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.importRoles(t, "", "roles:\n- {id: acme.night, description: d, permissions: [iam.keys.list]}\n")
	guard := w.robot(t, "guard", "resource-manager.admin", "acme.night")
	call(t, guard, "key.List", &iampb.ListKeysRequest{ServiceAccountId: guard.id}, new(iampb.ListKeysResponse))
	w.update(t, func(tx *store.Tx) error { return store.DeleteDefinition(tx, store.DefinesRole, "acme.night") })
	w.importRoles(t, w.OrganizationID, "roles:\n- {id: acme.night, description: d, includes: [admin]}\n")
	guard.refuse(t, "key.List", &iampb.ListKeysRequest{ServiceAccountId: guard.id}, codes.PermissionDenied, "denied")
	for _, role := range []string{"admin", "editor", "iam.serviceAccounts.tokenCreator"} {
		guard.refuse(t, "folder.UpdateAccessBindings", update(w.home.FolderID, add(role, guard.id)), codes.PermissionDenied, "only by who holds")
	}
	guard.operate(t, "folder.UpdateAccessBindings", update(w.home.FolderID, add("resource-manager.viewer", guard.id)))
}

// Nobody climbs by an organization's own role: it holds what somebody of that
// organization could hand out, and only who holds all of it hands it out.
func TestOwnRolesAreNoLadder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for what, file := range map[string]string{
		"an owner's permission":             "permissions: [resource-manager.clouds.delete]",
		"another owner's":                   "permissions: [organization-manager.organizations.delete]",
		"an owner role":                     "includes: [resource-manager.clouds.owner]",
		"the other owner role":              "includes: [viewer, organization-manager.organizations.owner]",
		"what is in no role of everybody's": "permissions: [acme.gizmos.explode]",
		"itself":                            "includes: [acme.admin]",
	} {
		for _, organization := range []string{w.home.OrganizationID, ""} {
			if organization == "" && what == "what is in no role of everybody's" {
				continue // everybody's roles are where permissions come from
			}
			_, err := w.Server.Server.RoleImport(t.Context(), server.RoleImportRequest{Name: "test", Organization: organization,
				File: "roles:\n- {id: acme.admin, description: d, " + file + "}\n"})
			if iam.KindOf(err) != iam.InvalidArgument {
				t.Errorf("%s, for %q: %v", what, organization, err)
			}
		}
	}
	for _, id := range []string{"admin", "viewer", "iam.admin", "resource-manager.clouds.owner"} {
		_, err := w.Server.Server.RoleImport(t.Context(), server.RoleImportRequest{Name: "test", Organization: w.home.OrganizationID,
			File: "roles:\n- {id: " + id + ", description: d}\n"})
		if iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%s is defined a second time: %v", id, err)
		}
	}
	// Its name makes it no part of admin, and admin of the organization none of it.
	w.importRoles(t, w.home.OrganizationID, "roles:\n- {id: night.admin, description: d, includes: [iam.admin]}\n")
	climber := w.robot(t, "climber", "resource-manager.admin")
	climber.refuse(t, "folder.UpdateAccessBindings", update(w.home.FolderID, add("night.admin", climber.id)), codes.PermissionDenied, "only by who holds")
	climber.refuse(t, "folder.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: w.home.FolderID,
		AccessBindings: []*accesspb.AccessBinding{binding("night.admin", climber.id)}}, codes.PermissionDenied, "only by who holds")
	w.bind(t, "cloud", w.home.CloudID, add("admin", climber.id))
	climber.operate(t, "folder.UpdateAccessBindings", update(w.home.FolderID, add("night.admin", climber.id)))
}

// The audit log tells what a role was made to hold.
func TestImportsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.importRoles(t, w.home.OrganizationID, "roles:\n- {id: acme.night, description: d, permissions: [iam.keys.list]}\n")
	w.importRoles(t, w.home.OrganizationID, "roles:\n- {id: acme.night, description: d, includes: [admin]}\n")
	var told []any
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{Type: "propusk.ImportDefinition"}) {
		if n := len(l.Resource.Path); n == 2 && l.Resource.Path[0].ID == w.home.OrganizationID && l.Resource.Path[1].ID == "acme.night" {
			told = append(told, l.Details["definition"])
		}
	}
	slices.SortFunc(told, func(a, b any) int { return cmp.Compare(len(a.(string)), len(b.(string))) })
	want := []any{`{"id":"acme.night","description":"d","includes":["admin"]}`, `{"id":"acme.night","description":"d","permissions":["iam.keys.list"]}`}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
