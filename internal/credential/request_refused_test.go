package credential_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
)

const (
	goodScope = "AKIDEXAMPLE/20261101/ru-central1/s3/aws4_request"
	goodNames = "host;x-amz-content-sha256;x-amz-date"
	goodHex   = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
)

// formed is a request whose form is good at start; its signature is not.
func formed() *credential.HTTPRequest {
	return &credential.HTTPRequest{Method: "GET", Target: "/bucket/object?list-type=2", Header: headerLines("Host: storage.example.com\n" +
		"X-Amz-Content-Sha256: " + emptyHash + "\nX-Amz-Date: 20261101T120000Z\nAuthorization: AWS4-HMAC-SHA256 Credential=" + goodScope +
		", SignedHeaders=" + goodNames + ", Signature=" + goodHex)}
}

func presigned() *credential.HTTPRequest {
	return &credential.HTTPRequest{Method: "GET", Target: "/bucket/object?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + goodScope +
		"&X-Amz-Date=20261101T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=" + goodHex, Header: headerLines("Host: storage.example.com")}
}

func formed2() *credential.HTTPRequest {
	return &credential.HTTPRequest{Method: "GET", Target: "/bucket/object?acl",
		Header: headerLines("Host: storage.example.com\nDate: Sun, 01 Nov 2026 12:00:00 GMT\nAuthorization: AWS AKIDEXAMPLE:AAAAAAAAAAAAAAAAAAAAAAAAAAA=")}
}

func presigned2() *credential.HTTPRequest {
	return &credential.HTTPRequest{Method: "GET", Target: "/bucket/object?AWSAccessKeyId=AKIDEXAMPLE&Expires=1793534460&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
		Header: headerLines("Host: storage.example.com")}
}

// with changes one text of a request, in its target or a header, wherever it is.
func with(r *credential.HTTPRequest, old, new string) *credential.HTTPRequest {
	found := strings.Contains(r.Target, old)
	r.Target = strings.ReplaceAll(r.Target, old, new)
	for i, h := range r.Header {
		line := h.Name + ": " + strings.TrimSpace(h.Value)
		found = found || strings.Contains(line, old)
		r.Header[i].Name, r.Header[i].Value, _ = strings.Cut(strings.ReplaceAll(line, old, new), ": ")
	}
	if !found {
		panic("nowhere: " + old)
	}
	return r
}

func more(r *credential.HTTPRequest, name, value string) *credential.HTTPRequest {
	r.Header = append(r.Header, credential.HeaderField{Name: name, Value: value})
	return r
}

func less(r *credential.HTTPRequest, name string) *credential.HTTPRequest {
	var kept []credential.HeaderField
	for _, h := range r.Header {
		if h.Name != name {
			kept = append(kept, h)
		}
	}
	r.Header = kept
	return r
}

func target(r *credential.HTTPRequest, t string) *credential.HTTPRequest {
	r.Target = t
	return r
}

func method(r *credential.HTTPRequest, m string) *credential.HTTPRequest {
	r.Method = m
	return r
}

func payload(r *credential.HTTPRequest, hash string) *credential.HTTPRequest {
	r.PayloadSHA256 = hash
	return r
}

