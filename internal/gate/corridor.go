package gate

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// How often a change is walked again because what its permission rested on
// has moved meanwhile. More means somebody rewrites that very binding in a loop.
const maxWalks = 5

// walk is the corridor from the decoded message on: validate, permit, act,
// record. A change whose permission went stale walks again from the proof.
func (g *Gate) walk(ctx context.Context, c *Call, ep *endpoint, m proto.Message, act grpc.UnaryHandler) (any, error) {
	c.message = m
	if ep.rule.Missing {
		return nil, iam.Errorf(iam.Unimplemented, "%s.%s is not supported by this server; docs/compatibility.md lists what is",
			ep.method.Parent().Name(), ep.method.Name())
	}
	for walks := 1; ; walks++ {
		out, err := g.walkOnce(ctx, c, ep, m, act)
		if !errors.Is(err, store.ErrMoved) {
			return out, err
		}
		if walks == maxWalks {
			return nil, &iam.Error{Kind: iam.Aborted, Message: "The caller's rights keep changing; try again", RetryAfter: time.Second}
		}
		c.startOver()
	}
}

func (g *Gate) walkOnce(ctx context.Context, c *Call, ep *endpoint, m proto.Message, act grpc.UnaryHandler) (any, error) {
	if err := g.proveHeader(ctx, c); err != nil {
		return nil, err
	}
	if err := ep.check(m); err != nil {
		return nil, err
	}
	if ep.rule.Effect == Changes {
		if err := checkIdempotencyKey(c.Request.IdempotencyKey); err != nil {
			return nil, err
		}
	}
	if ep.rule.Proof == Body {
		id, err := g.cfg.Prover.Body[ep.rule.Method](ctx, m)
		if err != nil {
			return nil, err
		}
		c.Identity = id
	}
	if err := g.permit(ctx, c, ep, m); err != nil {
		if out, err := g.replay(ctx, c, err); out != nil || err != nil {
			return out, err
		}
		return nil, err
	}
	out, err := act(ctx, m)
	if err != nil {
		return nil, err
	}
	if ep.rule.Effect == Issues && !c.told {
		if err := g.cfg.Recorder.Issued(ctx, c); err != nil {
			return nil, err
		}
		c.recorded = true
	}
	return out, nil
}

func (g *Gate) proveHeader(ctx context.Context, c *Call) error {
	if c.Rule.Missing || c.proved {
		return nil
	}
	if c.Rule.Proof == Service {
		return g.proveService(ctx, c)
	}
	if c.Rule.Proof != Header {
		return nil
	}
	id, err := g.cfg.Prover.Header(ctx, c.Request.Authorization)
	if err != nil {
		return err
	}
	c.Identity = id
	return nil
}

func (g *Gate) proveService(ctx context.Context, c *Call) error {
	caller, err := g.cfg.Prover.Service(ctx, c.Request)
	if err != nil {
		return err
	}
	c.Service, c.Identity = caller, caller.Identity
	return nil
}

// startOver forgets what a walk has found out.
func (c *Call) startOver() {
	c.proved, c.told, c.details, c.rests, c.status = false, false, nil, nil, ""
	c.Identity, c.Target, c.Path = nil, "", nil
}

// replay answers a repeated change whose target is gone, mostly because the
// first call deleted it: with what the idempotency key stands for. Nil when
// there is no such thing.
func (g *Gate) replay(ctx context.Context, c *Call, refused error) (any, error) {
	var e *iam.Error
	if g.cfg.Replay == nil || c.IdempotencyKey() == "" || !errors.As(refused, &e) || e.Reason != reasonGone {
		return nil, nil
	}
	m, err := g.cfg.Replay(ctx, c)
	if m == nil {
		return nil, err
	}
	return m, err
}

