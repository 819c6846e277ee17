package cloudapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A root belongs to no organization, so groups of any organization, and the
// members of any, can be given access to it by its admin; and no organization's
// quota counts that.
func TestGroupsOnRoots(t *testing.T) {
	t.Parallel()
	w := newWorldWithQuotas(t)
	for _, id := range []string{"cluster1", "cluster2"} {
		if _, err := w.Server.Server.RegisterRoot(t.Context(), server.RegisterRootRequest{Type: "iam.gizmo", ID: id, Owner: w.home.ServiceAccountID}); err != nil {
			t.Fatal(err)
		}
	}
	w.setQuota(t, w.home.OrganizationID, "organization-manager.accessBindings.count", 0)
	stranger := w.exchange(t, w.AdminKey)
	far := stranger.create(t, "group.Create", &ompb.CreateGroupRequest{OrganizationId: w.OrganizationID, Name: "far"})
	stranger.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: far,
		MemberDeltas: []*ompb.MemberDelta{{Action: ompb.MemberDelta_ADD, SubjectId: w.AdminID}}})
	get := &propuskpb.GetResourceRequest{ResourceId: "cluster1"}
	bind := func(on, kind, id string) *accesspb.UpdateAccessBindingsRequest {
		return &accesspb.UpdateAccessBindingsRequest{ResourceId: on, AccessBindingDeltas: []*accesspb.AccessBindingDelta{
			{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("viewer", kind, id)}}}
	}
	stranger.refuse(t, "resource.Get", get, codes.NotFound, "Resource cluster1 not found")
	w.owner.operate(t, "resource.UpdateAccessBindings", bind("cluster1", "group", far))
	call(t, stranger, "resource.Get", get, new(propuskpb.Resource))
	x := call(t, w.owner, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: w.AdminID, Permission: "propusk.resources.get", ResourceId: "cluster1"},
		new(propuskpb.Explanation))
	if !x.GetAllowed() || len(x.GetBindings()) != 1 || x.GetBindings()[0].GetBinding().GetSubjectId() != far {
		t.Errorf("explained as %v", x)
	}
	users := string(iam.OrganizationUsers(w.OrganizationID))
	w.owner.operate(t, "resource.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: "cluster1", AccessBindings: []*accesspb.AccessBinding{
		bindingFor("admin", "serviceAccount", w.home.ServiceAccountID), bindingFor("viewer", "system", users)}})
	stranger.refuse(t, "resource.Get", get, codes.NotFound, "Resource cluster1 not found") // accounts are no members
	person := w.person(t, "somebody", w.OrganizationID)
	x = call(t, w.owner, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: person, Permission: "propusk.resources.get", ResourceId: "cluster1"},
		new(propuskpb.Explanation))
	if !x.GetAllowed() {
		t.Errorf("a member of the organization whose members are bound: %v", x)
	}

	// A group goes out of force with its deletion, here as elsewhere.
	w.owner.operate(t, "resource.UpdateAccessBindings", bind("cluster2", "group", far))
	stranger.operate(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: far})
	left := call(t, w.owner, "resource.ListAccessBindings", &accesspb.ListAccessBindingsRequest{ResourceId: "cluster2"}, new(accesspb.ListAccessBindingsResponse))
	if len(left.GetAccessBindings()) != 1 {
		t.Errorf("left on cluster2: %v", left.GetAccessBindings())
	}
	for id, kind := range map[string]string{far: "group", "nothing": "group", string(iam.OrganizationUsers("cluster1")): "system",
		string(iam.OrganizationUsers("nowhere")): "system", string(iam.OrganizationUsers(w.home.CloudID)): "system"} {
		w.owner.refuse(t, "resource.UpdateAccessBindings", bind("cluster1", kind, id), codes.NotFound, id+" not found")
	}
	// Who may not bind there learns nothing of the groups.
	stranger.refuse(t, "resource.UpdateAccessBindings", bind("cluster1", "group", "nothing"), codes.NotFound, "Resource cluster1 not found")
	// Below an organization nothing has changed.
	w.setQuota(t, w.home.OrganizationID, "organization-manager.accessBindings.count", server.QuotaUnlimited)
	w.newDatabase(t, "db")
	w.owner.refuse(t, "resource.UpdateAccessBindings", bind("db", "system", users), codes.NotFound, users+" not found")
}

// TestRoots: a resource that stands below nothing is the operator's to make and
// to remove; its owner decides who has access.
func TestRoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.Server.Server
	refuse := func(r server.RegisterRootRequest, text string) {
		t.Helper()
		if _, err := s.RegisterRoot(t.Context(), r); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", r, err, text)
		}
	}
	root := server.RegisterRootRequest{Type: "iam.gizmo", ID: "cluster1", Owner: w.home.ServiceAccountID}
	refuse(server.RegisterRootRequest{Type: "ydb.database", ID: "x", Owner: root.Owner}, "is no root")
	refuse(server.RegisterRootRequest{Type: "organization-manager.organization", ID: "x", Owner: root.Owner}, "its own service")
	refuse(server.RegisterRootRequest{Type: "iam.gizmo", ID: "a/b", Owner: root.Owner}, "id: ")
	refuse(server.RegisterRootRequest{Type: "iam.gizmo", ID: "x", Owner: "nobody"}, "owner: ")
	refuse(server.RegisterRootRequest{Type: "iam.gizmo", ID: "gizmo", Owner: root.Owner}, "already used") // dev planted it
	if _, err := s.RegisterRoot(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	robot := w.robot(t, "robot")
	get := &propuskpb.GetResourceRequest{ResourceId: "cluster1"}
	robot.refuse(t, "resource.Get", get, codes.NotFound, "Resource cluster1 not found")
	w.bind(t, "resource", "cluster1", add("viewer", robot.id))
	call(t, robot, "resource.Get", get, new(propuskpb.Resource))
	w.owner.refuse(t, "resource.Delete", &propuskpb.DeleteResourceRequest{ResourceId: "cluster1"}, codes.FailedPrecondition, "only the operator")
	if _, err := s.UnregisterRoot(t.Context(), server.UnregisterRootRequest{ID: "cluster1"}); err != nil {
		t.Fatal(err)
	}
	w.owner.refuse(t, "resource.Get", get, codes.NotFound, "Resource cluster1 not found")
	refuse(root, "already used")
	w.newDatabase(t, "db")
	if _, err := s.UnregisterRoot(t.Context(), server.UnregisterRootRequest{ID: "db"}); err == nil || !strings.Contains(err.Error(), "no root") {
		t.Errorf("unregister-root of a database: %v", err)
	}
	var lines []string
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{Type: "propusk.DeleteResource"}) {
		lines = append(lines, l.Status+" "+l.Resource.Path[0].ID)
	}
	if d := cmp.Diff([]string{"ERROR cluster1", "DONE cluster1"}, lines); d != "" {
		t.Errorf("audit lines of the removal:\n%s", d)
	}
}
