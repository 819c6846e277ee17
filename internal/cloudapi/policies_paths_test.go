package cloudapi_test

import (
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// What the template against lists of people denies, no other service lists.
func TestNoUserListingByAnyService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "somebody", w.home.OrganizationID)
	in := func(kind, id string) proto.Message {
		return &iampb.ListSubjectsRequest{ResourceContext: &iampb.Resource{Type: kind, Id: id}}
	}
	lists := map[string][]proto.Message{
		"subject.List":     {in("organization-manager.organization", w.home.OrganizationID), in("resource-manager.folder", w.home.FolderID)},
		"user.ListMembers": {&ompb.ListMembersRequest{OrganizationId: w.home.OrganizationID}},
	}
	for _, bound := range []bool{false, true} {
		if bound {
			w.deny(t, "org", w.home.OrganizationID, "organization.denyUserListing")
		}
		for method, all := range lists {
			for _, m := range all {
				a := w.owner.do(t, method, m, newMessage(t, descriptorOf(t, fullMethod(method)).Output()))
				if want := map[bool]codes.Code{true: codes.PermissionDenied}[bound]; a.code != want {
					t.Errorf("%s(%v), bound: %v: %v %s", method, m, bound, a.code, a.message)
				}
			}
		}
	}
}

// However a caller came to his role, a policy denies; and the explanation says
// what the call says.
func TestPoliciesDenyWhoever(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const noKeys = "iam.denyServiceAccountAuthorizedKeysCreation"
	target := w.newAccount(t, "target")
	group := w.owner.create(t, "group.Create", &ompb.CreateGroupRequest{OrganizationId: w.home.OrganizationID, Name: "crew"})
	inGroup := w.robot(t, "in-group")
	w.owner.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: group,
		MemberDeltas: []*ompb.MemberDelta{{Action: ompb.MemberDelta_ADD, SubjectId: inGroup.id}}})
	w.owner.operate(t, "sa.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: target, AccessBindingDeltas: []*accesspb.AccessBindingDelta{
		{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("iam.serviceAccounts.keyAdmin", "group", group)}}})
	self := w.impersonate(t, w.owner, target)
	w.bind(t, "sa", target, add("iam.serviceAccounts.keyAdmin", target))
	callers := map[string]*caller{"owner": w.owner, "admin": w.robot(t, "admin", "admin"), "of a group": inGroup, "the account itself": self}
	w.deny(t, "cloud", w.home.CloudID, noKeys)
	for _, bound := range []bool{true, false} {
		if !bound {
			w.allow(t, "cloud", w.home.CloudID, noKeys)
		}
		for who, c := range callers {
			a := c.do(t, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: target}, new(iampb.CreateKeyResponse))
			if want := map[bool]codes.Code{true: codes.PermissionDenied}[bound]; a.code != want {
				t.Errorf("%s, bound: %v: %v %s", who, bound, a.code, a.message)
			}
			id := c.id
			if id == "" {
				id = w.home.ServiceAccountID
			}
			x := call(t, w.owner, "explain.Explain", &propuskpb.ExplainRequest{SubjectId: id, Permission: "iam.keys.create", ResourceId: target}, new(propuskpb.Explanation))
			if x.GetAllowed() == bound || len(x.GetSufficient()) == 0 {
				t.Errorf("%s, bound: %v: explained as %v", who, bound, x)
			}
		}
	}
}

// A policy is taken off where it is bound, by who may do so there: nobody below
// lifts what an organization has forbidden.
func TestNobodyBelowLiftsAPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const noAccounts = "iam.denyServiceAccountCreation"
	below := w.robot(t, "below", "admin", "resource-manager.admin", "resource-manager.clouds.owner")
	unbind := func(id string) proto.Message {
		return &accesspb.UnbindAccessPolicyRequest{ResourceId: id, AccessPolicyTemplateId: noAccounts}
	}
	w.deny(t, "org", w.home.OrganizationID, noAccounts)
	below.refuse(t, "org.UnbindAccessPolicy", unbind(w.home.OrganizationID), codes.PermissionDenied, "denied")
	for service, id := range map[string]string{"cloud": w.home.CloudID, "folder": w.home.FolderID} {
		below.refuse(t, service+".UnbindAccessPolicy", unbind(id), codes.NotFound, "Access policy "+noAccounts+" on "+id+" not found")
		below.refuse(t, service+".UnbindAccessPolicy", unbind(w.home.OrganizationID), codes.NotFound, w.home.OrganizationID+" not found")
	}
	below.refuse(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "a"}, codes.PermissionDenied, "denied by access policy "+noAccounts)
}
