// Package rest is the HTTP/JSON door: it turns a request into a call of the
// gate and the answer into JSON, by the google.api.http options and the
// messages' descriptors alone, so a method has no code of its own here. It
// proves nobody and permits nothing, and imports no room.
package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Gate is the corridor behind this door. Call never returns a nil response:
// its ids are set on failures too. It calls Decode at most once.
type Gate interface {
	Call(ctx context.Context, r *gate.Request) (*gate.Response, error)
	Methods() []protoreflect.MethodDescriptor
}

// Door serves the REST API. Safe for concurrent use.
type Door struct {
	gate   Gate
	router *router
	log    *slog.Logger
}

// New builds the routes of every method behind the gate. It fails when two
// routes could mean the same path, or a mapping is of a kind this door does
// not know. A nil log is silent.
func New(g Gate, log *slog.Logger) (*Door, error) {
	rt, err := newRouter(g.Methods())
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Door{gate: g, router: rt, log: log}, nil
}

// ServeHTTP implements http.Handler. It bounds the size of a body; its time is
// the http.Server's to bound.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer d.recover(w, r)
	c := call{door: d, w: w, r: r}
	path, encoded := r.URL.Path, false
	if r.URL.RawPath != "" {
		path, encoded = r.URL.RawPath, true
	}
	leaf, problem := d.router.match(path, encoded, &c.values)
	switch {
	case problem != "":
		d.refuse(w, http.StatusBadRequest, iam.InvalidArgument, problem)
		return
	case leaf == nil:
		d.refuse(w, http.StatusNotFound, iam.NotFound, "There is nothing at this path")
		return
	}
	c.route = leaf.find(r.Method)
	switch {
	case c.route == nil && !leaf.verb && strings.IndexByte(path[strings.LastIndexByte(path, '/'):], ':') > 0:
		d.refuse(w, http.StatusNotFound, iam.NotFound, "There is no such action at this path")
		return
	case c.route == nil:
		w.Header().Set("Allow", leaf.allow)
		d.refuse(w, http.StatusMethodNotAllowed, iam.Unimplemented, "This path takes "+leaf.allow+" only")
		return
	case len(r.Header["Authorization"]) > 1:
		d.refuse(w, http.StatusBadRequest, iam.InvalidArgument, "There is more than one Authorization header")
		return
	}
	c.serve()
}

// refuse answers what never reaches the gate.
func (d *Door) refuse(w http.ResponseWriter, code int, kind iam.Kind, text string) {
	requestID := resource.NewUUID()
	replyStatus(w, code, gate.Status(iam.Errorf(kind, "%s", text), requestID), 0, requestID, resource.NewUUID())
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
	d.log.ErrorContext(r.Context(), "panic", "door", "rest", "path", iam.Conceal(r.URL.Path), "request_id", requestID,
		"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	replyStatus(w, http.StatusInternalServerError, gate.Status(internalError(), requestID), 0, requestID, resource.NewUUID())
}
