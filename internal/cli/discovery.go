package cli

import (
	"context"
	"errors"
	"strings"

	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"

	"github.com/propusk/propusk/internal/iam"
)

// serviceIDs are the ids of discovery by the packages of the API, the longest
// prefix first [client fact: the SDKs' endpoint table].
var serviceIDs = [...]struct{ prefix, id string }{
	{"/yandex.cloud.organizationmanager.", "organization-manager"},
	{"/yandex.cloud.resourcemanager.", "resource-manager"},
	{"/yandex.cloud.quotamanager.", "quota-manager"},
	{"/yandex.cloud.operation.", "operation"},
	{"/yandex.cloud.iam.", "iam"},
}

const discoveryPage = 100 // [client fact: what clients ask for]

// addressOf says where the service of a method is. What is not of the public
// API is where the endpoint is.
func (s *session) addressOf(ctx context.Context, method string) (string, error) {
	id := ""
	for _, x := range serviceIDs {
		if strings.HasPrefix(method, x.prefix) {
			id = x.id
			break
		}
	}
	if id == "" || !s.discovers {
		return s.endpoint, nil
	}
	if s.addresses == nil {
		answer := new(endpointpb.ListApiEndpointsResponse)
		//lint:ignore SA1019 clients send it still, and servers of the API expect it
		err := s.send(ctx, endpointpb.ApiEndpointService_List_FullMethodName, &endpointpb.ListApiEndpointsRequest{PageSize: discoveryPage}, answer)
		f, failed := errors.AsType[*Failure](err)
		switch {
		case failed && f.Code == iam.Unimplemented: // a server without discovery serves everything itself
		case err != nil:
			return "", err
		}
		s.addresses = map[string]string{}
		for _, e := range answer.GetEndpoints() {
			s.addresses[e.GetId()] = e.GetAddress()
		}
	}
	if len(s.addresses) == 0 {
		return s.endpoint, nil
	}
	address, ok := s.addresses[id]
	if !ok {
		return "", errors.New("the server at " + printable(s.endpoint) + " does not say where " + id + " is")
	}
	return address, nil
}
