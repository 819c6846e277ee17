package iam

import (
	"errors"
	"fmt"
	"time"
)

// Kind is a class of failure. Its number is the google.rpc.Code that the wire
// shows, so no second table can disagree with it. A Kind is itself an error,
// which lets callers write errors.Is(err, iam.NotFound).
type Kind uint32

// The kinds that Propusk answers with; numbers are those of google.rpc.Code.
const (
	Canceled           Kind = 1
	InvalidArgument    Kind = 3
	DeadlineExceeded   Kind = 4
	NotFound           Kind = 5
	AlreadyExists      Kind = 6
	PermissionDenied   Kind = 7
	ResourceExhausted  Kind = 8
	FailedPrecondition Kind = 9
	Aborted            Kind = 10
	OutOfRange         Kind = 11
	Unimplemented      Kind = 12
	Internal           Kind = 13
	Unavailable        Kind = 14
	Unauthenticated    Kind = 16
)

var kindNames = map[Kind]string{
	Canceled: "CANCELLED", InvalidArgument: "INVALID_ARGUMENT", DeadlineExceeded: "DEADLINE_EXCEEDED",
	NotFound: "NOT_FOUND", AlreadyExists: "ALREADY_EXISTS", PermissionDenied: "PERMISSION_DENIED",
	ResourceExhausted: "RESOURCE_EXHAUSTED", FailedPrecondition: "FAILED_PRECONDITION", Aborted: "ABORTED",
	OutOfRange: "OUT_OF_RANGE", Unimplemented: "UNIMPLEMENTED", Internal: "INTERNAL",
	Unavailable: "UNAVAILABLE", Unauthenticated: "UNAUTHENTICATED",
}

// Error names the kind as google.rpc.Code spells it.
func (k Kind) Error() string {
	if n, ok := kindNames[k]; ok {
		return n
	}
	return fmt.Sprintf("CODE_%d", uint32(k))
}

// FieldViolation says which field of a request breaks which rule. Field is the
// path in the request message as the proto spells it (snake_case, dotted).
type FieldViolation struct {
	Field       string
	Description string
}

// QuotaViolation says which quota would have been exceeded, and what it would
// have to be [API fact: yandex.cloud.quota.QuotaFailure].
type QuotaViolation struct {
	Metric   string // such as "iam.serviceAccounts.count"
	Limit    int64
	Usage    int64
	Required int64
}

// Error is a failure that may be shown to the caller: its Message goes out as
// it is, its cause stays inside. Any other error type reaching the wire
// becomes INTERNAL without its text.
type Error struct {
	Kind       Kind
	Message    string
	Fields     []FieldViolation
	RetryAfter time.Duration // > 0 adds google.rpc.RetryInfo
	Quota      *QuotaViolation
	Reason     string // short stable word for metrics and audit, such as "expired"; may be empty
	AWS        string // what AWS calls it, for a service whose clients are AWS's; not "" adds google.rpc.ErrorInfo

	cause error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind.Error(), e.Message, e.cause)
	}
	return e.Kind.Error() + ": " + e.Message
}

// Unwrap yields the kind and, when there is one, the hidden cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// Errorf makes an error of a kind with a text that the caller of the API will read.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of a kind whose cause is kept for logs and never shown.
func Wrap(cause error, kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), cause: cause}
}

// InvalidField is INVALID_ARGUMENT about one field.
func InvalidField(field, format string, args ...any) *Error {
	d := fmt.Sprintf(format, args...)
	return &Error{Kind: InvalidArgument, Message: field + ": " + d, Fields: []FieldViolation{{Field: field, Description: d}}}
}

// KindOf returns the kind of an error, Internal when it has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	return Internal
}
