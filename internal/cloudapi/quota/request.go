package quota

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// RequestLookup is the name of the gate's lookup from a quota request to the
// resource that it is about.
const RequestLookup = "quotaRequest"

// prefix begins the ids of requests and of operations on them.
const prefix = "quo"

var onRequest = gate.Via(RequestLookup, "quota_request_id")

// RequestRules are the rows of QuotaRequestService.
var RequestRules = gate.Rules("yandex.cloud.quotamanager.v1.QuotaRequestService",
	gate.Rule{Method: "Get", Permission: "quota-manager.quotaRequests.get", Target: onRequest},
	gate.Rule{Method: "List", Why: askedOnResource},
	gate.Rule{Method: "Create", Why: askedOnResource, Effect: gate.Changes, Event: "propusk.CreateQuotaRequest"},
	gate.Rule{Method: "Cancel", Permission: "quota-manager.quotaRequests.cancel", Target: onRequest,
		Effect: gate.Changes, Event: "propusk.CancelQuotaRequest"},
	gate.Rule{Method: "ListOperations", Permission: "quota-manager.quotaRequests.listOperations", Target: onRequest},
)

// RequestService is yandex.cloud.quotamanager.v1.QuotaRequestService. What is
// asked for is decided by the operator, not over the API.
type RequestService struct {
	quotapb.UnimplementedQuotaRequestServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
}

