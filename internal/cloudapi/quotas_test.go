package cloudapi_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	quotafailurepb "github.com/yandex-cloud/go-genproto/yandex/cloud/quota"
	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
)

func newWorldWithQuotas(t *testing.T) *world {
	return newWorld(t, propusktest.WithConfig(func(c *server.Config) { c.Quotas = server.QuotasDocumented }))
}

func (w *world) setQuota(t *testing.T, resourceID, id string, value int64) {
	t.Helper()
	if _, err := w.Server.Server.QuotaSet(t.Context(), server.QuotaSetRequest{Resource: resourceID, Quota: id, Value: value}); err != nil {
		t.Fatal(err)
	}
}

func cloudOf(w *world) *quotapb.Resource {
	return &quotapb.Resource{Id: w.home.CloudID, Type: "resource-manager.cloud"}
}

// failure is the quota failure in an answer: metric, limit, usage, required.
func (a answer) failure() []any {
	for _, d := range a.details {
		if q, ok := d.(*quotafailurepb.QuotaFailure); ok && len(q.GetViolations()) == 1 {
			v := q.GetViolations()[0]
			return []any{v.GetMetric().GetName(), v.GetMetric().GetLimit(), v.GetMetric().GetUsage(), v.GetRequired()}
		}
	}
	return nil
}

// TestQuotasAreEnforced fills each quota and asks for one more, over both doors.
func TestQuotasAreEnforced(t *testing.T) {
	t.Parallel()
	w := newWorldWithQuotas(t)
	robot := w.newAccount(t, "robot")
	group := w.owner.create(t, "group.Create", &ompb.CreateGroupRequest{OrganizationId: w.home.OrganizationID, Name: "crowd"})
	var people []string
	for i := range 4 {
		people = append(people, w.person(t, fmt.Sprint("person-", i), w.home.OrganizationID))
	}
	n := 0
	for _, c := range []struct {
		carrier, quota string
		there          int64 // before
		method         string
		request        func(name string) proto.Message
	}{
		{w.home.CloudID, "iam.serviceAccounts.count", 2, "sa.Create", func(name string) proto.Message {
			return &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: name}
		}},
		{w.home.CloudID, "iam.authorizedKeys.count", 1, "key.Create", func(string) proto.Message {
			return &iampb.CreateKeyRequest{ServiceAccountId: robot}
		}},
		{w.home.CloudID, "iam.accessKeys.count", 0, "accessKey.Create", func(string) proto.Message {
			return &awspb.CreateAccessKeyRequest{ServiceAccountId: robot}
		}},
		{w.home.CloudID, "iam.apiKeys.count", 0, "apiKey.Create", func(string) proto.Message {
			return &iampb.CreateApiKeyRequest{ServiceAccountId: robot}
		}},
		{w.home.CloudID, "resource-manager.folders.count", 1, "folder.Create", func(name string) proto.Message {
			return &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: name}
		}},
		{w.home.OrganizationID, "organization-manager.clouds.count", 1, "cloud.Create", func(name string) proto.Message {
			return &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: name}
		}},
		{w.home.OrganizationID, "organization-manager.groups.count", 1, "group.Create", func(name string) proto.Message {
			return &ompb.CreateGroupRequest{OrganizationId: w.home.OrganizationID, Name: name}
		}},
		{w.home.OrganizationID, "organization-manager.groupMembers.count", 0, "group.UpdateMembers", func(string) proto.Message {
			return &ompb.UpdateGroupMembersRequest{GroupId: group, MemberDeltas: []*ompb.MemberDelta{
				{Action: ompb.MemberDelta_ADD, SubjectId: people[n%len(people)]}}}
		}},
		{w.home.OrganizationID, "organization-manager.accessBindings.count", 4, "folder.UpdateAccessBindings", func(string) proto.Message {
			role := []string{"viewer", "editor", "auditor"}[n%3]
			return &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindingDeltas: deltas(add(role, robot))}
		}},
	} {
		w.setQuota(t, c.carrier, c.quota, c.there+1)
		try := func(do func(*testing.T, string, proto.Message, proto.Message, ...string) answer) answer {
			n++
			return do(t, c.method, c.request(fmt.Sprint("n-", n)), newMessage(t, descriptorOf(t, fullMethod(c.method)).Output()))
		}
		if a := try(w.owner.do); a.code != codes.OK {
			t.Fatalf("%s: the last place: %v %s", c.quota, a.code, a.message)
		}
		full := []any{c.quota, c.there + 1, float64(c.there + 1), c.there + 2}
		for door, do := range map[string]func(*testing.T, string, proto.Message, proto.Message, ...string) answer{"gRPC": w.owner.do, "REST": w.owner.doREST} {
			a := try(do)
			if a.code != codes.ResourceExhausted || !cmp.Equal(a.failure(), full) {
				t.Errorf("%s over %s: %v %q %v, want %v", c.quota, door, a.code, a.message, a.failure(), full)
			}
		}
		w.setQuota(t, c.carrier, c.quota, server.QuotaUnlimited)
		if a := try(w.owner.do); a.code != codes.OK {
			t.Errorf("%s, now without a limit: %v %s", c.quota, a.code, a.message)
		}
	}
	// Set counts what is new, and what goes away makes room.
	bind := &accesspb.SetAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindings: []*accesspb.AccessBinding{binding("viewer", robot)}}
	w.owner.operate(t, "folder.SetAccessBindings", bind)
	w.setQuota(t, w.home.OrganizationID, "organization-manager.accessBindings.count", 0)
	w.owner.operate(t, "folder.SetAccessBindings", bind)
	bind.AccessBindings = []*accesspb.AccessBinding{binding("editor", robot)}
	w.owner.operate(t, "folder.SetAccessBindings", bind)
	bind.AccessBindings = append(bind.AccessBindings, binding("auditor", robot))
	w.owner.refuse(t, "folder.SetAccessBindings", bind, codes.ResourceExhausted, "organization-manager.accessBindings.count")
}

