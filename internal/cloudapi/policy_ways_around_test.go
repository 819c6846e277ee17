package cloudapi_test

import (
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
)

// What an access policy denies is not to be had by another way.
func TestPoliciesHaveNoWayAround(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cloud := &iampb.Resource{Id: w.home.CloudID, Type: "resource-manager.cloud"}
	bind := func(service, id, template string) {
		t.Helper()
		w.owner.operate(t, service+".BindAccessPolicy", &accesspb.BindAccessPolicyRequest{ResourceId: id,
			AccessPolicyBinding: &accesspb.AccessPolicyBinding{AccessPolicyTemplateId: template}})
	}
	enable := &iampb.EnableServiceRequest{ServiceId: "managed-kubernetes", Resource: cloud}
	w.owner.operate(t, "service.Enable", enable)
	bind("cloud", w.home.CloudID, "iam.denyServiceAccountCreation")
	w.owner.refuse(t, "service.Enable", &iampb.EnableServiceRequest{ServiceId: "compute", Resource: cloud}, codes.PermissionDenied, "denied by access policy")
	w.owner.operate(t, "service.Disable", &iampb.DisableServiceRequest{ServiceId: "managed-kubernetes", Resource: cloud})
	w.owner.operate(t, "service.Enable", enable) // its agents are there
	bind("org", w.home.OrganizationID, "organization.denyUserListing")
	w.owner.refuse(t, "subject.List", &iampb.ListSubjectsRequest{ResourceContext: organizationContext(w.home.OrganizationID)}, codes.PermissionDenied, "denied by access policy")
	w.owner.refuse(t, "subject.List", &iampb.ListSubjectsRequest{ResourceContext: folderContext(w.home.FolderID)}, codes.PermissionDenied, "denied by access policy")
}
