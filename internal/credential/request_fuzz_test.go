package credential_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
)

// FuzzReadRequest: whatever the request, no panic; a refusal is
// UNAUTHENTICATED with a Reason and repeats nothing of the request; and what is
// read does not depend on the order or the case of header names.
func FuzzReadRequest(f *testing.F) {
	for _, c := range suite {
		r := c.request()
		f.Add(r.Method, r.Target, c.headers+"\nAuthorization:"+r.Header[len(r.Header)-1].Value, r.PayloadSHA256, "", suiteTime.Unix())
	}
	for _, c := range documented {
		at, err := time.Parse("20060102T150405Z", c.at)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c.method, c.target, c.headers, "", c.bucket, at.Unix())
	}
	f.Add("GET", "/?X-Amz-Signature=%", "\n \nA", "x", "/", int64(0))
	f.Fuzz(func(t *testing.T, method, target, headers, payload, bucket string, at int64) {
		if at < 0 || at > 1<<36 {
			return
		}
		now := time.Unix(at, 0).UTC()
		r := &credential.HTTPRequest{Method: method, Target: target, Header: fuzzedHeader(headers), PayloadSHA256: payload, Bucket: bucket}
		s, err := credential.ReadRequest(r, now)
		if err != nil {
			var e *iam.Error
			if !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		if s.V2 == "" && strings.Count(s.StringToSign, "\n") != 3 || s.V2 != "" && strings.Count(s.StringToSign, "\n") > 4+len(r.Header)+strings.Count(target, "&")+1 {
			t.Errorf("the string to sign has more lines than a request can give it: %q", s.StringToSign)
		}
		slices.SortStableFunc(r.Header, func(a, b credential.HeaderField) int {
			return strings.Compare(strings.ToLower(b.Name), strings.ToLower(a.Name))
		})
		for i := range r.Header {
			r.Header[i].Name = strings.ToUpper(r.Header[i].Name)
		}
		again, err := credential.ReadRequest(r, now)
		if err != nil || again != s {
			t.Errorf("in another order: %v, %v; want %v", again, err, s)
		}
	})
}

func fuzzedHeader(text string) []credential.HeaderField {
	var fields []credential.HeaderField
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, " ") && fields != nil {
			fields[len(fields)-1].Value += "\n" + line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		fields = append(fields, credential.HeaderField{Name: name, Value: value})
	}
	return fields
}

// The largest requests that are read at all cost little memory.
func TestRequestMemory(t *testing.T) {
	const most = 1 << 20
	for name, r := range map[string]*credential.HTTPRequest{
		"escapes":    with(presigned(), "?", "?"+strings.Repeat("%FF", 5000)+"&"),
		"bytes":      with(presigned(), "?", "?"+strings.Repeat("\xff", 15000)+"&"),
		"parameters": with(presigned(), "?", "?"+strings.Repeat("a=b&", 990)),
		"path":       with(with(presigned(), "/bucket", "/"+strings.Repeat("a/", 7000)), "/s3/", "/sts/"),
		"headers":    more(more(more(with(formed(), "=host", "=a;host"), "A", strings.Repeat("  b", 5000)), "A", strings.Repeat(" b ", 5000)), "A", strings.Repeat("\tb", 8000)),
		"names":      with(formed(), goodNames, strings.Repeat("a;", 7000)+goodNames),
		"parts":      with(formed(), goodNames, goodNames+strings.Repeat(",", 15000)),
		"slashes":    with(formed(), goodScope, strings.Repeat("/", 15000)),
	} {
		r.PayloadSHA256 = emptyHash
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = credential.ReadRequest(r, start)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%s: reading allocates %d bytes, want at most %d", name, got, most)
		}
	}
}
