package cli

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

const (
	callLimit = time.Minute // for one call
	pollEvery = time.Second // [client fact: operation polling]

	usualAttempts = 5               // [API fact: --retry]
	retryFor      = 2 * time.Minute // [API fact: --retry]
	firstPause    = 100 * time.Millisecond
	longestPause  = 20 * time.Second
)

// call calls a method as the person who runs the command. A token that was kept
// from an earlier command and is refused is thrown away, and a new one made.
func (s *session) call(ctx context.Context, method string, request, into proto.Message) error {
	if s.bearer.Reveal() == "" {
		if err := s.authenticate(ctx); err != nil {
			return err
		}
	}
	err := s.send(ctx, method, request, into, "authorization", "Bearer "+s.bearer.Reveal())
	if f, ok := errors.AsType[*Failure](err); ok && f.Code == iam.Unauthenticated && s.kept != "" {
		s.forget()
		if err := s.authenticate(ctx); err != nil {
			return err
		}
		return s.send(ctx, method, request, into, "authorization", "Bearer "+s.bearer.Reveal())
	}
	return err
}

// send calls a method with exactly these headers and ids of its own, again
// while the server cannot be reached.
func (s *session) send(ctx context.Context, method string, request, into proto.Message, headers ...string) error {
	address, err := s.addressOf(ctx, method)
	if err != nil {
		return err
	}
	conn, err := s.dial(address)
	if err != nil {
		return err
	}
	if field := notUTF8(request.ProtoReflect()); field != "" {
		return misuse("%s: not UTF-8", field)
	}
	if s.traceID == "" {
		s.traceID = resource.NewUUID() // of the run; each call has an id of its own
	}
	if md, _ := metadata.FromOutgoingContext(ctx); len(md.Get(idempotencyHeader)) == 0 {
		headers = append(headers, idempotencyHeader, resource.NewUUID())
	}
	headers = append(headers, clientRequestIDHeader, resource.NewUUID(), clientTraceIDHeader, s.traceID)
	began := time.Now()
	for attempt, pause := 1, firstPause; ; attempt, pause = attempt+1, min(2*pause, longestPause) {
		answered, err := s.once(ctx, conn, address, method, request, into, headers)
		switch {
		case err == nil:
			return nil
		case over(ctx, err):
			return s.interrupted(ctx, method) // the person has had enough
		case status.Code(err) != codes.Unavailable || s.lastAttempt(attempt) || time.Since(began)+pause > retryFor:
			return afterOthers(attempt, s.failureOf(err, answered, headers))
		}
		select {
		case <-ctx.Done():
			return s.interrupted(ctx, method)
		case <-time.After(pause/2 + mathrand.N(pause)):
		}
	}
}

// afterOthers adds what earlier tries, whose answers were lost, may have to do
// with a failure: a secret is told once, and so not to the second try.
func afterOthers(attempt int, err error) error {
	if f, ok := errors.AsType[*Failure](err); ok && attempt > 1 && f.Code == iam.AlreadyExists {
		f.Details = append(f.Details, "the answer to an earlier try of this command was lost, which may have made it: delete it, and make another")
	}
	return err
}

