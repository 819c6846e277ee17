package sts_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Every kind of error has its code, and an unknown one shows nothing.
func TestErrors(t *testing.T) {
	reason := func(kind iam.Kind, reason string) error {
		return &iam.Error{Kind: kind, Message: "text <of> it", Reason: reason}
	}
	for name, c := range map[string]struct {
		err        error
		status     int
		code, says string
	}{
		"unsigned":                  {reason(iam.Unauthenticated, "signature_missing"), 403, "MissingAuthenticationToken", "text <of> it"},
		"half a signature":          {reason(iam.Unauthenticated, "signature_incomplete"), 400, "IncompleteSignature", "text"},
		"two signatures":            {reason(iam.Unauthenticated, "signature_twice"), 400, "IncompleteSignature", "text"},
		"another method":            {reason(iam.Unauthenticated, "signature_method"), 400, "IncompleteSignature", "text"},
		"an odd string to sign":     {reason(iam.Unauthenticated, "signature_malformed"), 400, "IncompleteSignature", "text"},
		"no HTTP":                   {reason(iam.Unauthenticated, "request_malformed"), 400, "IncompleteSignature", "text"},
		"headers left out":          {reason(iam.Unauthenticated, "signature_headers"), 403, "SignatureDoesNotMatch", "text"},
		"another body":              {reason(iam.Unauthenticated, "signature_payload"), 403, "SignatureDoesNotMatch", "text"},
		"another day":               {reason(iam.Unauthenticated, "signature_scope"), 403, "SignatureDoesNotMatch", "text"},
		"another service":           {reason(iam.Unauthenticated, "signature_service"), 403, "SignatureDoesNotMatch", "text"},
		"too old":                   {reason(iam.Unauthenticated, "signature_expired"), 403, "SignatureDoesNotMatch", "text"},
		"too new":                   {reason(iam.Unauthenticated, "signature_not_yet_valid"), 403, "SignatureDoesNotMatch", "text"},
		"wrong":                     {reason(iam.Unauthenticated, "access_key_invalid"), 403, "SignatureDoesNotMatch", "text"},
		"a secret as an id":         {reason(iam.Unauthenticated, "credential_kind"), 403, "InvalidClientTokenId", "text"},
		"an odd session token":      {reason(iam.Unauthenticated, "temporary_key_invalid"), 403, "InvalidClientTokenId", "text"},
		"a revoked session":         {reason(iam.Unauthenticated, "temporary_key_revoked"), 403, "InvalidClientTokenId", "text"},
		"an expired session":        {reason(iam.Unauthenticated, "temporary_key_expired"), 403, "ExpiredToken", "text"},
		"a suspended account":       {reason(iam.Unauthenticated, "account_suspended"), 403, "InvalidClientTokenId", "text"},
		"denied":                    {reason(iam.PermissionDenied, ""), 403, "AccessDenied", "text"},
		"a policy":                  {&iam.Error{Kind: iam.InvalidArgument, Message: "policy: bad", Reason: "policy_malformed", Fields: []iam.FieldViolation{{Field: "policy", Description: "bad"}}}, 400, "MalformedPolicyDocument", "Policy: bad"},
		"a large policy":            {reason(iam.InvalidArgument, "policy_too_large"), 400, "PackedPolicyTooLarge", "text"},
		"fields":                    {&iam.Error{Kind: iam.InvalidArgument, Message: "Validation failed", Fields: []iam.FieldViolation{{Field: "role_arn", Description: "too <short>"}, {Field: "request.headers[3].value", Description: "long"}}}, 400, "ValidationError", "RoleArn: too <short>; request.headers[3].value: long"},
		"precondition":              {reason(iam.FailedPrecondition, ""), 400, "ValidationError", "text"},
		"too much":                  {&iam.Error{Kind: iam.ResourceExhausted, Message: "slow", RetryAfter: 1500 * time.Millisecond}, 400, "Throttling", "slow"},
		"away":                      {&iam.Error{Kind: iam.Unavailable, Message: "away", RetryAfter: time.Second}, 503, "ServiceUnavailable", "away"},
		"late":                      {context.DeadlineExceeded, 503, "ServiceUnavailable", "deadline"},
		"aborted":                   {reason(iam.Aborted, ""), 503, "ServiceUnavailable", "text"},
		"not there":                 {reason(iam.Unimplemented, ""), 400, "InvalidAction", "text"},
		"our fault":                 {errors.New("dsn=postgres://secret"), 500, "InternalFailure", "Internal error"},
		"our fault, in other words": {reason(iam.Internal, ""), 500, "InternalFailure", "text"},
		"a secret":                  {iam.Errorf(iam.InvalidArgument, "bad s1.%s", strings.Repeat("a", 90)), 400, "ValidationError", "bad s1.****"},
		"a secret in a field":       {iam.InvalidField("policy", "bad YC%s", strings.Repeat("a", 38)), 400, "ValidationError", "Policy: bad YC****"},
	} {
		res, text := ask(t, &asked{fails: c.err}, "POST", "/", whoami)
		f := failureIn(t, name, res, text)
		if res.StatusCode != c.status || f.Error.Code != c.code || !strings.Contains(f.Error.Message, c.says) || strings.Contains(text, "postgres") {
			t.Errorf("%s: %d %s %q, want %d %s with %q", name, res.StatusCode, f.Error.Code, f.Error.Message, c.status, c.code, c.says)
		}
		want := map[string]string{"too much": "2", "away": "1"}[name]
		if got := res.Header.Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After is %q, want %q", name, got, want)
		}
	}
}
