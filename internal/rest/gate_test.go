package rest_test

import (
	"context"
	"log/slog"
	"sort"
	"strings"
	"testing"
	"time"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/workload/oidc"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/idp"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1/saml"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/quotamanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/rest"
)

// fakeGate answers in place of the corridor. It knows every method of the
// API's packages, proves "Bearer good", and otherwise does what the handlers say.
type fakeGate struct {
	handlers map[string]func(*gate.Request, proto.Message) (proto.Message, error)
	methods  []protoreflect.MethodDescriptor
	inputs   map[string]protoreflect.MessageType
}

const (
	requestID = "11111111-1111-4111-8111-111111111111"
	traceID   = "22222222-2222-4222-8222-222222222222"
)

func newFakeGate() *fakeGate {
	g := &fakeGate{inputs: map[string]protoreflect.MessageType{}, handlers: handlers}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(f.Package()), "yandex.cloud.") {
			return true
		}
		for i := range f.Services().Len() {
			ms := f.Services().Get(i).Methods()
			for j := range ms.Len() {
				g.methods = append(g.methods, ms.Get(j))
			}
		}
		return true
	})
	sort.Slice(g.methods, func(i, j int) bool { return g.methods[i].FullName() < g.methods[j].FullName() })
	for _, m := range g.methods {
		mt, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
		if err != nil {
			panic(err)
		}
		g.inputs["/"+string(m.Parent().FullName())+"/"+string(m.Name())] = mt
	}
	return g
}

func (g *fakeGate) Methods() []protoreflect.MethodDescriptor { return g.methods }

func (g *fakeGate) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	out := &gate.Response{RequestID: requestID, TraceID: traceID}
	if r.Method != create && r.Authorization != "Bearer good" {
		return out, iam.Errorf(iam.Unauthenticated, "Token is invalid or has expired.")
	}
	in := g.inputs[r.Method].New().Interface()
	if err := r.Decode(in); err != nil {
		return out, err
	}
	h := g.handlers[r.Method]
	if h == nil {
		return out, iam.Errorf(iam.Unimplemented, "%s is not supported by this server", r.Method)
	}
	m, err := h(r, in)
	out.Message = m
	return out, err
}

const (
	create  = "/yandex.cloud.iam.v1.IamTokenService/Create"
	clouds  = "/yandex.cloud.resourcemanager.v1.CloudService/List"
	folders = "/yandex.cloud.resourcemanager.v1.FolderService/"
	keys    = "/yandex.cloud.iam.v1.KeyService/"
	robots  = "/yandex.cloud.iam.v1.ServiceAccountService/"
	ops     = "/yandex.cloud.operation.OperationService/"
)

var then = timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC))

// echo answers with an operation whose metadata is the request, so that a
// conversation shows what was understood.
func echo(_ *gate.Request, m proto.Message) (proto.Message, error) {
	a, err := anypb.New(m)
	return &operationpb.Operation{Id: "op", Metadata: a}, err
}

var handlers = map[string]func(*gate.Request, proto.Message) (proto.Message, error){
	create: func(_ *gate.Request, m proto.Message) (proto.Message, error) {
		in := m.(*iampb.CreateIamTokenRequest)
		if in.GetIdentity() == nil {
			return nil, &iam.Error{Kind: iam.InvalidArgument, Message: "Validation failed:\n  - identity: One of the options must be selected",
				Fields: []iam.FieldViolation{{Field: "identity", Description: "One of the options must be selected"}}}
		}
		return &iampb.CreateIamTokenResponse{IamToken: "t1.for-" + in.GetJwt() + ".x", ExpiresAt: then}, nil
	},
	clouds: func(*gate.Request, proto.Message) (proto.Message, error) {
		return &rmpb.ListCloudsResponse{Clouds: []*rmpb.Cloud{{Id: "b1g1", Name: "first", OrganizationId: "bpf1", CreatedAt: timestamppb.New(time.Unix(1566195354, 0))}}}, nil
	},
	keys + "List": echo,
	keys + "Get": func(_ *gate.Request, m proto.Message) (proto.Message, error) {
		return nil, iam.Errorf(iam.NotFound, "Key %s not found", m.(*iampb.GetKeyRequest).GetKeyId())
	},
	keys + "Delete":                 echo,
	robots + "Create":               echo,
	robots + "Update":               echo,
	robots + "UpdateAccessBindings": echo,
	robots + "ListAccessBindings": func(*gate.Request, proto.Message) (proto.Message, error) {
		return &accesspb.ListAccessBindingsResponse{}, nil
	},
	robots + "Suspend": func(*gate.Request, proto.Message) (proto.Message, error) { panic("a bug with a secret") },
	robots + "Reactivate": func(*gate.Request, proto.Message) (proto.Message, error) {
		return nil, &iam.Error{Kind: iam.Unavailable, Message: "The store is away", RetryAfter: 1500 * time.Millisecond}
	},
	folders + "Delete": echo,
	folders + "Get": func(*gate.Request, proto.Message) (proto.Message, error) {
		return &operationpb.Operation{Metadata: &anypb.Any{TypeUrl: "x/unknown"}}, nil
	},
	ops + "Get": func(_ *gate.Request, m proto.Message) (proto.Message, error) {
		return &operationpb.Operation{Id: m.(*operationpb.GetOperationRequest).GetOperationId(), Done: true, CreatedAt: then,
			Result: &operationpb.Operation_Response{Response: must(anypb.New(&iampb.ServiceAccount{Id: "aje1", Name: "robot"}))}}, nil
	},
	ops + "Cancel": echo,
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newDoor(t testing.TB) *rest.Door {
	t.Helper()
	d, err := rest.New(newFakeGate(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
