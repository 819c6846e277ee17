// Package quota serves yandex.cloud.quotamanager.v1: the limits of clouds and
// organizations, and requests for other ones. One file per service: its rules
// on top, handlers below.
package quota

import (
	"context"

	quotapb "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

const askedOnResource = "asked on the resource that the request names"

// LimitRules are the rows of QuotaLimitService.
var LimitRules = gate.Rules("yandex.cloud.quotamanager.v1.QuotaLimitService",
	gate.Rule{Method: "Get", Why: askedOnResource},
	gate.Rule{Method: "List", Why: askedOnResource},
	gate.Rule{Method: "ListServices", Why: "the services are the same for everybody"},
)

// LimitService is yandex.cloud.quotamanager.v1.QuotaLimitService.
type LimitService struct {
	quotapb.UnimplementedQuotaLimitServiceServer
	DB    *store.DB
	Pages cloudapi.Pages
}

// Get returns one quota of a cloud or organization.
func (s *LimitService) Get(ctx context.Context, r *quotapb.GetQuotaLimitRequest) (*quotapb.QuotaLimit, error) {
	carrier, err := permit(ctx, "quota-manager.quotaLimits.get", r.GetResource())
	if err != nil {
		return nil, err
	}
	var state *quota.State
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		state, err = quota.StateOf(tx, carrier, quota.ID(r.GetQuotaId()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return stateProto(state), nil
}

// List pages through the quotas of one service on a cloud or organization. A
// service without quotas there has an empty list.
func (s *LimitService) List(ctx context.Context, r *quotapb.ListQuotaLimitsRequest) (*quotapb.ListQuotaLimitsResponse, error) {
	carrier, err := permit(ctx, "quota-manager.quotaLimits.list", r.GetResource())
	if err != nil {
		return nil, err
	}
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: carrier.ID, Filter: r.GetService(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	rows, next := cloudapi.Cut(s.Pages, l, following(quota.Of(carrier.Kind, r.GetService()), after, size, quotaPlace), size, quotaPlace)
	out := &quotapb.ListQuotaLimitsResponse{Resource: resourceProto(carrier), NextPageToken: next}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		out.QuotaLimits = nil
		for _, q := range rows {
			state, err := quota.StateOf(tx, carrier, q.ID)
			if err != nil {
				return err
			}
			out.QuotaLimits = append(out.QuotaLimits, stateProto(state))
		}
		return nil
	})
}

// ListServices pages through the services that have quotas on a type of resource.
func (s *LimitService) ListServices(ctx context.Context, r *quotapb.ListServicesRequest) (*quotapb.ListServicesResponse, error) {
	kind := resource.Kind(r.GetResourceType())
	if !quota.HasQuotas(kind) {
		return nil, iam.InvalidField("resource_type", "%q carries no quotas; %s and %s do", kind, resource.Cloud, resource.Organization)
	}
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: string(kind), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	place := func(s quota.Service) string { return s.ID }
	rows, next := cloudapi.Cut(s.Pages, l, following(quota.Services(kind), after, size, place), size, place)
	out := &quotapb.ListServicesResponse{NextPageToken: next}
	for _, row := range rows {
		out.Services = append(out.Services, &quotapb.Service{Id: row.ID, Name: row.Name})
	}
	return out, nil
}

// permit asks for a permission on the cloud or organization that a request
// names by id and type, which must agree.
func permit(ctx context.Context, what iam.Permission, r *quotapb.Resource) (resource.Ref, error) {
	ref := resource.Ref{Kind: resource.Kind(r.GetType()), ID: r.GetId()}
	switch {
	case ref.ID == "":
		return ref, iam.InvalidField("resource.id", "required")
	case !quota.HasQuotas(ref.Kind):
		return ref, iam.InvalidField("resource.type", "%q carries no quotas; %s and %s do", ref.Kind, resource.Cloud, resource.Organization)
	}
	return ref, gate.Require(ctx, what, ref.Kind, ref.ID)
}

// following are the rows of a page and one more, of rows that are in order.
func following[T any](rows []T, after string, size int, place func(T) string) []T {
	i := 0
	for i < len(rows) && place(rows[i]) <= after {
		i++
	}
	return rows[i:min(len(rows), i+size+1)]
}

func quotaPlace(q *quota.Quota) string { return string(q.ID) }

func stateProto(s *quota.State) *quotapb.QuotaLimit {
	out := &quotapb.QuotaLimit{QuotaId: string(s.ID), Limit: wrapperspb.Double(float64(s.Limit))}
	if s.Counted {
		out.Usage = wrapperspb.Double(float64(s.Usage))
	}
	return out
}

func resourceProto(r resource.Ref) *quotapb.Resource {
	return &quotapb.Resource{Id: r.ID, Type: string(r.Kind)}
}
