package cloudapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/server"
)

func TestServicesAreEnabledAndDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.owner
	cloud := &iampb.Resource{Id: w.home.CloudID, Type: "resource-manager.cloud"}
	const id = "managed-kubernetes"
	status := func() iampb.Service_Status {
		s := call(t, o, "service.Get", &iampb.GetServiceRequest{ServiceId: id, Resource: cloud}, new(iampb.Service))
		if s.GetServiceId() != id || !proto.Equal(s.GetResource(), cloud) || s.GetStatus() == iampb.Service_ENABLED && s.GetUpdatedAt() == nil {
			t.Errorf("service %v", s)
		}
		return s.GetStatus()
	}
	resolve := &iampb.ResolveServiceAgentRequest{ServiceId: id, MicroserviceId: "clusters", Resource: cloud}
	if got := status(); got != iampb.Service_DISABLED {
		t.Errorf("at first: %v", got)
	}
	o.refuse(t, "service.ResolveAgent", resolve, codes.FailedPrecondition, "enable the service")

	enable, disable := &iampb.EnableServiceRequest{ServiceId: id, Resource: cloud}, &iampb.DisableServiceRequest{ServiceId: id, Resource: cloud}
	op := o.operate(t, "service.Enable", enable)
	meta := new(iampb.EnableServiceMetadata)
	if err := op.GetMetadata().UnmarshalTo(meta); err != nil || meta.GetServiceId() != id || !proto.Equal(meta.GetResource(), cloud) {
		t.Errorf("metadata %v, %v", meta, err)
	}
	if s := response(t, op, new(iampb.Service)); s.GetStatus() != iampb.Service_ENABLED || status() != iampb.Service_ENABLED {
		t.Errorf("enabled: %v", s)
	}
	agent := call(t, o, "service.ResolveAgent", resolve, new(iampb.ServiceAgent))
	account := func() *iampb.ServiceAccount {
		return call(t, o, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: agent.GetServiceAccountId()}, new(iampb.ServiceAccount))
	}
	folder := call(t, o, "folder.Get", &rmpb.GetFolderRequest{FolderId: account().GetFolderId()}, new(rmpb.Folder))
	if !strings.HasPrefix(folder.GetName(), "service-agents-") || folder.GetCloudId() != w.home.CloudID {
		t.Errorf("agents live in %v", folder)
	}
	details := call(t, o, "subject.Get", &iampb.GetSubjectRequest{SubjectId: agent.GetServiceAccountId()}, new(iampb.GetSubjectResponse))
	if a := details.GetSubject().GetServiceAccount().GetServiceAgent(); a.GetServiceId() != id || a.GetMicroserviceId() != "clusters" {
		t.Errorf("the agent's details: %v", details)
	}
	// A second service's agents live beside the first's; enabling again makes nothing.
	o.operate(t, "service.Enable", &iampb.EnableServiceRequest{ServiceId: "compute", Resource: cloud})
	o.operate(t, "service.Enable", enable)
	accounts := call(t, o, "sa.List", &iampb.ListServiceAccountsRequest{FolderId: folder.GetId()}, new(iampb.ListServiceAccountsResponse))
	if len(accounts.GetServiceAccounts()) != 3 {
		t.Errorf("accounts of agents: %v", accounts)
	}

	asAgent := w.impersonate(t, o, agent.GetServiceAccountId())
	call(t, asAgent, "cloud.List", &rmpb.ListCloudsRequest{}, new(rmpb.ListCloudsResponse))
	o.operate(t, "service.Disable", disable)
	asAgent.refuse(t, "cloud.List", &rmpb.ListCloudsRequest{}, codes.Unauthenticated, "")
	if a := account(); a.GetStatus() != iampb.ServiceAccount_SUSPENDED || status() != iampb.Service_DISABLED {
		t.Errorf("disabled, and yet: %v", a)
	}
	o.operate(t, "service.Enable", enable)
	if a := account(); a.GetStatus() != iampb.ServiceAccount_ACTIVE {
		t.Errorf("enabled again: %v", a)
	}
	// Who suspended the agent himself keeps it suspended; a deleted one is made anew.
	o.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: agent.GetServiceAccountId(), Reason: "mine"})
	o.operate(t, "service.Disable", disable)
	o.operate(t, "service.Enable", enable)
	if a := account(); a.GetStatus() != iampb.ServiceAccount_SUSPENDED {
		t.Errorf("somebody else's suspension: %v", a)
	}
	o.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: agent.GetServiceAccountId()})
	o.refuse(t, "service.ResolveAgent", resolve, codes.FailedPrecondition, "enable the service")
	o.operate(t, "service.Enable", enable)
	if again := call(t, o, "service.ResolveAgent", resolve, new(iampb.ServiceAgent)); again.GetServiceAccountId() == agent.GetServiceAccountId() {
		t.Error("a deleted account has come back")
	}
	for event, want := range map[string]int{"iam.EnableService": 6, "iam.DisableService": 2} {
		lines := w.audit(t.Context(), t, server.AuditListRequest{Type: event, Resource: w.home.CloudID})
		if len(lines) != want || lines[0].Details["service_id"] == nil {
			t.Errorf("%s: %d lines, want %d", event, len(lines), want)
		}
	}
}

func TestServicesAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cloud := &iampb.Resource{Id: w.home.CloudID, Type: "resource-manager.cloud"}
	var ids []string
	for token, pages := "", 0; pages == 0 || token != ""; pages++ {
		page := call(t, w.owner, "service.List", &iampb.ListServicesRequest{Resource: cloud, PageSize: 2, PageToken: token}, new(iampb.ListServicesResponse))
		if len(page.GetServices()) > 2 || pages > 100 {
			t.Fatalf("page %d: %v", pages, page)
		}
		for _, s := range page.GetServices() {
			ids = append(ids, s.GetServiceId())
			if st := s.GetStatus(); st != iampb.Service_DEFAULT && st != iampb.Service_DISABLED {
				t.Errorf("%s begins as %v", s.GetServiceId(), st)
			}
		}
		token = page.GetNextPageToken()
	}
	if len(ids) < 5 || !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("services %v", ids)
	}
	query := "resource.id=" + w.home.CloudID + "&resource.type=resource-manager.cloud"
	for _, path := range []string{"/iam/v1/services?", "/iam/v1/services/compute?"} {
		if r := w.Get(t, w.owner.token, path+query); r.Code != http.StatusOK || !strings.Contains(string(r.Body), `"compute"`) {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
	}
	op := new(operationpb.Operation)
	body := `{"resource":{"id":"` + w.home.CloudID + `","type":"resource-manager.cloud"}}`
	if r := w.Do(t, "POST", w.owner.token, "/iam/v1/service/compute:enable", body); r.Code != http.StatusOK {
		t.Errorf("enable: %d %s %v", r.Code, r.Body, op)
	}
	if r := w.Get(t, w.owner.token, "/iam/v1/service/compute/microservice/instance-groups?"+query); r.Code != http.StatusOK || !strings.Contains(string(r.Body), "serviceAccountId") {
		t.Errorf("agent: %d %s", r.Code, r.Body)
	}
}

func TestBadServiceRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cloud := func(id string) *iampb.Resource { return &iampb.Resource{Id: id, Type: "resource-manager.cloud"} }
	home, stranger := cloud(w.home.CloudID), w.exchange(t, w.Key)
	for _, c := range []struct {
		by      *caller
		service string
		in      *iampb.Resource
		code    codes.Code
		text    string
	}{
		{w.owner, "", home, codes.InvalidArgument, "service_id"},
		{w.owner, "compute", nil, codes.InvalidArgument, "resource"},
		{w.owner, "compute", &iampb.Resource{Id: w.home.FolderID, Type: "resource-manager.folder"}, codes.InvalidArgument, "resource.type"},
		{w.owner, "compute", &iampb.Resource{Id: w.home.CloudID}, codes.InvalidArgument, "resource.type"},
		{w.owner, "compute", cloud(w.home.FolderID), codes.NotFound, "Cloud " + w.home.FolderID + " not found"},
		{w.owner, "compute", cloud("b1gnever0000000000000"), codes.NotFound, "Cloud b1gnever0000000000000 not found"},
		{w.owner, "nonsense", home, codes.NotFound, "Service nonsense not found"},
		{stranger, "nonsense", home, codes.NotFound, "Cloud " + w.home.CloudID + " not found"},
		{stranger, "compute", home, codes.NotFound, "Cloud " + w.home.CloudID + " not found"},
		{w.robot(t, "viewer", "auditor"), "compute", home, codes.OK, ""},
	} {
		for method, req := range map[string]proto.Message{
			"service.Get":          &iampb.GetServiceRequest{ServiceId: c.service, Resource: c.in},
			"service.Enable":       &iampb.EnableServiceRequest{ServiceId: c.service, Resource: c.in},
			"service.Disable":      &iampb.DisableServiceRequest{ServiceId: c.service, Resource: c.in},
			"service.ResolveAgent": &iampb.ResolveServiceAgentRequest{ServiceId: c.service, Resource: c.in, MicroserviceId: "instance-groups"},
		} {
			switch {
			case c.code != codes.OK:
				c.by.refuse(t, method, req, c.code, c.text)
			case method == "service.Enable" || method == "service.Disable":
				c.by.refuse(t, method, req, codes.PermissionDenied, "denied")
			}
		}
	}
	w.owner.refuse(t, "service.ResolveAgent", &iampb.ResolveServiceAgentRequest{ServiceId: "compute", MicroserviceId: "none", Resource: home}, codes.NotFound, "Microservice none not found")
	w.owner.refuse(t, "service.ResolveAgent", &iampb.ResolveServiceAgentRequest{ServiceId: "managed-kubernetes", Resource: home}, codes.InvalidArgument, "microservice_id")
	// A cloud on its way out takes no more.
	call(t, w.owner, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: w.home.CloudID}, new(operationpb.Operation))
	w.owner.refuse(t, "service.Enable", &iampb.EnableServiceRequest{ServiceId: "compute", Resource: home}, codes.FailedPrecondition, "is being deleted")
}
