package sts_test

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/sts"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// FuzzParameters: whatever the query and the form, no panic, an answer that is
// XML; and what is let through says to the gate what another reader of forms
// reads too, each parameter once.
func FuzzParameters(f *testing.F) {
	f.Add("", assume+"&DurationSeconds=900&Policy=%7B%22Statement%22%3A+%5B%5D%7D")
	f.Add("X-Amz-Signature=1&Action=AssumeRole", "Version=2011-06-15&RoleArn=%D0%AF")
	f.Add(assume, "")
	f.Add("", assume+"&RoleArn=x")
	f.Add("", assume+"&policy=x&&=&==&%&%4")
	f.Add("x-amz-=;", assume+";RoleArn=x&Tags=&Policy=+%00")
	f.Fuzz(func(t *testing.T, query, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.URL.RawQuery, r.RequestURI = query, "/?"+query
		r.Header.Set("Content-Type", form)
		g := &asked{answer: &propuskpb.AssumeRoleResponse{}}
		w := httptest.NewRecorder()
		(&sts.Door{Gate: g}).ServeHTTP(w, r)
		if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil {
			t.Fatalf("%v in %s", err, w.Body)
		}
		if w.Code != http.StatusOK {
			return
		}
		m, ok := g.message.(*propuskpb.AssumeRoleRequest)
		if !ok || strings.Contains(query+body, ";") { // of which the other reader makes something else
			return
		}
		all := url.Values{}
		for i, text := range []string{query, body} {
			values, err := url.ParseQuery(text)
			if err != nil {
				t.Fatalf("%q is let through: %v", text, err)
			}
			for name, given := range values {
				if i == 0 && len(name) > 6 && strings.EqualFold(name[:6], "x-amz-") {
					continue
				}
				all[name] = append(all[name], given...)
			}
		}
		for name, given := range all {
			if len(given) != 1 {
				t.Errorf("%q has %d values", name, len(given))
			}
		}
		if m.GetRoleArn() != all.Get("RoleArn") || m.GetPolicy() != all.Get("Policy") || m.GetRoleSessionName() != all.Get("RoleSessionName") {
			t.Errorf("the gate is asked %v, the form says %v", m, all)
		}
	})
}
