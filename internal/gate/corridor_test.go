package gate_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

const (
	endpointService = "yandex.cloud.endpoint.ApiEndpointService"
	tokenService    = "yandex.cloud.iam.v1.IamTokenService"
)

// house is a gate with two services whose handlers and neighbours a test says.
type house struct {
	get      func(context.Context) error          // behind ApiEndpointService/Get, open
	create   func(context.Context) error          // behind IamTokenService/Create, which issues
	revoke   func(context.Context) error          // behind IamTokenService/Revoke, which changes
	issued   func(*gate.Call) error               // Recorder.Issued
	prove    func() (*credential.Identity, error) // of a header
	failures []error
	log      strings.Builder
	timeout  time.Duration
}

type endpoints struct {
	endpointpb.UnimplementedApiEndpointServiceServer
	h *house
}

func (e endpoints) Get(ctx context.Context, _ *endpointpb.GetApiEndpointRequest) (*endpointpb.ApiEndpoint, error) {
	return &endpointpb.ApiEndpoint{Id: "x"}, e.h.get(ctx)
}

type tokens struct {
	iampb.UnimplementedIamTokenServiceServer
	h *house
}

func (s tokens) Create(ctx context.Context, _ *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
	return &iampb.CreateIamTokenResponse{IamToken: "t1.secret"}, s.h.create(ctx)
}

func (s tokens) Revoke(ctx context.Context, _ *iampb.RevokeIamTokenRequest) (*iampb.RevokeIamTokenResponse, error) {
	return &iampb.RevokeIamTokenResponse{}, s.h.revoke(ctx)
}

func (h *house) Issued(_ context.Context, c *gate.Call) error { return h.issued(c) }
func (h *house) Failed(_ context.Context, _ *gate.Call, err error) {
	h.failures = append(h.failures, err)
}

// decide knows one resource, "here", which everybody may do everything with.
func (h *house) Decide(_ context.Context, _ iam.Subject, _ iam.Permission, id string) (gate.Decision, error) {
	if id != "here" {
		return gate.Decision{}, iam.Errorf(iam.NotFound, "Resource %s not found", id)
	}
	return gate.Decision{Allowed: true, Path: []resource.Ref{{Kind: resource.ServiceAccount, ID: id}}}, nil
}

func (h *house) Forbids(ctx context.Context, what iam.Permission, id string) (gate.Decision, error) {
	return h.Decide(ctx, iam.Subject{}, what, id)
}

func (h *house) Knows(context.Context, iam.Subject, string) (bool, error) { return true, nil }

var goodRules = append(gate.Rules(endpointService,
	gate.Rule{Method: "Get", Proof: gate.Open}, gate.Rule{Method: "List", Missing: true}),
	gate.Rules(tokenService,
		gate.Rule{Method: "Create", Proof: gate.Body, Effect: gate.Issues, Event: "iam.CreateIamToken"},
		gate.Rule{Method: "CreateForServiceAccount", Permission: "iam.x.y", Target: gate.On(resource.ServiceAccount, "service_account_id"), Effect: gate.Issues, Event: "iam.CreateIamToken"},
		gate.Rule{Method: "Revoke", Why: "a test", Effect: gate.Changes, Event: "iam.RevokeIamToken"})...)

func (h *house) config(rules []gate.Rule) gate.Config {
	fine := func(context.Context) error { return nil }
	for _, f := range []*func(context.Context) error{&h.get, &h.create, &h.revoke} {
		if *f == nil {
			*f = fine
		}
	}
	if h.issued == nil {
		h.issued = func(*gate.Call) error { return nil }
	}
	if h.prove == nil {
		h.prove = func() (*credential.Identity, error) {
			return &credential.Identity{Subject: iam.Subject{ID: "me", Type: iam.TypeServiceAccount}}, nil
		}
	}
	var r gate.Registrar
	endpointpb.RegisterApiEndpointServiceServer(&r, endpoints{h: h})
	iampb.RegisterIamTokenServiceServer(&r, tokens{h: h})
	return gate.Config{
		Rules: rules, Services: &r, Access: h, Recorder: h, Stats: gate.NewStats(), Now: time.Now, Timeout: h.timeout,
		Log: slog.New(slog.NewTextHandler(&h.log, nil)), Granted: func(p iam.Permission) bool { return p == "iam.x.y" },
		Prover: gate.Prover{
			Header: func(context.Context, string) (*credential.Identity, error) { return h.prove() },
			Body: map[string]func(context.Context, proto.Message) (*credential.Identity, error){
				"/" + tokenService + "/Create": func(context.Context, proto.Message) (*credential.Identity, error) { return h.prove() }},
		},
	}
}

func (h *house) open(t *testing.T) (*gate.Gate, *grpc.ClientConn) {
	t.Helper()
	g, err := gate.New(h.config(goodRules))
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(g.Options()...)
	g.Attach(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return g, c
}

func jwtRequest() *iampb.CreateIamTokenRequest {
	return &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: "x"}}
}

