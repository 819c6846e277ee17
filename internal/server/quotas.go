package server

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/store"
)

// quotas says whether this server enforces quotas.
func (s *Server) quotas() quota.Limits {
	documented := s.cfg.Quotas == QuotasDocumented || (s.cfg.Quotas == "" && !s.opts.Dev)
	return quota.Limits{Enforced: documented}
}

// Paths of the operator's commands about quotas on the socket.
const (
	PathQuotaList     = "/quota/list"
	PathQuotaSet      = "/quota/set"
	PathQuotaRequests = "/quota/requests"
	PathQuotaDecide   = "/quota/decide"
)

func (s *Server) handleQuotas() {
	handle(s, PathQuotaList, (*Server).QuotaList)
	handle(s, PathQuotaSet, (*Server).QuotaSet)
	handle(s, PathQuotaRequests, (*Server).QuotaRequests)
	handle(s, PathQuotaDecide, (*Server).QuotaDecide)
}

// QuotaUnlimited is the limit that is never counted against.
const QuotaUnlimited = quota.Unlimited

// QuotaListRequest asks for the quotas of a cloud or organization.
type QuotaListRequest struct {
	Resource string `json:"resource"` // id
}

// QuotaState is one quota as it stands.
type QuotaState struct {
	ID    string `json:"id"`
	Limit int64  `json:"limit"`
	Usage *int64 `json:"usage,omitempty"` // nil when there is no one number to tell
	What  string `json:"what"`
}

// QuotaListResult lists quotas ordered by id.
type QuotaListResult struct {
	Quotas []QuotaState `json:"quotas"`
}

// QuotaList reads the quotas of a cloud or organization.
func (s *Server) QuotaList(ctx context.Context, r QuotaListRequest) (*QuotaListResult, error) {
	out := &QuotaListResult{}
	return out, s.db.View(ctx, func(tx *store.Tx) error {
		carrier, err := quota.CarrierOf(tx, r.Resource)
		if err != nil {
			return err
		}
		for _, q := range quota.Of(carrier.Kind, "") {
			state, err := quota.StateOf(tx, carrier, q.ID)
			if err != nil {
				return err
			}
			row := QuotaState{ID: string(q.ID), Limit: state.Limit, What: q.What}
			if state.Counted {
				row.Usage = &state.Usage
			}
			out.Quotas = append(out.Quotas, row)
		}
		return nil
	})
}

// QuotaSetRequest gives a cloud or organization a limit of its own.
type QuotaSetRequest struct {
	Resource string `json:"resource"` // id
	Quota    string `json:"quota"`
	Value    int64  `json:"value"` // QuotaUnlimited is never counted against
}

// QuotaSet sets a limit. It is in force with the answer; what is there already
// stays, however much it is.
func (s *Server) QuotaSet(ctx context.Context, r QuotaSetRequest) (*struct{}, error) {
	return &struct{}{}, s.db.Update(ctx, func(tx *store.Tx) error {
		carrier, err := quota.CarrierOf(tx, r.Resource)
		if err != nil {
			return err
		}
		if err := quota.Set(tx, carrier, quota.ID(r.Quota), r.Value); err != nil {
			return err
		}
		return s.recordOperator(tx, "propusk.SetQuota", carrier, audit.Text("quota_id", r.Quota), audit.Text("limit", strconv.FormatInt(r.Value, 10)))
	})
}

// QuotaRequestsRequest asks for the requests that wait for an operator.
type QuotaRequestsRequest struct {
	All      bool   `json:"all"`      // the decided ones too
	Resource string `json:"resource"` // about this one only; "" for any
}

// QuotaRequestsResult lists requests ordered by id; among the open ones, those
// that nobody has touched come first.
type QuotaRequestsResult struct {
	Requests []QuotaRequest `json:"requests"`
}

// QuotaRequest is a request for other limits.
type QuotaRequest struct {
	ID        string       `json:"id"`
	Resource  string       `json:"resource"`
	Type      string       `json:"type"`
	Status    string       `json:"status"`
	CreatedBy string       `json:"created_by"`
	CreatedAt time.Time    `json:"created_at"`
	Limits    []QuotaAsked `json:"limits"`
}

// QuotaAsked is one limit of a request.
type QuotaAsked struct {
	Quota    string `json:"quota"`
	Desired  int64  `json:"desired"`
	Approved int64  `json:"approved"`
	Status   string `json:"status"`
	Message  string `json:"message,omitempty"`
}

// QuotaRequests lists the requests that are open, or all.
func (s *Server) QuotaRequests(ctx context.Context, r QuotaRequestsRequest) (*QuotaRequestsResult, error) {
	statuses := []store.QuotaStatus{store.QuotaPending, store.QuotaProcessing}
	if r.All {
		statuses = []store.QuotaStatus{""}
	}
	out := &QuotaRequestsResult{Requests: []QuotaRequest{}}
	return out, s.db.View(ctx, func(tx *store.Tx) error {
		for _, status := range statuses {
			all, err := store.ListQuotaRequests(tx, r.Resource, status, store.Page{Limit: math.MaxInt32})
			if err != nil {
				return err
			}
			for _, q := range all {
				out.Requests = append(out.Requests, shownRequest(q))
			}
		}
		return nil
	})
}

// QuotaDecideRequest answers a request, or one limit of it.
type QuotaDecideRequest struct {
	ID      string `json:"id"`
	Quota   string `json:"quota"` // "" for all that are open
	Approve bool   `json:"approve"`
	Value   *int64 `json:"value,omitempty"` // nil approves what was asked for
	Message string `json:"message"`
}

// QuotaDecide answers a request. An approved limit is in force with the answer.
func (s *Server) QuotaDecide(ctx context.Context, r QuotaDecideRequest) (*QuotaRequest, error) {
	if len(r.Message) > maxQuotaMessage {
		return nil, iam.InvalidField("message", "at most %d bytes", maxQuotaMessage)
	}
	var out QuotaRequest
	return &out, s.db.Update(ctx, func(tx *store.Tx) error {
		q, err := quota.Decide(tx, r.ID, quota.Decision{ID: quota.ID(r.Quota), Approve: r.Approve, Value: r.Value, Message: r.Message})
		if err != nil {
			return err
		}
		out = shownRequest(q)
		return s.recordOperator(tx, "propusk.DecideQuotaRequest", q.Resource, audit.Text("quota_request_id", q.ID), decided(out.Limits))
	})
}

const maxQuotaMessage = 1024

// decided tells the audit line where the limits of a request stand now.
func decided(limits []QuotaAsked) audit.Detail {
	out := audit.Detail{Name: "quota_limits"}
	for _, l := range limits {
		out.Items = append(out.Items, audit.Object("", audit.Text("quota_id", l.Quota), audit.Text("status", l.Status),
			audit.Text("desired_limit", strconv.FormatInt(l.Desired, 10)), audit.Text("approved_limit", strconv.FormatInt(l.Approved, 10))))
	}
	return out
}

func shownRequest(q *store.QuotaRequest) QuotaRequest {
	out := QuotaRequest{ID: q.ID, Resource: q.Resource.ID, Type: string(q.Resource.Kind), Status: string(q.Status),
		CreatedBy: string(q.CreatedBy), CreatedAt: q.CreatedAt}
	for _, w := range q.Limits {
		out.Limits = append(out.Limits, QuotaAsked{Quota: w.QuotaID, Desired: w.Desired, Approved: w.Approved, Status: string(w.Status), Message: w.Message})
	}
	return out
}
