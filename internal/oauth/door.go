// Package oauth is the door of OAuth 2.0's endpoints for programs: it reads
// forms, how a client has named itself and shown its secret, and proofs of
// possession, asks the gate, and answers in the protocol's JSON. It proves
// nobody and makes no token. The pages on which people answer are another
// door's.
package oauth

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// Name is this door's in rules and logs.
const Name = "oauth"

// Paths of the endpoints.
const (
	TokenPath      = "/oauth/token"       // RFC 6749 section 3.2
	UserInfoPath   = "/oauth/userinfo"    // OpenID Connect Core 1.0 section 5.3
	IntrospectPath = "/oauth/introspect"  // RFC 7662
	RevokePath     = "/oauth/revoke"      // RFC 7009
	DevicePath     = "/oauth/device/code" // RFC 8628 section 3.1
)

// Gate is the corridor behind this door. Call never returns a nil response.
type Gate interface {
	Call(ctx context.Context, r *gate.Request) (*gate.Response, error)
}

// Config is what the door needs. Gate and Issuer are required.
type Config struct {
	Gate Gate
	// Issuer is the address that clients know the server by, without a slash at
	// its end: proofs of possession name it, and what a request says of the
	// server's name is not believed.
	Issuer func() (string, error)
	Log    *slog.Logger // of panics; nil: nowhere
}

// Door serves the endpoints. Safe for concurrent use.
type Door struct{ Config }

// endpoint is one address.
type endpoint struct {
	methods []string // besides OPTIONS where browsers may ask
	// browsers says that programs in a browser may call from other origins. No
	// endpoint looks at cookies, so nothing of a person's comes along.
	browsers bool
	serve    func(*visit) (answer any, err error)
}

// endpointOf finds an endpoint; nil when a path is none.
func endpointOf(path string) *endpoint {
	switch path {
	case TokenPath:
		return &endpoint{methods: []string{http.MethodPost}, browsers: true, serve: (*visit).token}
	case UserInfoPath:
		return &endpoint{methods: []string{http.MethodGet, http.MethodPost}, browsers: true, serve: (*visit).userInfo}
	case IntrospectPath:
		return &endpoint{methods: []string{http.MethodPost}, serve: (*visit).introspect}
	case RevokePath:
		return &endpoint{methods: []string{http.MethodPost}, browsers: true, serve: (*visit).revoke}
	case DevicePath:
		return &endpoint{methods: []string{http.MethodPost}, serve: (*visit).device}
	}
	return nil
}

// Takes tells which requests are for this door.
func Takes(r *http.Request) bool { return endpointOf(pathOf(r)) != nil }

// pathOf is the path as it was written: one that is encoded is another one.
func pathOf(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// ServeHTTP implements http.Handler for what Takes.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{door: d, w: w, r: r, path: pathOf(r), requestID: resource.NewUUID()}
	defer v.recover()
	e := endpointOf(v.path)
	if e == nil {
		v.refuse(fail(http.StatusNotFound, iam.OAuthInvalidRequest, "There is no such endpoint"))
		return
	}
	if e.browsers {
		allowOrigins(w.Header())
		if r.Method == http.MethodOptions {
			v.preflight(e)
			return
		}
	}
	if !slices.Contains(e.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		v.refuse(fail(http.StatusMethodNotAllowed, iam.OAuthInvalidRequest, "This endpoint takes %s only", strings.Join(e.methods, " and ")))
		return
	}
	answer, err := e.serve(v)
	if err != nil {
		v.refuse(v.failureOf(err))
		return
	}
	v.reply(http.StatusOK, answer)
}

// recover answers a panic without a word about it, and leaves the word in the log.
func (v *visit) recover() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { // compared as net/http compares it
		panic(p)
	}
	if log := v.door.Log; log != nil {
		log.ErrorContext(v.r.Context(), "panic", "door", Name, "path", v.path, "request_id", v.requestID,
			"panic", iam.Conceal(fmt.Sprint(p)), "stack", string(debug.Stack()))
	}
	v.refuse(fail(http.StatusInternalServerError, serverError, "Internal error; the request id leads to its cause in the server's log"))
}

// visit is one request on its way.
type visit struct {
	door      *Door
	w         http.ResponseWriter
	r         *http.Request
	path      string
	requestID string // of the call of the gate, or this door's own
	form      form
}

// ask makes a call of the gate.
func ask[R proto.Message](v *visit, method string, m proto.Message) (answer R, err error) {
	response, err := v.door.Gate.Call(v.r.Context(), &gate.Request{
		Method: method, Door: Name, UserAgent: v.r.UserAgent(), RemoteAddr: v.address(),
		Decode: func(into proto.Message) error { proto.Merge(into, m); return nil },
	})
	v.requestID = response.RequestID
	if err != nil {
		return answer, err
	}
	return response.Message.(R), nil
}

// address is where the client is, without a port.
func (v *visit) address() string {
	if host, _, err := net.SplitHostPort(v.r.RemoteAddr); err == nil {
		return host
	}
	return v.r.RemoteAddr
}

const maxClientInfo = 1000 // characters, of client_instance_info

// clientInfo is what the client calls itself: a line that can be shown to people.
func (v *visit) clientInfo() string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // Cf turns the direction of writing
			return -1
		}
		return r
	}, strings.ToValidUTF8(v.r.UserAgent(), "\uFFFD"))
	if all := []rune(text); len(all) > maxClientInfo {
		text = string(all[:maxClientInfo])
	}
	return text
}
