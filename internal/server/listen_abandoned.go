package server

import (
	"context"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A gRPC call that came in by net/http runs on when its client resets the
// stream, while grpc's ServeHTTP returns and net/http lets the next request in:
// a client could have any number of handlers at work on one connection
// (CVE-2023-44487). So the request stays open until the handler has ended.

// handling is the state of a call's handler: none, started or abandoned.
type handling struct {
	state atomic.Int32
	ended chan struct{} // closed at the end of a handler that was started
}

const (
	handlingNone = iota
	handlingStarted
	handlingAbandoned
)

type handlingKey struct{}

// serveWhole is calls.ServeHTTP, but returns when the handler has returned.
func serveWhole(calls *grpc.Server, w http.ResponseWriter, r *http.Request) {
	h := &handling{ended: make(chan struct{})}
	calls.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), handlingKey{}, h)))
	if !h.state.CompareAndSwap(handlingNone, handlingAbandoned) {
		<-h.ended
	}
}

// begin says whether the handler of a call may begin, and how it tells its end.
func begin(ctx context.Context) (end func(), err error) {
	h, ok := ctx.Value(handlingKey{}).(*handling)
	if !ok {
		return func() {}, nil
	}
	if !h.state.CompareAndSwap(handlingNone, handlingStarted) {
		return nil, status.Error(codes.Canceled, "the client has gone")
	}
	return func() { close(h.ended) }, nil
}

// Registrar registers services on a server of NewGRPCServer. Those that are
// registered otherwise are not waited for.
func Registrar(s *grpc.Server) grpc.ServiceRegistrar { return registrar{s} }

type registrar struct{ server *grpc.Server }

func (r registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	whole := *desc
	whole.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		whole.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName,
			Handler: func(impl any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
				end, err := begin(ctx)
				if err != nil {
					return nil, err
				}
				defer end()
				return m.Handler(impl, ctx, decode, interceptor)
			}}
	}
	whole.Streams = make([]grpc.StreamDesc, len(desc.Streams))
	for i, s := range desc.Streams {
		whole.Streams[i] = s
		whole.Streams[i].Handler = func(impl any, stream grpc.ServerStream) error {
			end, err := begin(stream.Context())
			if err != nil {
				return err
			}
			defer end()
			return s.Handler(impl, stream)
		}
	}
	r.server.RegisterService(&whole, impl)
}
