package sts_test

import (
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/sts"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Over HTTP/2 a client may name the host in a header alone (RFC 9113 section
// 8.3.1), which net/http then leaves among the others. A host that another one
// stands beside stays there, so that the proof sees both.
func TestHosts(t *testing.T) {
	for name, c := range map[string]struct{ header, want []string }{
		"in its place":   {nil, []string{"sts.example.com"}},
		"in a header":    {[]string{"sts.example.com"}, []string{"sts.example.com"}},
		"another one":    {[]string{"sts.example.org"}, []string{"sts.example.com", "sts.example.org"}},
		"in two headers": {[]string{"sts.example.com", "sts.example.com"}, []string{"sts.example.com", "sts.example.com", "sts.example.com"}},
	} {
		g := &asked{answer: &propuskpb.GetCallerIdentityResponse{}}
		r := httptest.NewRequest("GET", "http://sts.example.com/?"+whoami, nil)
		if c.header != nil {
			r.Header["Host"] = c.header
		}
		(&sts.Door{Gate: g}).ServeHTTP(httptest.NewRecorder(), r)
		var got []string
		for _, h := range g.message.(*propuskpb.GetCallerIdentityRequest).GetRequest().GetHeaders() {
			if h.GetName() == "Host" {
				got = append(got, h.GetValue())
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
