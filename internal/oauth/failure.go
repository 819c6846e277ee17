package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// Codes that RFC 6749 section 4.1.2.1 has for pages; programs know them too.
const (
	serverError            = "server_error"
	temporarilyUnavailable = "temporarily_unavailable"
)

// failure is an error as the protocol spells it (RFC 6749 section 5.2).
type failure struct {
	status     int
	code, text string
	retryAfter time.Duration
	silent     bool // of a request that showed nothing: the challenge tells no error (RFC 6750 section 3.1)
}

func (f *failure) Error() string { return f.code + ": " + f.text }

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, text: fmt.Sprintf(format, args...)}
}

// protocolCodes are those that an error of the gate may carry as its reason. All
// are 400 but these.
var protocolCodes = map[string]int{
	iam.OAuthInvalidRequest: 0, iam.OAuthInvalidGrant: 0, iam.OAuthUnauthorizedClient: 0, iam.OAuthUnsupportedGrantType: 0,
	iam.OAuthInvalidScope: 0, iam.OAuthInvalidTarget: 0, iam.OAuthAccessDenied: 0, iam.OAuthAuthorizationPending: 0,
	iam.OAuthSlowDown: 0, iam.OAuthExpiredToken: 0, iam.OAuthInvalidDPoPProof: 0, iam.OAuthUnsupportedTokenType: 0,
	iam.OAuthInvalidClient: http.StatusUnauthorized, iam.OAuthInvalidToken: http.StatusUnauthorized,
	iam.OAuthInsufficientScope: http.StatusForbidden,
}

// byKind are the codes of every other error of the gate.
var byKind = map[iam.Kind]failure{
	iam.InvalidArgument:    {status: http.StatusBadRequest, code: iam.OAuthInvalidRequest},
	iam.OutOfRange:         {status: http.StatusBadRequest, code: iam.OAuthInvalidRequest},
	iam.FailedPrecondition: {status: http.StatusBadRequest, code: iam.OAuthInvalidRequest},
	iam.NotFound:           {status: http.StatusBadRequest, code: iam.OAuthInvalidRequest},
	iam.AlreadyExists:      {status: http.StatusBadRequest, code: iam.OAuthInvalidRequest},
	iam.PermissionDenied:   {status: http.StatusForbidden, code: iam.OAuthAccessDenied},
	iam.ResourceExhausted:  {status: http.StatusTooManyRequests, code: temporarilyUnavailable},
	iam.Unimplemented:      {status: http.StatusNotImplemented, code: serverError},
	iam.Unavailable:        {status: http.StatusServiceUnavailable, code: temporarilyUnavailable},
	iam.DeadlineExceeded:   {status: http.StatusServiceUnavailable, code: temporarilyUnavailable},
	iam.Aborted:            {status: http.StatusServiceUnavailable, code: temporarilyUnavailable},
	iam.Canceled:           {status: http.StatusServiceUnavailable, code: temporarilyUnavailable},
}

// failureOf words an error. The text of one of the gate goes through the gate's
// one map to the wire, which keeps inside what must not be shown.
func (v *visit) failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	status := gate.Status(err, v.requestID)
	out := &failure{status: http.StatusInternalServerError, code: serverError, text: status.GetMessage()}
	kind := iam.Kind(status.GetCode())
	if known, ok := byKind[kind]; ok {
		out.status, out.code = known.status, known.code
	}
	if kind == iam.Unauthenticated {
		out.status, out.code = v.unproved()
	}
	if kind == iam.Unimplemented && v.path == TokenPath {
		out.status, out.code = http.StatusBadRequest, iam.OAuthUnsupportedGrantType
	}
	e, ok := errors.AsType[*iam.Error](err)
	if !ok {
		return out
	}
	out.retryAfter = e.RetryAfter
	if code, ok := protocolCodes[e.Reason]; ok {
		out.code, out.status = e.Reason, http.StatusBadRequest
		if code != 0 {
			out.status = code
		}
	}
	if len(e.Fields) > 0 {
		lines := make([]string, len(e.Fields))
		for i, f := range e.Fields {
			lines[i] = f.Field + ": " + f.Description
		}
		out.text = iam.Conceal(strings.Join(lines, "; "))
	}
	return out
}

// unproved is what to say of a proof that failed without a code of the protocol:
// what was shown, and so what was wrong, depends on the place.
func (v *visit) unproved() (status int, code string) {
	switch {
	case v.path == UserInfoPath:
		return http.StatusUnauthorized, iam.OAuthInvalidToken
	case v.path == TokenPath && v.form["grant_type"] == grantExchange:
		return http.StatusBadRequest, iam.OAuthInvalidRequest // RFC 8693 section 2.2.2
	case v.path == TokenPath:
		return http.StatusBadRequest, iam.OAuthInvalidGrant
	}
	return http.StatusUnauthorized, iam.OAuthInvalidClient
}

// challenge is the WWW-Authenticate header of a refusal, by the scheme of the
// endpoint; "" where there is nothing to prove.
func (v *visit) challenge(f *failure) string {
	if f.status != http.StatusUnauthorized && f.code != iam.OAuthInsufficientScope {
		return ""
	}
	if v.path != UserInfoPath {
		return `Basic realm="oauth", charset="UTF-8"`
	}
	if f.silent {
		return `Bearer realm="oauth"`
	}
	return `Bearer realm="oauth", error="` + f.code + `", error_description="` + plain(f.text) + `"`
}

// plain keeps to the characters that a description may have (RFC 6749 section
// 5.2); others have no place in a header either.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\':
			return '/'
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
}

func grantNames() string {
	names := make([]string, 0, len(grants))
	for name := range grants {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
