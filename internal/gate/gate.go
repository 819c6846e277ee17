package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// Decision is the answer to one question of access.
type Decision struct {
	Allowed  bool
	Path     []resource.Ref // the resource and its ancestors, itself first
	DeniedBy string         // the access policy that denies what the roles allow, and the resource it is bound to; "" when none does
	DeniedOn resource.Ref
	Position iam.Position   // at which all that was read was valid
	Read     []store.Change // what was read, for the guard of a change
}

// Decider answers questions of access. Decide and Forbids report iam.NotFound
// for an id that names no live resource. Forbids asks the access policies alone:
// its Decision is allowed unless one of them denies the permission. Knows tells
// whether a subject may learn that something exists in an organization: it
// belongs there or is bound there.
type Decider interface {
	Decide(ctx context.Context, who iam.Subject, what iam.Permission, resourceID string) (Decision, error)
	Forbids(ctx context.Context, what iam.Permission, resourceID string) (Decision, error)
	Knows(ctx context.Context, who iam.Subject, organizationID string) (bool, error)
}

// Prover turns a credential into an identity. Its errors go to the caller.
type Prover struct {
	// Header proves the value of the Authorization header.
	Header func(ctx context.Context, authorization string) (*credential.Identity, error)
	// Body proves the credential inside the message of a method, by its full name.
	Body map[string]func(ctx context.Context, message proto.Message) (*credential.Identity, error)
	// Service proves another service by its certificate or its Authorization
	// header; needed when a rule asks for it.
	Service func(ctx context.Context, r *Request) (*Caller, error)
}

// Caller is another service that asks on behalf of those who call it. It may
// be shared between calls: read-only.
type Caller struct {
	Name     string
	Types    map[resource.Kind]bool // of resource that it may ask about; nil: any
	Identity *credential.Identity   // how it was proved; nil where nothing had to be
	// Everywhere tells that it may ask about every organization; otherwise it
	// asks about its own and where it has the permission for that.
	Everywhere bool
}

// Lookup leads from the id of a thing that is no node of the tree to the node
// it belongs to; iam.NotFound when there is none.
type Lookup func(ctx context.Context, id string) (resourceID string, err error)

// Recorder leaves the line that a call is remembered by. Refused may be
// aggregated; Issued returns only when the line is durable, and its error
// keeps the credential from leaving.
type Recorder interface {
	Issued(ctx context.Context, c *Call) error
	Failed(ctx context.Context, c *Call, err error)
}

// Config is what the gate needs. All fields but Log are required.
type Config struct {
	Rules    []Rule
	Services *Registrar
	Prover   Prover
	Access   Decider
	Lookups  map[string]Lookup
	Granted  func(iam.Permission) bool // is the permission in any role
	Recorder Recorder
	// Replay answers a change that the caller repeats with its idempotency key
	// after its target is gone; nil when the key stands for nothing. May be nil.
	Replay  func(ctx context.Context, c *Call) (proto.Message, error)
	Stats   *Stats
	Log     *slog.Logger
	Now     func() time.Time
	Timeout time.Duration // of one call; 0 means 30 s
}

// Gate is the corridor. Safe for concurrent use.
type Gate struct {
	cfg       Config
	endpoints map[string]*endpoint
	services  []registered
}

