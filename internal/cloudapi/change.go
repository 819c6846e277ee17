package cloudapi

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/operation"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// Changes runs the changes of handlers: the rows, the idempotency key, the
// operation and the audit line commit together or not at all.
type Changes struct {
	DB *store.DB
	// Record writes the audit line of a call into its transaction.
	Record func(tx *store.Tx, c *gate.Call) error
}

// Change describes one change to an operation's readers.
type Change struct {
	ID          string // operation id, made by the handler with the prefix of its service
	ResourceID  string
	Description string
	Metadata    proto.Message // exactly the type that the method's option declares
}

// NewOperationID makes an operation id with the prefix of a service's ids.
func NewOperationID(prefix string) string { return resource.NewID(prefix) }

// Run makes a change and answers with its operation, already done. act gets
// the transaction and returns the response message; it may run more than once
// and does nothing but the transaction.
func (c Changes) Run(ctx context.Context, ch Change, act func(tx *store.Tx) (proto.Message, error)) (*operationpb.Operation, error) {
	return c.operate(ctx, ch, func(tx *store.Tx, s operation.Start) (iam.Operation, bool, error) {
		return operation.Done(tx, s, func() (iam.Message, error) {
			m, err := act(tx)
			if err != nil {
				return iam.Message{}, err
			}
			return Pack(m)
		})
	})
}

// RunOnce is Run for a change whose answer shows a secret: act returns the
// response that the operation keeps, and the one of this answer alone. thing
// names what is made, in the refusal of a replay.
func (c Changes) RunOnce(ctx context.Context, ch Change, thing string,
	act func(tx *store.Tx) (kept, shown proto.Message, err error)) (*operationpb.Operation, error) {
	var answer proto.Message
	op, err := c.operate(ctx, ch, func(tx *store.Tx, s operation.Start) (iam.Operation, bool, error) {
		op, err := operation.DoneOnce(tx, s, thing, func() (iam.Message, error) {
			kept, shown, err := act(tx)
			if err != nil {
				return iam.Message{}, err
			}
			answer = shown
			return Pack(kept)
		})
		return op, false, err
	})
	if err != nil {
		return nil, err
	}
	response, err := anypb.New(answer)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", answer.ProtoReflect().Descriptor().FullName(), err)
	}
	op.Result = &operationpb.Operation_Response{Response: response}
	return op, nil
}

// Begin starts a change that ends later and answers with its operation, not
// yet done. What ends it calls operation.Finish or operation.Cancel.
func (c Changes) Begin(ctx context.Context, ch Change, act func(tx *store.Tx) error) (*operationpb.Operation, error) {
	gate.From(ctx).NoteStarted()
	return c.operate(ctx, ch, func(tx *store.Tx, s operation.Start) (iam.Operation, bool, error) {
		return operation.Begin(tx, s, func() error { return act(tx) })
	})
}

func (c Changes) operate(ctx context.Context, ch Change, run func(*store.Tx, operation.Start) (iam.Operation, bool, error)) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	key, err := keyOf(call)
	if err != nil {
		return nil, err
	}
	meta, err := Pack(ch.Metadata)
	if err != nil {
		return nil, err
	}
	start := operation.Start{
		ID: ch.ID, ResourceID: ch.ResourceID, Description: ch.Description,
		By: call.Caller().ID, Metadata: meta, Idempotency: key,
	}
	var op iam.Operation
	err = c.DB.Update(gate.Guarded(ctx), func(tx *store.Tx) error {
		done, replayed, err := run(tx, start)
		if err != nil {
			return err
		}
		op = done
		if replayed {
			return nil
		}
		return c.Record(tx, call)
	})
	if err != nil {
		return nil, err
	}
	call.Recorded()
	return OperationProto(&op)
}

// Once makes a change that answers at once, because its answer holds a secret.
// thing names what is made, in the refusal of a replay.
func (c Changes) Once(ctx context.Context, thing, resourceID string, act func(tx *store.Tx) error) error {
	call := gate.From(ctx)
	key, err := keyOf(call)
	if err != nil {
		return err
	}
	err = c.DB.Update(gate.Guarded(ctx), func(tx *store.Tx) error {
		if err := operation.Once(tx, key, thing, resourceID, func() error { return act(tx) }); err != nil {
			return err
		}
		return c.Record(tx, call)
	})
	if err == nil {
		call.Recorded()
	}
	return err
}

// Plain makes a change that answers at once and holds no secret. Repeating it
// is harmless, so that an idempotency key changes nothing.
func (c Changes) Plain(ctx context.Context, act func(tx *store.Tx) error) error {
	call := gate.From(ctx)
	err := c.DB.Update(gate.Guarded(ctx), func(tx *store.Tx) error {
		if err := act(tx); err != nil {
			return err
		}
		return c.Record(tx, call)
	})
	if err == nil {
		call.Recorded()
	}
	return err
}

// Replay is the answer to a call whose target is gone and whose idempotency key
// stands for an earlier, equal call: that call's operation. Nil when it stands
// for none.
func (c Changes) Replay(ctx context.Context, call *gate.Call) (proto.Message, error) {
	key, err := keyOf(call)
	if err != nil {
		return nil, err
	}
	var op *iam.Operation
	err = c.DB.View(ctx, func(tx *store.Tx) (err error) {
		op, err = operation.Replayed(tx, key)
		return err
	})
	if err != nil || op == nil {
		return nil, err
	}
	return OperationProto(op)
}

func keyOf(call *gate.Call) (operation.IdempotencyKey, error) {
	k := call.IdempotencyKey()
	if k == "" {
		return operation.IdempotencyKey{}, nil
	}
	digest, err := call.Digest()
	return operation.IdempotencyKey{Subject: call.Caller().ID, Method: call.Rule.Method, Key: k, Digest: digest}, err
}

// Pack encodes a message for an operation's row.
func Pack(m proto.Message) (iam.Message, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return iam.Message{}, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return iam.Message{Type: string(m.ProtoReflect().Descriptor().FullName()), Value: b}, nil
}

const typePrefix = "type.googleapis.com/"

// OperationProto is a stored operation as the wire shows it.
func OperationProto(op *iam.Operation) (*operationpb.Operation, error) {
	out := &operationpb.Operation{
		Id: op.ID, Description: op.Description, CreatedBy: string(op.CreatedBy),
		CreatedAt: timestamppb.New(op.CreatedAt), ModifiedAt: timestamppb.New(op.ModifiedAt), Done: op.Done,
	}
	if op.Metadata.Type != "" {
		out.Metadata = &anypb.Any{TypeUrl: typePrefix + op.Metadata.Type, Value: op.Metadata.Value}
	}
	switch {
	case op.ErrorKind != 0:
		out.Result = &operationpb.Operation_Error{Error: &spb.Status{Code: int32(op.ErrorKind), Message: op.ErrorText}}
	case op.Response.Type != "":
		out.Result = &operationpb.Operation_Response{Response: &anypb.Any{TypeUrl: typePrefix + op.Response.Type, Value: op.Response.Value}}
	}
	return out, nil
}

// Time shows a resource's time: whole seconds, as the API shows createdAt, and
// nothing for "never" [API fact: timestamps].
func Time(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t.Truncate(time.Second))
}
