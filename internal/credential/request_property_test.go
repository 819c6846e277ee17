package credential_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
)

// signedRequests are requests that were signed by others, by name, with a
// moment at which they are good.
func signedRequests(t *testing.T) map[string]struct {
	r   *credential.HTTPRequest
	now time.Time
} {
	t.Helper()
	all := make(map[string]struct {
		r   *credential.HTTPRequest
		now time.Time
	})
	add := func(name string, r *credential.HTTPRequest, now time.Time) {
		all[name] = struct {
			r   *credential.HTTPRequest
			now time.Time
		}{r, now}
	}
	for _, c := range suite {
		// What lies before "/.." may change, and the multi-line one has white
		// space that may.
		if !strings.HasPrefix(c.name, "normalize-path") && !strings.HasPrefix(c.name, "post-sts-token/post-sts-header-after") {
			add(c.name, c.request(), suiteTime)
		}
	}
	for _, c := range documented {
		now, err := time.Parse("20060102T150405Z", c.at)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(c.name, "version 2") { // which covers less
			add(c.name, &credential.HTTPRequest{Method: c.method, Target: c.target, Header: headerLines(c.headers), PayloadSHA256: hashOf(c.body)}, now)
		}
	}
	return all
}

func copyOf(r *credential.HTTPRequest) *credential.HTTPRequest {
	other := *r
	other.Header = slices.Clone(r.Header)
	return &other
}

// altered is a text with one byte made another letter.
func altered(s string, i int) string {
	c := byte('x')
	if s[i] == 'x' || s[i] == 'X' {
		c = 'y'
	}
	return s[:i] + string(c) + s[i+1:]
}

// What a signer may not care about changes nothing.
func TestRequestsThatStayGood(t *testing.T) {
	for name, c := range signedRequests(t) {
		changes := map[string]func(*credential.HTTPRequest){
			"other headers": func(r *credential.HTTPRequest) {
				r.Header = append(r.Header, credential.HeaderField{Name: "User-Agent", Value: "x"}, credential.HeaderField{Name: "X-Amzn-Trace-Id", Value: "y"})
			},
			"upper case": func(r *credential.HTTPRequest) {
				for i := range r.Header {
					r.Header[i].Name = strings.ToUpper(r.Header[i].Name)
				}
			},
			"lower case": func(r *credential.HTTPRequest) {
				for i := range r.Header {
					r.Header[i].Name = strings.ToLower(r.Header[i].Name)
				}
			},
			"headers sorted": func(r *credential.HTTPRequest) {
				slices.SortStableFunc(r.Header, func(a, b credential.HeaderField) int {
					return strings.Compare(strings.ToLower(b.Name), strings.ToLower(a.Name))
				})
			},
			"white space around values": func(r *credential.HTTPRequest) {
				for i := range r.Header {
					r.Header[i].Value = " \t" + r.Header[i].Value + "  "
				}
			},
			"query reversed": func(r *credential.HTTPRequest) {
				path, query, _ := strings.Cut(r.Target, "?")
				parts := strings.Split(query, "&")
				slices.Reverse(parts)
				r.Target = path + "?" + strings.Join(parts, "&")
			},
			"authorization rearranged": func(r *credential.HTTPRequest) {
				for i, h := range r.Header {
					if h.Name == "Authorization" {
						algorithm, rest, _ := strings.Cut(h.Value[1:], " ")
						parts := strings.Split(strings.ReplaceAll(rest, " ", ""), ",")
						slices.Reverse(parts)
						r.Header[i].Value = h.Value[:1] + algorithm + "  " + strings.Join(parts, " ,")
					}
				}
			},
		}
		for what, change := range changes {
			r := copyOf(c.r)
			if change(r); what == "authorization rearranged" && !strings.HasPrefix(r.Header[len(r.Header)-1].Value, "AWS4") {
				continue
			}
			if err := newAccessWorld().proveRequest(c.now, r); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// A good request in which any one byte of what is signed is another is refused.
func TestAlteredRequests(t *testing.T) {
	for name, c := range signedRequests(t) {
		refused := func(what string, r *credential.HTTPRequest) {
			t.Helper()
			var e *iam.Error
			if err := newAccessWorld().proveRequest(c.now, r); !errors.As(err, &e) || e.Kind != iam.Unauthenticated || e.Reason == "" {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		alter := func(what, text string, set func(r *credential.HTTPRequest, text string)) {
			for i := range len(text) {
				r := copyOf(c.r)
				set(r, altered(text, i))
				refused(fmt.Sprintf("%s at %d", what, i), r)
			}
		}
		alter("target", c.r.Target, func(r *credential.HTTPRequest, text string) { r.Target = text })
		alter("method", c.r.Method, func(r *credential.HTTPRequest, text string) { r.Method = text })
		authorization := c.r.Header[len(c.r.Header)-1].Value
		for i, h := range c.r.Header {
			set := func(r *credential.HTTPRequest, text string) { r.Header[i].Value = text }
			if h.Name == "Authorization" || strings.Contains(authorization, strings.ToLower(h.Name)) {
				alter(h.Name, strings.TrimSpace(h.Value), set)
				r := copyOf(c.r)
				r.Header = slices.Delete(r.Header, i, i+1)
				refused("without "+h.Name, r)
				r = copyOf(c.r)
				r.Header = append(r.Header, h)
				refused("a second "+h.Name, r)
			}
			if h.Name == "Authorization" {
				for n := range len(h.Value) {
					r := copyOf(c.r)
					set(r, h.Value[:n])
					refused(fmt.Sprintf("%s cut at %d", h.Name, n), r)
				}
				end := strings.LastIndexByte(h.Value, '=') + 1
				r := copyOf(c.r)
				set(r, h.Value[:end]+strings.ToUpper(h.Value[end:]))
				refused("signature in upper case", r)
			}
		}
		if !strings.Contains(name, "presigned") { // which says nothing of a body
			r := copyOf(c.r)
			r.PayloadSHA256 = hashOf("another body")
			refused("another body", r)
		}
		r := copyOf(c.r)
		r.Header = append(r.Header, credential.HeaderField{Name: "X-Amz-Copy-Source", Value: "/a/b"})
		refused("one more x-amz- header", r)
	}
}
