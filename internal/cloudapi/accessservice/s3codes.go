package accessservice

import (
	"errors"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// s3Codes are what S3 calls the refusals of a proof, by their reason words.
// Where S3 tells an unknown key from a signature that is not its own, and a
// session token from both, there is one answer here.
var s3Codes = map[string]string{
	"request_malformed":           "InvalidRequest",
	"signature_method":            "InvalidRequest",
	"signature_twice":             "InvalidArgument",
	"signature_incomplete":        "AuthorizationHeaderMalformed",
	"signature_scope":             "AuthorizationHeaderMalformed",
	"signature_payload":           "XAmzContentSHA256Mismatch",
	"signature_expired":           "RequestTimeTooSkewed",
	"signature_not_yet_valid":     "RequestTimeTooSkewed",
	"signature_malformed":         "SignatureDoesNotMatch",
	"access_key_invalid":          "SignatureDoesNotMatch",
	"temporary_key_invalid":       "SignatureDoesNotMatch",
	"credential_kind":             "InvalidAccessKeyId",
	"temporary_key_revoked":       "InvalidToken",
	"temporary_key_expired":       "ExpiredToken",
	"temporary_key_not_yet_valid": "RequestTimeTooSkewed",
}

// accessDenied is S3's code for all other refusals.
const accessDenied = "AccessDenied"

// inS3Words adds to a refusal of a proof what S3 calls it, for the storage to
// answer its client: SDKs correct their clocks and renew their keys by it.
func inS3Words(err error, r *propuskpb.S3AuthorizeRequest) error {
	e, ok := errors.AsType[*iam.Error](err)
	if !ok || e.Kind != iam.Unauthenticated {
		return err
	}
	named := *e
	named.AWS = accessDenied
	// A presigned request is over: no clock is to be corrected.
	if code := s3Codes[e.Reason]; code != "" && (e.Reason != "signature_expired" || !presigned(r)) {
		named.AWS = code
	}
	return &named
}

// presigned tells of a whole request that its signature is in the query.
func presigned(r *propuskpb.S3AuthorizeRequest) bool {
	if r.GetRequest() == nil {
		return false
	}
	for _, h := range r.GetRequest().GetHeaders() {
		if strings.EqualFold(h.GetName(), "Authorization") {
			return false
		}
	}
	return true
}