func TestRulesMustFit(t *testing.T) {
	with := func(change func(rules []gate.Rule) []gate.Rule) []gate.Rule {
		return change(append([]gate.Rule(nil), goodRules...))
	}
	at := func(i int, f func(*gate.Rule)) []gate.Rule {
		return with(func(r []gate.Rule) []gate.Rule { f(&r[i]); return r })
	}
	for _, c := range []struct {
		what, text string
		rules      []gate.Rule
	}{
		{"all is well", "", goodRules},
		{"a method without a row", "has no rule", with(func(r []gate.Rule) []gate.Rule { return r[1:] })},
		{"a row without a method", "names no registered method", with(func(r []gate.Rule) []gate.Rule { return append(r, gate.Rule{Method: "/a/B", Missing: true}) })},
		{"two rows", "two rules", with(func(r []gate.Rule) []gate.Rule { return append(r, r[0]) })},
		{"a permission in no role", "is in no role", at(3, func(r *gate.Rule) { r.Permission = "iam.x.z" })},
		{"a field that is not there", `no single string field "nonsense"`, at(3, func(r *gate.Rule) { r.Target.Field = "nonsense" })},
		{"a lookup that is not there", "no lookup", at(3, func(r *gate.Rule) { r.Target.Via = "nonsense" })},
		{"a permission on nothing", "without a field", at(3, func(r *gate.Rule) { r.Target.Field = "" })},
		{"no permission and no reason", "no word about why", at(4, func(r *gate.Rule) { r.Why = "" })},
		{"a change without an event", "audit event", at(4, func(r *gate.Rule) { r.Event = "" })},
		{"a read with an event", "audit event", at(0, func(r *gate.Rule) { r.Event = "x" })},
		{"a method that another door than its neighbours has", "some methods of yandex.cloud.iam.v1.IamTokenService are a door's own", at(4, func(r *gate.Rule) { r.Door = "sts" })},
		{"a credential in a body that nobody proves", "no prover", at(4, func(r *gate.Rule) { r.Proof = gate.Body })},
	} {
		_, err := gate.New((&house{}).config(c.rules))
		if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want an error with %q", c.what, err, c.text)
		}
	}
	if _, err := gate.New(gate.Config{}); err == nil || !strings.Contains(err.Error(), "Config.Services is required") {
		t.Errorf("an empty config: %v", err)
	}
}

// TestFailuresOnTheWay: whatever a handler does, the caller gets a code, a text
// without internals and the request's id, and the log tells the rest.
func TestFailuresOnTheWay(t *testing.T) {
	for what, c := range map[string]struct {
		do        func(context.Context) error
		code      codes.Code
		text, log string
	}{
		"nothing": {func(context.Context) error { return nil }, codes.OK, "", "msg=call"},
		"a panic": {func(context.Context) error { panic("the secret cause") }, codes.Internal, "Internal error", "the secret cause"},
		//lint:ignore SA5000 the panic is what is tested
		"a nil map":      {func(context.Context) error { var m map[string]int; m["x"] = 1; return nil }, codes.Internal, "Internal error", "nil map"},
		"a plain error":  {func(context.Context) error { return errors.New("disk on fire") }, codes.Internal, "Internal error", "disk on fire"},
		"a hidden cause": {func(context.Context) error { return iam.Wrap(errors.New("row 7"), iam.Aborted, "Try again") }, codes.Aborted, "Try again", "row 7"},
		"too slow":       {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, codes.DeadlineExceeded, "deadline", "deadline"},
		"fields":         {func(context.Context) error { return iam.InvalidField("a.b", "must be %d", 7) }, codes.InvalidArgument, "a.b: must be 7", "a.b"},
	} {
		h := &house{get: c.do, timeout: 200 * time.Millisecond}
		g, conn := h.open(t)
		_, err := endpointpb.NewApiEndpointServiceClient(conn).Get(t.Context(), &endpointpb.GetApiEndpointRequest{})
		s := status.Convert(err)
		if s.Code() != c.code || !strings.Contains(s.Message(), c.text) || c.code == codes.Internal && strings.Contains(s.Message(), c.log) {
			t.Errorf("%s: %v %q, want %v with %q", what, s.Code(), s.Message(), c.code, c.text)
		}
		if !strings.Contains(h.log.String(), c.log) {
			t.Errorf("%s: the log has no %q: %s", what, c.log, h.log.String())
		}
		r, err := g.Call(t.Context(), &gate.Request{Method: "/" + endpointService + "/Get", Decode: func(proto.Message) error { return nil }})
		if got := codes.Code(gate.Status(err, r.RequestID).GetCode()); err != nil && got != c.code || r.RequestID == "" {
			t.Errorf("%s through the other door: %v, want %v", what, got, c.code)
		}
		if (len(h.failures) == 2) != (c.code != codes.OK) {
			t.Errorf("%s: %d failures are recorded", what, len(h.failures))
		}
	}
}

