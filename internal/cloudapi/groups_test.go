package cloudapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

func join(ids ...string) []*ompb.MemberDelta  { return memberDeltas(ompb.MemberDelta_ADD, ids) }
func leave(ids ...string) []*ompb.MemberDelta { return memberDeltas(ompb.MemberDelta_REMOVE, ids) }

func memberDeltas(a ompb.MemberDelta_MemberAction, ids []string) (out []*ompb.MemberDelta) {
	for _, id := range ids {
		out = append(out, &ompb.MemberDelta{Action: a, SubjectId: id})
	}
	return out
}

func (w *world) members(t *testing.T, group string) (out []string) {
	t.Helper()
	r := call(t, w.owner, "group.ListMembers", &ompb.ListGroupMembersRequest{GroupId: group, PageSize: 1000}, new(ompb.ListGroupMembersResponse))
	for _, m := range r.GetMembers() {
		out = append(out, m.GetSubjectType()+":"+m.GetSubjectId())
	}
	return out
}

// newPerson plants a person who is a member of home.
func (w *world) newPerson(t *testing.T, id string) string {
	t.Helper()
	w.update(t, func(tx *store.Tx) error {
		if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: id, Login: id, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		_, err := store.AddMember(tx, w.home.OrganizationID, iam.SubjectID(id))
		return err
	})
	return id
}