// Get returns a request.
func (s *RequestService) Get(ctx context.Context, r *quotapb.GetQuotaRequestRequest) (*quotapb.QuotaRequest, error) {
	var q *store.QuotaRequest
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		q, err = store.GetQuotaRequest(tx, r.GetQuotaRequestId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return requestProto(q), nil
}

// List pages through the requests about a cloud or organization.
func (s *RequestService) List(ctx context.Context, r *quotapb.ListQuotaRequestRequest) (*quotapb.ListQuotaRequestResponse, error) {
	at, err := permit(ctx, "quota-manager.quotaRequests.list", r.GetResource())
	if err != nil {
		return nil, err
	}
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: at.ID, Filter: r.GetFilter(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	status, err := statusFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	var rows []*store.QuotaRequest
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListQuotaRequests(tx, at.ID, status, store.Page{After: after, Limit: size + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &quotapb.ListQuotaRequestResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(q *store.QuotaRequest) string { return q.ID })
	for _, q := range rows {
		out.QuotaRequests = append(out.QuotaRequests, requestProto(q))
	}
	return out, nil
}

// Create asks for other limits. The operation is done when the request is on
// record; what becomes of it, the request itself tells.
func (s *RequestService) Create(ctx context.Context, r *quotapb.CreateQuotaRequestRequest) (*operationpb.Operation, error) {
	at, err := permit(ctx, "quota-manager.quotaRequests.create", r.GetResource())
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	wanted, err := desired(r.GetDesiredQuotaLimits())
	if err != nil {
		return nil, err
	}
	q, err := quota.NewRequest(resource.NewID(prefix), at, call.Caller().ID, wanted)
	if err != nil {
		return nil, err
	}
	call.Note("quota_request_id", q.ID)
	return s.Changes.Run(ctx, cloudapi.Change{ID: cloudapi.NewOperationID(prefix), ResourceID: q.ID, Description: "Create quota request",
		Metadata: &quotapb.CreateQuotaRequestMetadata{QuotaRequestId: q.ID}},
		func(tx *store.Tx) (proto.Message, error) {
			if err := quota.Submit(tx, q); err != nil {
				return nil, err
			}
			return requestProto(q), nil
		})
}

// Cancel takes limits out of a request that are not decided yet.
func (s *RequestService) Cancel(ctx context.Context, r *quotapb.CancelQuotaRequestRequest) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.Note("quota_request_id", r.GetQuotaRequestId())
	return s.Changes.Run(ctx, cloudapi.Change{ID: cloudapi.NewOperationID(prefix), ResourceID: r.GetQuotaRequestId(), Description: "Cancel quota request",
		Metadata: &quotapb.CancelQuotaRequestMetadata{QuotaRequestId: r.GetQuotaRequestId()}},
		func(tx *store.Tx) (proto.Message, error) {
			q, err := quota.Cancel(tx, r.GetQuotaRequestId(), call.Caller().ID, r.GetQuotaIds())
			if err != nil {
				return nil, err
			}
			return requestProto(q), nil
		})
}

// ListOperations pages through the operations on a request.
func (s *RequestService) ListOperations(ctx context.Context, r *quotapb.ListQuotaRequestOperationsRequest) (*quotapb.ListQuotaRequestOperationsResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetQuotaRequestId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	ops, next, err := cloudapi.ListOperations(ctx, s.DB, s.Pages, l, r.GetQuotaRequestId())
	return &quotapb.ListQuotaRequestOperationsResponse{Operations: ops, NextPageToken: next}, err
}

// desired reads the wanted limits. The API carries them as floating point; a
// limit counts things and is whole.
func desired(limits []*quotapb.CreateQuotaRequestRequest_DesiredQuotaLimit) ([]quota.Desired, error) {
	var out []quota.Desired
	for i, d := range limits {
		field := fmt.Sprintf("desired_quota_limits[%d]", i)
		v := d.GetDesiredLimit()
		switch {
		case d == nil:
			return nil, iam.InvalidField(field, "required")
		case math.IsNaN(v) || v < 0 || v != math.Trunc(v):
			return nil, iam.InvalidField(field+".desired_limit", "must be a whole number, not below zero")
		}
		value := int64(quota.Unlimited)
		if v < math.MaxInt64 {
			value = int64(v)
		}
		out = append(out, quota.Desired{ID: quota.ID(d.GetQuotaId()), Value: value})
	}
	return out, nil
}

var statusFilterForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(?:quotaRequest\.)?status\s*=\s*"([A-Za-z]{1,63})"\s*$`)
})

var requestStatus = map[store.QuotaStatus]quotapb.QuotaRequest_Status{
	store.QuotaPending: quotapb.QuotaRequest_PENDING, store.QuotaProcessing: quotapb.QuotaRequest_PROCESSING,
	store.QuotaProcessed: quotapb.QuotaRequest_PROCESSED, store.QuotaCanceled: quotapb.QuotaRequest_CANCELED,
}

// statusFilter reads the filter of the list: status="pending", in lower or
// upper case. The empty filter gives "".
func statusFilter(filter string) (store.QuotaStatus, error) {
	if strings.TrimSpace(filter) == "" {
		return "", nil
	}
	m := statusFilterForm().FindStringSubmatch(filter)
	if m == nil {
		return "", iam.InvalidField("filter", `expected status="<value>"`)
	}
	status := store.QuotaStatus(strings.ToUpper(m[1]))
	if _, ok := requestStatus[status]; !ok {
		return "", iam.InvalidField("filter", "%q is no status of a request", m[1])
	}
	return status, nil
}

var limitStatus = map[store.QuotaStatus]quotapb.QuotaRequest_QuotaLimit_Status{
	store.QuotaPending: quotapb.QuotaRequest_QuotaLimit_PENDING, store.QuotaApproved: quotapb.QuotaRequest_QuotaLimit_APPROVED,
	store.QuotaPartialApproved: quotapb.QuotaRequest_QuotaLimit_PARTIAL_APPROVED,
	store.QuotaRejected:        quotapb.QuotaRequest_QuotaLimit_REJECTED, store.QuotaCanceled: quotapb.QuotaRequest_QuotaLimit_CANCELED,
}

func requestProto(q *store.QuotaRequest) *quotapb.QuotaRequest {
	out := &quotapb.QuotaRequest{Id: q.ID, Resource: resourceProto(q.Resource), CreatedAt: cloudapi.Time(q.CreatedAt),
		Status: requestStatus[q.Status], CreatedBy: string(q.CreatedBy)}
	for _, w := range q.Limits {
		out.QuotaLimits = append(out.QuotaLimits, &quotapb.QuotaRequest_QuotaLimit{
			QuotaId: w.QuotaID, DesiredLimit: float64(w.Desired), ApprovedLimit: float64(w.Approved), Unit: "count",
			Status: limitStatus[w.Status], Message: w.Message, ModifiedBy: string(w.ModifiedBy)})
	}
	return out
}