// New checks that rules and services fit each other and builds the corridor.
func New(cfg Config) (*Gate, error) {
	var errs []error
	for name, missing := range map[string]bool{
		"Services": cfg.Services == nil, "Prover.Header": cfg.Prover.Header == nil, "Access": cfg.Access == nil,
		"Granted": cfg.Granted == nil, "Recorder": cfg.Recorder == nil, "Stats": cfg.Stats == nil, "Now": cfg.Now == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("gate: Config.%s is required", name))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gate{cfg: cfg, services: cfg.Services.services}
	known := func(r Rule) error {
		if r.Permission != "" && !cfg.Granted(r.Permission) {
			return fmt.Errorf("permission %s is in no role", r.Permission)
		}
		if v := r.Target.Via; v != "" && cfg.Lookups[v] == nil {
			return fmt.Errorf("no lookup is called %q", v)
		}
		if r.Proof == Body && cfg.Prover.Body[r.Method] == nil {
			return fmt.Errorf("no prover for the credential in its body")
		}
		if r.Proof == Service && cfg.Prover.Service == nil {
			return fmt.Errorf("no prover for other services")
		}
		return nil
	}
	var err error
	if g.endpoints, err = endpoints(cfg.Services, cfg.Rules, known); err != nil {
		return nil, err
	}
	missing := cfg.Stats.method("missing") // one row for all that is not built
	for name, ep := range g.endpoints {
		if ep.stats = missing; !ep.rule.Missing {
			ep.stats = cfg.Stats.method(name)
		}
	}
	return g, nil
}

// Call walks one call through the corridor for a door other than gRPC. The
// response is never nil; its Message is nil when there is an error.
func (g *Gate) Call(ctx context.Context, r *Request) (*Response, error) {
	c := g.newCall(r)
	res := &Response{RequestID: c.RequestID, TraceID: c.TraceID}
	ep, ok := g.endpoints[r.Method]
	if !ok || ep.rule.Proof == Service || (ep.rule.Door != "" && ep.rule.Door != r.Door) {
		return res, iam.Errorf(iam.Unimplemented, "Method %s is not known", r.Method)
	}
	out, err := g.run(ctx, c, ep)
	if err != nil {
		return res, err
	}
	res.Message = out.(proto.Message)
	return res, nil
}

// run takes a call of any door through the corridor.
func (g *Gate) run(ctx context.Context, c *Call, ep *endpoint) (any, error) {
	c.Rule = ep.rule
	p := withPatience(ctx, c, g.cfg.Timeout)
	defer p.end()
	out, err := g.decodeAndWalk(p, c, ep)
	g.finish(p, c, ep, err)
	return out, err
}

// Plain walks a call of an endpoint that is no gRPC method: it is counted,
// logged and bounded in time like any other.
func (g *Gate) Plain(ctx context.Context, r *Request, act func(context.Context) error) (*Response, error) {
	c := g.newCall(r)
	res := &Response{RequestID: c.RequestID, TraceID: c.TraceID}
	ep, ok := g.endpoints[r.Method]
	if !ok || ep.method != nil {
		return res, iam.Errorf(iam.Unimplemented, "%s is not known", r.Method)
	}
	c.Rule = ep.rule
	p := withPatience(ctx, c, plainTimeout)
	defer p.end()
	err := func() (err error) {
		defer g.recoverTo(p, c, &err)
		return act(p)
	}()
	g.finish(ctx, c, ep, err)
	return res, err
}

// plainTimeout leaves room for a long poll of the revocation feed.
const plainTimeout = time.Minute

// decodeAndWalk proves a credential in the header before it looks at the
// message, so that 401 comes before 400.
func (g *Gate) decodeAndWalk(ctx context.Context, c *Call, ep *endpoint) (out any, err error) {
	defer g.recoverTo(ctx, c, &err)
	if err := g.proveHeader(ctx, c); err != nil {
		return nil, err
	}
	c.proved = true
	if ep.rule.Proof == Service && !ep.rule.Missing { // changes nothing, and so is walked once
		return ep.invoke(ep.impl, ctx, func(m any) error {
			c.message = m.(proto.Message)
			if err := c.Request.Decode(c.message); err != nil {
				return err
			}
			return ep.check(c.message)
		}, nil)
	}
	decode := func(m any) error { return c.Request.Decode(m.(proto.Message)) }
	return ep.invoke(ep.impl, ctx, decode, func(ctx context.Context, m any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		return g.walk(ctx, c, ep, m.(proto.Message), h)
	})
}
