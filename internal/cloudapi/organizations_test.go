package cloudapi_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

func TestAnOrganizationIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, id := w.owner, w.home.OrganizationID
	read := func() *ompb.Organization {
		t.Helper()
		return call(t, o, "org.Get", &ompb.GetOrganizationRequest{OrganizationId: id}, new(ompb.Organization))
	}
	want := read()
	if want.GetName() != "home" || want.GetCreatedAt() == nil {
		t.Errorf("read: %v", want)
	}
	update := func(r *ompb.UpdateOrganizationRequest, change func()) {
		t.Helper()
		r.OrganizationId = id
		change()
		got := response(t, o.operate(t, "org.Update", r), new(ompb.Organization))
		for what, got := range map[string]*ompb.Organization{"answered": got, "read": read()} {
			if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
				t.Errorf("%s (-want +got):\n%s", what, d)
			}
		}
	}
	update(&ompb.UpdateOrganizationRequest{UpdateMask: masked("title", "labels"), Title: "Our home", Labels: map[string]string{"a": "b"}, Description: "not in the mask"},
		func() { want.Title, want.Labels = "Our home", map[string]string{"a": "b"} })
	update(&ompb.UpdateOrganizationRequest{UpdateMask: masked("name"), Name: "hearth"}, func() { want.Name = "hearth" })
	update(&ompb.UpdateOrganizationRequest{Description: "all of it"}, func() { want.Title, want.Labels, want.Description = "", nil, "all of it" })
	o.refuse(t, "org.Update", &ompb.UpdateOrganizationRequest{OrganizationId: id, UpdateMask: masked("id")}, codes.InvalidArgument, "update_mask")
	o.refuse(t, "org.Update", &ompb.UpdateOrganizationRequest{OrganizationId: id, UpdateMask: masked("name"), Name: "Upper"}, codes.InvalidArgument, "name")
	ops := call(t, o, "org.ListOperations", &ompb.ListOrganizationOperationsRequest{OrganizationId: id}, new(ompb.ListOrganizationOperationsResponse))
	if len(ops.GetOperations()) != 3 {
		t.Errorf("%d operations, want 3", len(ops.GetOperations()))
	}
	if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: "organizationmanager.UpdateOrganization"})); n != 5 {
		t.Errorf("%d audit lines, want 3 of changes and 2 of refusals", n)
	}
}

// The organizations of the list are those that may be got, in pages without gaps.
func TestListOfOrganizations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := w.robot(t, "reader", "admin") // on a cloud below home, which is no right to see home
	var want []string
	w.update(t, func(tx *store.Tx) error {
		for i := range 12 {
			id := resource.NewIDFor(resource.Organization)
			role := iam.RoleID("organization-manager.groups.viewer") // gives no right to see the organization
			if i%4 == 3 {
				role, want = "organization-manager.viewer", append(want, id)
			}
			err := store.InsertOrganization(tx, &iam.Organization{ID: id, Name: fmt.Sprintf("org-%d", i), CreatedAt: tx.Now()})
			if err != nil {
				return err
			}
			if _, err = store.AddBinding(tx, id, iam.AccessBinding{Role: role, Subject: iam.Subject{ID: iam.SubjectID(reader.id), Type: iam.TypeServiceAccount}}); err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(want)
	for _, size := range []int64{0, 1, 2, 3, 1000} {
		var got []string
		for token := ""; ; {
			r := call(t, reader, "org.List", &ompb.ListOrganizationsRequest{PageSize: size, PageToken: token}, new(ompb.ListOrganizationsResponse))
			if len(r.GetOrganizations()) == 0 {
				t.Errorf("an empty page of %d", size)
			}
			for _, o := range r.GetOrganizations() {
				got = append(got, o.GetId())
			}
			if token = r.GetNextPageToken(); token == "" {
				break
			}
			w.owner.refuse(t, "org.List", &ompb.ListOrganizationsRequest{PageToken: token}, codes.InvalidArgument, "page_token")
		}
		if !cmp.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", size, got, want)
		}
	}
	r := call(t, reader, "org.List", &ompb.ListOrganizationsRequest{Filter: `name = "org-7"`}, new(ompb.ListOrganizationsResponse))
	if len(r.GetOrganizations()) != 1 || r.GetOrganizations()[0].GetName() != "org-7" {
		t.Errorf("by name: %v", r)
	}
	r = call(t, w.owner, "org.List", &ompb.ListOrganizationsRequest{}, new(ompb.ListOrganizationsResponse))
	if len(r.GetOrganizations()) != 1 || r.GetOrganizations()[0].GetId() != w.home.OrganizationID {
		t.Errorf("the owner's: %v", r)
	}
}

// TestBindingsOfAnOrganization: they are answered with nothing, as this service
// alone declares, hold for all below, and groups of others are nobody.
func TestBindingsOfAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, robot, group := w.home.OrganizationID, w.robot(t, "robot"), w.newGroup(t, "g", "")
	var alien string
	w.update(t, func(tx *store.Tx) error {
		alien = "ajealien000000000000"
		return store.InsertGroup(tx, &iam.Group{ID: alien, OrganizationID: w.OrganizationID, Name: "g", CreatedAt: tx.Now()})
	})
	list := &ompb.ListGroupsRequest{OrganizationId: id}
	robot.refuse(t, "group.List", list, codes.PermissionDenied, id)
	op := w.owner.operate(t, "org.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: id, AccessBindingDeltas: deltas(add("viewer", robot.id))})
	response(t, op, new(emptypb.Empty))
	call(t, robot, "group.List", list, new(ompb.ListGroupsResponse))
	call(t, robot, "group.Get", &ompb.GetGroupRequest{GroupId: group}, new(ompb.Group))
	own := bindingFor("organization-manager.organizations.owner", "serviceAccount", w.home.ServiceAccountID)
	op = w.owner.operate(t, "org.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: id, AccessBindings: []*accesspb.AccessBinding{own, bindingFor("viewer", "group", group)}})
	response(t, op, new(emptypb.Empty))
	if got := w.bindings(t, "org", id); len(got) != 2 {
		t.Errorf("bindings %q", got)
	}
	robot.refuse(t, "group.List", list, codes.PermissionDenied, id)
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "organizationmanager.SetOrganizationAccessBindings"})
	if len(lines) != 1 || lines[0].Details["access_binding_deltas"] == nil {
		t.Errorf("audit lines of a Set: %v", lines)
	}
	for _, service := range []struct{ name, id string }{{"org", id}, {"cloud", w.home.CloudID}, {"folder", w.home.FolderID}, {"sa", robot.id}, {"group", group}} {
		for other, text := range map[string]string{alien: "Group " + alien + " not found", "ajenever": "Group ajenever not found"} {
			d := &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("viewer", "group", other)}
			if a := w.owner.refuse(t, service.name+".UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: service.id, AccessBindingDeltas: deltas(d)}, codes.NotFound, ""); a.message != text {
				t.Errorf("%s: %q, want %q", service.name, a.message, text)
			}
		}
	}
	many := make([]*accesspb.AccessBinding, 1001)
	for i := range many {
		many[i] = own
	}
	w.owner.refuse(t, "org.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: id, AccessBindings: many}, codes.InvalidArgument, "access_bindings")
	a := w.owner.do(t, "org.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: id, AccessBindings: many[:1000]}, new(operationpb.Operation))
	if a.code != codes.OK {
		t.Errorf("the same binding a thousand times: %v %s", a.code, a.message)
	}
}
