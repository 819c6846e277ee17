package cloudapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestExternalGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, home := w.owner, w.home.OrganizationID
	create := func(name, container, external string) *ompb.CreateExternalGroupRequest {
		return &ompb.CreateExternalGroupRequest{OrganizationId: home, Name: name, SubjectContainerId: container, ExternalId: external}
	}
	op := o.operate(t, "group.CreateExternal", create("Staff", home, "CN=Staff,OU=Groups"))
	staff := response(t, op, new(ompb.Group))
	meta := new(ompb.CreateExternalGroupMetadata)
	if err := op.GetMetadata().UnmarshalTo(meta); err != nil {
		t.Fatal(err)
	}
	want := &ompb.CreateExternalGroupMetadata{GroupId: staff.GetId(), OrganizationId: home, GroupName: "Staff", SubjectContainerId: home, ExternalId: "CN=Staff,OU=Groups"}
	if d := cmp.Diff(want, meta, protocmp.Transform()); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	found := call(t, o, "group.ResolveExternal", &ompb.ResolveExternalGroupRequest{SubjectContainerId: home, ExternalId: "CN=Staff,OU=Groups"}, new(ompb.Group))
	if d := cmp.Diff(staff, found, protocmp.Transform()); d != "" {
		t.Errorf("resolved (-want +got):\n%s", d)
	}
	plain := w.newGroup(t, "plain", "")
	converted := response(t, o.operate(t, "group.ConvertToExternal", &ompb.ConvertToExternalGroupRequest{GroupId: plain, SubjectContainerId: home, ExternalId: "guests"}), new(ompb.Group))
	if converted.GetExternalId() != "guests" || converted.GetSubjectContainerId() != home || converted.GetId() != plain {
		t.Errorf("converted: %v", converted)
	}
	list := func(filter string) (names []string) {
		t.Helper()
		r := call(t, o, "group.ListExternal", &ompb.ListExternalGroupsRequest{SubjectContainerId: home, Filter: filter}, new(ompb.ListExternalGroupsResponse))
		for _, g := range r.GetGroups() {
			names = append(names, g.GetName())
		}
		return names
	}
	w.newGroup(t, "ordinary", "")
	if got := list(""); len(got) != 2 {
		t.Errorf("external groups %v", got)
	}
	for filter, want := range map[string][]string{`name="Staff"`: {"Staff"}, `id="` + plain + `"`: {"plain"}, `name="ordinary"`: nil} {
		if got := list(filter); !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", filter, got, want)
		}
	}
	for _, c := range []struct {
		what string
		req  *ompb.CreateExternalGroupRequest
		code codes.Code
		text string
	}{
		{"the same external id", create("other", home, "guests"), codes.AlreadyExists, "Group with external id guests already exists in subject container " + home},
		{"the same name", create("Staff", home, "more"), codes.AlreadyExists, "Group with name Staff already exists"},
		{"a container that is not there", create("x", "bfbnever", "x"), codes.NotFound, "Subject container bfbnever not found"},
		{"another organization's container", create("x", w.OrganizationID, "x"), codes.NotFound, "Subject container " + w.OrganizationID + " not found"},
		{"a cloud as a container", create("x", w.home.CloudID, "x"), codes.NotFound, "Subject container " + w.home.CloudID + " not found"},
		{"no external id", create("x", home, ""), codes.InvalidArgument, "external_id"},
		{"a long external id", create("x", home, strings.Repeat("x", 1025)), codes.InvalidArgument, "external_id"},
	} {
		if a := o.refuse(t, "group.CreateExternal", c.req, c.code, c.text); a.code != c.code {
			t.Error(c.what)
		}
	}
	o.refuse(t, "group.ConvertToExternal", &ompb.ConvertToExternalGroupRequest{GroupId: plain, SubjectContainerId: home, ExternalId: "x"}, codes.FailedPrecondition, "external group")
	o.refuse(t, "group.ResolveExternal", &ompb.ResolveExternalGroupRequest{SubjectContainerId: home, ExternalId: "never"}, codes.NotFound, "External group never not found")
	o.refuse(t, "group.ListExternal", &ompb.ListExternalGroupsRequest{SubjectContainerId: w.OrganizationID}, codes.NotFound, "Subject container "+w.OrganizationID+" not found")
	response(t, o.operate(t, "group.ConvertAllToBasic", &ompb.ConvertAllToBasicGroupsRequest{SubjectContainerId: home}), new(emptypb.Empty))
	if got := list(""); len(got) != 0 {
		t.Errorf("still external: %v", got)
	}
	basic := call(t, o, "group.Get", &ompb.GetGroupRequest{GroupId: staff.GetId()}, new(ompb.Group))
	if basic.GetExternalId() != "" || basic.GetSubjectContainerId() != "" || basic.GetName() != "Staff" {
		t.Errorf("made ordinary: %v", basic)
	}
}

// TestMakeEditor: an agent that may only make external groups keeps those that
// it has made in step, and takes over no other by converting it.
func TestMakeEditor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	home, agent, member := w.home.OrganizationID, w.robot(t, "agent"), w.newAccount(t, "member")
	w.bind(t, "org", home, add("organization-manager.groups.externalCreator", agent.id), add("organization-manager.groups.externalConverter", agent.id))
	newExternal := func(name string, editor bool) string {
		return agent.create(t, "group.CreateExternal", &ompb.CreateExternalGroupRequest{OrganizationId: home, Name: name, SubjectContainerId: home, ExternalId: name, MakeEditor: editor})
	}
	mine, foreign := newExternal("mine", true), newExternal("foreign", false)
	change := func(id string, want codes.Code) {
		t.Helper()
		if want == codes.OK {
			agent.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: id, MemberDeltas: join(member)})
			agent.operate(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: id, UpdateMask: masked("description"), Description: "kept in step"})
			return
		}
		agent.refuse(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: id, MemberDeltas: join(agent.id)}, want, id)
		agent.refuse(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: id, UpdateMask: masked("description")}, want, id)
	}
	change(mine, codes.OK)
	change(foreign, codes.PermissionDenied)
	admins := w.newGroup(t, "admins", "")
	convert := &ompb.ConvertToExternalGroupRequest{GroupId: admins, SubjectContainerId: home, ExternalId: "admins", MakeEditor: true}
	agent.refuse(t, "group.ConvertToExternal", convert, codes.PermissionDenied, admins)
	change(admins, codes.PermissionDenied)
	convert.MakeEditor = false
	agent.operate(t, "group.ConvertToExternal", convert)
	change(admins, codes.PermissionDenied)
}
