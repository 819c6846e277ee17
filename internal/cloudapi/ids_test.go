package cloudapi_test

import (
	"regexp"
	"strings"
	"testing"

	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestRequestIDs: every answer has an id of its own, whatever the client sends;
// the client's trace id comes back when it is fit for a header and a log.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[string]bool{}
	for _, c := range []struct {
		trace string
		back  bool
	}{
		{"0f8fad5b-d9cb-469f-a165-70867728950e", true}, {"short", true}, {strings.Repeat("x", 64), true},
		{strings.Repeat("x", 65), false}, {"two words", false}, {"", false},
	} {
		for _, path := range []string{"/endpoints", "/endpoints/iam", "/endpoints/nothing", "/nothing", "/resource-manager/v1/clouds"} {
			r := w.Do(t, "GET", "", path, nil, "X-Client-Trace-Id", c.trace, "X-Client-Request-Id", "mine", "X-Request-Id", "mine")
			id, trace := r.Header.Get("X-Request-Id"), r.Header.Get("X-Server-Trace-Id")
			if !uuid.MatchString(id) || seen[id] {
				t.Errorf("%s: request id %q", path, id)
			}
			seen[id] = true
			if path != "/nothing" && (trace == c.trace) != c.back || trace == "" {
				t.Errorf("%s: trace id %q for %q", path, trace, c.trace)
			}
		}
	}
	list := call(t, w.withToken(t, ""), "endpoint.List", &endpointpb.ListApiEndpointsRequest{}, new(endpointpb.ListApiEndpointsResponse))
	ids := map[string]bool{}
	for _, e := range list.GetEndpoints() {
		ids[e.GetId()] = true
		if e.GetAddress() == "" || strings.Contains(e.GetAddress(), "://") {
			t.Errorf("endpoint %v", e)
		}
	}
	for _, id := range []string{"endpoint", "iam", "operation", "organization-manager", "organizationmanager",
		"quota-manager", "quotamanager", "resource-manager", "resourcemanager"} {
		if !ids[id] {
			t.Errorf("no endpoint %s", id)
		}
	}
}
