package gate

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/token"
)

// Request is what a door tells the gate of one call.
type Request struct {
	Method          string // "/package.Service/Method"
	Door            string // "rest", "grpc" or another, for logs and Rule.Door
	Authorization   string // the header's value, "" when absent
	IdempotencyKey  string
	ClientRequestID string
	ClientTraceID   string
	UserAgent       string // for EventOf and logs, as is the next: only they may read it
	RemoteAddr      string
	Certificate     *x509.Certificate         // of the client, verified by the listener; nil when it showed none
	Decode          func(proto.Message) error // fills the request message

	// wire has UserAgent and RemoteAddr of a gRPC call until somebody reads
	// them, which few calls live to see.
	wire context.Context
}

// Response is what a door sends back. The ids are set on failures too.
type Response struct {
	Message   proto.Message
	RequestID string
	TraceID   string
}

// Call is one walk through the corridor, as the later steps and the handler
// see it.
type Call struct {
	Rule      Rule
	Request   *Request
	RequestID string
	TraceID   string
	Started   time.Time

	Identity *credential.Identity // nil for Open methods
	Service  *Caller              // for Service methods: who asks on behalf of others
	Target   string               // id in the resource tree that permission was asked on; "" when none
	Path     []resource.Ref       // the target and its ancestors, when permission was asked

	// Issued is set by a handler that made a token: what its audit line tells of it.
	Issued *token.Claims

	gate    *Gate
	within  patience
	message proto.Message
	details audit.Details
	rests   []Decision // what was allowed, and so must still hold when a change commits
	status  audit.Status
	// recorded is set when the transaction holds the call's audit line.
	recorded bool
	told     bool // the journal holds it
	proved   bool // the credential in the header was proved before decoding
}

// Note adds a pair to the details of the call's audit line. Never a secret.
func (c *Call) Note(key, value string) { c.details = append(c.details, audit.Text(key, value)) }

// NoteDetail adds a detail with a shape of its own, in place of one with the
// same name: a transaction that runs twice tells it once.
func (c *Call) NoteDetail(d audit.Detail) {
	for i := range c.details {
		if c.details[i].Name == d.Name {
			c.details[i] = d
			return
		}
	}
	c.details = append(c.details, d)
}

// NoteStarted says that the call's change begins now and ends later.
func (c *Call) NoteStarted() { c.status = audit.Started }

// RestsOn notes a decision that the call's change depends on besides its own
// permission: Guarded makes the transaction look whether it still holds.
func (c *Call) RestsOn(d Decision) {
	if c.Rule.Effect == Changes {
		c.rests = append(c.rests, d)
	}
}

// Caller is the subject of the call.
func (c *Call) Caller() iam.Subject {
	if c.Identity == nil {
		return iam.Subject{}
	}
	return c.Identity.Subject
}

// IdempotencyKey is the client's key when the method changes something, else "".
func (c *Call) IdempotencyKey() string {
	if c.Rule.Effect != Changes {
		return ""
	}
	return c.Request.IdempotencyKey
}

// Digest is a hash of the request message, equal for equal requests.
func (c *Call) Digest() ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.message)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

// Recorded says that the change's transaction holds the audit line, so that
// the corridor does not write a second one.
func (c *Call) Recorded() { c.recorded = true }

// Told says that the journal holds the audit line of what the call hands out, so
// that the corridor does not write another.
func (c *Call) Told() { c.told = true }

// Answers says that an error is what another service asked for: that somebody
// else may not do something. The caller was refused nothing, so the error goes
// to the wire and the statistics and leaves no audit line.
func (c *Call) Answers(err error) error {
	c.recorded = true
	return err
}

type callKey struct{}

// From returns the call that the context belongs to. It panics outside the
// corridor: a handler that runs there is a bug in the wiring.
func From(ctx context.Context) *Call {
	return ctx.Value(callKey{}).(*Call)
}
