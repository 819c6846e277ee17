package credential

import (
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// AWS Signature Version 2 of whole requests, as S3 has it. It covers less than
// version 4: of the query only what names a part of a resource, of the headers
// only those below, and nothing of the body but its Content-MD5.
const (
	v2Scheme     = "AWS"
	v2Expires    = "Expires"
	v2Signature  = "Signature"
	v2ID         = "AWSAccessKeyId"
	httpDate     = "Mon, 2 Jan 2006 15:04:05 GMT"
	numberedDate = "Mon, 2 Jan 2006 15:04:05 -0700"
)

// subresources are the parameters that version 2 covers.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "defaultObjectAcl", "delete", "encryption", "intelligent-tiering",
	"inventory", "legal-hold", "lifecycle", "location", "logging", "metrics", "notification", "object-lock",
	"ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment",
	"response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
	"response-content-type", "response-expires", "restore", "retention", "select", "select-type", "storageClass", "tagging",
	"torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

// headerV2 reads "id:signature" behind the scheme.
func (w *wire) headerV2(text string) (Signature, error) {
	id, signature, _ := strings.Cut(text, ":")
	if id == "" || signature == "" {
		return Signature{}, errIncomplete("The header 'Authorization' must have the access key ID and the signature, with a colon between them")
	}
	date, err := w.single(headerAmzDate)
	if err != nil {
		return Signature{}, err
	}
	line := ""
	if date == "" {
		if date, err = w.single(headerDate); err != nil {
			return Signature{}, err
		}
		line = date
	}
	// Digits would be the end of a presigned request's life.
	if !isDate(date) {
		return Signature{}, errIncomplete("The request must have a header 'date' or 'x-amz-date' with a time as HTTP writes it")
	}
	token, err := w.token(headerAmzToken)
	if err != nil {
		return Signature{}, err
	}
	return w.finishV2(Signature{AccessKeyID: id, Signature: signature, SessionToken: token}, line, nil)
}

// queryV2 reads the presigned form. Parameters that begin with x-amz- count as
// the headers that they name.
func (w *wire) queryV2() (Signature, error) {
	var s Signature
	var err error
	if s.AccessKeyID, err = w.parameterValue(v2ID); err != nil {
		return s, err
	}
	if s.Signature, err = w.parameterValue(v2Signature); err != nil {
		return s, err
	}
	expires, err := w.parameterValue(v2Expires)
	if err != nil {
		return s, err
	}
	if _, ok := digits(expires); !ok {
		return s, errIncomplete("The parameter '%s' must be a number of seconds since 1970", v2Expires)
	}
	if s.SessionToken, err = w.token(headerAmzToken); err != nil {
		return s, err
	}
	more := make(map[string]string)
	for _, p := range w.query {
		if !strings.HasPrefix(p.name, amzPrefix) {
			continue
		}
		if _, twice := more[p.name]; twice || len(w.headers[p.name]) > 0 {
			return s, errIncomplete("What begins with 'x-amz-' is given twice, in the query or in it and a header")
		}
		if !isToken(p.name) || p.name != strings.ToLower(p.name) || !isText(p.value) || strings.Contains(p.raw, "+") {
			return s, errIncomplete("A parameter that begins with 'x-amz-' cannot be a header")
		}
		more[p.name] = strings.Trim(p.value, " \t")
	}
	return w.finishV2(s, expires, more)
}

func isDate(text string) bool {
	for _, layout := range [...]string{httpDate, numberedDate, v4Time} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// finishV2 makes the string to sign. More are headers that came in the query.
func (w *wire) finishV2(s Signature, date string, more map[string]string) (Signature, error) {
	for i := range w.query {
		name := strings.ToLower(w.query[i].name)
		if _, covered := more[w.query[i].name]; strings.HasPrefix(name, amzPrefix) && !covered {
			return Signature{}, errAmzQuery // whoever reads it as a header would do what nobody has signed
		}
	}
	var b strings.Builder
	b.WriteString(w.Method)
	for _, name := range [...]string{"content-md5", "content-type"} {
		value, err := w.single(name)
		if err != nil {
			return Signature{}, err
		}
		b.WriteByte('\n')
		b.WriteString(value)
	}
	b.WriteByte('\n')
	b.WriteString(date)
	b.WriteByte('\n')
	w.amzHeadersV2(&b, more)
	if err := w.resourceV2(&b); err != nil {
		return Signature{}, err
	}
	s.V2, s.StringToSign = hmacSHA1, b.String()
	return s, nil
}

func (w *wire) amzHeadersV2(b *strings.Builder, more map[string]string) {
	var names []string
	for name := range w.headers {
		if strings.HasPrefix(name, amzPrefix) {
			names = append(names, name)
		}
	}
	for name := range more {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(':')
		if value, ok := more[name]; ok {
			b.WriteString(value)
		} else {
			b.WriteString(strings.Join(w.headers[name], ","))
		}
		b.WriteByte('\n')
	}
}

// resourceV2 writes the bucket, the path as it came, and the parameters that
// name a part of the resource, their values decoded.
func (w *wire) resourceV2(b *strings.Builder) error {
	if w.Bucket != "" {
		if !isName(w.Bucket, 255) {
			return errRequest("The bucket in the host of the request is not a name")
		}
		b.WriteByte('/')
		b.WriteString(w.Bucket)
	}
	b.WriteString(w.path)
	var parts [][2]string // name, and as it is signed
	for _, p := range w.query {
		if _, found := slices.BinarySearch(subresources, p.name); !found {
			continue
		}
		if !isText(p.value) || strings.Contains(p.raw, "+") {
			return errPlus(p.name)
		}
		if holdsSubresource(p.value) {
			return errTwoInOne
		}
		part := p.name
		if p.valued {
			part += "=" + p.value
		}
		parts = append(parts, [2]string{p.name, part})
	}
	slices.SortStableFunc(parts, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
	for i, part := range parts {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(part[1])
	}
	return nil
}

// holdsSubresource tells whether a value would look in the string to sign as if
// parameters that version 2 covers stood behind it: it is not escaped there, and
// so "?a=1&acl" and "?a=1%26acl" have one signature.
func holdsSubresource(value string) bool {
	_, rest, more := strings.Cut(value, "&")
	for more {
		var part string
		part, rest, more = strings.Cut(rest, "&")
		name, _, _ := strings.Cut(part, "=")
		if _, found := slices.BinarySearch(subresources, name); found {
			return true
		}
	}
	return false
}

var (
	errAmzQuery = errRequest("The query of the request has a parameter that begins with 'x-amz-' and that its signature of version 2 does not cover")
	errTwoInOne = errRequest("A parameter of the query holds the text of another one: a signature of version 2 does not tell them apart")
)

// errPlus: version 2 signs a plus and an escaped plus alike, which are read as
// a space and as a plus.
func errPlus(name string) *iam.Error {
	return errRequest("The parameter '%s' of the query has a plus that is not escaped, or a control character: a signature of version 2 does not cover these", name)
}
