package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// failure is a Status of Kubernetes (meta/v1), by which API servers know what to
// try again.
type failure struct {
	Version string `json:"apiVersion"`
	Kind    string `json:"kind"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
	Code    int    `json:"code"`

	retryAfter time.Duration
}

func fail(code int, reason, format string, args ...any) *failure {
	return &failure{Version: "v1", Kind: "Status", Status: "Failure", Message: fmt.Sprintf(format, args...), Reason: reason, Code: code}
}

// failureOf words an error of the gate, through the gate's one map to the wire,
// which keeps inside what must not be shown.
func failureOf(err error, requestID string) *failure {
	status := gate.Status(err, requestID)
	f := fail(http.StatusInternalServerError, "InternalError", "%s", status.GetMessage())
	switch iam.Kind(status.GetCode()) {
	case iam.Unauthenticated:
		f.Code, f.Reason = http.StatusUnauthorized, "Unauthorized"
	case iam.PermissionDenied, iam.NotFound: // an organization that the asker is not told of
		f.Code, f.Reason = http.StatusForbidden, "Forbidden"
	case iam.InvalidArgument, iam.OutOfRange, iam.FailedPrecondition:
		f.Code, f.Reason = http.StatusBadRequest, "BadRequest"
	case iam.ResourceExhausted:
		f.Code, f.Reason = http.StatusTooManyRequests, "TooManyRequests"
	case iam.Unavailable, iam.DeadlineExceeded, iam.Aborted, iam.Canceled:
		f.Code, f.Reason = http.StatusServiceUnavailable, "ServiceUnavailable"
	}
	if e, ok := errors.AsType[*iam.Error](err); ok {
		f.retryAfter = e.RetryAfter
	}
	return f
}

func (f *failure) reply(w http.ResponseWriter, requestID string) {
	if f.Code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((f.retryAfter+time.Second-1)/time.Second), 10))
	}
	reply(w, f.Code, f, requestID)
}

func reply(w http.ResponseWriter, code int, answer any, requestID string) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(answer); err != nil { // of these structs it never fails
		code = http.StatusInternalServerError
		body.Reset()
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", requestID)
	w.WriteHeader(code)
	_, _ = w.Write(body.Bytes()) // a client that is gone cannot be told so
}
