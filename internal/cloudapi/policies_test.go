package cloudapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
)

// deny binds a template.
func (w *world) deny(t *testing.T, service, id, template string) {
	t.Helper()
	w.owner.operate(t, service+".BindAccessPolicy", &accesspb.BindAccessPolicyRequest{ResourceId: id,
		AccessPolicyBinding: &accesspb.AccessPolicyBinding{AccessPolicyTemplateId: template}})
}

func (w *world) allow(t *testing.T, service, id, template string) {
	t.Helper()
	w.owner.operate(t, service+".UnbindAccessPolicy", &accesspb.UnbindAccessPolicyRequest{ResourceId: id, AccessPolicyTemplateId: template})
}

// TestEveryTemplateBites binds each template to the organization, the cloud and
// the folder: what it denies is denied to the owner of all three, at once, and
// allowed again with the answer to Unbind.
func TestEveryTemplateBites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.newAccount(t, "robot")
	w.person(t, "somebody", w.home.OrganizationID)
	n := 0
	createKey := func() (string, proto.Message) { return "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: robot} }
	bites := map[string]func() (string, proto.Message){
		"iam.denyServiceAccountCreation": func() (string, proto.Message) {
			n++
			return "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: fmt.Sprint("made-", n)}
		},
		"iam.denyServiceAccountAccessKeysCreation": func() (string, proto.Message) {
			return "accessKey.Create", &awspb.CreateAccessKeyRequest{ServiceAccountId: robot}
		},
		"iam.denyServiceAccountApiKeysCreation": func() (string, proto.Message) {
			return "apiKey.Create", &iampb.CreateApiKeyRequest{ServiceAccountId: robot}
		},
		"iam.denyServiceAccountAuthorizedKeysCreation": createKey,
		"iam.denyServiceAccountCredentialsCreation":    createKey,
		"iam.denyServiceAccountImpersonation": func() (string, proto.Message) {
			return "token.CreateForServiceAccount", &iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: robot}
		},
		"organization.denyUserListing": func() (string, proto.Message) {
			return "user.ListMembers", &ompb.ListMembersRequest{OrganizationId: w.home.OrganizationID}
		},
		// What they deny is not built: no call can show it.
		"iam.denyServiceAccountFederatedCredentialsCreation": nil,
		"organization.denyMemberInvitation":                  nil,
	}
	listed := call(t, w.owner, "policy.List", &iampb.ListAccessPolicyTemplatesRequest{PageSize: 1000}, new(iampb.ListAccessPolicyTemplatesResponse))
	for _, p := range listed.GetAccessPolicyTemplates() {
		template := p.GetId()
		does, ok := bites[template]
		if !ok {
			t.Errorf("template %s is not in the table", template)
		}
		delete(bites, template)
		for service, id := range map[string]string{"org": w.home.OrganizationID, "cloud": w.home.CloudID, "folder": w.home.FolderID} {
			if service != "org" && strings.HasPrefix(template, "organization.") {
				continue
			}
			w.deny(t, service, id, template)
			for range 2 {
				if does == nil {
					break
				}
				method, m := does()
				w.owner.refuse(t, method, m, codes.PermissionDenied, "denied")
			}
			w.allow(t, service, id, template)
			if does != nil {
				method, m := does()
				if a := w.owner.do(t, method, m, newMessage(t, descriptorOf(t, fullMethod(method)).Output())); a.code != codes.OK {
					t.Errorf("%s, unbound from the %s, still bites: %v %s", template, service, a.code, a.message)
				}
			}
		}
	}
	for template := range bites {
		t.Errorf("%s is no template", template)
	}
}

