package gate_test

import (
	"context"
	"net"
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

// The ids of a call are in the header of every answer and in the trailer of
// every refusal; another service gets those of an answer when it sent one.
func TestWhoGetsTheIdsOfACall(t *testing.T) {
	h := &house{}
	config := h.config(goodRules)
	config.Prover.Service = func(context.Context, *gate.Request) (*gate.Caller, error) { return &gate.Caller{Name: "ydb"}, nil }
	public := config
	config.Rules = forServices()
	for _, c := range []struct {
		door    string
		config  gate.Config
		attach  func(*gate.Gate, grpc.ServiceRegistrar)
		sent    []string
		refused bool
		shown   bool
	}{
		{"public", public, (*gate.Gate).Attach, nil, false, true},
		{"public", public, (*gate.Gate).Attach, nil, true, true},
		{"services", config, (*gate.Gate).AttachServices, nil, false, false},
		{"services", config, (*gate.Gate).AttachServices, []string{"x-client-request-id", "a"}, false, true},
		{"services", config, (*gate.Gate).AttachServices, []string{"x-client-trace-id", "a"}, false, true},
		{"services", config, (*gate.Gate).AttachServices, nil, true, true},
	} {
		h.get = func(context.Context) error {
			if c.refused {
				return &iam.Error{Kind: iam.PermissionDenied, Message: "no"}
			}
			return nil
		}
		c.config.Stats = gate.NewStats()
		g, err := gate.New(c.config)
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer(g.Options()...)
		c.attach(g, s)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Serve(l) }()
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		var header, trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), c.sent...)
		_, err = endpointpb.NewApiEndpointServiceClient(conn).Get(ctx, &endpointpb.GetApiEndpointRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
		conn.Close()
		s.Stop()
		if refused := status.Code(err) == codes.PermissionDenied; refused != c.refused || err != nil && !refused {
			t.Fatalf("%s, %v: %v", c.door, c.sent, err)
		}
		where, other := header, trailer
		if c.refused {
			where, other = trailer, header
		}
		for _, key := range []string{"x-request-id", "x-server-trace-id"} {
			if got := where.Get(key); (len(got) == 1 && len(got[0]) > 0) != c.shown || len(other.Get(key)) > 0 {
				t.Errorf("%s, sent %v, refused %v: %s is %q here and %q there", c.door, c.sent, c.refused, key, got, other.Get(key))
			}
		}
	}
}
