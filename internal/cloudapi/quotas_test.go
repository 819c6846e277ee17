package cloudapi_test

import (
	"fmt"
	"math"
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

func wishes(pairs ...any) (out []*quotapb.CreateQuotaRequestRequest_DesiredQuotaLimit) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, &quotapb.CreateQuotaRequestRequest_DesiredQuotaLimit{QuotaId: pairs[i].(string), DesiredLimit: pairs[i+1].(float64)})
	}
	return out
}

func TestQuotaRequests(t *testing.T) {
	t.Parallel()
	w := newWorldWithQuotas(t)
	const accounts, folders = "iam.serviceAccounts.count", "resource-manager.folders.count"
	op := w.owner.operate(t, "quotaRequest.Create", &quotapb.CreateQuotaRequestRequest{Resource: cloudOf(w), DesiredQuotaLimits: wishes(accounts, 500.0, folders, 9e18)})
	id := idIn(t, op)
	made := response(t, op, new(quotapb.QuotaRequest))
	if made.GetId() != id || made.GetStatus() != quotapb.QuotaRequest_PENDING || made.GetCreatedBy() != w.home.ServiceAccountID ||
		len(made.GetQuotaLimits()) != 2 || made.GetQuotaLimits()[0].GetDesiredLimit() != 500 || made.GetCreatedAt() == nil {
		t.Errorf("made %v", made)
	}
	get := func() *quotapb.QuotaRequest {
		t.Helper()
		return call(t, w.owner, "quotaRequest.Get", &quotapb.GetQuotaRequestRequest{QuotaRequestId: id}, new(quotapb.QuotaRequest))
	}
	if got := get(); !proto.Equal(got, made) {
		t.Errorf("got %v, made %v", got, made)
	}
	w.owner.operate(t, "quotaRequest.Cancel", &quotapb.CancelQuotaRequestRequest{QuotaRequestId: id, QuotaIds: []string{folders}})
	if _, err := w.Server.Server.QuotaDecide(t.Context(), server.QuotaDecideRequest{ID: id, Approve: true, Message: "well"}); err != nil {
		t.Fatal(err)
	}
	got := get()
	a, f := got.GetQuotaLimits()[0], got.GetQuotaLimits()[1]
	if got.GetStatus() != quotapb.QuotaRequest_PROCESSED || a.GetStatus() != quotapb.QuotaRequest_QuotaLimit_APPROVED || a.GetApprovedLimit() != 500 || a.GetMessage() != "well" ||
		f.GetStatus() != quotapb.QuotaRequest_QuotaLimit_CANCELED || f.GetModifiedBy() != w.home.ServiceAccountID {
		t.Errorf("decided %v", got)
	}
	limit := call(t, w.owner, "quota.Get", &quotapb.GetQuotaLimitRequest{Resource: cloudOf(w), QuotaId: accounts}, new(quotapb.QuotaLimit))
	if limit.GetLimit().GetValue() != 500 {
		t.Errorf("limit %v", limit)
	}
	w.owner.refuse(t, "quotaRequest.Cancel", &quotapb.CancelQuotaRequestRequest{QuotaRequestId: id, QuotaIds: []string{accounts}}, codes.FailedPrecondition, "is decided: APPROVED")
	// Who may list them may also look at one; nobody else learns that it is there.
	w.robot(t, "reader", "viewer").operate(t, "op.Get", &operationpb.GetOperationRequest{OperationId: op.GetId()})
	w.robot(t, "member").refuse(t, "op.Get", &operationpb.GetOperationRequest{OperationId: op.GetId()}, codes.NotFound, "not found")
	ops := call(t, w.owner, "quotaRequest.ListOperations", &quotapb.ListQuotaRequestOperationsRequest{QuotaRequestId: id}, new(quotapb.ListQuotaRequestOperationsResponse))
	if len(ops.GetOperations()) != 2 {
		t.Errorf("%d operations", len(ops.GetOperations()))
	}
	for i := range 4 {
		w.owner.create(t, "quotaRequest.Create", &quotapb.CreateQuotaRequestRequest{Resource: cloudOf(w), DesiredQuotaLimits: wishes(accounts, float64(i))})
	}
	for filter, want := range map[string]int{"": 5, `status="pending"`: 4, `status = "PENDING"`: 4, `quotaRequest.status="PROCESSED"`: 1, `status="canceled"`: 0} {
		n := 0
		for token := ""; ; {
			r := call(t, w.owner, "quotaRequest.List", &quotapb.ListQuotaRequestRequest{Resource: cloudOf(w), Filter: filter, PageSize: 2, PageToken: token}, new(quotapb.ListQuotaRequestResponse))
			n += len(r.GetQuotaRequests())
			if token = r.GetNextPageToken(); token == "" {
				break
			}
			if len(token) > 100 {
				t.Errorf("a page token of %d characters", len(token))
			}
		}
		if n != want {
			t.Errorf("%s: %d requests, want %d", filter, n, want)
		}
	}
}

func TestQuotaRequestsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const accounts = "iam.serviceAccounts.count"
	id := w.owner.create(t, "quotaRequest.Create", &quotapb.CreateQuotaRequestRequest{Resource: cloudOf(w), DesiredQuotaLimits: wishes(accounts, 1.0)})
	create := func(wishes []*quotapb.CreateQuotaRequestRequest_DesiredQuotaLimit) proto.Message {
		return &quotapb.CreateQuotaRequestRequest{Resource: cloudOf(w), DesiredQuotaLimits: wishes}
	}
	cancel := func(id string, ids ...string) proto.Message {
		return &quotapb.CancelQuotaRequestRequest{QuotaRequestId: id, QuotaIds: ids}
	}
	list := func(filter string) proto.Message {
		return &quotapb.ListQuotaRequestRequest{Resource: cloudOf(w), Filter: filter}
	}
	for _, c := range []struct {
		method string
		r      proto.Message
		code   codes.Code
		text   string
	}{
		{"quotaRequest.Create", create(nil), codes.InvalidArgument, "desired_quota_limits"},
		{"quotaRequest.Create", create(wishes("no.such.quota", 1.0)), codes.InvalidArgument, "desired_quota_limits[0].quota_id"},
		{"quotaRequest.Create", create(wishes(accounts, 1.0, "organization-manager.clouds.count", 1.0)), codes.InvalidArgument, "desired_quota_limits[1].quota_id"},
		{"quotaRequest.Create", create(wishes(accounts, 1.0, accounts, 2.0)), codes.InvalidArgument, "is asked for twice"},
		{"quotaRequest.Create", create(wishes(accounts, 1.5)), codes.InvalidArgument, "desired_quota_limits[0].desired_limit"},
		{"quotaRequest.Create", create(wishes(accounts, -1.0)), codes.InvalidArgument, "desired_limit"},
		{"quotaRequest.Create", create(wishes(accounts, math.NaN())), codes.InvalidArgument, "desired_limit"},
		{"quotaRequest.Create", create(wishes(accounts, math.Inf(1))), codes.InvalidArgument, "desired_limit"},
		{"quotaRequest.Create", &quotapb.CreateQuotaRequestRequest{DesiredQuotaLimits: wishes(accounts, 1.0)}, codes.InvalidArgument, "resource"},
		{"quotaRequest.Create", &quotapb.CreateQuotaRequestRequest{Resource: &quotapb.Resource{Id: "b1gnever", Type: "resource-manager.cloud"}, DesiredQuotaLimits: wishes(accounts, 1.0)}, codes.NotFound, "Cloud b1gnever not found"},
		{"quotaRequest.Get", &quotapb.GetQuotaRequestRequest{QuotaRequestId: "quonever"}, codes.NotFound, "Quota request quonever not found"},
		{"quotaRequest.Get", &quotapb.GetQuotaRequestRequest{}, codes.InvalidArgument, "quota_request_id"},
		{"quotaRequest.Cancel", cancel(id), codes.InvalidArgument, "quota_ids"},
		{"quotaRequest.Cancel", cancel(id, "iam.apiKeys.count"), codes.InvalidArgument, "quota_ids[0]"},
		{"quotaRequest.Cancel", cancel("quonever", accounts), codes.NotFound, "Quota request quonever not found"},
		{"quotaRequest.List", list(`name="x"`), codes.InvalidArgument, "filter"},
		{"quotaRequest.List", list(`status="open"`), codes.InvalidArgument, `"open" is no status`},
		{"quotaRequest.List", list(`status="pending" AND status="x"`), codes.InvalidArgument, "filter"},
		{"quotaRequest.List", &quotapb.ListQuotaRequestRequest{}, codes.InvalidArgument, "resource"},
	} {
		w.owner.refuse(t, c.method, c.r, c.code, c.text)
	}
	// A request of an organization that is none of the caller's business looks
	// like one that is not there.
	stranger := w.exchange(t, w.AdminKey)
	stranger.refuse(t, "quotaRequest.Get", &quotapb.GetQuotaRequestRequest{QuotaRequestId: id}, codes.NotFound, "Quota request "+id+" not found")
	stranger.refuse(t, "quotaRequest.Cancel", cancel(id, accounts), codes.NotFound, "Quota request "+id+" not found")
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
