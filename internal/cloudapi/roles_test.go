package cloudapi_test

import (
	"fmt"
	"slices"
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
)

func init() {
	services["role"] = "yandex.cloud.iam.v1.RoleService"
	areaRows = append(areaRows, func(*world) []row {
		return []row{
			{"role.Get", "U++++++", fixed(&iampb.GetRoleRequest{RoleId: "viewer"})},
			{"role.List", "U++++++", fixed(&iampb.ListRolesRequest{})},
		}
	})
}

func (w *world) importRoles(t *testing.T, organizationID, file string) {
	t.Helper()
	_, err := w.Server.Server.RoleImport(t.Context(), server.RoleImportRequest{Name: "test", File: file, Organization: organizationID})
	if err != nil {
		t.Fatal(err)
	}
}

// roleIDs lists all pages.
func roleIDs(t *testing.T, c *caller, size int64) (ids []string) {
	t.Helper()
	for token, pages := "", 0; pages == 0 || token != ""; pages++ {
		if pages > 2000 {
			t.Fatal("the list does not end")
		}
		r := call(t, c, "role.List", &iampb.ListRolesRequest{PageSize: size, PageToken: token}, new(iampb.ListRolesResponse))
		if n := int64(len(r.GetRoles())); n > size || (r.GetNextPageToken() != "" && n < size) {
			t.Fatalf("a page of %d roles, %d asked for", n, size)
		}
		for _, role := range r.GetRoles() {
			if role.GetDescription() == "" {
				t.Errorf("%s has no description", role.GetId())
			}
			ids = append(ids, role.GetId())
		}
		token = r.GetNextPageToken()
	}
	return ids
}

func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := roleIDs(t, w.owner, 1000)
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("roles are not sorted, or there is one twice: %v", all)
	}
	for _, id := range []string{"viewer", "iam.admin", "resource-manager.clouds.owner", "compute.viewer", "organization-manager.groups.memberAdmin"} {
		if !slices.Contains(all, id) {
			t.Errorf("%s is not listed", id)
		}
		r := call(t, w.owner, "role.Get", &iampb.GetRoleRequest{RoleId: id}, new(iampb.Role))
		if r.GetId() != id || r.GetDescription() == "" {
			t.Errorf("Get(%s) = %v", id, r)
		}
	}
	for _, size := range []int64{1, 7} {
		if got := roleIDs(t, w.owner, size); !slices.Equal(got, all) {
			t.Errorf("pages of %d: %d roles, want %d", size, len(got), len(all))
		}
	}
	w.owner.refuse(t, "role.Get", &iampb.GetRoleRequest{RoleId: "iam.nobody"}, codes.NotFound, "Role iam.nobody not found")
	for filter, want := range map[string][]string{
		`id="iam.viewer"`: {"iam.viewer"}, ` id = "viewer" `: {"viewer"}, `id="nobody"`: nil, `id="a"`: nil, `id="zz"`: nil, ` `: all,
	} {
		r := call(t, w.owner, "role.List", &iampb.ListRolesRequest{Filter: filter, PageSize: 1000}, new(iampb.ListRolesResponse))
		var got []string
		for _, role := range r.GetRoles() {
			got = append(got, role.GetId())
		}
		if !slices.Equal(got, want) {
			t.Errorf("filter %q: %v", filter, got)
		}
	}
	for _, filter := range []string{`name="viewer"`, `id!="viewer"`, `id=viewer`, `id="viewer" AND id="editor"`, `id=""`} {
		w.owner.refuse(t, "role.List", &iampb.ListRolesRequest{Filter: filter}, codes.InvalidArgument, "filter")
	}
}

