package gate_test

import (
	"context"
	"net"
	"testing"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// forbidden denies everything by a policy, to one who may know of it.
type forbidden struct{ knows bool }

func (f forbidden) Decide(context.Context, iam.Subject, iam.Permission, string) (gate.Decision, error) {
	folder := resource.Ref{Kind: resource.Folder, ID: "dev"}
	return gate.Decision{
		Path:     []resource.Ref{{Kind: resource.ServiceAccount, ID: "robot"}, folder},
		DeniedBy: "iam.denyServiceAccountImpersonation", DeniedOn: folder,
	}, nil
}

func (f forbidden) Forbids(ctx context.Context, what iam.Permission, id string) (gate.Decision, error) {
	return f.Decide(ctx, iam.Subject{}, what, id)
}

func (f forbidden) Knows(context.Context, iam.Subject, string) (bool, error) { return f.knows, nil }

func TestDeniedByPolicy(t *testing.T) {
	for knows, want := range map[bool]string{
		true:  "Permission to [iam.serviceAccount robot, resource-manager.folder dev] denied by access policy iam.denyServiceAccountImpersonation on resource-manager.folder dev",
		false: "Service account robot not found",
	} {
		h := &house{}
		cfg := h.config(goodRules)
		cfg.Access = forbidden{knows}
		g, err := gate.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer(g.Options()...)
		g.Attach(s)
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
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer t1.x")
		_, err = iampb.NewIamTokenServiceClient(c).CreateForServiceAccount(ctx, &iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: "robot"})
		code := codes.PermissionDenied
		if !knows {
			code = codes.NotFound
		}
		if status.Code(err) != code || status.Convert(err).Message() != want {
			t.Errorf("knows %v: %v, want %v: %s", knows, err, code, want)
		}
	}
}
