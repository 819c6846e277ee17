package cloudapi_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/server"
)

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

// What an operator decides is told in full: which quota, and to what.
func TestQuotaDecisionsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const accounts, folders = "iam.serviceAccounts.count", "resource-manager.folders.count"
	w.setQuota(t, w.home.CloudID, accounts, 7)
	id := w.owner.create(t, "quotaRequest.Create", &quotapb.CreateQuotaRequestRequest{Resource: cloudOf(w), DesiredQuotaLimits: wishes(accounts, 500.0, folders, 9.0)})
	value := int64(8)
	for _, d := range []server.QuotaDecideRequest{{ID: id, Quota: accounts, Approve: true, Value: &value}, {ID: id}} {
		if _, err := w.Server.Server.QuotaDecide(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for event, want := range map[string]map[string]any{
		"propusk.SetQuota": {"quota_id": accounts, "limit": "7"},
		"propusk.DecideQuotaRequest": {"quota_request_id": id, "quota_limits": []any{
			map[string]any{"quota_id": accounts, "status": "PARTIAL_APPROVED", "desired_limit": "500", "approved_limit": "8"},
			map[string]any{"quota_id": folders, "status": "REJECTED", "desired_limit": "9", "approved_limit": "0"}}},
	} {
		lines := w.audit(t.Context(), t, server.AuditListRequest{Type: event})
		found := false
		for _, l := range lines {
			found = found || cmp.Equal(any(l.Details), any(want))
		}
		if !found || lines[0].Resource.Path[0].ID != w.home.CloudID {
			t.Errorf("%s: %v, want one with %v", event, lines, want)
		}
	}
}
