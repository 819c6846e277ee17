// Package endpoint serves discovery: where each service of the API is.
package endpoint

import (
	"context"
	"sort"

	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// Rules are the rows of ApiEndpointService. Clients ask before they have a token.
var Rules = gate.Rules("yandex.cloud.endpoint.ApiEndpointService",
	gate.Rule{Method: "Get", Proof: gate.Open},
	gate.Rule{Method: "List", Proof: gate.Open},
)

// Service is yandex.cloud.endpoint.ApiEndpointService.
type Service struct {
	endpointpb.UnimplementedApiEndpointServiceServer
	byID map[string]*endpointpb.ApiEndpoint
	all  []*endpointpb.ApiEndpoint
}

// own are the ids under which clients look for the services that are here;
// both spellings are in use [API fact: endpoint discovery].
var own = []string{
	"endpoint", "iam", "operation", "organization-manager", "organizationmanager",
	"quota-manager", "quotamanager", "resource-manager", "resourcemanager",
}

// New lists the services of this server at one address ("host:port", no
// scheme) and what the operator adds, which wins over ours.
func New(address string, added map[string]string) *Service {
	s := &Service{byID: make(map[string]*endpointpb.ApiEndpoint)}
	for _, id := range own {
		s.byID[id] = &endpointpb.ApiEndpoint{Id: id, Address: address}
	}
	for id, a := range added {
		s.byID[id] = &endpointpb.ApiEndpoint{Id: id, Address: a}
	}
	for _, e := range s.byID {
		s.all = append(s.all, e)
	}
	sort.Slice(s.all, func(i, j int) bool { return s.all[i].Id < s.all[j].Id })
	return s
}

// Get returns one endpoint; NOT_FOUND for an id that is not served.
func (s *Service) Get(_ context.Context, r *endpointpb.GetApiEndpointRequest) (*endpointpb.ApiEndpoint, error) {
	e, ok := s.byID[r.GetApiEndpointId()]
	if !ok {
		return nil, iam.Errorf(iam.NotFound, "Endpoint %s not found", r.GetApiEndpointId())
	}
	return e, nil
}

// List returns every endpoint in one page whatever page_size says: clients
// read one page only [client fact: discovery].
func (s *Service) List(context.Context, *endpointpb.ListApiEndpointsRequest) (*endpointpb.ListApiEndpointsResponse, error) {
	return &endpointpb.ListApiEndpointsResponse{Endpoints: s.all}, nil
}
