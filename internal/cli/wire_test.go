package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// TestHeaders: each call has an id of its own and the run one trace; each
// has a key by which the server does it once, however often it is tried [API
// fact: what the command line tool puts on the wire].
func TestHeaders(t *testing.T) {
	f := newFake(t)
	environ := []string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)}
	f.answer = func(string, proto.Message) (proto.Message, error) { return &propuskpb.RevokeResponse{}, nil }
	if code, _, errs := f.tree(t, config(t, ""), environ, "iam revoke --subject-id x"); code != 0 || len(f.asked) != 2 {
		t.Fatalf("%d, %v, %s", code, f.asked, errs)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string][]string{}
	for _, md := range f.headers {
		for _, name := range []string{"x-client-request-id", "x-client-trace-id", "idempotency-key", "user-agent", "authorization"} {
			seen[name] = append(seen[name], strings.Join(md.Get(name), ","))
		}
	}
	ids, traces := seen["x-client-request-id"], seen["x-client-trace-id"]
	if !uuid.MatchString(ids[0]) || !uuid.MatchString(ids[1]) || ids[0] == ids[1] {
		t.Errorf("request ids %q", ids)
	}
	if !uuid.MatchString(traces[0]) || traces[0] != traces[1] {
		t.Errorf("trace ids %q", traces)
	}
	if agents := seen["user-agent"]; !strings.HasPrefix(agents[0], "propusk-cli") {
		t.Errorf("%q", agents)
	}
	if a := seen["authorization"]; a[0] != "" || a[1] != "Bearer "+goodToken {
		t.Errorf("authorization %q", a)
	}
	if keys := seen["idempotency-key"]; !uuid.MatchString(keys[0]) || !uuid.MatchString(keys[1]) {
		t.Errorf("keys %q", keys)
	}
}

// TestRetryCounts: --retry says how often, 0 is once, and only a server that is
// away is asked again.
func TestRetryCounts(t *testing.T) {
	f := newFake(t)
	environ := []string{"YC_IAM_TOKEN=" + goodToken}
	for _, c := range []struct {
		retry string
		code  codes.Code
		want  int
	}{
		{"0", codes.Unavailable, 1}, {"1", codes.Unavailable, 1}, {"3", codes.Unavailable, 3}, {"6", codes.Unavailable, 6},
		{"5", codes.Internal, 1}, {"5", codes.ResourceExhausted, 1}, {"-1", codes.PermissionDenied, 1},
	} {
		f.asked = nil
		f.answer = func(string, proto.Message) (proto.Message, error) { return nil, status.Error(c.code, "not now") }
		if code, _, errs := f.tree(t, config(t, ""), environ, "iam revoke --subject-id x --retry "+c.retry); code != 1 || len(f.asked) != c.want {
			t.Errorf("--retry %s, %v: %d, asked %d times, want %d: %s", c.retry, c.code, code, len(f.asked), c.want, errs)
		}
	}
}
