package iamclient

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/iam"
)

const (
	requestIDHeader = "x-request-id"
	longestMessage  = 1 << 10
)

// Refusal is what IAM, or the way to it, answered instead of a credential. It
// unwraps to an iam.Error of the answer's kind and message.
type Refusal struct {
	Failure   *iam.Error
	RequestID string // as the server tells it; "" when the answer is not its own
}

func (r *Refusal) Error() string {
	if r.RequestID == "" {
		return r.Failure.Error()
	}
	return fmt.Sprintf("%s (request id %s)", r.Failure.Error(), r.RequestID)
}

func (r *Refusal) Unwrap() error { return r.Failure }

// Definite tells whether IAM itself has said that the credential is good for
// nothing any more, or may not do what was asked: nothing that waiting mends. An
// answer without a request id is not IAM's own (a proxy on the way answers 403
// too), and one about a clock or about times of a JWT says nothing of its owner.
func Definite(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.RequestID == "" || aboutTimes(err) {
		return false
	}
	switch r.Failure.Kind {
	case iam.Unauthenticated, iam.PermissionDenied, iam.NotFound, iam.FailedPrecondition:
		return true
	}
	return false
}

func refusalOf(st *status.Status, answered metadata.MD, secrets []iam.Secret) error {
	r := &Refusal{Failure: iam.Errorf(iam.Kind(st.Code()), "%s", shown(st.Message(), secrets))}
	if ids := answered.Get(requestIDHeader); len(ids) > 0 {
		r.RequestID = shown(ids[0], secrets)
	}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.RequestInfo:
			if r.RequestID == "" {
				r.RequestID = shown(d.GetRequestId(), secrets)
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				r.Failure.Fields = append(r.Failure.Fields, iam.FieldViolation{Field: shown(v.GetField(), secrets), Description: shown(v.GetDescription(), secrets)})
			}
		case *errdetails.RetryInfo:
			r.Failure.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	return r
}

// shown makes a text of a server fit for a log: one line, without what was sent
// as a secret or looks like one, and not long.
func shown(text string, secrets []iam.Secret) string {
	for _, s := range secrets {
		if s.Reveal() != "" {
			text = strings.ReplaceAll(text, s.Reveal(), "***")
		}
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(iam.Conceal(text), "?"))
	if len(text) > longestMessage {
		text = strings.ToValidUTF8(text[:longestMessage], "") + "…"
	}
	return text
}