// TestAGroupsLife goes the way of a client that keeps what it has made in step:
// make, read, change, read, delete, read.
func TestAGroupsLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, organization := w.owner, w.home.OrganizationID
	op := o.operate(t, "group.Create", &ompb.CreateGroupRequest{OrganizationId: organization, Name: "Dev.Team_1", Description: "d", Labels: map[string]string{"a": "b"}}, "idempotency-key", "11111111-1111-4111-8111-111111111111")
	made := response(t, op, new(ompb.Group))
	id := made.GetId()
	want := &ompb.Group{Id: id, OrganizationId: organization, Name: "Dev.Team_1", Description: "d", Labels: map[string]string{"a": "b"}, CreatedAt: made.GetCreatedAt()}
	if d := cmp.Diff(want, made, protocmp.Transform()); d != "" || !strings.HasPrefix(id, "aje") || len(id) != 20 {
		t.Errorf("made %s: %s", id, d)
	}
	again := o.operate(t, "group.Create", &ompb.CreateGroupRequest{OrganizationId: organization, Name: "Dev.Team_1", Description: "d", Labels: map[string]string{"a": "b"}}, "idempotency-key", "11111111-1111-4111-8111-111111111111")
	if again.GetId() != op.GetId() {
		t.Error("a repeated call has made another operation")
	}
	read := func(want *ompb.Group) {
		t.Helper()
		if d := cmp.Diff(want, call(t, o, "group.Get", &ompb.GetGroupRequest{GroupId: id}, new(ompb.Group)), protocmp.Transform()); d != "" {
			t.Errorf("read back (-want +got):\n%s", d)
		}
	}
	read(want)
	o.refuse(t, "group.Create", &ompb.CreateGroupRequest{OrganizationId: organization, Name: "Dev.Team_1"}, codes.AlreadyExists, "Group with name Dev.Team_1 already exists in organization "+organization)
	listed := call(t, o, "group.List", &ompb.ListGroupsRequest{OrganizationId: organization, Filter: `name="Dev.Team_1"`}, new(ompb.ListGroupsResponse))
	if d := cmp.Diff([]*ompb.Group{want}, listed.GetGroups(), protocmp.Transform()); d != "" {
		t.Errorf("listed by a name with upper case and dots: %s", d)
	}
	o.operate(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: id, UpdateMask: masked("name", "labels"), Name: "renamed", Description: "not in the mask"})
	want.Name, want.Labels = "renamed", nil
	read(want)
	o.operate(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: id, UpdateMask: masked("description")})
	want.Description = ""
	read(want)
	o.operate(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: id, Labels: map[string]string{"x": "y"}}) // no mask: all, but a group has a name
	want.Labels = map[string]string{"x": "y"}
	read(want)
	o.refuse(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: id, UpdateMask: masked("external_id")}, codes.InvalidArgument, "update_mask")
	w.newGroup(t, "other", "")
	o.refuse(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: id, UpdateMask: masked("name"), Name: "other"}, codes.AlreadyExists, "Group with name other")
	ops := call(t, o, "group.ListOperations", &ompb.ListGroupOperationsRequest{GroupId: id}, new(ompb.ListGroupOperationsResponse))
	if n := len(ops.GetOperations()); n != 4 {
		t.Errorf("%d operations, want 4", n)
	}
	call(t, o, "op.Get", &operationpb.GetOperationRequest{OperationId: op.GetId()}, new(operationpb.Operation))
	o.operate(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: id})
	o.refuse(t, "group.Get", &ompb.GetGroupRequest{GroupId: id}, codes.NotFound, "Group "+id+" not found")
	o.refuse(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: id}, codes.NotFound, "Group "+id+" not found")
	var types []string
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{}) {
		if rest, ok := strings.CutPrefix(l.EventType, "yandex.cloud.audit.organizationmanager."); ok && strings.HasSuffix(rest, "Group") && l.Status == "DONE" {
			types = append(types, rest)
		}
	}
	if want := []string{"CreateGroup", "UpdateGroup", "UpdateGroup", "UpdateGroup", "DeleteGroup"}; !cmp.Equal(types, want) {
		t.Errorf("audit lines %v, want %v", types, want)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, group, other := w.owner, w.newGroup(t, "g", ""), w.newGroup(t, "other", "")
	robot, person := w.newAccount(t, "robot"), w.newPerson(t, "ajeperson00000000000")
	var alien string
	w.update(t, func(tx *store.Tx) error {
		alien = "ajealien000000000000"
		return store.InsertGroup(tx, &iam.Group{ID: alien, OrganizationID: w.OrganizationID, Name: "g", CreatedAt: tx.Now()})
	})
	update := func(want []string, d ...*ompb.MemberDelta) {
		t.Helper()
		op := o.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: d})
		response(t, op, new(emptypb.Empty))
		if got := w.members(t, group); !cmp.Equal(got, want) {
			t.Errorf("members %q, want %q", got, want)
		}
	}
	r, p := "serviceAccount:"+robot, "userAccount:"+person
	both := []string{r, p}
	slices.SortFunc(both, func(a, b string) int {
		return strings.Compare(a[strings.IndexByte(a, ':'):], b[strings.IndexByte(b, ':'):])
	})
	update(both, join(robot, person)...)
	update(both, join(robot)...)
	update(both, append(leave(robot), join(robot)...)...)
	update([]string{p}, append(join(robot), leave(robot, "ajenever")...)...)
	update([]string{p}, append(join(robot), leave(robot)...)...)
	for _, c := range []struct {
		what, id string
		code     codes.Code
		text     string
	}{
		{"a group", other, codes.InvalidArgument, "member_deltas[1].subject_id: a group cannot be a member of a group"},
		{"the group itself", group, codes.InvalidArgument, "member_deltas[1].subject_id"},
		{"a group of another organization", alien, codes.NotFound, "Subject " + alien + " not found"},
		{"an account of another organization", w.ServiceAccountID, codes.NotFound, "Subject " + w.ServiceAccountID + " not found"},
		{"a person who is no member", w.AliceID, codes.NotFound, "Subject " + w.AliceID + " not found"},
		{"nobody", "ajenever", codes.NotFound, "Subject ajenever not found"},
		{"everybody", "allUsers", codes.NotFound, "Subject allUsers not found"},
		{"a folder", w.home.FolderID, codes.NotFound, "not found"},
		{"no one", "", codes.InvalidArgument, "member_deltas[1].subject_id"},
		{"a long id", strings.Repeat("s", 51), codes.InvalidArgument, "member_deltas[1].subject_id"},
	} {
		req := &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(robot, c.id)}
		for door, do := range map[string]func(*testing.T, string, proto.Message, proto.Message, ...string) answer{"gRPC": o.do, "REST": o.doREST} {
			if a := do(t, "group.UpdateMembers", req, new(operationpb.Operation)); a.code != c.code || !strings.Contains(a.message, c.text) {
				t.Errorf("%s over %s: %v %q, want %v with %q", c.what, door, a.code, a.message, c.code, c.text)
			}
		}
	}
	if got := w.members(t, group); !cmp.Equal(got, []string{p}) {
		t.Errorf("refused changes have left %q", got)
	}
	bad := &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(robot)}
	for _, action := range []ompb.MemberDelta_MemberAction{0, 3, -1} {
		bad.MemberDeltas[0].Action = action
		o.refuse(t, "group.UpdateMembers", bad, codes.InvalidArgument, "member_deltas[0].action")
	}
	o.refuse(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group}, codes.InvalidArgument, "member_deltas")
	many := make([]string, 1001)
	for i := range many {
		many[i] = robot
	}
	o.refuse(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(many...)}, codes.InvalidArgument, "member_deltas")
	update(both, join(many[:1000]...)...)
}

// TestMembershipIsARight: what a group is given its members have, from the
// answer to the call on, and no longer than they are in it.
func TestMembershipIsARight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group, robot := w.newGroup(t, "g", ""), w.robot(t, "robot")
	get := &rmpb.GetFolderRequest{FolderId: w.home.FolderID}
	expect := func(want codes.Code) {
		t.Helper()
		if a := robot.do(t, "folder.Get", get, new(rmpb.Folder)); a.code != want {
			t.Errorf("%v %s, want %v", a.code, a.message, want)
		}
	}
	bindGroup := &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("viewer", "group", group)}
	members := func(d []*ompb.MemberDelta) {
		t.Helper()
		w.owner.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: d})
	}
	for range 3 {
		expect(codes.PermissionDenied)
		w.bind(t, "folder", w.home.FolderID, bindGroup)
		expect(codes.PermissionDenied)
		members(join(robot.id))
		expect(codes.OK)
		members(leave(robot.id))
	}
	members(join(robot.id))
	expect(codes.OK)
	w.owner.operate(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group})
	expect(codes.PermissionDenied)
	if got := w.bindings(t, "folder", w.home.FolderID); len(got) != 0 {
		t.Errorf("bindings of a deleted group have stayed: %q", got)
	}
}