func TestPoliciesDenyOnlyBelow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const noAccounts = "iam.denyServiceAccountCreation"
	other := w.newFolder(t, "other")
	create := func(folder, name string) proto.Message {
		return &iampb.CreateServiceAccountRequest{FolderId: folder, Name: name}
	}
	w.deny(t, "folder", w.home.FolderID, noAccounts)
	w.owner.refuse(t, "sa.Create", create(w.home.FolderID, "a"), codes.PermissionDenied, "denied")
	w.owner.operate(t, "sa.Create", create(other, "a"))
	// Bound twice on the way up, it takes both to be gone.
	w.deny(t, "cloud", w.home.CloudID, noAccounts)
	w.owner.refuse(t, "sa.Create", create(other, "b"), codes.PermissionDenied, "denied")
	w.allow(t, "folder", w.home.FolderID, noAccounts)
	w.owner.refuse(t, "sa.Create", create(w.home.FolderID, "b"), codes.PermissionDenied, "denied")
	w.allow(t, "cloud", w.home.CloudID, noAccounts)
	w.owner.operate(t, "sa.Create", create(w.home.FolderID, "b"))
	// A folder that is made later inherits.
	w.deny(t, "org", w.home.OrganizationID, noAccounts)
	w.owner.refuse(t, "sa.Create", create(w.newFolder(t, "later"), "c"), codes.PermissionDenied, "denied")
	// Another organization is none of its business.
	if a := w.exchange(t, w.AdminKey).do(t, "sa.Create", create(w.FolderID, "c"), newMessage(t, descriptorOf(t, fullMethod("sa.Create")).Output())); a.code != codes.OK {
		t.Errorf("a policy of another organization: %v %s", a.code, a.message)
	}
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "resourcemanager.BindFolderAccessPolicy"})
	if len(lines) != 1 || lines[0].Details["access_policy_template_id"] != noAccounts {
		t.Errorf("audit lines %v", lines)
	}
	for _, event := range []string{"resourcemanager.UnbindCloudAccessPolicy", "organizationmanager.BindOrganizationAccessPolicy"} {
		if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: event})); n != 1 {
			t.Errorf("%s: %d audit lines", event, n)
		}
	}
}

func TestPoliciesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := w.home.FolderID
	bound := func(id string, parameters map[string]string) *accesspb.AccessPolicyBinding {
		return &accesspb.AccessPolicyBinding{AccessPolicyTemplateId: id, Parameters: parameters}
	}
	many := map[string]string{}
	for i := range 65 {
		many[fmt.Sprint("k", i)] = "v"
	}
	for what, c := range map[string]struct {
		binding *accesspb.AccessPolicyBinding
		code    codes.Code
		text    string
	}{
		"unknown":             {bound("iam.denyEverything", nil), codes.NotFound, "Access policy template iam.denyEverything not found"},
		"of organizations":    {bound("organization.denyUserListing", nil), codes.InvalidArgument, "cannot be bound to a resource-manager.folder"},
		"with parameters":     {bound(template, map[string]string{"a": "b"}), codes.InvalidArgument, "takes no parameters"},
		"a bad key":           {bound(template, map[string]string{"A B": "b"}), codes.InvalidArgument, "parameters"},
		"too many parameters": {bound(template, many), codes.InvalidArgument, "parameters"},
		"a long value":        {bound(template, map[string]string{"a": strings.Repeat("x", 1025)}), codes.InvalidArgument, "parameters"},
		"none":                {nil, codes.InvalidArgument, "access_policy_binding"},
		"empty":               {bound("", nil), codes.InvalidArgument, "access_policy_template_id"},
		"long":                {bound(strings.Repeat("x", 65), nil), codes.InvalidArgument, "access_policy_template_id"},
	} {
		for method, m := range map[string]proto.Message{
			"folder.BindAccessPolicy":                    &accesspb.BindAccessPolicyRequest{ResourceId: folder, AccessPolicyBinding: c.binding},
			"folder.UpdateAccessPolicyBindingParameters": &accesspb.UpdateAccessPolicyBindingParametersRequest{ResourceId: folder, AccessPolicyBinding: c.binding},
		} {
			if a := w.owner.do(t, method, m, newMessage(t, descriptorOf(t, fullMethod(method)).Output())); a.code != c.code || !strings.Contains(a.message, c.text) {
				t.Errorf("%s: %s: %v %q, want %v with %q", method, what, a.code, a.message, c.code, c.text)
			}
		}
	}
	bind := &accesspb.BindAccessPolicyRequest{ResourceId: folder, AccessPolicyBinding: bound(template, nil)}
	unbind := &accesspb.UnbindAccessPolicyRequest{ResourceId: folder, AccessPolicyTemplateId: template}
	missing := "Access policy " + template + " on " + folder + " not found"
	w.owner.refuse(t, "folder.UnbindAccessPolicy", unbind, codes.NotFound, missing)
	w.owner.refuse(t, "folder.UpdateAccessPolicyBindingParameters",
		&accesspb.UpdateAccessPolicyBindingParametersRequest{ResourceId: folder, AccessPolicyBinding: bind.AccessPolicyBinding}, codes.NotFound, missing)
	w.owner.operate(t, "folder.BindAccessPolicy", bind)
	w.owner.refuse(t, "folder.BindAccessPolicy", bind, codes.AlreadyExists, "is already bound to "+folder)
	w.owner.operate(t, "folder.UnbindAccessPolicy", unbind)
	w.owner.refuse(t, "folder.UnbindAccessPolicy", &accesspb.UnbindAccessPolicyRequest{ResourceId: folder}, codes.InvalidArgument, "access_policy_template_id")
	// An id of another kind, and one that the caller may not know of.
	for _, id := range []string{w.home.CloudID, "b1gnever000000000000", w.FolderID} {
		w.owner.refuse(t, "folder.ListAccessPolicyBindings", &accesspb.ListAccessPolicyBindingsRequest{ResourceId: id}, codes.NotFound, "Folder "+id+" not found")
	}
	// A repeated call with one idempotency key is one call.
	first := w.owner.operate(t, "folder.BindAccessPolicy", bind, "idempotency-key", "11111111-1111-4111-8111-111111111111")
	again := w.owner.operate(t, "folder.BindAccessPolicy", bind, "idempotency-key", "11111111-1111-4111-8111-111111111111")
	if first.GetId() != again.GetId() {
		t.Errorf("replayed as another operation: %s, %s", first.GetId(), again.GetId())
	}
}

func TestPoliciesAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for _, id := range []string{"iam.denyServiceAccountCreation", "iam.denyServiceAccountApiKeysCreation", template, "iam.denyServiceAccountFederatedCredentialsCreation"} {
		w.deny(t, "cloud", w.home.CloudID, id)
		want = append(want, id)
	}
	slices.Sort(want)
	for _, size := range []int64{1, 3, 4, 1000} {
		var got []string
		for token := ""; ; {
			r := call(t, w.owner, "cloud.ListAccessPolicyBindings", &accesspb.ListAccessPolicyBindingsRequest{ResourceId: w.home.CloudID, PageSize: size, PageToken: token},
				new(accesspb.ListAccessPolicyBindingsResponse))
			for _, b := range r.GetAccessPolicyBindings() {
				got = append(got, b.GetAccessPolicyTemplateId())
			}
			if token = r.GetNextPageToken(); token == "" {
				break
			}
			if len(token) > 100 {
				t.Errorf("a page token of %d characters", len(token))
			}
		}
		if !cmp.Equal(got, want) {
			t.Errorf("pages of %d: %q, want %q", size, got, want)
		}
	}
	// Deleted with what they stand on: nothing is left to be inherited.
	folder := w.newFolder(t, "short-lived")
	w.deny(t, "folder", folder, template)
	w.owner.operate(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(past)})
	w.owner.refuse(t, "folder.ListAccessPolicyBindings", &accesspb.ListAccessPolicyBindingsRequest{ResourceId: folder}, codes.NotFound, "Folder "+folder+" not found")
	var templates []string
	for token := ""; ; {
		r := call(t, w.owner, "policy.List", &iampb.ListAccessPolicyTemplatesRequest{PageSize: 2, PageToken: token}, new(iampb.ListAccessPolicyTemplatesResponse))
		for _, p := range r.GetAccessPolicyTemplates() {
			if p.GetName() == "" || p.GetDescription() == "" {
				t.Errorf("template %v", p)
			}
			templates = append(templates, p.GetId())
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.IsSorted(templates) || len(templates) != 9 {
		t.Errorf("templates %q", templates)
	}
}