// Guarded makes a context carry what the call's right to change something
// rests on, so that the transaction notices when that has moved since.
func Guarded(ctx context.Context) context.Context {
	c := From(ctx)
	if c.Rule.Effect != Changes || c.Identity == nil {
		return ctx
	}
	at := c.Identity.Position
	var keys []store.Change
	for _, d := range c.rests {
		if len(d.Read) > 0 {
			at = min(at, d.Position)
			keys = append(keys, d.Read...)
		}
	}
	for _, dep := range c.Identity.DependsOn {
		h := token.HashID(dep.Kind, dep.ID)
		keys = append(keys, store.Change{Kind: store.ChangeRevocation, Key: hex.EncodeToString(h[:])})
	}
	return store.WithGuard(ctx, at, keys)
}

func (g *Gate) newCall(r *Request) *Call {
	c := &Call{}
	g.begin(c, r)
	return c
}

func (g *Gate) begin(c *Call, r *Request) {
	ids := newUUIDs()
	c.gate, c.Request, c.Started, c.RequestID, c.TraceID = g, r, g.cfg.Now(), ids[:uuidLength], ids[uuidLength:]
	if printable(r.ClientTraceID, 64) {
		c.TraceID = r.ClientTraceID
	}
}

// finish records a failure, counts the call and writes its one log line.
func (g *Gate) finish(ctx context.Context, c *Call, ep *endpoint, err error) {
	took := g.cfg.Now().Sub(c.Started)
	code := uint32(0)
	if err != nil {
		code = uint32(Status(err, c.RequestID).GetCode())
		if !ep.rule.Missing && !c.recorded {
			g.cfg.Recorder.Failed(context.WithoutCancel(ctx), c, err)
		}
	}
	ep.stats.observe(code, took)
	level, text := slog.LevelInfo, ""
	if c.Service != nil && (err == nil || c.recorded) {
		level = slog.LevelDebug // services ask all the time, and know themselves what they have asked
	}
	if err != nil {
		text = iam.Conceal(shorten(err.Error(), maxMessage)) // some texts repeat what the caller sent
		if iam.KindOf(err) == iam.Internal && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			level = slog.LevelError
		}
	}
	if !g.cfg.Log.Enabled(ctx, level) {
		return
	}
	c.Request.complete()
	attrs := [...]slog.Attr{
		slog.String("method", c.Rule.Method), slog.String("door", c.Request.Door),
		slog.Uint64("code", uint64(code)), slog.Duration("took", took),
		slog.String("request_id", c.RequestID), slog.String("subject", string(c.Caller().ID)),
		slog.String("remote", c.Request.RemoteAddr), slog.String("error", text),
	}
	n := len(attrs)
	if text == "" {
		n--
	}
	g.cfg.Log.LogAttrs(ctx, level, "call", attrs[:n]...)
}

func (g *Gate) recoverTo(ctx context.Context, c *Call, err *error) {
	if p := recover(); p != nil {
		g.cfg.Log.ErrorContext(ctx, "panic", "method", c.Rule.Method, "request_id", c.RequestID,
			"panic", p, "stack", string(debug.Stack()))
		*err = iam.Errorf(iam.Internal, "Internal error; the request id leads to its cause in the server's log")
	}
}

func checkIdempotencyKey(k string) error {
	if k == "" || printable(k, 128) {
		return nil
	}
	return iam.InvalidField("idempotency-key", "1 to 128 printable ASCII characters are allowed, a UUID is usual")
}

// printable tells whether a client's text may go into headers and logs.
func printable(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

const uuidLength = 36

// newUUIDs makes two random UUIDs (RFC 9562, version 4), one behind the other:
// every call needs two. They tell calls apart and are no secrets.
func newUUIDs() string {
	var b [32]byte
	for i := 0; i < len(b); i += 8 {
		binary.NativeEndian.PutUint64(b[i:], rand.Uint64())
	}
	var out [2 * uuidLength]byte
	putUUID(out[:uuidLength], b[:16])
	putUUID(out[uuidLength:], b[16:])
	return string(out[:])
}

func putUUID(out, b []byte) {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	hex.Encode(out[0:8], b[0:4])
	out[8] = '-'
	hex.Encode(out[9:13], b[4:6])
	out[13] = '-'
	hex.Encode(out[14:18], b[6:8])
	out[18] = '-'
	hex.Encode(out[19:23], b[8:10])
	out[23] = '-'
	hex.Encode(out[24:36], b[10:16])
}
