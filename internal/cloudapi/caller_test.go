package cloudapi_test

import (
	"context"
	"strings"
	"testing"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// services are the short names that tests call services by.
var services = map[string]string{
	"endpoint": "yandex.cloud.endpoint.ApiEndpointService",
	"op":       "yandex.cloud.operation.OperationService",
	"token":    "yandex.cloud.iam.v1.IamTokenService",
	"sa":       "yandex.cloud.iam.v1.ServiceAccountService",
	"key":      "yandex.cloud.iam.v1.KeyService",
	"cloud":    "yandex.cloud.resourcemanager.v1.CloudService",
	"folder":   "yandex.cloud.resourcemanager.v1.FolderService",
}

// fullMethod spells "sa.Get" as gRPC does.
func fullMethod(short string) string {
	service, method, _ := strings.Cut(short, ".")
	return "/" + services[service] + "/" + method
}

func descriptorOf(t testing.TB, full string) protoreflect.MethodDescriptor {
	t.Helper()
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(full[1:], "/", ".")))
	if err != nil {
		t.Fatal(err)
	}
	return d.(protoreflect.MethodDescriptor)
}

func newMessage(t testing.TB, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	mt, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return mt.New().Interface()
}

// caller is somebody with an IAM token.
type caller struct {
	w     *world
	conn  *grpc.ClientConn
	token string
	id    string // of the account, when the test knows it
}

func (w *world) withToken(t *testing.T, token string) *caller {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.dials[token]; c != nil {
		return c
	}
	c := &caller{w: w, token: token, conn: w.Dial(t, token)}
	w.dials[token] = c
	return c
}

// answer is what a call came to.
type answer struct {
	code      codes.Code
	message   string // of the error
	details   []any
	requestID string
}

// do calls a method over gRPC and checks what holds for every answer: the ids
// in the header of a success and in the trailer of a failure, RequestInfo in
// the failure, and no secret in its text.
func (c *caller) do(t *testing.T, method string, req, into proto.Message, pairs ...string) answer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if len(pairs) > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, pairs...)
	}
	if !strings.HasPrefix(method, "/") {
		method = fullMethod(method)
	}
	var header, trailer metadata.MD
	err := c.conn.Invoke(ctx, method, req, into, grpc.Header(&header), grpc.Trailer(&trailer))
	s := status.Convert(err)
	a := answer{code: s.Code(), message: s.Message(), details: s.Details()}
	ids, others := header, trailer
	if err != nil {
		ids, others = trailer, header
	}
	if len(ids["x-request-id"]) != 1 || len(ids["x-server-trace-id"]) != 1 || len(others["x-request-id"]) != 0 {
		t.Errorf("%s: %v: ids in header %v, trailer %v", method, a.code, header, trailer)
		return a
	}
	a.requestID = ids["x-request-id"][0]
	if err == nil {
		c.w.told(into)
		return a
	}
	a.check(t, c.w, method)
	return a
}

func (a answer) check(t *testing.T, w *world, method string) {
	t.Helper()
	found := false
	for _, d := range a.details {
		switch d := d.(type) {
		case error:
			t.Errorf("%s: a detail does not decode: %v", method, d)
		case *errdetails.RequestInfo:
			found = d.GetRequestId() == a.requestID
		}
	}
	if !found {
		t.Errorf("%s: %v %q has no RequestInfo of %s: %v", method, a.code, a.message, a.requestID, a.details)
	}
	if len(a.message) > 5<<10 {
		t.Errorf("%s: a text of %d bytes", method, len(a.message))
	}
	if s := w.shows(a.message); s != "" {
		t.Errorf("%s: the answer shows the secret %s: %s", method, s, a.message)
	}
	if a.code == codes.Internal || a.code == codes.Unknown {
		t.Errorf("%s: %v: %s", method, a.code, a.message)
	}
}

// fields are the fields that an answer finds fault with.
func (a answer) fields() (out []string) {
	for _, d := range a.details {
		if b, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range b.GetFieldViolations() {
				out = append(out, v.GetField())
			}
		}
	}
	return out
}

// call calls a method that must succeed and returns its response.
func call[T proto.Message](t *testing.T, c *caller, method string, req proto.Message, into T, pairs ...string) T {
	t.Helper()
	if a := c.do(t, method, req, into, pairs...); a.code != codes.OK {
		t.Fatalf("%s: %v: %s", method, a.code, a.message)
	}
	return into
}

// refuse calls a method that must fail with a code and a text.
func (c *caller) refuse(t *testing.T, method string, req proto.Message, code codes.Code, text string, pairs ...string) answer {
	t.Helper()
	full := method
	if !strings.HasPrefix(full, "/") {
		full = fullMethod(method)
	}
	a := c.do(t, full, req, newMessage(t, descriptorOf(t, full).Output()), pairs...)
	if a.code != code || !strings.Contains(a.message, text) {
		t.Errorf("%s(%v): %v %q, want %v with %q", method, req, a.code, a.message, code, text)
	}
	return a
}

// operate makes a change that must be done at once and returns its operation.
func (c *caller) operate(t *testing.T, method string, req proto.Message, pairs ...string) *operationpb.Operation {
	t.Helper()
	op := call(t, c, method, req, new(operationpb.Operation), pairs...)
	if !op.GetDone() || op.GetError() != nil {
		t.Fatalf("%s: operation not well done: %v", method, op)
	}
	return op
}

// create makes something and returns its id, which the metadata begins with.
func (c *caller) create(t *testing.T, method string, req proto.Message, pairs ...string) string {
	t.Helper()
	return idIn(t, c.operate(t, method, req, pairs...))
}

func idIn(t *testing.T, op *operationpb.Operation) string {
	t.Helper()
	m, err := op.GetMetadata().UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	r := m.ProtoReflect()
	return r.Get(r.Descriptor().Fields().ByNumber(1)).String()
}

// response unpacks the response of an operation.
func response[T proto.Message](t *testing.T, op *operationpb.Operation, into T) T {
	t.Helper()
	if err := op.GetResponse().UnmarshalTo(into); err != nil {
		t.Fatal(err)
	}
	return into
}
