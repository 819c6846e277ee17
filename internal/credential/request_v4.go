package credential

import (
	"slices"
	"strings"
	"time"
)

// Parameters of a presigned request of version 4.
const (
	queryAlgorithm  = "X-Amz-Algorithm"
	queryCredential = "X-Amz-Credential"
	queryDate       = "X-Amz-Date"
	queryExpires    = "X-Amz-Expires"
	querySigned     = "X-Amz-SignedHeaders"
	querySignature  = "X-Amz-Signature"
	queryToken      = "X-Amz-Security-Token"
	queryPayload    = "X-Amz-Content-Sha256"
)

const (
	serviceS3       = "s3"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// streamedPayloads are the words of S3's uploads whose body is signed piece by
// piece, or not at all: the signature of the request covers only the word.
var streamedPayloads = []string{
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
}

// Bounds of a scope's parts [API fact: region ≤ 32, service ≤ 64].
const (
	maxRegion  = 32
	maxService = 64
)

// signed4 is what a request of version 4 says of its signature.
type signed4 struct {
	Signature
	date    string   // of the scope
	headers []string // that are signed, sorted
}

// headerV4 reads the header form: Credential, SignedHeaders and Signature in
// any order, commas between them.
func (w *wire) headerV4(parts string) (Signature, error) {
	var credential, signed, signature string
	for part := range strings.SplitSeq(parts, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		var into *string
		switch name {
		case "Credential":
			into = &credential
		case "SignedHeaders":
			into = &signed
		case "Signature":
			into = &signature
		default:
			return Signature{}, errIncomplete("The header 'Authorization' has a part besides Credential, SignedHeaders and Signature")
		}
		if *into != "" || value == "" {
			return Signature{}, errIncomplete("In the header 'Authorization', %s is empty or given twice", name)
		}
		*into = value
	}
	if credential == "" || signed == "" || signature == "" {
		return Signature{}, errIncomplete("The header 'Authorization' must have Credential, SignedHeaders and Signature")
	}
	s := signed4{Signature: Signature{Signature: signature}}
	if err := s.readScope(credential); err != nil {
		return Signature{}, err
	}
	if err := w.readSignedHeaders(&s, signed); err != nil {
		return Signature{}, err
	}
	at, err := w.signedAt()
	if err != nil {
		return Signature{}, err
	}
	s.SignedAt = at
	if s.SessionToken, err = w.token(queryToken); err != nil {
		return Signature{}, err
	}
	payload, err := w.payload(&s, "")
	if err != nil {
		return Signature{}, err
	}
	return w.finishV4(&s, w.query, payload)
}

// queryV4 reads the presigned form. It is good from its time on, and 15 minutes
// before for clocks that are late, until X-Amz-Expires seconds have passed. A
// session token in front of the signature is signed; some signers append it
// behind, and then it is not: the secret is the token's own anyway.
func (w *wire) queryV4() (Signature, error) {
	got := make(map[string]string, 5)
	for _, name := range [...]string{queryAlgorithm, queryCredential, queryDate, querySigned, querySignature} {
		value, err := w.parameterValue(name)
		if err != nil {
			return Signature{}, err
		}
		got[name] = value
	}
	if got[queryAlgorithm] != v4Algorithm {
		return Signature{}, errSignedMethod
	}
	s := signed4{Signature: Signature{Signature: got[querySignature]}}
	if err := s.readScope(got[queryCredential]); err != nil {
		return Signature{}, err
	}
	err := w.readLife(&s)
	if err != nil {
		return Signature{}, err
	}
	var ok bool
	if s.SignedAt, ok = compactTime(got[queryDate]); !ok {
		return Signature{}, errIncomplete("The parameter '%s' must be a time as %s is", queryDate, v4Time)
	}
	if err := w.readSignedHeaders(&s, got[querySigned]); err != nil {
		return Signature{}, err
	}
	if s.SessionToken, err = w.token(queryToken); err != nil {
		return Signature{}, err
	}
	hash := ""
	if w.has(queryPayload) {
		if hash, err = w.parameterValue(queryPayload); err != nil {
			return Signature{}, err
		}
	}
	payload, err := w.payload(&s, hash)
	if err != nil {
		return Signature{}, err
	}
	return w.finishV4(&s, w.coveredQuery(), payload)
}

// readLife reads how long a presigned request is good. Only S3 demands that it
// be said; aws-sdk-go-v2 leaves it out for other services, where it then is as
// long as that of a request signed in its header.
func (w *wire) readLife(s *signed4) error {
	if s.Service != serviceS3 && !w.has(queryExpires) {
		s.life = signatureWindow
		return nil
	}
	text, err := w.parameterValue(queryExpires)
	if err != nil {
		return err
	}
	seconds, ok := digits(text)
	if !ok || seconds < 1 || seconds > int64(presignedMost/time.Second) {
		return errIncomplete("The parameter '%s' must be from 1 to %d seconds", queryExpires, int64(presignedMost/time.Second))
	}
	s.life = time.Duration(seconds) * time.Second
	return nil
}

// coveredQuery is what a presigned request's signature covers of its query.
func (w *wire) coveredQuery() []parameter {
	covered := make([]parameter, 0, len(w.query))
	behind := false
	for _, p := range w.query {
		switch {
		case p.name == querySignature:
			behind = true
		case p.name == queryToken && behind:
		default:
			covered = append(covered, p)
		}
	}
	return covered
}

// readScope reads "id/20060102/region/service/aws4_request".
func (s *signed4) readScope(text string) error {
	parts := strings.SplitN(text, "/", 6)
	if len(parts) != 5 || parts[0] == "" || len(parts[1]) != len(v4Date) || !isName(parts[2], maxRegion) || !isName(parts[3], maxService) || parts[4] != v4Terminator {
		return errIncomplete("Credential must be the access key ID, the date, the region, the service and %s, with slashes between them", v4Terminator)
	}
	if _, err := time.Parse(v4Date, parts[1]); err != nil {
		return errIncomplete("The date in Credential must be one as 20060102 is")
	}
	s.AccessKeyID, s.date, s.Region, s.Service = parts[0], parts[1], parts[2], parts[3]
	return nil
}

// isName tells whether a text can be a region or a service.
func isName(s string, most int) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// readSignedHeaders reads the list of signed headers: names in lower case,
// sorted, each once, each of them there. Host must be among them, and every
// header that begins with x-amz-: these change what a request does.
func (w *wire) readSignedHeaders(s *signed4, list string) error {
	s.headers = strings.Split(list, ";")
	for i, name := range s.headers {
		if !isToken(name) || name != strings.ToLower(name) || i > 0 && s.headers[i-1] >= name {
			return errIncomplete("The list of signed headers must hold names in lower case, sorted, each once, with semicolons between them")
		}
		if len(w.headers[name]) == 0 {
			return errUnsigned("The request lacks a header that was signed")
		}
	}
	isSigned := func(name string) bool {
		_, found := slices.BinarySearch(s.headers, name)
		return found
	}
	if len(w.headers[headerHost]) != 1 || !isSigned(headerHost) {
		return errUnsigned("The header 'host' must be there once, and be signed")
	}
	if isSigned(headerAuthorization) {
		return errUnsigned("The header 'authorization' cannot be signed: it holds the signature")
	}
	for name := range w.headers {
		if strings.HasPrefix(name, amzPrefix) && !isSigned(name) {
			return errUnsigned("Every header that begins with 'x-amz-' must be signed")
		}
	}
	return nil
}

// signedAt is the time of a request that was signed in its header.
func (w *wire) signedAt() (time.Time, error) {
	date, err := w.single(headerAmzDate)
	if err != nil {
		return time.Time{}, err
	}
	plain := ""
	if date == "" {
		if plain, err = w.single(headerDate); err != nil {
			return time.Time{}, err
		}
		date = plain
	}
	if at, ok := compactTime(date); ok {
		return at, nil
	}
	for _, layout := range [...]string{httpDate, numberedDate} {
		if at, err := time.Parse(layout, plain); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, errIncomplete("The request must have the header 'x-amz-date' with a time as %s is, or else a header 'date'", v4Time)
}

// payload is what stands for the body in what is signed: what the request says
// of it, in a header or (presigned) in the query, and else the asker's hash of
// it. Where the signature covers the body's hash, the two must agree.
func (w *wire) payload(s *signed4, inQuery string) (string, error) {
	said, err := w.single(headerAmzPayload)
	if err != nil {
		return "", err
	}
	if inQuery != "" {
		if said != "" && said != inQuery {
			return "", errPayload
		}
		said = inQuery
	}
	presigned := s.life > 0
	switch {
	case said == "" && presigned && s.Service == serviceS3:
		return unsignedPayload, nil
	case said == "" && w.PayloadSHA256 == "":
		return "", errPayloadNone
	case said == "":
		return w.PayloadSHA256, nil
	case s.Service == serviceS3 && (said == unsignedPayload || slices.Contains(streamedPayloads, said)):
		return said, nil
	case !isHex(said, 64):
		return "", errPayloadForm
	case w.PayloadSHA256 != "" && w.PayloadSHA256 != said:
		return "", errPayload
	}
	return said, nil
}

// finishV4 makes the string to sign.
func (w *wire) finishV4(s *signed4, query []parameter, payload string) (Signature, error) {
	if s.SignedAt.Format(v4Date) != s.date {
		return Signature{}, errScopeDate
	}
	scope := s.date + "/" + s.Region + "/" + s.Service + "/" + v4Terminator
	s.StringToSign = v4Algorithm + "\n" + s.SignedAt.Format(v4Time) + "\n" + scope + "\n" + w.canonicalDigest(s, query, payload)
	return s.Signature, nil
}

// withinLife judges the time of a presigned request.
func withinLife(at time.Time, life time.Duration, now time.Time) error {
	switch {
	case at.Sub(now) > signatureWindow:
		return errSignatureNew
	case !now.Before(at.Add(life)):
		return errPresignedOld
	}
	return nil
}
