package cli

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"

	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

func quotaManagerNode() node {
	return node{word: "quota-manager", service: true, summary: "how much clouds and organizations may hold", below: []node{quotaLimitNode(), quotaRequestNode()}}
}

func quotaLimitNode() node {
	on, at := ofResource("resource"), orCloud("resource")
	return node{word: "quota-limit", aliases: []string{"quota-limits"}, summary: "quotas, and how much of them is used", below: []node{
		rpc{method: quotapb.QuotaLimitService_Get_FullMethodName, complete: at, options: append([]option{
			{name: "quota-id", field: "quota_id", usage: "the quota; may stand beside the flags", beside: true, required: true}}, on...)}.
			shows("get", "show a quota"),
		rpc{method: quotapb.QuotaLimitService_List_FullMethodName, complete: at, options: append([]option{
			{name: "service", field: "service", usage: "the service, such as iam; list-services says which there are", required: true}}, on...),
			columns: []output.Column{
				{Title: "QUOTA ID", Field: "quota_id"}, quotaColumn("LIMIT", (*quotapb.QuotaLimit).GetLimit), quotaColumn("USAGE", (*quotapb.QuotaLimit).GetUsage),
			}}.lists("list", "list the quotas of a service"),
		rpc{method: quotapb.QuotaLimitService_ListServices_FullMethodName, columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "NAME", Field: "name"},
		}, options: []option{{name: "resource-type", field: "resource_type", usage: "type of what has quotas, such as " + cloudType, required: true}}}.
				lists("list-services", "list the services that have quotas"),
	}}
}

func quotaColumn(title string, of func(*quotapb.QuotaLimit) *wrapperspb.DoubleValue) output.Column {
	return output.Column{Title: title, Cell: func(m proto.Message) string {
		q, _ := m.(*quotapb.QuotaLimit)
		if v := of(q); v != nil {
			return strconv.FormatFloat(v.GetValue(), 'f', -1, 64)
		}
		return ""
	}}
}

func quotaRequestNode() node {
	about := &subject{thing: "request", field: "quota_request_id"}
	on, at := ofResource("resource"), orCloud("resource")
	return node{word: "quota-request", aliases: []string{"quota-requests"}, summary: "requests for more", below: []node{
		createQuotaRequest(),
		rpc{method: quotapb.QuotaRequestService_Get_FullMethodName, subject: about}.gets("show a request"),
		rpc{method: quotapb.QuotaRequestService_List_FullMethodName, complete: at, options: append([]option{{name: "filter", field: "filter", usage: `status="…"`}}, on...), columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "RESOURCE ID", Field: "resource.id"}, {Title: "CREATED AT", Field: "created_at"}, {Title: "STATUS", Field: "status"},
		}}.lists("list", "list the requests for a resource"),
		cancelQuotaRequest(about),
		operationsOf(quotapb.QuotaRequestService_ListOperations_FullMethodName, about),
	}}
}

func createQuotaRequest() node {
	var wanted texts
	r := rpc{method: quotapb.QuotaRequestService_Create_FullMethodName, options: ofResource("resource")}
	r.complete = func(ctx context.Context, s *session, q *request) error {
		m, _ := q.message.Interface().(*quotapb.CreateQuotaRequestRequest)
		if len(wanted) == 0 {
			return misuse("--desired-limit is missing")
		}
		for _, text := range wanted {
			limit, err := desiredLimit(text)
			if err != nil {
				return misuse("--desired-limit: %w", err)
			}
			m.DesiredQuotaLimits = append(m.DesiredQuotaLimits, limit)
		}
		return orCloud("resource")(ctx, s, q)
	}
	return r.changes("create", "ask for more").like("--desired-limit quota-id=iam.serviceAccounts.count,value=5000").with(func(f *flag.FlagSet) {
		wanted = nil
		f.Var(&wanted, "desired-limit", "quota-id=QUOTA,value=NUMBER; once for each quota")
	}, nil)
}

// cancelQuotaRequest is the command that takes back the quotas that are named,
// or all of a request that nobody has decided yet: the API wants them named.
func cancelQuotaRequest(about *subject) node {
	r := rpc{method: quotapb.QuotaRequestService_Cancel_FullMethodName, subject: about, options: []option{
		{name: "quota-id", field: "quota_ids", usage: "only this quota; may stand there several times"},
		{name: "quota-ids", field: "quota_ids", usage: "only these quotas"}}}
	r.about = func(ctx context.Context, s *session, q *request) error {
		m, _ := q.message.Interface().(*quotapb.CancelQuotaRequestRequest)
		if len(m.GetQuotaIds()) > 0 {
			return nil
		}
		was := new(quotapb.QuotaRequest)
		err := s.call(ctx, quotapb.QuotaRequestService_Get_FullMethodName, &quotapb.GetQuotaRequestRequest{QuotaRequestId: m.GetQuotaRequestId()}, was)
		if err != nil {
			return err
		}
		for _, l := range was.GetQuotaLimits() {
			if l.GetStatus() == quotapb.QuotaRequest_QuotaLimit_PENDING {
				m.QuotaIds = append(m.QuotaIds, l.GetQuotaId())
			}
		}
		if len(m.GetQuotaIds()) == 0 {
			return &Failure{Code: iam.FailedPrecondition, Message: "nothing of quota request " + printable(m.GetQuotaRequestId()) + " waits for a decision"}
		}
		return nil
	}
	return r.changes("cancel", "take a request back")
}

// desiredLimit reads "quota-id=Q,value=N".
func desiredLimit(text string) (*quotapb.CreateQuotaRequestRequest_DesiredQuotaLimit, error) {
	out := &quotapb.CreateQuotaRequestRequest_DesiredQuotaLimit{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		switch key {
		case "quota-id":
			out.QuotaId = value
		case "value":
			n, err := strconv.ParseFloat(value, 64)
			if err != nil || n != n {
				return nil, fmt.Errorf("%q is no number", value)
			}
			out.DesiredLimit = n
		default:
			return nil, fmt.Errorf("%q has no meaning; write quota-id=QUOTA,value=NUMBER", pair)
		}
	}
	if out.GetQuotaId() == "" {
		return nil, fmt.Errorf("%q names no quota", text)
	}
	return out, nil
}
