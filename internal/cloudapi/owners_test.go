package cloudapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
)

const (
	cloudOwner        = "resource-manager.clouds.owner"
	organizationOwner = "organization-manager.organizations.owner"
)

// Owners of an organization are named and dismissed by owners alone.
func TestOwnersOfAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, robot, admin := w.home.OrganizationID, w.newAccount(t, "robot"), w.robot(t, "admin")
	w.bind(t, "org", id, add("admin", admin.id), add("organization-manager.admin", admin.id))
	change := func(d ...*accesspb.AccessBindingDelta) *accesspb.UpdateAccessBindingsRequest {
		return &accesspb.UpdateAccessBindingsRequest{ResourceId: id, AccessBindingDeltas: d}
	}
	text := "Role " + organizationOwner + " can be granted or revoked only by"
	admin.refuse(t, "org.UpdateAccessBindings", change(add(organizationOwner, robot)), codes.PermissionDenied, text)
	admin.refuse(t, "org.UpdateAccessBindings", change(add(organizationOwner, admin.id)), codes.PermissionDenied, text)
	admin.refuse(t, "org.UpdateAccessBindings", change(remove(organizationOwner, w.home.ServiceAccountID)), codes.PermissionDenied, text)
	admin.refuse(t, "org.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: id}, codes.PermissionDenied, text)
	admin.operate(t, "org.UpdateAccessBindings", change(add("viewer", robot)))
	w.owner.refuse(t, "cloud.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.CloudID,
		AccessBindingDeltas: deltas(add(organizationOwner, robot))}, codes.InvalidArgument, "role_id")
	w.owner.refuse(t, "org.UpdateAccessBindings", change(add(cloudOwner, robot)), codes.InvalidArgument, "role_id")
	keeps := fmt.Sprintf("Organization %s must keep at least one %s", id, organizationOwner)
	w.owner.refuse(t, "org.UpdateAccessBindings", change(remove(organizationOwner, w.home.ServiceAccountID)), codes.FailedPrecondition, keeps)
	w.owner.refuse(t, "org.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: id}, codes.FailedPrecondition, keeps)
	w.owner.refuse(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: w.home.ServiceAccountID}, codes.FailedPrecondition, "must keep at least one")
	w.owner.refuse(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: w.home.FolderID, DeleteAfter: timestamppb.New(past)}, codes.FailedPrecondition, "must keep at least one")
	w.owner.refuse(t, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: w.home.CloudID, DeleteAfter: timestamppb.New(past)}, codes.FailedPrecondition, keeps)
	// A group is an owner as long as it exists.
	group := w.newGroup(t, "owners", "")
	grant := &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor(organizationOwner, "group", group)}
	w.bind(t, "org", id, grant)
	w.owner.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(w.home.ServiceAccountID)})
	w.bind(t, "org", id, remove(organizationOwner, w.home.ServiceAccountID))
	w.owner.refuse(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group}, codes.FailedPrecondition, keeps)
	w.bind(t, "org", id, add(organizationOwner, w.home.ServiceAccountID))
	w.owner.operate(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group})
}

// A deletion that was planned and would take the last owner of something else
// is given up when its time comes; its operation tells why.
func TestPlannedDeletionOfTheLastOwner(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	n := w.newTree(t)
	folder := w.owner.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: n.cloud, Name: "of-the-owner"})
	heir := w.owner.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: folder, Name: "heir"})
	w.bind(t, "cloud", n.cloud, add(cloudOwner, heir), remove(cloudOwner, w.home.ServiceAccountID))
	op := call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(w.clock.now().Add(time.Minute))}, new(operationpb.Operation))
	w.clock.add(2 * time.Minute)
	op = w.await(t, op.GetId())
	if e := op.GetError(); e.GetCode() != int32(codes.FailedPrecondition) || !strings.Contains(e.GetMessage(), "Cloud "+n.cloud+" must keep at least one") {
		t.Errorf("the operation: %v", op)
	}
	if s := w.folderStatus(t, folder); s != rmpb.Folder_ACTIVE {
		t.Errorf("the folder is %v, want ACTIVE", s)
	}
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "resourcemanager.DeleteFolder", Resource: folder})
	if last := lines[len(lines)-1]; last.Status != "ERROR" || last.Error.Code != int(codes.FailedPrecondition) {
		t.Errorf("audit line: %s", last.raw)
	}
	w.owner.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: folder, Name: "after-all"})
}

// Two owners leave at once, each in another way: one stays.
func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for round := range 8 {
		cloud := w.owner.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "contested"})
		account, group := w.newAccount(t, fmt.Sprintf("owner-%d", round)), w.newGroup(t, fmt.Sprintf("owners-%d", round), "")
		w.bind(t, "cloud", cloud, add(cloudOwner, account), remove(cloudOwner, w.home.ServiceAccountID),
			&accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor(cloudOwner, "group", group)})
		drop := func(kind, id string) *accesspb.UpdateAccessBindingsRequest {
			return &accesspb.UpdateAccessBindingsRequest{ResourceId: cloud, AccessBindingDeltas: deltas(&accesspb.AccessBindingDelta{
				Action: accesspb.AccessBindingAction_REMOVE, AccessBinding: bindingFor(cloudOwner, kind, id)})}
		}
		ways := [2]struct {
			method string
			req    proto.Message
		}{{"sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: account}}, {"group.Delete", &ompb.DeleteGroupRequest{GroupId: group}}}
		if round%2 == 1 {
			ways[0].method, ways[0].req = "cloud.UpdateAccessBindings", drop("serviceAccount", account)
			ways[1].method, ways[1].req = "cloud.UpdateAccessBindings", drop("group", group)
		}
		got := together(2, func(i int) codes.Code {
			return w.owner.do(t, ways[i].method, ways[i].req, new(operationpb.Operation)).code
		})
		if got[codes.OK] != 1 || got[codes.FailedPrecondition] != 1 {
			t.Errorf("round %d: %v, want one OK and one FAILED_PRECONDITION", round, got)
		}
		if left := w.bindings(t, "cloud", cloud); len(left) != 1 {
			t.Errorf("round %d: owners %q", round, left)
		}
	}
}

// A group is deleted while it is bound, joined and given keepers of its own:
// nothing of that is left.
func TestAGroupIsDeletedWhileInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.robot(t, "robot")
	for round := range 8 {
		group := w.newGroup(t, fmt.Sprintf("doomed-%d", round), "")
		got := together(4, func(i int) codes.Code {
			switch i {
			case 0:
				return w.owner.do(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group}, new(operationpb.Operation)).code
			case 1:
				return w.owner.do(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindingDeltas: deltas(
					&accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("viewer", "group", group)})}, new(operationpb.Operation)).code
			case 2:
				return w.owner.do(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(robot.id)}, new(operationpb.Operation)).code
			default:
				return w.owner.do(t, "group.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: group, AccessBindingDeltas: deltas(add("viewer", robot.id))}, new(operationpb.Operation)).code
			}
		})
		if got[codes.OK]+got[codes.NotFound] != 4 || got[codes.OK] == 0 {
			t.Errorf("round %d: %v", round, got)
		}
		if left := w.bindings(t, "folder", w.home.FolderID); len(left) != 0 {
			t.Errorf("round %d: bindings of a deleted group %q", round, left)
		}
		robot.refuse(t, "folder.Get", &rmpb.GetFolderRequest{FolderId: w.home.FolderID}, codes.PermissionDenied, "denied")
	}
}
