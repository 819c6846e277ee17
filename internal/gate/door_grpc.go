package gate

import (
	"context"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	protobuf "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
)

// Attach is the gRPC door: it registers every service on a gRPC server, each
// method as a walk through the corridor that begins before its message is
// decoded, so that this door too says 401 before 400. The server must have been
// made with Options.
//
// What only other services may call is left out: here there is no such method.
func (g *Gate) Attach(s grpc.ServiceRegistrar) { g.attach(s, false) }

// AttachServices is the gRPC door for other services: it registers only what
// they call.
func (g *Gate) AttachServices(s grpc.ServiceRegistrar) { g.attach(s, true) }

func (g *Gate) attach(s grpc.ServiceRegistrar, forServices bool) {
	for _, r := range g.services {
		if g.forServices(r.desc) != forServices || g.doorOf(r.desc) != "" {
			continue
		}
		desc := *r.desc
		desc.Methods = make([]grpc.MethodDesc, len(r.desc.Methods))
		for i, m := range r.desc.Methods {
			ep := g.endpoints["/"+desc.ServiceName+"/"+m.MethodName]
			desc.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName,
				Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
					return g.unary(ctx, ep, decode)
				}}
		}
		s.RegisterService(&desc, r.impl)
	}
}

// forServices tells whether a service is for other services; its methods are
// of one kind.
func (g *Gate) forServices(desc *grpc.ServiceDesc) bool {
	return len(desc.Methods) > 0 && g.endpoints["/"+desc.ServiceName+"/"+desc.Methods[0].MethodName].rule.Proof == Service
}

// doorOf is the only door of a service; "" when it has none of its own. Its
// methods are of one kind.
func (g *Gate) doorOf(desc *grpc.ServiceDesc) string {
	if len(desc.Methods) == 0 {
		return ""
	}
	return g.endpoints["/"+desc.ServiceName+"/"+desc.Methods[0].MethodName].rule.Door
}

// grpcCall is all that a call of this door is, in one piece of memory.
type grpcCall struct {
	call    Call
	request Request
	decode  func(any) error
	message postponed
}

func (w *grpcCall) fill(m proto.Message) error {
	w.message.into = m
	if err := w.decode(&w.message); err != nil {
		return err
	}
	return malformed(w.message.err, m)
}

func (g *Gate) unary(ctx context.Context, ep *endpoint, decode func(any) error) (any, error) {
	w := &grpcCall{decode: decode, message: postponed{quick: ep.quick}}
	c, r := &w.call, &w.request
	r.read(ctx, &ep.rule)
	r.Decode = w.fill
	g.begin(c, r)
	out, err := g.run(ctx, c, ep)
	if err != nil {
		// Ids of a failure travel in the trailer: any header before an error
		// makes the Node SDK lose the code [client fact: metadata keys].
		_ = grpc.SetTrailer(ctx, metadata.Pairs(requestIDKey, c.RequestID, traceIDKey, c.TraceID))
		return nil, status.FromProto(Status(err, c.RequestID)).Err()
	}
	// Services ask by the thousand and look at no ids but those they sent for.
	if c.Service == nil || r.ClientRequestID != "" || r.ClientTraceID != "" {
		_ = grpc.SetHeader(ctx, metadata.Pairs(requestIDKey, c.RequestID, traceIDKey, c.TraceID))
	}
	return out, nil
}

// Metadata that leads from an answer to the server's log.
const (
	requestIDKey = "x-request-id"
	traceIDKey   = "x-server-trace-id"
)

// Options are what a gRPC server must be made with to be attached to the gate.
func (g *Gate) Options() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(protobuf.Name)}), grpc.UnknownServiceHandler(g.unknown)}
}

// codec is the framework's, but lets the gate word the refusal of a message
// that cannot be decoded: the framework would call that INTERNAL and leave out
// the request's id.
type codec struct{ encoding.CodecV2 }

// postponed is a message whose decoding may fail without the framework's notice.
type postponed struct {
	into  proto.Message
	quick func([]byte, proto.Message) bool // nil: there is no quick way
	err   error
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	p, ok := v.(*postponed)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	if p.quick != nil && len(data) == 1 && p.quick(data[0].ReadOnlyData(), p.into) {
		return nil
	}
	p.err = c.CodecV2.Unmarshal(data, p.into)
	return nil
}

// malformed words the refusal of a message that is not what it should be.
func malformed(err error, m proto.Message) error {
	if err == nil {
		return nil
	}
	name := m.ProtoReflect().Descriptor().Name()
	text := "The message is not a " + string(name) + " in the protobuf encoding"
	if strings.Contains(err.Error(), "invalid UTF-8") {
		text = "A text in the " + string(name) + " is not valid UTF-8"
	}
	return &iam.Error{Kind: iam.InvalidArgument, Message: text, Reason: "protobuf"}
}

// unknown answers calls of methods that the API does not have.
func (g *Gate) unknown(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	c := g.newCall(&Request{Method: method})
	stream.SetTrailer(metadata.Pairs(requestIDKey, c.RequestID, traceIDKey, c.TraceID))
	err := iam.Errorf(iam.Unimplemented, "Method %s is not known to this server", clip(method))
	return status.FromProto(Status(err, c.RequestID)).Err()
}

// read takes what a call of a method comes with.
func (r *Request) read(ctx context.Context, rule *Rule) {
	r.Method, r.Door, r.wire = rule.Method, "grpc", ctx
	// Several of them are what HTTP takes them for: one that no scheme reads.
	r.Authorization = strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ", ")
	r.ClientRequestID = first(ctx, "x-client-request-id")
	r.ClientTraceID = first(ctx, "x-client-trace-id")
	if rule.Effect == Changes {
		r.IdempotencyKey = first(ctx, "idempotency-key")
	}
	if rule.Proof != Service {
		return
	}
	if p, ok := peer.FromContext(ctx); ok {
		if t, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(t.State.VerifiedChains) > 0 {
			r.Certificate = t.State.VerifiedChains[0][0]
		}
	}
}

// complete reads what only an audit line or one of the log tells.
func (r *Request) complete() {
	ctx := r.wire
	if ctx == nil {
		return
	}
	r.wire, r.UserAgent = nil, first(ctx, "user-agent")
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		r.RemoteAddr = hostOf(p.Addr)
	}
}

// hostOf is an address without its port.
func hostOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().String()
	}
	if host, _, err := net.SplitHostPort(a.String()); err == nil {
		return host
	}
	return a.String()
}

func first(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}
