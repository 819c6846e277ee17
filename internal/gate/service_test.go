package gate_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// forServices makes the first service of the house one for other services.
func forServices() []gate.Rule {
	return append(gate.Rules(endpointService,
		gate.Rule{Method: "Get", Proof: gate.Service, Why: "a test"},
		gate.Rule{Method: "List", Proof: gate.Service, Why: "a test"}), goodRules[2:]...)
}

// A service that others call stands on a door of its own, proves who calls
// before it decodes, and leaves an audit line for a caller's refusal alone.
func TestADoorForOtherServices(t *testing.T) {
	h := &house{}
	h.get = func(ctx context.Context) error {
		c := gate.From(ctx)
		if c.Service == nil || c.Service.Name != "ydb" {
			return errors.New("the handler does not know who calls")
		}
		return c.Answers(&iam.Error{Kind: iam.PermissionDenied, Message: "not he"})
	}
	config := h.config(forServices())
	config.Prover.Service = func(_ context.Context, r *gate.Request) (*gate.Caller, error) {
		if r.Authorization != "Bearer ydb" {
			return nil, &iam.Error{Kind: iam.Unauthenticated, Message: "who are you?"}
		}
		return &gate.Caller{Name: "ydb"}, nil
	}
	g, err := gate.New(config)
	if err != nil {
		t.Fatal(err)
	}
	call := func(attach func(grpc.ServiceRegistrar), authorization string) error {
		s := grpc.NewServer(g.Options()...)
		attach(s)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Serve(l) }()
		defer s.Stop()
		c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", authorization)
		_, err = endpointpb.NewApiEndpointServiceClient(c).Get(ctx, &endpointpb.GetApiEndpointRequest{})
		return err
	}
	if got := status.Code(call(g.Attach, "Bearer ydb")); got != codes.Unimplemented {
		t.Errorf("on the public door: %s", got)
	}
	if got := status.Code(call(g.AttachServices, "Bearer x")); got != codes.Unauthenticated || len(h.failures) != 1 {
		t.Errorf("a stranger: %s, %d audit lines", got, len(h.failures))
	}
	if got := status.Code(call(g.AttachServices, "Bearer ydb")); got != codes.PermissionDenied || len(h.failures) != 1 {
		t.Errorf("an answer: %s, %d audit lines", got, len(h.failures))
	}
	if _, err := g.Call(t.Context(), &gate.Request{Method: "/" + endpointService + "/Get", Authorization: "Bearer ydb"}); iam.KindOf(err) != iam.Unimplemented {
		t.Errorf("through another door: %v", err)
	}
}

func TestRulesOfOtherServicesMustFit(t *testing.T) {
	change := func(f func(*gate.Rule)) []gate.Rule {
		rules := slices.Clone(forServices())
		f(&rules[0])
		return rules
	}
	prover := func(context.Context, *gate.Request) (*gate.Caller, error) { return &gate.Caller{}, nil }
	for _, c := range []struct {
		what, text string
		rules      []gate.Rule
		prover     func(context.Context, *gate.Request) (*gate.Caller, error)
	}{
		{"all is well", "", forServices(), prover},
		{"nobody proves", "no prover for other services", forServices(), nil},
		{"no reason", "no word about why", change(func(r *gate.Rule) { r.Why = "" }), prover},
		{"a change", "changes nothing", change(func(r *gate.Rule) { r.Effect, r.Event = gate.Changes, "iam.X" }), prover},
		{"half a service", "some methods of", change(func(r *gate.Rule) { r.Proof = gate.Open }), prover},
	} {
		config := (&house{}).config(c.rules)
		config.Prover.Service = c.prover
		_, err := gate.New(config)
		if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want an error with %q", c.what, err, c.text)
		}
	}
}