func TestQuotasAreOnlyShownInDev(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setQuota(t, w.home.CloudID, "iam.serviceAccounts.count", 0)
	w.newAccount(t, "one-too-many")
	got := call(t, w.owner, "quota.Get", &quotapb.GetQuotaLimitRequest{Resource: cloudOf(w), QuotaId: "iam.serviceAccounts.count"}, new(quotapb.QuotaLimit))
	if got.GetLimit().GetValue() != 0 || got.GetUsage().GetValue() != 2 {
		t.Errorf("quota %v", got)
	}
}

func TestQuotaRace(t *testing.T) {
	t.Parallel()
	w := newWorldWithQuotas(t)
	for round := range 3 {
		w.setQuota(t, w.home.CloudID, "iam.serviceAccounts.count", int64(2+round))
		var made atomic.Int64
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				a := w.owner.do(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: fmt.Sprintf("r-%d-%d", round, i)}, new(operationpb.Operation))
				if a.code == codes.OK {
					made.Add(1)
				} else if a.code != codes.ResourceExhausted {
					t.Errorf("%v %s", a.code, a.message)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%d took the last place", made.Load())
		}
	}
}

func TestQuotaLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	org := &quotapb.Resource{Id: w.home.OrganizationID, Type: "organization-manager.organization"}
	list := func(r *quotapb.Resource, service string, size int64) (got []string) {
		for token := ""; ; {
			page := call(t, w.owner, "quota.List", &quotapb.ListQuotaLimitsRequest{Resource: r, Service: service, PageSize: size, PageToken: token}, new(quotapb.ListQuotaLimitsResponse))
			if !proto.Equal(page.GetResource(), r) {
				t.Errorf("resource %v", page.GetResource())
			}
			for _, q := range page.GetQuotaLimits() {
				used := "-"
				if q.GetUsage() != nil {
					used = fmt.Sprint(q.GetUsage().GetValue())
				}
				got = append(got, fmt.Sprintf("%s %s/%v", q.GetQuotaId(), used, q.GetLimit().GetValue()))
			}
			if token = page.GetNextPageToken(); token == "" {
				return got
			}
		}
	}
	for _, c := range []struct {
		resource *quotapb.Resource
		service  string
		want     []string
	}{
		{cloudOf(w), "iam", []string{"iam.accessKeys.count 0/1000", "iam.apiKeys.count 0/1000", "iam.authorizedKeys.count 1/1000",
			"iam.oidcWLIFederations.count -/50", "iam.saFederatedCredentials.count -/200", "iam.serviceAccounts.count 1/100"}},
		{cloudOf(w), "resource-manager", []string{"resource-manager.folders.count 1/100"}},
		{org, "organization-manager", []string{"organization-manager.accessBindings.count 2/2000", "organization-manager.clouds.count 1/5",
			"organization-manager.federations.count -/10", "organization-manager.groupMembers.count -/1000", "organization-manager.groups.count 0/100",
			"organization-manager.memberships.count 0/10000", "organization-manager.subjectGroups.count -/1000"}},
		{org, "iam", nil},
		{cloudOf(w), "compute", nil},
	} {
		for _, size := range []int64{0, 1, 2, 1000} {
			if got := list(c.resource, c.service, size); !cmp.Equal(got, c.want) {
				t.Errorf("%s of %s: %q, want %q", c.service, c.resource.GetType(), got, c.want)
			}
		}
	}
	var names []string
	for token := ""; ; {
		r := call(t, w.owner, "quota.ListServices", &quotapb.ListServicesRequest{ResourceType: "resource-manager.cloud", PageSize: 1, PageToken: token}, new(quotapb.ListServicesResponse))
		for _, s := range r.GetServices() {
			names = append(names, s.GetId()+": "+s.GetName())
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
	}
	if want := []string{"iam: Identity and Access Management", "resource-manager: Resource Manager"}; !cmp.Equal(names, want) {
		t.Errorf("services %q", names)
	}
	const accounts = "iam.serviceAccounts.count"
	folder := &quotapb.Resource{Id: w.home.FolderID, Type: "resource-manager.folder"}
	for _, c := range []struct {
		method string
		r      proto.Message
		code   codes.Code
		text   string
	}{
		{"quota.Get", &quotapb.GetQuotaLimitRequest{Resource: cloudOf(w), QuotaId: "no.such.quota"}, codes.NotFound, "Quota no.such.quota not found"},
		{"quota.Get", &quotapb.GetQuotaLimitRequest{Resource: org, QuotaId: accounts}, codes.NotFound, "Quota " + accounts + " not found"},
		{"quota.Get", &quotapb.GetQuotaLimitRequest{QuotaId: accounts}, codes.InvalidArgument, "resource"},
		{"quota.Get", &quotapb.GetQuotaLimitRequest{Resource: cloudOf(w)}, codes.InvalidArgument, "quota_id"},
		{"quota.Get", &quotapb.GetQuotaLimitRequest{Resource: folder, QuotaId: accounts}, codes.InvalidArgument, "resource.type"},
		{"quota.Get", &quotapb.GetQuotaLimitRequest{Resource: &quotapb.Resource{Id: org.GetId(), Type: "resource-manager.cloud"}, QuotaId: accounts}, codes.NotFound, "Cloud " + org.GetId() + " not found"},
		{"quota.Get", &quotapb.GetQuotaLimitRequest{Resource: &quotapb.Resource{Id: w.CloudID, Type: "resource-manager.cloud"}, QuotaId: accounts}, codes.NotFound, "Cloud " + w.CloudID + " not found"},
		{"quota.List", &quotapb.ListQuotaLimitsRequest{Resource: cloudOf(w)}, codes.InvalidArgument, "service"},
		{"quota.List", &quotapb.ListQuotaLimitsRequest{Resource: folder, Service: "iam"}, codes.InvalidArgument, "resource.type"},
		{"quota.List", &quotapb.ListQuotaLimitsRequest{Resource: cloudOf(w), Service: "iam", PageToken: "garbage"}, codes.InvalidArgument, "page_token"},
		{"quota.ListServices", &quotapb.ListServicesRequest{ResourceType: "billing.account"}, codes.InvalidArgument, "resource_type"},
		{"quota.ListServices", &quotapb.ListServicesRequest{}, codes.InvalidArgument, "resource_type"},
	} {
		w.owner.refuse(t, c.method, c.r, c.code, c.text)
	}
}

// Memberships are counted where the operator makes them.
func TestMembershipQuota(t *testing.T) {
	t.Parallel()
	w := newWorldWithQuotas(t)
	w.setQuota(t, w.home.OrganizationID, "organization-manager.memberships.count", 1)
	first := w.person(t, "first", w.home.OrganizationID)
	second := w.person(t, "second")
	join := func(id string) error {
		_, err := w.Server.Server.JoinUser(t.Context(), server.UserJoinRequest{User: id, Organization: w.home.OrganizationID})
		return err
	}
	if err := join(first); err != nil {
		t.Errorf("a member joins again: %v", err)
	}
	if err := join(second); iam.KindOf(err) != iam.ResourceExhausted {
		t.Errorf("one too many: %v", err)
	}
	w.update(t, func(tx *store.Tx) error {
		members, err := store.Members(tx, w.home.OrganizationID, "", 9)
		if len(members) != 1 {
			t.Errorf("members %v", members)
		}
		return err
	})
}
