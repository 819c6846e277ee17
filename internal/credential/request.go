package credential

import (
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// HTTPRequest is a signed HTTP request as it came over the wire: nothing in it
// has been decoded, sorted or cleaned.
type HTTPRequest struct {
	Method string
	Target string        // path and query of the request line; "/…"
	Header []HeaderField // in the order of the wire, Host among them
	// PayloadSHA256 is the hash of the body in lower-case hexadecimal, of an
	// asker who has read the body; "" of one who has not, and who then must
	// check the body himself against the header x-amz-content-sha256.
	PayloadSHA256 string
	// Bucket is what the host names when it names a bucket ("bucket" of
	// bucket.storage.example.com), which a signature of version 2 covers. Only
	// the asker knows what his host is; "" says that the path names the bucket.
	Bucket string
}

// HeaderField is one line of a header.
type HeaderField struct{ Name, Value string }

// Bounds of a request. A front end is stricter with most of these.
const (
	maxTarget      = 16 << 10
	maxHeaders     = 200
	maxHeaderName  = 256
	maxHeaderValue = 16 << 10
	maxHeaderBytes = 64 << 10 // of all names and values together
	maxParameters  = 1000     // of a query
)

// Names that a signer uses in headers, and in the query of version 2.
const (
	headerAuthorization = "authorization"
	headerHost          = "host"
	headerDate          = "date"
	headerAmzDate       = "x-amz-date"
	headerAmzToken      = "x-amz-security-token"
	headerAmzPayload    = "x-amz-content-sha256"
	amzPrefix           = "x-amz-"
)

// ReadRequest reads the signature of a request, in its header or its query, of
// version 4 or of S3's version 2, and makes the string that its signer must
// have signed. The time is judged here and again by Prove, which takes what
// this returns as it is. Whether the service is one's own is the caller's to
// look at: Signature.Service is what the scope of version 4 names, and empty
// for version 2.
//
// It fails with UNAUTHENTICATED. The Reasons, and what AWS calls them:
//
//	signature_missing        no signature at all                     MissingAuthenticationToken
//	signature_incomplete     a part missing, repeated, unreadable    IncompleteSignature
//	signature_method         another algorithm                       IncompleteSignature
//	signature_twice          in the header and in the query          InvalidArgument (S3), IncompleteSignature
//	signature_headers        a header that must be signed is not,    SignatureDoesNotMatch (S3: AccessDenied)
//	                         or a signed one is not there
//	signature_payload        the body is not what was signed         XAmzContentSHA256Mismatch (S3), SignatureDoesNotMatch
//	signature_scope          the scope has another day               SignatureDoesNotMatch
//	signature_expired        too old                                 SignatureDoesNotMatch (S3: RequestTimeTooSkewed,
//	signature_not_yet_valid  too far ahead, or too long a life       or AccessDenied when presigned)
//	request_malformed        the request cannot be one of HTTP       InvalidRequest (S3), IncompleteSignature
//
// Prove adds signature_malformed (a string to sign that no signer makes),
// credential_kind and access_key_invalid (InvalidClientTokenId; S3:
// InvalidAccessKeyId and SignatureDoesNotMatch have one answer here).
func ReadRequest(r *HTTPRequest, now time.Time) (Signature, error) {
	read, err := readWire(r)
	if err != nil {
		return Signature{}, err
	}
	s, err := read.signature()
	if err != nil {
		return Signature{}, err
	}
	if err := s.judge(now); err != nil {
		return Signature{}, err
	}
	return s, nil
}

// wire is a request taken apart.
type wire struct {
	*HTTPRequest
	path    string
	query   []parameter
	headers map[string][]string // by lower-case name, values in order, unfolded and trimmed
}

// signature finds where the signature is. A request that shows two credentials
// is refused: whoever reads it next might take the other.
func (w *wire) signature() (Signature, error) {
	const v4Query, v2Query = "X-Amz-Signature", "AWSAccessKeyId"
	authorization := w.headers[headerAuthorization]
	inQuery4 := w.has(v4Query) || w.has(queryAlgorithm) || w.has(queryCredential)
	inQuery2 := w.has(v2Query)
	switch {
	case len(authorization) > 1, len(authorization) == 1 && (inQuery4 || inQuery2), inQuery4 && inQuery2:
		return Signature{}, errSignedTwice
	case inQuery4:
		return w.queryV4()
	case inQuery2:
		return w.queryV2()
	case len(authorization) == 0:
		return Signature{}, errNotSigned
	}
	scheme, rest, _ := strings.Cut(authorization[0], " ")
	switch {
	case scheme == v4Algorithm:
		return w.headerV4(rest)
	case scheme == v2Scheme:
		return w.headerV2(strings.Trim(rest, " "))
	case strings.HasPrefix(scheme, "AWS4-"):
		return Signature{}, errSignedMethod
	}
	return Signature{}, errOtherScheme(scheme, strings.Trim(rest, " "))
}

func (w *wire) has(name string) bool {
	for i := range w.query {
		if w.query[i].name == name {
			return true
		}
	}
	return false
}

// parameterValue is the value of a parameter of the query that comes once.
func (w *wire) parameterValue(name string) (string, error) {
	found := -1
	for i := range w.query {
		if w.query[i].name != name {
			continue
		}
		if found >= 0 {
			return "", errIncomplete("The parameter '%s' of the query is given twice", name)
		}
		found = i
	}
	if found < 0 || w.query[found].value == "" {
		return "", errIncomplete("The parameter '%s' of the query is missing", name)
	}
	return w.query[found].value, nil
}

// single is the value of a header that may come once; "" when it does not come.
func (w *wire) single(name string) (string, error) {
	switch values := w.headers[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", errIncomplete("The header '%s' is given twice", name)
}

// token is the session token, of the header or of a parameter of the query.
func (w *wire) token(parameter string) (string, error) {
	token, err := w.single(headerAmzToken)
	switch there := len(w.headers[headerAmzToken]) > 0; {
	case err != nil:
		return "", err
	case there && (token == "" || w.has(parameter)):
		return "", errIncomplete("The session token is empty, or given both in the header '%s' and in the query", headerAmzToken)
	case w.has(parameter):
		return w.parameterValue(parameter)
	}
	return token, nil
}

// errOtherScheme says what stands in the header where the signature belongs.
func errOtherScheme(scheme, rest string) *iam.Error {
	given := kindOf(rest)
	if given == "" {
		given = kindOf(scheme)
	}
	if given == "" {
		return errNotSigned
	}
	return refuse(errNotSigned.Reason, "The Authorization header holds %s: a request that is signed with an access key is expected, by AWS's version 4 or 2", given)
}

// Refusals of a request before any key is looked at.
var (
	errNotSigned    = refuse("signature_missing", "The request is not signed: it has no signature of AWS's version 4 or 2 in the header 'Authorization' or in its query")
	errSignedTwice  = refuse("signature_twice", "The request shows more than one credential: one is expected, in one header 'Authorization' or in the query")
	errSignedMethod = refuse("signature_method", "The signature of the request is not of AWS4-HMAC-SHA256")
	errTarget       = errRequest("The target of the request must begin with '/' and hold no line break and no '#', in at most %d bytes", maxTarget)
	errMethod       = errRequest("The method of the request is not one of HTTP")
	errHeaders      = errRequest("The request has too many or too long headers: %d of them and %d bytes in all are accepted", maxHeaders, maxHeaderBytes)
	errHeaderForm   = errRequest("A header of the request has a name or a value that HTTP does not allow")
	errEscape       = errRequest("The path or the query of the request has an escape that is not '%%' and two hexadecimal digits")
	errParameters   = errRequest("The query of the request has more than %d parameters", maxParameters)
	errScopeDate    = refuse("signature_scope", "The date in Credential is not that of the request's time")
	errPayload      = refuse("signature_payload", "The body of the request is not the one whose SHA-256 was signed")
	errPayloadForm  = refuse("signature_payload", "The header 'x-amz-content-sha256' is not a SHA-256 in lower-case hexadecimal, nor a word that the service accepts in its place")
	errPayloadNone  = refuse("signature_payload", "The SHA-256 of the body is needed: the request has no header 'x-amz-content-sha256'")
)

func errRequest(format string, args ...any) *iam.Error {
	return refuse("request_malformed", format, args...)
}

func errIncomplete(format string, args ...any) *iam.Error {
	return refuse("signature_incomplete", format, args...)
}

func errUnsigned(format string, args ...any) *iam.Error {
	return refuse("signature_headers", format, args...)
}
