// Package registry is the door of container registries' clients: docker, helm
// and their like, which a registry sends here for a token (the distribution's
// token protocol). It reads user, password and scopes, asks the gate, and answers
// in the protocol's JSON, errors in the words that those programs show to people.
// It proves nobody and makes no token. Registries find here what tokens are
// checked with.
package registry

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
const Name = "registry"

// Paths of the endpoints.
const (
	TokenPath        = "/v2/token"       // with a slash at its end too [API fact: /v2/token/]
	KeysPath         = "/v2/token/keys"  // RFC 7517 section 5
	CertificatesPath = "/v2/token/certs" // PEM
)

// PublicRules are the rows of what registries read.
var PublicRules = []gate.Rule{
	{Method: "GET " + KeysPath, Proof: gate.Open},
	{Method: "GET " + CertificatesPath, Proof: gate.Open},
}

// Register tells the gate of what registries read.
func Register(r *gate.Registrar) {
	for _, rule := range PublicRules {
		r.RegisterPlain(rule.Method)
	}
}

// Gate is the corridor behind this door. Both never return a nil response.
type Gate interface {
	Call(ctx context.Context, r *gate.Request) (*gate.Response, error)
	Plain(ctx context.Context, r *gate.Request, act func(context.Context) error) (*gate.Response, error)
}

// Keys is what registries check tokens with.
type Keys interface {
	// JWKS is the signing keys, present and next.
	JWKS(ctx context.Context) ([]byte, error)
	// Certificates is what stands above them, in PEM.
	Certificates(ctx context.Context) ([]byte, error)
}

// Door serves the endpoints. Gate and Keys are required. Safe for concurrent use.
type Door struct {
	Gate Gate
	Keys Keys
	Log  *slog.Logger // of panics; nil: nowhere
}

// Takes tells which requests are for this door.
func Takes(r *http.Request) bool {
	switch pathOf(r) {
	case TokenPath, TokenPath + "/", KeysPath, CertificatesPath:
		return true
	}
	return false
}

// pathOf is the path as it was written: one that is encoded is another one.
func pathOf(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

// ServeHTTP implements http.Handler for what Takes. No answer lets a page of
// another origin read it: who asks is a program, or nobody's business.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{door: d, w: w, r: r, requestID: resource.NewUUID()}
	defer v.recover()
	switch pathOf(r) {
	case KeysPath:
		v.publish("application/json", d.Keys.JWKS)
	case CertificatesPath:
		v.publish("application/x-pem-file", d.Keys.Certificates)
	default:
		v.token()
	}
}

// visit is one request on its way.
type visit struct {
	door      *Door
	w         http.ResponseWriter
	r         *http.Request
	requestID string // of the call of the gate, or this door's own
}

// token answers a request for a token.
func (v *visit) token() {
	switch v.r.Method {
	case http.MethodGet, http.MethodPost:
	default:
		v.w.Header().Set("Allow", "GET, POST")
		v.refuse(refuse(http.StatusMethodNotAllowed, unsupported, "Tokens are asked for with GET, or POST of a form"))
		return
	}
	given, err := v.read()
	if err != nil {
		v.refuse(refusalOf(err, v.requestID))
		return
	}
	response, err := v.door.Gate.Call(v.r.Context(), &gate.Request{
		Method: propuskpb.RegistryService_IssueToken_FullMethodName, Door: Name, UserAgent: v.r.UserAgent(), RemoteAddr: v.address(),
		Decode: func(m proto.Message) error { return given.decode(m.(*propuskpb.IssueRegistryTokenRequest)) },
	})
	v.requestID = response.RequestID
	if err != nil {
		v.refuse(refusalOf(err, v.requestID))
		return
	}
	v.reply(http.StatusOK, answerOf(response.Message.(*propuskpb.IssueRegistryTokenResponse)))
}

// publish answers with what everybody may know.
func (v *visit) publish(contentType string, read func(context.Context) ([]byte, error)) {
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		v.w.Header().Set("Allow", "GET, HEAD")
		v.refuse(refuse(http.StatusMethodNotAllowed, unsupported, "This is read with GET"))
		return
	}
	var body []byte
	response, err := v.door.Gate.Plain(v.r.Context(), &gate.Request{Method: "GET " + pathOf(v.r), Door: Name, UserAgent: v.r.UserAgent(), RemoteAddr: v.address()},
		func(ctx context.Context) (err error) {
			body, err = read(ctx)
			return err
		})
	v.requestID = response.RequestID
	if err != nil {
		v.refuse(refusalOf(err, v.requestID))
		return
	}
	v.w.Header().Set("Content-Type", contentType)
	v.w.Header().Set("Cache-Control", "public, max-age=900") // far less than a key is published before it signs
	v.send(http.StatusOK, body)
}

// address is where the client is, without a port.
func (v *visit) address() string {
	if host, _, err := net.SplitHostPort(v.r.RemoteAddr); err == nil {
		return host
	}
	return v.r.RemoteAddr
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
		log.ErrorContext(v.r.Context(), "panic", "door", Name, "path", pathOf(v.r), "request_id", v.requestID,
			"panic", iam.Conceal(fmt.Sprint(p)), "stack", string(debug.Stack()))
	}
	v.refuse(refuse(http.StatusInternalServerError, unknown, "Internal error; the request id leads to its cause in the server's log"))
}
