package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const (
	callLimit = time.Minute // for one call
	pollEvery = time.Second // [client fact: operation polling]
)

// call calls a method as the person who runs the command.
func (s *session) call(ctx context.Context, method string, request, into proto.Message) error {
	if s.conn == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.bearer.Reveal() == "" {
		if err := s.authenticate(ctx); err != nil {
			return err
		}
	}
	return s.send(ctx, method, request, into, "authorization", "Bearer "+s.bearer.Reveal())
}

// send calls a method with exactly these headers and ids of its own.
func (s *session) send(ctx context.Context, method string, request, into proto.Message, headers ...string) error {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	headers = append(headers, "x-client-request-id", newUUID())
	var header, trailer metadata.MD
	began := time.Now()
	err := s.conn.Invoke(metadata.AppendToOutgoingContext(limited, headers...), method, request, into, grpc.Header(&header), grpc.Trailer(&trailer))
	var failure error
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // the person has had enough
	case err != nil:
		failure = s.failureOf(err, metadata.Join(header, trailer))
	}
	if s.debug {
		outcome := "OK"
		if f, ok := failure.(*Failure); ok {
			outcome = f.Code.Error()
		}
		fmt.Fprintf(s.env.Stderr, "debug: %s %s: %s in %v, request id %s\n", s.endpoint, method, outcome,
			time.Since(began).Round(time.Millisecond), first(metadata.Join(header, trailer), requestIDHeader))
	}
	return failure
}

// change calls a method that answers with an operation, waits for its end and
// prints what it came to; with --async the operation itself.
func (s *session) change(ctx context.Context, method string, request proto.Message) error {
	op := new(operationpb.Operation)
	if err := s.call(metadata.AppendToOutgoingContext(ctx, "idempotency-key", newUUID()), method, request, op); err != nil {
		return err
	}
	if s.async {
		return s.print(op)
	}
	op, err := s.wait(ctx, op)
	if err != nil {
		return err
	}
	if status := op.GetError(); status != nil {
		return s.failureOfStatus(status, "")
	}
	if op.GetResponse() == nil {
		return nil
	}
	answer, err := op.GetResponse().UnmarshalNew()
	if err != nil {
		return fmt.Errorf("operation %s: its answer is of a type that this program does not know: %w", op.GetId(), err)
	}
	return s.print(answer)
}

func (s *session) wait(ctx context.Context, op *operationpb.Operation) (*operationpb.Operation, error) {
	for !op.GetDone() {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("operation %s goes on: %w", op.GetId(), ctx.Err())
		case <-time.After(pollEvery):
		}
		next := new(operationpb.Operation)
		err := s.call(ctx, operationpb.OperationService_Get_FullMethodName, &operationpb.GetOperationRequest{OperationId: op.GetId()}, next)
		if err != nil {
			return nil, err
		}
		op = next
	}
	return op, nil
}

// newUUID makes a random UUID (RFC 9562 section 5.4), as other clients send.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