// A role on a group is a right over the group and nothing else.
func TestRolesOnAGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group, other, robot := w.newGroup(t, "g", ""), w.newGroup(t, "other", ""), w.robot(t, "keeper")
	op := w.owner.operate(t, "group.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: group,
		AccessBindingDeltas: deltas(add("organization-manager.groups.memberAdmin", robot.id))})
	if got := effects(t, op); !cmp.Equal(got, []string{"+organization-manager.groups.memberAdmin serviceAccount:" + robot.id}) {
		t.Errorf("effective deltas %q", got)
	}
	robot.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(robot.id)})
	robot.refuse(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: other, MemberDeltas: join(robot.id)}, codes.PermissionDenied, other)
	robot.refuse(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group}, codes.PermissionDenied,
		fmt.Sprintf("Permission to [organization-manager.group %s, organization-manager.organization %s] denied", group, w.home.OrganizationID))
	robot.refuse(t, "group.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: group,
		AccessBindingDeltas: deltas(add("organization-manager.groups.memberAdmin", w.home.ServiceAccountID))}, codes.PermissionDenied, group)
	w.owner.operate(t, "group.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: group})
	if got := w.bindings(t, "group", group); len(got) != 0 {
		t.Errorf("bindings %q", got)
	}
}

func TestEffectiveGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot, admin := w.robot(t, "robot"), w.robot(t, "admin", "admin")
	var ids []string
	for i := range 5 {
		ids = append(ids, w.newGroup(t, fmt.Sprintf("Team.%d", i), ""))
		w.owner.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: ids[i], MemberDeltas: join(robot.id)})
	}
	w.newGroup(t, "without", "")
	slices.Sort(ids)
	list := func(c *caller, organization, subject, filter string, size int64) (got []string) {
		t.Helper()
		for token := ""; ; {
			r := call(t, c, "group.ListEffective", &ompb.ListEffectiveRequest{OrganizationId: organization, SubjectId: subject, Filter: filter,
				PageSize: size, PageToken: token}, new(ompb.ListEffectiveResponse))
			for _, g := range r.GetGroupMembershipInfo() {
				got = append(got, g.GetGroupId())
			}
			if token = r.GetNextPageToken(); token == "" {
				return got
			}
		}
	}
	home := w.home.OrganizationID
	for _, c := range []*caller{robot, w.owner} {
		for _, organization := range []string{home, ""} {
			for _, size := range []int64{0, 1, 2, 5} {
				if got := list(c, organization, robot.id, "", size); !cmp.Equal(got, ids) {
					t.Errorf("organization %q by %d: %v, want %v", organization, size, got, ids)
				}
			}
		}
	}
	if got := list(w.owner, home, robot.id, "name contains 'Team.' AND id IN ('"+ids[1]+"', '"+ids[4]+"')", 1); !cmp.Equal(got, []string{ids[1], ids[4]}) {
		t.Errorf("filtered: %v", got)
	}
	for _, subject := range []string{"ajenever", w.ServiceAccountID, w.home.ServiceAccountID} {
		if got := list(w.owner, home, subject, "", 0); len(got) != 0 {
			t.Errorf("%s is in %v", subject, got)
		}
	}
	request := func(organization, subject string) *ompb.ListEffectiveRequest {
		return &ompb.ListEffectiveRequest{OrganizationId: organization, SubjectId: subject}
	}
	admin.refuse(t, "group.ListEffective", request(home, robot.id), codes.PermissionDenied, home)
	admin.refuse(t, "group.ListEffective", request("", robot.id), codes.InvalidArgument, "organization_id")
	w.owner.refuse(t, "group.ListEffective", request("", "ajenever"), codes.InvalidArgument, "organization_id")
	w.owner.refuse(t, "group.ListEffective", request("", w.ServiceAccountID), codes.InvalidArgument, "organization_id")
	robot.refuse(t, "group.ListEffective", request(w.OrganizationID, robot.id), codes.NotFound, "Organization "+w.OrganizationID+" not found")
	robot.refuse(t, "group.ListEffective", request("bpfnever", robot.id), codes.NotFound, "Organization bpfnever not found")
	bad := request(home, robot.id)
	bad.Filter = "name > 'x'"
	w.owner.refuse(t, "group.ListEffective", bad, codes.InvalidArgument, "filter")
}
