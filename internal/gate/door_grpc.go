package gate

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Unary is the gRPC door: the interceptor of every gRPC server that the gate
// is attached to.
func (g *Gate) Unary(ctx context.Context, m any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
	ep, ok := g.endpoints[info.FullMethod]
	if !ok {
		return h(ctx, m) // the framework's own services, such as health
	}
	c := g.newCall(requestOf(ctx, info.FullMethod))
	c.Rule = ep.rule
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, callKey{}, c), g.cfg.Timeout)
	defer cancel()
	out, err := g.guardedWalk(ctx, c, ep, m.(proto.Message), h)
	g.finish(ctx, c, ep, err)
	ids := metadata.Pairs("x-request-id", c.RequestID, "x-server-trace-id", c.TraceID)
	if err != nil {
		// Ids of a failure travel in the trailer: any header before an error
		// makes the Node SDK lose the code [client fact: metadata keys].
		_ = grpc.SetTrailer(ctx, ids)
		return nil, status.FromProto(Status(err, c.RequestID)).Err()
	}
	_ = grpc.SetHeader(ctx, ids)
	return out, nil
}

func (g *Gate) guardedWalk(ctx context.Context, c *Call, ep *endpoint, m proto.Message, h grpc.UnaryHandler) (out any, err error) {
	defer g.recoverTo(ctx, c, &err)
	return g.walk(ctx, c, ep, m, h)
}

func requestOf(ctx context.Context, method string) *Request {
	r := &Request{
		Method: method, Door: "grpc",
		Authorization:   first(ctx, "authorization"),
		IdempotencyKey:  first(ctx, "idempotency-key"),
		ClientRequestID: first(ctx, "x-client-request-id"),
		ClientTraceID:   first(ctx, "x-client-trace-id"),
		UserAgent:       first(ctx, "user-agent"),
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		r.RemoteAddr = p.Addr.String()
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			r.RemoteAddr = host
		}
	}
	return r
}

func first(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}