func TestRequestRefused(t *testing.T) {
	const (
		ok, missing, incomplete, twice = "access_key_invalid", "signature_missing", "signature_incomplete", "signature_twice"
		headers, body, malformed       = "signature_headers", "signature_payload", "request_malformed"
		long                           = "signature_scope"
	)
	many := formed()
	for range 200 {
		more(many, "A", "b")
	}
	big := formed()
	for range 5 {
		more(big, "A", strings.Repeat("b", 16<<10))
	}
	for name, c := range map[string]struct {
		r      *credential.HTTPRequest
		reason string
	}{
		"good form": {formed(), ok}, "good presigned form": {presigned(), ok}, "good form of version 2": {formed2(), ok}, "good presigned form of version 2": {presigned2(), ok},

		"no signature":     {less(formed(), "Authorization"), missing},
		"a bearer":         {with(formed(), "AWS4-HMAC-SHA256 Credential", "Bearer t1.x Credential"), missing},
		"nothing":          {&credential.HTTPRequest{Method: "GET", Target: "/"}, missing},
		"only a scheme":    {with(formed2(), "AWS AKIDEXAMPLE:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AWS"), incomplete},
		"asymmetric":       {with(formed(), "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "signature_method"},
		"asymmetric query": {with(presigned(), "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "signature_method"},

		"two headers":               {more(formed(), "authorization", "Bearer t1.x"), twice},
		"header and query":          {with(formed(), "?list-type=2", "?X-Amz-Signature="+goodHex), twice},
		"header and bare algorithm": {with(formed(), "?list-type=2", "?X-Amz-Algorithm=AWS4-HMAC-SHA256"), twice},
		"header and version 2":      {with(formed(), "?list-type=2", "?AWSAccessKeyId=AKIDEXAMPLE"), twice},
		"both versions in a query":  {with(presigned(), "?", "?AWSAccessKeyId=AKIDEXAMPLE&"), twice},
		"bearer and query":          {more(presigned(), "Authorization", "Bearer t1.x"), twice},

		"another part":        {with(formed(), ", Signature", ", Extra=1, Signature"), incomplete},
		"a part twice":        {with(formed(), ", Signature", ", Signature=0, Signature"), incomplete},
		"a part missing":      {with(formed(), "SignedHeaders="+goodNames+", ", ""), incomplete},
		"an empty part":       {with(formed(), "Signature="+goodHex, "Signature="), incomplete},
		"a comma at the end":  {with(formed(), goodHex, goodHex+","), incomplete},
		"parts in lower case": {with(formed(), "Signature=", "signature="), incomplete},
		"a short scope":       {with(formed(), goodScope, "AKIDEXAMPLE/20261101/ru-central1/s3"), incomplete},
		"a long scope":        {with(formed(), goodScope, goodScope+"/x"), incomplete},
		"no id":               {with(formed(), "AKIDEXAMPLE/", "/"), incomplete},
		"another terminator":  {with(formed(), "aws4_request", "aws5_request"), incomplete},
		"no such date":        {with(formed(), "/20261101/", "/20261301/"), incomplete},
		"a short date":        {with(formed(), "/20261101/", "/2026111/"), incomplete},
		"a line in a region":  {with(presigned(), "ru-central1", "ru%0Acentral1"), incomplete},
		"a long region":       {with(formed(), "ru-central1", strings.Repeat("r", 33)), incomplete},
		"a long service":      {with(formed(), "/s3/", "/"+strings.Repeat("s", 65)+"/"), incomplete},
		"another day":         {with(formed(), "/20261101/", "/20261102/"), long},
		"a token as the id":   {with(formed(), "AKIDEXAMPLE/", "t1.abc.def/"), "credential_kind"},

		"no date":              {with(less(formed(), "X-Amz-Date"), ";x-amz-date", ""), incomplete},
		"a date of HTTP":       {with(more(less(formed(), "X-Amz-Date"), "Date", "Sun, 01 Nov 2026 12:00:00 GMT"), ";x-amz-date", ""), ok},
		"a compact date":       {with(more(less(formed(), "X-Amz-Date"), "Date", "20261101T120000Z"), ";x-amz-date", ""), ok},
		"an unreadable date":   {with(formed(), "20261101T120000Z", "2026-11-01T12:00:00Z"), incomplete},
		"fractions":            {with(formed(), "20261101T120000Z", "20261101T120000.5Z"), incomplete},
		"HTTP's in x-amz-date": {with(formed(), "20261101T120000Z", "Sun, 01 Nov 2026 12:00:00 GMT"), incomplete},
		"two dates":            {more(formed(), "x-amz-date", "20261101T120000Z"), incomplete},

		"unsorted names":       {with(formed(), goodNames, "host;x-amz-date;x-amz-content-sha256"), incomplete},
		"names twice":          {with(formed(), goodNames, "host;"+goodNames), incomplete},
		"names in upper case":  {with(formed(), goodNames, "Host;x-amz-content-sha256;x-amz-date"), incomplete},
		"an empty name":        {with(formed(), goodNames, ";"+goodNames), incomplete},
		"host unsigned":        {with(formed(), "host;", ""), headers},
		"no host":              {less(formed(), "Host"), headers},
		"two hosts":            {more(formed(), "Host", "storage.example.com"), headers},
		"date unsigned":        {with(formed(), ";x-amz-date", ""), headers},
		"hash unsigned":        {with(formed(), "x-amz-content-sha256;", ""), headers},
		"token unsigned":       {more(formed(), "X-Amz-Security-Token", "s1.x"), headers},
		"acl unsigned":         {more(presigned(), "x-amz-acl", "public-read"), headers},
		"a header not there":   {with(formed(), "host;", "host;range;"), headers},
		"authorization signed": {with(formed(), "SignedHeaders=", "SignedHeaders=authorization;"), headers},
		"two tokens":           {with(more(more(formed(), "X-Amz-Security-Token", "s1.x"), "X-Amz-Security-Token", "s1.y"), "x-amz-date,", "x-amz-date;x-amz-security-token,"), incomplete},
		"an empty token":       {with(more(formed(), "X-Amz-Security-Token", ""), "x-amz-date,", "x-amz-date;x-amz-security-token,"), incomplete},
		"tokens in both":       {with(with(more(formed(), "X-Amz-Security-Token", "s1.x"), "x-amz-date,", "x-amz-date;x-amz-security-token,"), "?", "?X-Amz-Security-Token=s1.x&"), incomplete},
		"a token twice":        {with(presigned(), "?", "?X-Amz-Security-Token=s1.x&X-Amz-Security-Token=s1.x&"), incomplete},
		"an empty parameter":   {with(presigned(), "?", "?X-Amz-Security-Token=&"), incomplete},

		"another body":           {payload(formed(), hashOf("x")), body},
		"the same body":          {payload(formed(), emptyHash), ok},
		"no hash of the body":    {with(less(formed(), "X-Amz-Content-Sha256"), "x-amz-content-sha256;", ""), body},
		"the asker's hash":       {payload(with(less(formed(), "X-Amz-Content-Sha256"), "x-amz-content-sha256;", ""), emptyHash), ok},
		"the asker's bad hash":   {payload(formed(), "xyz"), body},
		"a hash in upper case":   {with(formed(), emptyHash, strings.ToUpper(emptyHash)), body},
		"two hashes":             {more(formed(), "x-amz-content-sha256", emptyHash), incomplete},
		"unsigned":               {payload(with(formed(), emptyHash, "UNSIGNED-PAYLOAD"), hashOf("x")), ok},
		"unsigned for sts":       {with(with(formed(), emptyHash, "UNSIGNED-PAYLOAD"), "/s3/", "/sts/"), body},
		"streamed":               {with(formed(), emptyHash, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ok},
		"streamed with a tail":   {with(formed(), emptyHash, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), ok},
		"streamed for sts":       {with(with(formed(), emptyHash, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), "/s3/", "/sts/"), body},
		"streamed in a new way":  {with(formed(), emptyHash, "STREAMING-X"), body},
		"presigned for sts":      {with(presigned(), "/s3/", "/sts/"), body},
		"presigned, hash given":  {payload(with(presigned(), "?", "?X-Amz-Content-Sha256="+emptyHash+"&"), hashOf("x")), body},
		"presigned, two hashes":  {with(with(more(presigned(), "x-amz-content-sha256", emptyHash), "?", "?X-Amz-Content-Sha256="+hashOf("x")+"&"), "=host&", "=host;x-amz-content-sha256&"), body},
		"presigned for no time":  {with(presigned(), "Expires=60", "Expires=0"), incomplete},
		"presigned for a week":   {with(presigned(), "Expires=60", "Expires=604800"), ok},
		"presigned for longer":   {with(presigned(), "Expires=60", "Expires=604801"), incomplete},
		"presigned for minus":    {with(presigned(), "Expires=60", "Expires=-60"), incomplete},
		"presigned for plus":     {with(presigned(), "Expires=60", "Expires=%2B60"), incomplete},
		"presigned for words":    {with(presigned(), "Expires=60", "Expires=1h"), incomplete},
		"presigned without end":  {with(presigned(), "X-Amz-Expires=60&", ""), incomplete},
		"presigned twice":        {with(presigned(), "?", "?X-Amz-Signature="+goodHex+"&"), incomplete},
		"presigned, two ends":    {with(presigned(), "?", "?X-Amz-Expires=60&"), incomplete},
		"presigned, odd date":    {with(presigned(), "20261101T120000Z", "20261101T120000.0Z"), incomplete},
		"presigned without host": {with(presigned(), "SignedHeaders=host", "SignedHeaders=range"), headers},

		"a full URL":             {target(formed(), "http://storage.example.com/"), malformed},
		"an asterisk":            {target(formed(), "*"), malformed},
		"an empty target":        {target(formed(), ""), malformed},
		"a fragment":             {target(formed(), "/a#b"), malformed},
		"a line in the target":   {target(formed(), "/a\nb"), malformed},
		"a long target":          {target(formed(), "/"+strings.Repeat("a", 16<<10)), malformed},
		"a bad escape":           {target(formed(), "/a?b=%zz"), malformed},
		"a cut escape":           {target(formed(), "/a?b=%4"), malformed},
		"a bad escape in a name": {target(formed(), "/a?%b=c"), malformed},
		"a bad escape in a path": {target(formed(), "/a%zz"), malformed},
		"many parameters":        {target(formed(), "/?"+strings.Repeat("a&", 1000)), malformed},
		"no method":              {method(formed(), ""), malformed},
		"a method of two lines":  {method(formed(), "GET\n/"), malformed},
		"many headers":           {many, malformed},
		"long headers":           {big, malformed},
		"a long header":          {more(formed(), "A", strings.Repeat("b", 16<<10+1)), malformed},
		"a long name":            {more(formed(), strings.Repeat("b", 257), ""), malformed},
		"a name with a space":    {more(formed(), "A b", "c"), malformed},
		"a name with a colon":    {more(formed(), "A:b", "c"), malformed},
		"an empty header":        {more(formed(), "", "c"), malformed},
		"a line break":           {more(formed(), "A", "b\nx-amz-acl: private"), malformed},
		"a bare return":          {more(formed(), "A", "b\rc"), malformed},
		"a zero":                 {more(formed(), "A", "b\x00c"), malformed},

		"version 2, no signature":         {with(formed2(), ":AAAAAAAAAAAAAAAAAAAAAAAAAAA=", ":"), incomplete},
		"version 2, no date":              {less(formed2(), "Date"), incomplete},
		"version 2, x-amz-date":           {more(less(formed2(), "Date"), "x-amz-date", "Sun, 01 Nov 2026 12:00:00 GMT"), ok},
		"version 2, an end as the date":   {with(formed2(), "Sun, 01 Nov 2026 12:00:00 GMT", "1793534460"), incomplete},
		"version 2, a date without year":  {with(formed2(), "Sun, 01 Nov 2026 12:00:00 GMT", "yesterday"), incomplete},
		"version 2, dates":                {more(formed2(), "Date", "Sun, 01 Nov 2026 12:00:00 GMT"), incomplete},
		"version 2, types":                {more(more(formed2(), "Content-Type", "a/b"), "Content-Type", "a/b"), incomplete},
		"version 2, a plus":               {with(formed2(), "?acl", "?response-content-type=a+b"), malformed},
		"version 2, a line":               {with(formed2(), "?acl", "?response-content-type=a%0Ab"), malformed},
		"version 2, two in one":           {with(formed2(), "?acl", "?response-content-type=a%26versionId=3"), malformed},
		"version 2, two in one, no value": {with(formed2(), "?acl", "?response-content-type=a%26acl"), malformed},
		"version 2, an ampersand":         {with(formed2(), "?acl", "?response-content-disposition=a%26b%26version=1"), ok},
		"version 2, acl in the query":     {with(formed2(), "?acl", "?acl&x-amz-acl=public-read"), malformed},
		"version 2, Acl in the query":     {with(formed2(), "?acl", "?acl&X-Amz-Acl=public-read"), malformed},
		"version 2, Acl presigned":        {with(presigned2(), "?", "?X-Amz-Acl=public-read&"), malformed},
		"version 2, a bucket":             {&credential.HTTPRequest{Method: "GET", Target: "/", Bucket: "a/b", Header: formed2().Header}, malformed},
		"version 2, no end":               {with(presigned2(), "Expires=1793534460&", ""), incomplete},
		"version 2, end in words":         {with(presigned2(), "1793534460", "tomorrow"), incomplete},
		"version 2, two ends":             {with(presigned2(), "?", "?Expires=1793534460&"), incomplete},
		"version 2, for queries":          {with(presigned2(), "Expires=1793534460", "SignatureVersion=2&SignatureMethod=HmacSHA1&Timestamp=2026-11-01T12%3A00%3A00Z"), incomplete},
		"version 2, token twice":          {with(more(presigned2(), "x-amz-security-token", "s1.x"), "?", "?x-amz-security-token=s1.x&"), incomplete},
		"version 2, acl twice":            {with(more(presigned2(), "x-amz-acl", "private"), "?", "?x-amz-acl=public-read&"), incomplete},
		"version 2, acl of two lines":     {with(presigned2(), "?", "?x-amz-acl=a%0Ab&"), incomplete},
	} {
		err := newAccessWorld().proveRequest(start, c.r)
		refusedSignature(t, name, err, c.reason, "")
		var e *iam.Error
		if errors.As(err, &e) {
			for _, secret := range []string{"AKIDEXAMPLE", goodHex, "s1.", emptyHash, "AAAA", "t1.", "storage.example", "\n"} {
				if strings.Contains(e.Message, secret) {
					t.Errorf("%s: the refusal repeats %q: %s", name, secret, e.Message)
				}
			}
		}
	}
}

// A request is good for 15 minutes both ways, over midnight too, and a
// presigned one until its end.
func TestRequestTimes(t *testing.T) {
	midnight := time.Date(2026, 11, 1, 23, 59, 59, 0, time.UTC)
	late := with(formed(), "20261101T120000Z", "20261101T235959Z")
	for name, c := range map[string]struct {
		r      func() *credential.HTTPRequest
		at     time.Time
		shift  time.Duration
		reason string
	}{
		"now":                     {formed, start, 0, ""},
		"15 min":                  {formed, start, 15 * time.Minute, ""},
		"15 min 1 s":              {formed, start, 15*time.Minute + time.Second, "signature_expired"},
		"15 min early":            {formed, start, -15 * time.Minute, ""},
		"15 min 1 s early":        {formed, start, -15*time.Minute - time.Second, "signature_not_yet_valid"},
		"a day later":             {formed, start, 24 * time.Hour, "signature_expired"},
		"over midnight":           {func() *credential.HTTPRequest { return late }, midnight, 10 * time.Minute, ""},
		"long after midnight":     {func() *credential.HTTPRequest { return late }, midnight, 16 * time.Minute, "signature_expired"},
		"presigned":               {presigned, start, 59 * time.Second, ""},
		"presigned, its end":      {presigned, start, time.Minute, "signature_expired"},
		"presigned, early":        {presigned, start, -15 * time.Minute, ""},
		"presigned, too early":    {presigned, start, -15*time.Minute - time.Second, "signature_not_yet_valid"},
		"presigned for a week":    {func() *credential.HTTPRequest { return with(presigned(), "=60", "=604800") }, start, 7*24*time.Hour - time.Second, ""},
		"presigned, a week later": {func() *credential.HTTPRequest { return with(presigned(), "=60", "=604800") }, start, 7 * 24 * time.Hour, "signature_expired"},
		"version 2":               {formed2, start, 15 * time.Minute, ""},
		"version 2, later":        {formed2, start, 15*time.Minute + time.Second, "signature_expired"},
		"version 2, end":          {presigned2, start, 59 * time.Second, ""},
		"version 2, behind it":    {presigned2, start, time.Minute, "signature_expired"},
	} {
		s, err := credential.ReadRequest(c.r(), c.at.Add(c.shift))
		if c.reason != "" {
			refusedSignature(t, name, err, c.reason, "")
			// What was read in time is judged again when it is proved.
			if s, err = credential.ReadRequest(c.r(), c.at); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			refusedSignature(t, name+", proved", errorOf(newAccessWorld().prove(c.at.Add(c.shift), s)), c.reason, "")
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			refusedSignature(t, name+", proved", errorOf(newAccessWorld().prove(c.at.Add(c.shift), s)), "access_key_invalid", "")
		}
	}
}
