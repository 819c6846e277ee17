// Package sts is the door of AWS's security token service: it reads the query
// protocol of AWS's clients, hands the request to the gate with the signature as
// it came, and answers in AWS's XML. It proves nobody and makes no key: the
// credential of a call is the signed request itself, which the gate's methods
// check. Nothing of a request is rewritten on the way, because the signature
// covers it.
package sts

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
)

// Name is this door's in rules and logs.
const Name = "sts"

// Gate is the corridor behind this door. Call never returns a nil response.
type Gate interface {
	Call(ctx context.Context, r *gate.Request) (*gate.Response, error)
}

// Door serves the protocol. Gate is required. Safe for concurrent use.
type Door struct {
	Gate Gate
	Log  *slog.Logger // of panics; nil: nowhere
}

// Takes tells which requests are for this door: clients that know only the
// address of a service ask at "/", a plain look at which is left to others; the
// rest are told of "/sts".
func Takes(r *http.Request) bool {
	switch r.URL.Path {
	case "/sts", "/sts/":
		return true
	case "/":
		return r.Method == http.MethodPost || (r.Method == http.MethodGet && r.URL.Query().Has("Action"))
	}
	return false
}

// ServeHTTP implements http.Handler for what Takes.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer d.recover(w, r)
	body, given, refused := read(w, r)
	if refused != nil {
		refused.reply(w, resource.NewUUID())
		return
	}
	act, refused := given.action()
	if refused != nil {
		refused.reply(w, resource.NewUUID())
		return
	}
	request := &gate.Request{
		Method: act.method, Door: Name, UserAgent: r.UserAgent(), RemoteAddr: r.RemoteAddr,
		Decode: func(m proto.Message) error { return act.decode(given, signedRequest(r, body), m) },
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		request.RemoteAddr = host
	}
	response, err := d.Gate.Call(r.Context(), request)
	if err != nil {
		refusalOf(err, response.RequestID).reply(w, response.RequestID)
		return
	}
	reply(w, http.StatusOK, act.answer(given, response), response.RequestID)
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
		d.Log.ErrorContext(r.Context(), "panic", "door", Name, "path", iam.Conceal(r.URL.Path), "request_id", requestID,
			"panic", iam.Conceal(fmt.Sprint(p)), "stack", string(debug.Stack()))
	}
	refuse(http.StatusInternalServerError, "InternalFailure", "Internal error; the request id leads to its cause in the server's log").reply(w, requestID)
}
