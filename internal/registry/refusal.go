package registry

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// Codes of errors, as the distribution's specification has them.
const (
	unauthorized = "UNAUTHORIZED"
	denied       = "DENIED"
	unsupported  = "UNSUPPORTED"
	nameInvalid  = "NAME_INVALID"
	nameUnknown  = "NAME_UNKNOWN"
	tooMany      = "TOOMANYREQUESTS"
	unavailable  = "UNAVAILABLE"
	unknown      = "UNKNOWN"
)

// refusal is an error as registries' clients show it.
type refusal struct {
	status     int
	code, text string
	retryAfter time.Duration
}

func (r *refusal) Error() string { return r.code + ": " + r.text }

func refuse(status int, code, text string) *refusal {
	return &refusal{status: status, code: code, text: text}
}

var byKind = map[iam.Kind]struct {
	status int
	code   string
}{
	iam.Unauthenticated:    {http.StatusUnauthorized, unauthorized},
	iam.PermissionDenied:   {http.StatusForbidden, denied},
	iam.NotFound:           {http.StatusNotFound, nameUnknown},
	iam.Unimplemented:      {http.StatusNotFound, unsupported},
	iam.InvalidArgument:    {http.StatusBadRequest, unsupported},
	iam.FailedPrecondition: {http.StatusBadRequest, unsupported},
	iam.ResourceExhausted:  {http.StatusTooManyRequests, tooMany},
	iam.Unavailable:        {http.StatusServiceUnavailable, unavailable},
	iam.DeadlineExceeded:   {http.StatusServiceUnavailable, unavailable},
	iam.Aborted:            {http.StatusServiceUnavailable, unavailable},
	iam.Canceled:           {http.StatusServiceUnavailable, unavailable},
}

// refusalOf words an error of the gate. Its text goes through the gate's one
// map to the wire, which keeps inside what must not be shown.
func refusalOf(err error, requestID string) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	status := gate.Status(err, requestID)
	out := &refusal{status: http.StatusInternalServerError, code: unknown, text: status.GetMessage()}
	if known, ok := byKind[iam.Kind(status.GetCode())]; ok {
		out.status, out.code = known.status, known.code
	}
	if e, ok := errors.AsType[*iam.Error](err); ok {
		out.retryAfter = e.RetryAfter
		if e.Reason == reasonScope {
			out.code = nameInvalid
		}
		if len(e.Fields) > 0 {
			lines := make([]string, len(e.Fields))
			for i, f := range e.Fields {
				lines[i] = f.Field + ": " + f.Description
			}
			out.text = iam.Conceal(strings.Join(lines, "; "))
		}
	}
	return out
}

// errorAnswer is an error in the distribution's shape; beside it, for clients
// that have asked as OAuth 2.0 has it, in that one's (RFC 6749 section 5.2).
type errorAnswer struct {
	Errors []oneError `json:"errors"`
	Error  string     `json:"error,omitempty"`
	Text   string     `json:"error_description,omitempty"`
}

type oneError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// refuse answers with an error. Its text names the request, because it is all
// that the person sees.
func (v *visit) refuse(f *refusal) {
	if f.retryAfter > 0 {
		v.w.Header().Set("Retry-After", strconv.FormatInt(int64((f.retryAfter+time.Second-1)/time.Second), 10))
	}
	if f.status == http.StatusUnauthorized {
		v.w.Header().Set("WWW-Authenticate", `Basic realm="Propusk", charset="UTF-8"`) // RFC 7617
	}
	text := f.text + " [request id " + v.requestID + "]"
	out := errorAnswer{Errors: []oneError{{f.code, text}}}
	if v.r.Method == http.MethodPost {
		out.Error, out.Text = oauthCode(f), plain(text)
	}
	v.reply(f.status, out)
}

func oauthCode(f *refusal) string {
	switch {
	case f.status == http.StatusUnauthorized:
		return iam.OAuthInvalidGrant
	case f.status == http.StatusForbidden:
		return iam.OAuthInvalidScope
	case f.status < http.StatusInternalServerError:
		return iam.OAuthInvalidRequest
	}
	return "server_error"
}

// plain keeps to the characters that an error_description may have.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, text)
}