// An organization's own roles are seen, bound and hold there alone; elsewhere
// they are roles that do not exist.
func TestOwnRolesStayAtHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away, err := w.Server.Server.Bootstrap(t.Context(), server.BootstrapRequest{Organization: "away", Cloud: "c", Folder: "f", Account: "owner"})
	if err != nil {
		t.Fatal(err)
	}
	stranger := w.exchange(t, []byte(away.KeyFile))
	const file = "roles:\n- {id: %s.night, description: Nights., permissions: [iam.serviceAccounts.create]}\n"
	w.importRoles(t, w.home.OrganizationID, fmt.Sprintf(file, "home"))
	w.importRoles(t, away.OrganizationID, fmt.Sprintf(file, "away"))
	w.importRoles(t, "", fmt.Sprintf(file, "everybodys"))

	for _, tc := range []struct {
		c           *caller
		sees, hides string
	}{{w.owner, "home.night", "away.night"}, {stranger, "away.night", "home.night"}} {
		all := roleIDs(t, tc.c, 3)
		if !slices.Contains(all, tc.sees) || slices.Contains(all, tc.hides) || !slices.Contains(all, "everybodys.night") {
			t.Errorf("%s: sees %v", tc.sees, all)
		}
		call(t, tc.c, "role.Get", &iampb.GetRoleRequest{RoleId: tc.sees}, new(iampb.Role))
		tc.c.refuse(t, "role.Get", &iampb.GetRoleRequest{RoleId: tc.hides}, codes.NotFound, "Role "+tc.hides+" not found")
		r := call(t, tc.c, "role.List", &iampb.ListRolesRequest{Filter: `id="` + tc.hides + `"`}, new(iampb.ListRolesResponse))
		if len(r.GetRoles()) != 0 {
			t.Errorf("the filter shows %v", r.GetRoles())
		}
	}

	guest := w.robot(t, "guest")
	for _, id := range []string{w.home.OrganizationID, w.home.CloudID, w.home.FolderID} {
		service := map[string]string{w.home.OrganizationID: "org", w.home.CloudID: "cloud", w.home.FolderID: "folder"}[id]
		for _, unknown := range []string{"away.night", "iam.nobody"} {
			w.owner.refuse(t, service+".UpdateAccessBindings", update(id, add(unknown, guest.id)), codes.NotFound, "Role "+unknown+" not found")
			w.owner.refuse(t, service+".SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: id,
				AccessBindings: []*accesspb.AccessBinding{binding(unknown, guest.id)}}, codes.NotFound, "Role "+unknown+" not found")
		}
	}
	create := &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "made-by-guest"}
	guest.refuse(t, "sa.Create", create, codes.PermissionDenied, "denied")
	w.bind(t, "folder", w.home.FolderID, add("home.night", guest.id))
	guest.operate(t, "sa.Create", create)
}

func update(id string, deltas ...*accesspb.AccessBindingDelta) proto.Message {
	return &accesspb.UpdateAccessBindingsRequest{ResourceId: id, AccessBindingDeltas: deltas}
}

// What an imported role holds is in force with the import's answer, and what it
// no longer holds is gone with it.
func TestImportIsInForceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const file = "roles:\n- {id: acme.night, description: Nights., permissions: [%s]}\n"
	w.importRoles(t, "", fmt.Sprintf(file, "acme.gizmos.turn"))
	guest := w.robot(t, "guest", "acme.night")
	account := &iampb.ListServiceAccountsRequest{FolderId: w.home.FolderID}
	for range 3 {
		guest.refuse(t, "sa.List", account, codes.PermissionDenied, "denied")
		w.importRoles(t, "", fmt.Sprintf(file, "iam.serviceAccounts.list"))
		call(t, guest, "sa.List", account, new(iampb.ListServiceAccountsResponse))
		w.importRoles(t, "", fmt.Sprintf(file, "acme.gizmos.turn"))
	}
	_, err := w.Server.Server.RoleDelete(t.Context(), server.RoleDeleteRequest{ID: "acme.night"})
	if iam.KindOf(err) != iam.FailedPrecondition {
		t.Errorf("a bound role is deleted: %v", err)
	}
	w.bind(t, "cloud", w.home.CloudID, remove("acme.night", guest.id))
	if _, err := w.Server.Server.RoleDelete(t.Context(), server.RoleDeleteRequest{ID: "acme.night"}); err != nil {
		t.Error(err)
	}
	w.owner.refuse(t, "cloud.UpdateAccessBindings", update(w.home.CloudID, add("acme.night", guest.id)), codes.NotFound, "Role acme.night not found")
}