// No token leaves when its line cannot be written.
func TestNoTokenWithoutItsLine(t *testing.T) {
	var seen *gate.Call
	h := &house{issued: func(c *gate.Call) error {
		seen = c
		return iam.Errorf(iam.Unavailable, "The audit journal cannot be written")
	}}
	_, conn := h.open(t)
	r, err := iampb.NewIamTokenServiceClient(conn).Create(t.Context(), jwtRequest())
	if status.Code(err) != codes.Unavailable || r.GetIamToken() != "" {
		t.Errorf("Create: %v, %v", r, err)
	}
	if seen == nil || seen.Caller().ID != "me" {
		t.Errorf("the recorder has seen %v", seen)
	}
}

// What moved meanwhile is decided anew, five times at most, from the proof on.
func TestMovedMeansAnew(t *testing.T) {
	for _, c := range []struct {
		moves int
		want  codes.Code
	}{{0, codes.OK}, {1, codes.OK}, {4, codes.OK}, {5, codes.Aborted}, {100, codes.Aborted}} {
		proofs, acts := 0, 0
		h := &house{
			prove: func() (*credential.Identity, error) {
				proofs++
				return &credential.Identity{Subject: iam.Subject{ID: "me"}}, nil
			},
			revoke: func(ctx context.Context) error {
				gate.From(ctx).Note("try", "x")
				if acts++; acts <= c.moves {
					return store.ErrMoved
				}
				return nil
			},
		}
		_, conn := h.open(t)
		_, err := iampb.NewIamTokenServiceClient(conn).Revoke(t.Context(), &iampb.RevokeIamTokenRequest{IamToken: "x"})
		if status.Code(err) != c.want || acts != min(c.moves+1, 5) || proofs != acts {
			t.Errorf("moved %d times: %v after %d acts and %d proofs", c.moves, err, acts, proofs)
		}
		if c.want != codes.Aborted {
			continue
		}
		retry := false
		for _, d := range status.Convert(err).Details() {
			_, ok := d.(*errdetails.RetryInfo)
			retry = retry || ok
		}
		if !retry {
			t.Errorf("ABORTED without RetryInfo: %v", status.Convert(err).Details())
		}
	}
	h := &house{}
	h.prove = func() (*credential.Identity, error) {
		if len(h.failures) == 0 && h.revoke != nil {
			return &credential.Identity{Subject: iam.Subject{ID: "me"}}, nil
		}
		return nil, iam.Errorf(iam.Unauthenticated, "no more")
	}
	h.revoke = func(context.Context) error { h.revoke = nil; return store.ErrMoved }
	_, conn := h.open(t)
	if _, err := iampb.NewIamTokenServiceClient(conn).Revoke(t.Context(), &iampb.RevokeIamTokenRequest{IamToken: "x"}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("whose proof has ended meanwhile: %v", err)
	}
}

func TestPlainEndpoints(t *testing.T) {
	h := &house{}
	c := h.config(append(goodRules[:len(goodRules):len(goodRules)], gate.Rule{Method: "GET /plain", Proof: gate.Open}))
	c.Services.RegisterPlain("GET /plain")
	g, err := gate.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for what, p := range map[string]struct {
		method string
		act    func(context.Context) error
		want   iam.Kind
	}{
		"well":       {"GET /plain", func(context.Context) error { return nil }, 0},
		"panics":     {"GET /plain", func(context.Context) error { panic("x") }, iam.Internal},
		"fails":      {"GET /plain", func(context.Context) error { return iam.Errorf(iam.Unavailable, "x") }, iam.Unavailable},
		"unknown":    {"GET /other", nil, iam.Unimplemented},
		"not a page": {"/" + endpointService + "/Get", nil, iam.Unimplemented},
	} {
		r, err := g.Plain(t.Context(), &gate.Request{Method: p.method}, p.act)
		if (err == nil) != (p.want == 0) || err != nil && iam.KindOf(err) != p.want || r.RequestID == "" {
			t.Errorf("%s: %v, %v", what, r, err)
		}
	}
	if _, err := g.Call(t.Context(), &gate.Request{Method: "/a/B"}); !errors.Is(err, iam.Unimplemented) {
		t.Errorf("a method nobody knows: %v", err)
	}
	if !g.Built("/"+endpointService+"/Get") || g.Built("/"+endpointService+"/List") || g.Built("/a/B") {
		t.Error("Built does not tell what is built")
	}
	if r, ok := g.RuleOf("/" + tokenService + "/Revoke"); !ok || r.Event != "iam.RevokeIamToken" {
		t.Errorf("RuleOf: %v, %v", r, ok)
	}
	if _, ok := g.RuleOf("/a/B"); ok {
		t.Error("a rule of a method nobody knows")
	}
}
