package sts

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// refusal is an error as AWS spells it. Clients decide by the code, and some by
// the HTTP status.
type refusal struct {
	status        int
	code, message string
	retryAfter    time.Duration
}

// Codes of AWS that are used more than once.
const (
	validationError  = "ValidationError"
	invalidAction    = "InvalidAction"
	invalidParameter = "InvalidParameterValue"
	incomplete       = "IncompleteSignature"
	badSignature     = "SignatureDoesNotMatch"
	badToken         = "InvalidClientTokenId"
	expiredToken     = "ExpiredToken"
	unavailable      = "ServiceUnavailable"
)

func refuse(status int, code, message string) *refusal {
	return &refusal{status: status, code: code, message: message}
}

// reasonParameter marks a refusal of a parameter that AWS has and this server
// has not.
const reasonParameter = "sts_parameter"

// byReason are the codes of proofs that failed and of policies, by the reason
// words that they are counted by. AWS tells an unknown key from a wrong
// signature; here that is one answer.
var byReason = map[string]struct {
	status int
	code   string
}{
	"signature_missing":       {http.StatusForbidden, "MissingAuthenticationToken"},
	"request_malformed":       {http.StatusBadRequest, incomplete},
	"signature_incomplete":    {http.StatusBadRequest, incomplete},
	"signature_malformed":     {http.StatusBadRequest, incomplete},
	"signature_method":        {http.StatusBadRequest, incomplete},
	"signature_twice":         {http.StatusBadRequest, incomplete},
	"signature_headers":       {http.StatusForbidden, badSignature},
	"signature_scope":         {http.StatusForbidden, badSignature},
	"signature_service":       {http.StatusForbidden, badSignature},
	"signature_payload":       {http.StatusForbidden, badSignature},
	"signature_expired":       {http.StatusForbidden, badSignature},
	"signature_not_yet_valid": {http.StatusForbidden, badSignature},
	"access_key_invalid":      {http.StatusForbidden, badSignature},
	"temporary_key_expired":   {http.StatusForbidden, expiredToken},
	"policy_malformed":        {http.StatusBadRequest, "MalformedPolicyDocument"},
	"policy_too_large":        {http.StatusBadRequest, "PackedPolicyTooLarge"},
	reasonParameter:           {http.StatusBadRequest, invalidParameter},
}

// byKind are the codes of everything else.
var byKind = map[iam.Kind]struct {
	status int
	code   string
}{
	iam.Unauthenticated:    {http.StatusForbidden, badToken},
	iam.PermissionDenied:   {http.StatusForbidden, "AccessDenied"},
	iam.InvalidArgument:    {http.StatusBadRequest, validationError},
	iam.OutOfRange:         {http.StatusBadRequest, validationError},
	iam.FailedPrecondition: {http.StatusBadRequest, validationError},
	iam.ResourceExhausted:  {http.StatusBadRequest, "Throttling"},
	iam.Unimplemented:      {http.StatusBadRequest, invalidAction},
	iam.Unavailable:        {http.StatusServiceUnavailable, unavailable},
	iam.DeadlineExceeded:   {http.StatusServiceUnavailable, unavailable},
	iam.Aborted:            {http.StatusServiceUnavailable, unavailable},
	iam.Canceled:           {http.StatusServiceUnavailable, unavailable},
}

// refusalOf words an error of the gate. Its text goes through the gate's one
// map to the wire, which keeps inside what must not be shown.
func refusalOf(err error, requestID string) *refusal {
	status := gate.Status(err, requestID)
	out := &refusal{status: http.StatusInternalServerError, code: "InternalFailure", message: status.GetMessage()}
	if known, ok := byKind[iam.Kind(status.GetCode())]; ok {
		out.status, out.code = known.status, known.code
	}
	e, ok := errors.AsType[*iam.Error](err)
	if !ok {
		return out
	}
	out.retryAfter = e.RetryAfter
	if known, ok := byReason[e.Reason]; ok {
		out.status, out.code = known.status, known.code
	}
	if len(e.Fields) > 0 {
		out.message = messageOf(e.Fields)
	}
	return out
}

// messageOf tells of fields by the names that a client of AWS has given them.
func messageOf(fields []iam.FieldViolation) string {
	lines := make([]string, 0, len(fields))
	for _, f := range fields {
		name := f.Field
		head := name[:len(name)-len(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz_"))]
		if theirs, ok := theirNames[head]; ok {
			name = theirs + name[len(head):]
		}
		lines = append(lines, name+": "+f.Description)
	}
	return iam.Conceal(strings.Join(lines, "; "))
}

var theirNames = map[string]string{
	"role_arn": "RoleArn", "role_session_name": "RoleSessionName", "duration_seconds": "DurationSeconds", "policy": "Policy",
}

type errorResponse struct {
	XMLName xml.Name  `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Error   errorText `xml:"Error"`
	Request string    `xml:"RequestId"`
}

type errorText struct{ Type, Code, Message string }

func (r *refusal) reply(w http.ResponseWriter, requestID string) {
	if r.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((r.retryAfter+time.Second-1)/time.Second), 10))
	}
	whose := "Sender"
	if r.status >= http.StatusInternalServerError {
		whose = "Receiver"
	}
	reply(w, r.status, &errorResponse{Error: errorText{whose, r.code, r.message}, Request: requestID}, requestID)
}

// shown is what may be repeated of a text that a client has made up.
func shown(text string) string {
	const most = 64
	if len(text) > most {
		text = text[:most] + "…"
	}
	return iam.Conceal(text)
}