// over tells whether a call has failed because ctx has ended. The server keeps
// to the same deadline, and may say so a moment before.
func over(ctx context.Context, err error) bool {
	if at, limited := ctx.Deadline(); limited && status.Code(err) == codes.DeadlineExceeded && time.Until(at) < time.Second {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

func (s *session) lastAttempt(n int) bool {
	return s.attempts >= 0 && n >= s.attempts
}

func (s *session) once(ctx context.Context, conn *grpc.ClientConn, address, method string, request, into proto.Message, headers []string) (metadata.MD, error) {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var header, trailer metadata.MD
	began := time.Now()
	err := conn.Invoke(metadata.AppendToOutgoingContext(limited, headers...), method, request, into, grpc.Header(&header), grpc.Trailer(&trailer))
	answered := metadata.Join(header, trailer)
	s.hideSecretsOf(request.ProtoReflect())
	s.hideSecretsOf(into.ProtoReflect())
	s.remember(told{began, time.Since(began), address, method, err, answered, headers, request})
	if s.debug && ctx.Err() == nil {
		outcome := "OK"
		if err != nil {
			outcome = iam.Kind(status.Code(err)).Error()
		}
		fmt.Fprintf(s.env.Stderr, "debug: %s %s: %s in %v, request id %s\n", address, method, outcome,
			time.Since(began).Round(time.Millisecond), printable(first(answered, requestIDHeader)))
		if s.debugBodies {
			fmt.Fprintf(s.env.Stderr, "debug: sent %s\n", s.shown(masked(request)))
			if err == nil {
				fmt.Fprintf(s.env.Stderr, "debug: got %s\n", s.shown(masked(into)))
			} else {
				fmt.Fprintf(s.env.Stderr, "debug: got %s\n", s.shown(status.Convert(err).Message()))
			}
		}
	}
	return answered, err
}

// change calls a method that answers with an operation, waits for its end and
// prints what it came to; with --async the operation itself.
func (s *session) change(ctx context.Context, method string, request proto.Message) error {
	op := new(operationpb.Operation)
	if err := s.call(metadata.AppendToOutgoingContext(ctx, idempotencyHeader, resource.NewUUID()), method, request, op); err != nil {
		return err
	}
	if s.async {
		return s.print(ctx, op)
	}
	if at, later := s.scheduled(op); later {
		s.tell("this happens at %s; until then its operation goes on", at.UTC().Format(time.RFC3339))
		return s.print(ctx, op)
	}
	return s.finish(ctx, op)
}

// scheduled tells of an operation that ends at a set time, such as the deletion
// of a cloud after some days, for which nobody waits.
func (s *session) scheduled(op *operationpb.Operation) (time.Time, bool) {
	if op.GetDone() || op.GetMetadata() == nil {
		return time.Time{}, false
	}
	m, err := op.GetMetadata().UnmarshalNew()
	if err != nil {
		return time.Time{}, false
	}
	field := m.ProtoReflect().Descriptor().Fields().ByName("delete_after")
	if field == nil || !m.ProtoReflect().Has(field) {
		return time.Time{}, false
	}
	at, ok := m.ProtoReflect().Get(field).Message().Interface().(*timestamppb.Timestamp)
	return at.AsTime(), ok && at.AsTime().After(s.env.Now().Add(callLimit))
}

// finish waits for an operation's end and prints what it came to.
func (s *session) finish(ctx context.Context, op *operationpb.Operation) error {
	op, err := s.wait(ctx, op)
	if err != nil {
		return err
	}
	if status := op.GetError(); status != nil {
		return s.failureOfStatus(status, nil, metadata.Pairs(clientTraceIDHeader, s.traceID))
	}
	if s.whole {
		return s.print(ctx, op)
	}
	if op.GetResponse() == nil {
		return nil
	}
	answer, err := op.GetResponse().UnmarshalNew()
	if err != nil {
		return fmt.Errorf("operation %s: its answer is of a type that this program does not know: %w", op.GetId(), err)
	}
	return s.print(ctx, answer)
}

// wait polls until an operation is done, with a dot each time.
func (s *session) wait(ctx context.Context, op *operationpb.Operation) (*operationpb.Operation, error) {
	if op.GetDone() {
		return op, nil
	}
	began := time.Now()
	for !op.GetDone() {
		select {
		case <-ctx.Done():
			s.progress("\n")
			return nil, s.goesOn(op, ctx.Err())
		case <-time.After(pollEvery):
		}
		s.progress(".")
		next := new(operationpb.Operation)
		err := s.call(ctx, operationpb.OperationService_Get_FullMethodName, &operationpb.GetOperationRequest{OperationId: op.GetId()}, next)
		if err != nil {
			s.progress("\n")
			return nil, s.goesOn(op, err)
		}
		op = next
	}
	s.progress(fmt.Sprintf("done (%v)\n", time.Since(began).Round(time.Second)))
	return op, nil
}

func (s *session) progress(text string) {
	if !s.quiet {
		fmt.Fprint(s.env.Stderr, text)
	}
}
