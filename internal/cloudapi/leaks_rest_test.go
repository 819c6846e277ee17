package cloudapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/leak"
)

// TestLeaksOverREST is the conversation of a code host that was written for the
// API's own leak detector: plain paths, names in snake_case, arrays on top.
func TestLeaksOverREST(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	all := w.specimens(t)
	quote := func(s string) string {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // as the server does
		_ = e.Encode(s)
		return strings.TrimSuffix(b.String(), "\n")
	}
	matcher := func(k leak.Kind) string {
		return fmt.Sprintf(`{"type":%q,"regex_matcher":%s}`, k, quote(k.Matcher()))
	}
	suspects := func(source, more string) string {
		return fmt.Sprintf(`{"leak_source_id":%q,"suspects":[%s]}`, source, more)
	}
	of := func(kind leak.Kind, text string) string {
		return fmt.Sprintf(`{"data_type":%q,"uri":"https://git.example/x","payload":%s}`, kind, quote(text))
	}
	denied := `"message":"Permission to [leak-source ` + "%s" + `] denied"`
	for _, c := range []struct {
		name, verb, path, token, body string
		code                          int
		want                          string // the whole body, or for failures a part of it
	}{
		{"what to look for", "GET", "/secret-types?leak_source_id=" + hostID, w.host.token, "", 200, "[" + strings.Join([]string{
			matcher(leak.IAMToken), matcher(leak.SessionToken), matcher(leak.APIKey), matcher(leak.AccessSecret), matcher(leak.AuthorizedKey), matcher(leak.OAuthToken), matcher(leak.OAuthClientSecret), matcher(leak.IAMCookie), matcher(leak.RefreshToken)}, ",") + "]"},
		{"of all kinds", "POST", "/suspects", w.host.token, suspects(hostID, strings.Join([]string{
			of(leak.APIKey, all["API key"].text), of(leak.APIKey, "AQVN"+strings.Repeat("x", 36)), of(leak.AccessSecret, all["static key"].text),
			of(leak.AuthorizedKey, all["authorized key"].text), of(leak.IAMToken, all["IAM token"].text), of(leak.IAMCookie, "c1.x.y")}, ",")),
			200, `["CONFIRMED","NOT_CONFIRMED","CONFIRMED","CONFIRMED","CONFIRMED","NOT_CONFIRMED"]`},
		{"without a uri", "POST", "/suspects", w.host.token, suspects(hostID, `{"data_type":"yandex_cloud_api_key_v1","payload":"x"}`), 200, `["NOT_CONFIRMED"]`},
		{"nobody", "GET", "/secret-types?leak_source_id=" + hostID, "", "", 401, "carries no credential"},
		{"somebody else", "POST", "/suspects", w.owner.token, suspects(hostID, of(leak.APIKey, "x")), 403, fmt.Sprintf(denied, hostID)},
		{"another source", "POST", "/suspects", w.host.token, suspects("gitlab.example", of(leak.APIKey, "x")), 403, fmt.Sprintf(denied, "gitlab.example")},
		{"an unknown source", "GET", "/secret-types?leak_source_id=never", w.host.token, "", 403, fmt.Sprintf(denied, "never")},
		{"no source", "GET", "/secret-types", w.host.token, "", 400, "leak_source_id"},
		{"camelCase", "POST", "/suspects", w.host.token, `{"leakSourceId":"` + hostID + `"}`, 400, "leakSourceId"},
		{"an array", "POST", "/suspects", w.host.token, "[]", 400, "one JSON object"},
		{"none", "POST", "/suspects", w.host.token, suspects(hostID, ""), 400, "suspects"},
		{"a type of nobody's", "POST", "/suspects", w.host.token, suspects(hostID, of("x", "y")), 400, "suspects[0].data_type"},
	} {
		var body any
		if c.body != "" {
			body = []byte(c.body)
		}
		r := w.Do(t, c.verb, c.token, c.path, body)
		if r.Code != c.code || c.code == 200 && string(r.Body) != c.want || !strings.Contains(string(r.Body), c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, r.Code, r.Body, c.code, c.want)
		}
	}
	finding := fmt.Sprintf(`{"type":"yandex_cloud_api_key_v1","payload":%s}`, quote(all["API key"].text))
	for _, c := range []struct{ path, body, want string }{
		{"/propusk/v1/leaks:inspect", `{"findings":[` + finding + `]}`, `{"verdicts":[{"state":"LIVE","subjectId":"%s","credentialId":"%s"}]}`},
		{"/propusk/v1/leaks:revoke", `{"finding":` + finding + `,"uri":"git.example"}`, `{"subjectId":"%s","credentialId":"%s"}`},
	} {
		r := w.Do(t, "POST", w.stranger.token, c.path, []byte(c.body))
		if want := fmt.Sprintf(c.want, all["API key"].accountID, all["API key"].id); r.Code != 200 || string(r.Body) != want {
			t.Errorf("%s: %d %s, want %s", c.path, r.Code, r.Body, want)
		}
	}
	r := w.Do(t, "POST", w.stranger.token, "/propusk/v1/leaks:inspect", []byte(`{"findings":[`+finding+`]}`))
	if string(r.Body) != `{"verdicts":[{"state":"DEAD"}]}` {
		t.Errorf("ended: %s", r.Body)
	}
}
