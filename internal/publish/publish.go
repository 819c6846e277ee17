// Package publish is the door through which verifiers learn what they need to
// check tokens on their own: the signed key set, the same as JWKS, the
// revocation feed, and for ID tokens what OpenID Connect asks for. Everything
// here is public; nothing is proved or changed.
package publish

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// Rules are the rows of this door.
var Rules = []gate.Rule{
	{Method: "GET " + token.KeySetPath, Proof: gate.Open},
	{Method: "GET " + token.JWKSPath, Proof: gate.Open},
	{Method: "GET " + token.RevocationsPath, Proof: gate.Open},
	{Method: "GET " + DiscoveryPath, Proof: gate.Open},
	{Method: "GET " + ServerPath, Proof: gate.Open},
	{Method: "GET " + IDKeysPath, Proof: gate.Open},
}

// Register tells the gate of the endpoints.
func Register(r *gate.Registrar) {
	for _, rule := range Rules {
		r.RegisterPlain(rule.Method)
	}
}

// Documents is what the door shows. Every answer is complete and, but for the
// JWKS, signed.
type Documents interface {
	KeySet(ctx context.Context) ([]byte, error)
	JWKS(ctx context.Context) ([]byte, error)
	// Page is what came after a position, or every live revocation when there
	// is none; it waits for news, at most so long.
	Page(ctx context.Context, after *iam.Position, wait time.Duration) ([]byte, error)
}

// Door serves the documents.
type Door struct {
	Gate      *gate.Gate
	Documents Documents
	OpenID    OpenID
	Stopping  <-chan struct{} // closed when the server stops: long polls end then
	// MaxWaiting bounds the readers that wait for news at one time; 0 means 4096.
	// Anybody may ask and every one that waits costs memory, so those beyond it
	// are told at once what there is, and come again.
	MaxWaiting int

	waiting atomic.Int64
}

const (
	defaultWaiting = 4096
	// hurried bounds a reader beyond MaxWaiting, which might be ahead of this node.
	hurried = time.Second
)

// Mount adds the paths to a mux.
func (d *Door) Mount(mux *http.ServeMux) {
	for path, read := range map[string]func(context.Context, url.Values) ([]byte, error){
		token.KeySetPath:      func(ctx context.Context, _ url.Values) ([]byte, error) { return d.Documents.KeySet(ctx) },
		token.JWKSPath:        func(ctx context.Context, _ url.Values) ([]byte, error) { return d.Documents.JWKS(ctx) },
		token.RevocationsPath: d.revocations,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { d.serve(w, r, path, read) })
	}
	d.mountOpenID(mux)
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, path string, read func(context.Context, url.Values) ([]byte, error)) {
	var body []byte
	req := &gate.Request{Method: "GET " + path, Door: "http", UserAgent: r.UserAgent(), RemoteAddr: r.RemoteAddr}
	res, err := d.Gate.Plain(r.Context(), req, func(ctx context.Context) (err error) {
		body, err = read(ctx, r.URL.Query())
		return err
	})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", res.RequestID)
	if err != nil || h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	if err != nil {
		s := gate.Status(err, res.RequestID)
		body, _ = protojson.Marshal(s)
		w.WriteHeader(gate.HTTPCode(s.GetCode()))
	}
	_, _ = w.Write(body) // a client that went away is nobody's error
}

// revocations reads ?after=<position>&wait=<seconds>; without after it is the snapshot.
func (d *Door) revocations(ctx context.Context, q url.Values) ([]byte, error) {
	var after *iam.Position
	if q.Has("after") {
		n, err := strconv.ParseUint(q.Get("after"), 10, 64)
		if err != nil {
			return nil, iam.InvalidField("after", "must be a position of the feed, a whole number")
		}
		after = new(iam.Position(n))
	}
	var wait time.Duration
	if s := q.Get("wait"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return nil, iam.InvalidField("wait", "must be whole seconds")
		}
		wait = time.Duration(n) * time.Second
	}
	defer d.waiting.Add(-1)
	if d.waiting.Add(1) > int64(cmp.Or(d.MaxWaiting, defaultWaiting)) {
		wait = 0
		short, stop := context.WithTimeout(ctx, hurried)
		defer stop()
		ctx = short
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-d.Stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	body, err := d.Documents.Page(ctx, after, wait)
	if err != nil && context.Cause(ctx) == errStopping {
		err = errStopping
	}
	return body, err
}

// errStopping ends long polls, or they would hold up the server's end.
var errStopping error = &iam.Error{Kind: iam.Unavailable, Message: "The server is stopping", RetryAfter: time.Second}
