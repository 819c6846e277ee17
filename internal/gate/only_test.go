package gate_test

import (
	"net"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// What one door alone may call, no other does, gRPC least of all.
func TestOnlyOneDoor(t *testing.T) {
	rules := append([]gate.Rule(nil), goodRules...)
	gate.Only("sts", rules[2:]...)
	h := &house{}
	g, err := gate.New(h.config(rules))
	if err != nil {
		t.Fatal(err)
	}
	create := func(door string) error {
		_, err := g.Call(t.Context(), &gate.Request{Method: "/" + tokenService + "/Create", Door: door, Decode: func(m proto.Message) error {
			proto.Merge(m, jwtRequest())
			return nil
		}})
		return err
	}
	if err := create("sts"); err != nil {
		t.Errorf("its own door: %v", err)
	}
	for _, door := range []string{"rest", "grpc", ""} {
		if err := create(door); iam.KindOf(err) != iam.Unimplemented {
			t.Errorf("door %q: %v, want UNIMPLEMENTED", door, err)
		}
	}
	s := grpc.NewServer(g.Options()...)
	g.Attach(s)
	g.AttachServices(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := iampb.NewIamTokenServiceClient(c).Create(t.Context(), jwtRequest()); status.Code(err) != codes.Unimplemented {
		t.Errorf("over gRPC: %v, want UNIMPLEMENTED", err)
	}
}
