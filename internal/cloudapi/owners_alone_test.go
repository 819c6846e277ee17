package cloudapi_test

import (
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/grpc/codes"
)

// Owners are dismissed by owners alone, also by way of their membership or of
// a group's.
func TestOwnersAreDismissedByOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.home.OrganizationID
	organizationHead, cloudHead := w.person(t, "organization-head", id), w.person(t, "cloud-head", id)
	w.bind(t, "org", id, addUser(organizationOwner, organizationHead))
	w.bind(t, "cloud", w.home.CloudID, addUser(cloudOwner, cloudHead))
	byGroup := w.person(t, "by-group", id)
	clerk := w.robot(t, "clerk")
	w.bind(t, "org", id, add("organization-manager.admin", clerk.id))
	for who, role := range map[string]string{organizationHead: organizationOwner, cloudHead: cloudOwner} {
		clerk.refuse(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: id, SubjectId: who}, codes.PermissionDenied,
			"Role "+role+" can be granted or revoked only by")
	}
	clerk.operate(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: id, SubjectId: w.person(t, "nobody", id)})

	group := w.newGroup(t, "owners", "")
	w.bind(t, "org", id, &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor(organizationOwner, "group", group)})
	w.owner.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(cloudHead, byGroup)})
	text := "Role " + organizationOwner + " can be granted or revoked only by"
	clerk.refuse(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: join(clerk.id)}, codes.PermissionDenied, text)
	clerk.refuse(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: leave(cloudHead)}, codes.PermissionDenied, text)
	clerk.refuse(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group}, codes.PermissionDenied, text)
	clerk.refuse(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: id, SubjectId: byGroup}, codes.PermissionDenied, text)
	clerk.operate(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: group, UpdateMask: masked("description"), Description: "x"})

	w.owner.operate(t, "group.Delete", &ompb.DeleteGroupRequest{GroupId: group})
	w.owner.operate(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: id, SubjectId: organizationHead})
	w.owner.operate(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: id, SubjectId: cloudHead})
}

// Nothing is owned by everybody: that would be no owner at all.
func TestEverybodyOwnsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"allUsers", "allAuthenticatedUsers", "group:organization:" + w.home.OrganizationID + ":users"} {
		for service, role := range map[string]string{"org": organizationOwner, "cloud": cloudOwner} {
			at := map[string]string{"org": w.home.OrganizationID, "cloud": w.home.CloudID}[service]
			r := &accesspb.UpdateAccessBindingsRequest{ResourceId: at, AccessBindingDeltas: []*accesspb.AccessBindingDelta{
				{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor(role, "system", id)}}}
			w.owner.refuse(t, service+".UpdateAccessBindings", r, codes.InvalidArgument, "access_binding_deltas[0].access_binding.subject: role "+role+" is not for everybody")
		}
	}
}

// make_editor gives no role that its caller could not give.
func TestMakeEditorGivesWhatOneHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.importRoles(t, "", `
roles:
  - id: test.converter
    description: Converts groups and decides who has access to them, not who is in them.
    permissions: [organization-manager.groups.convertToExternal, organization-manager.groups.updateAccessBindings]
`)
	agent, group := w.robot(t, "agent"), w.newGroup(t, "admins", "")
	w.bind(t, "org", w.home.OrganizationID, add("test.converter", agent.id))
	r := &ompb.ConvertToExternalGroupRequest{GroupId: group, SubjectContainerId: w.home.OrganizationID, ExternalId: "x", MakeEditor: true}
	agent.refuse(t, "group.ConvertToExternal", r, codes.PermissionDenied, "can be granted only by")
	w.bind(t, "group", group, add("organization-manager.groups.editor", agent.id), add("organization-manager.groups.memberAdmin", agent.id))
	agent.operate(t, "group.ConvertToExternal", r)
}

// Who owns something cannot be deleted. An owner made elsewhere, against the will
// of his own organization, would be out of its hands.
func TestOwnersBelongToTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	guest := w.person(t, "guest")
	for _, c := range []struct {
		role, service, id string
	}{
		{cloudOwner, "cloud", w.home.CloudID},
		{organizationOwner, "org", w.home.OrganizationID},
	} {
		for _, s := range []*accesspb.Subject{{Id: w.ServiceAccountID, Type: "serviceAccount"}, {Id: guest, Type: "userAccount"}} {
			req := &accesspb.UpdateAccessBindingsRequest{ResourceId: c.id, AccessBindingDeltas: []*accesspb.AccessBindingDelta{
				{Action: accesspb.AccessBindingAction_ADD, AccessBinding: &accesspb.AccessBinding{RoleId: c.role, Subject: s}}}}
			w.owner.refuse(t, c.service+".UpdateAccessBindings", req, codes.InvalidArgument,
				"role "+c.role+" is for accounts, members and groups of the organization itself")
		}
	}
	w.bind(t, "cloud", w.home.CloudID, add("resource-manager.admin", w.ServiceAccountID)) // any other role may be given to a guest
}
