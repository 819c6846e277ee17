package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc/metadata"
)

// Signalled is a signal that ends a run, as the cause of its context's end.
type Signalled struct{ Number int }

func (s *Signalled) Error() string { return fmt.Sprintf("signal %d", s.Number) }

// Interrupted is a run that the person has ended, and what that leaves.
type Interrupted struct {
	Left string // "" for nothing
	Err  error
}

func (i *Interrupted) Error() string {
	if i.Left == "" {
		return i.Err.Error()
	}
	return i.Left + ": " + i.Err.Error()
}

func (i *Interrupted) Unwrap() error { return i.Err }

// interrupted is the end of a call for which the person does not wait.
func (s *session) interrupted(ctx context.Context, method string) error {
	left := ""
	md, _ := metadata.FromOutgoingContext(ctx)
	verb := method[strings.LastIndexByte(method, '/')+1:]
	if len(md.Get(idempotencyHeader)) > 0 && !strings.HasPrefix(verb, "Get") && !strings.HasPrefix(verb, "List") {
		left = "the server may have done it all the same"
	}
	return &Interrupted{left, ctx.Err()}
}

// goesOn tells of an operation whose end was not seen.
func (s *session) goesOn(op *operationpb.Operation, err error) error {
	text := fmt.Sprintf("operation %s goes on; `operation wait %[1]s` waits for its end", printable(op.GetId()))
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Interrupted{text, err}
	}
	return fmt.Errorf("%s: %w", text, err)
}

// interruptible is a standard input for which nobody waits once ctx has ended.
type interruptible struct {
	ctx context.Context
	in  io.Reader
}

// Read implements io.Reader. What arrives after ctx has ended is lost, as the
// program ends too.
func (r *interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	type result struct {
		n   int
		err error
	}
	got, into := make(chan result, 1), make([]byte, len(p))
	go func() {
		n, err := r.in.Read(into)
		got <- result{n, err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	case x := <-got:
		return copy(p, into[:x.n]), x.err
	}
}
