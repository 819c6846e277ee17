// Package kubernetes is the door of API servers: it reads the token reviews that
// they send to a webhook, asks the gate whose the token is, and answers in
// Kubernetes' own shapes. It proves nobody. The token of a review is repeated
// nowhere, neither in answers nor in logs.
package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Name is this door's in rules and logs.
const Name = "kubernetes"

// Path is where token reviews are sent to.
const Path = "/k8s/tokenreview"

// Gate is the corridor behind this door. Call never returns a nil response.
type Gate interface {
	Call(ctx context.Context, r *gate.Request) (*gate.Response, error)
}

// Door serves token reviews (authentication.k8s.io/v1 and v1beta1). Gate is
// required. Safe for concurrent use.
type Door struct {
	Gate Gate
	Log  *slog.Logger // of panics; nil: nowhere
}

// Takes tells which requests are for this door.
func Takes(r *http.Request) bool { return r.URL.Path == Path && r.URL.RawPath == "" }

// ServeHTTP implements http.Handler for what Takes.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer d.recover(w, r)
	asked, refused := read(w, r)
	if refused != nil {
		refused.reply(w, resource.NewUUID())
		return
	}
	request := &gate.Request{
		Method: propuskpb.KubernetesService_ReviewToken_FullMethodName, Door: Name, UserAgent: r.UserAgent(), RemoteAddr: r.RemoteAddr,
		Decode: func(m proto.Message) error {
			into := m.(*propuskpb.ReviewTokenRequest)
			into.Authorization, into.Token, into.Audiences = r.Header.Get("Authorization"), asked.Spec.Token, asked.Spec.Audiences
			return nil
		},
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		request.RemoteAddr = host
	}
	response, err := d.Gate.Call(r.Context(), request)
	if err != nil {
		failureOf(err, response.RequestID).reply(w, response.RequestID)
		return
	}
	reply(w, http.StatusOK, asked.answer(response.Message.(*propuskpb.ReviewTokenResponse)), response.RequestID)
}

// recover answers a panic without a word about it, and leaves the word in the log.
func (d *Door) recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { // compared as net/http compares it
		panic(p)
	}
	requestID := resource.NewUUID()
	if d.Log != nil {
		d.Log.ErrorContext(r.Context(), "panic", "door", Name, "request_id", requestID,
			"panic", iam.Conceal(fmt.Sprint(p)), "stack", string(debug.Stack()))
	}
	fail(http.StatusInternalServerError, "InternalError", "Internal error; the request id leads to its cause in the server's log").reply(w, requestID)
}
