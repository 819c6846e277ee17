package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/cli/profile"
)

const issuerURL = "https://iam.example.com"

// TestCallback: only the answer of the server that was asked, to this question,
// at this very address, once.
func TestCallback(t *testing.T) {
	good := url.Values{"state": {"S"}, "iss": {issuerURL}, "code": {"C"}}
	with := func(pairs ...string) string {
		q := url.Values{}
		for name, v := range good {
			q[name] = slices.Clone(v)
		}
		for n := 0; n < len(pairs); n += 2 {
			if q.Del(pairs[n]); pairs[n+1] != "" {
				q.Set(pairs[n], pairs[n+1])
			}
		}
		return q.Encode()
	}
	for name, c := range map[string]struct {
		method, host, path, query string
		code                      int
		want                      arrival
	}{
		"good":                   {query: with(), code: 200, want: arrival{code: "C"}},
		"refused":                {query: with("code", "", "error", "access_denied", "error_description", "no"), code: 200, want: arrival{errorCode: "access_denied", errorText: "no"}},
		"wrong state":            {query: with("state", "T"), code: 400},
		"no state":               {query: with("state", ""), code: 400},
		"another server":         {query: with("iss", "https://evil.example"), code: 400},
		"no server":              {query: with("iss", ""), code: 400},
		"code and error":         {query: with("error", "x"), code: 400},
		"neither":                {query: with("code", ""), code: 400},
		"two codes":              {query: with() + "&code=D", code: 400},
		"two states":             {query: "state=T&" + with(), code: 400},
		"broken":                 {query: with() + "&%zz", code: 400},
		"a name that leads here": {host: "evil.example:5555", query: with(), code: 404},
		"localhost":              {host: "localhost:5555", query: with(), code: 404},
		"another path":           {path: "/", query: with(), code: 404},
		"a form":                 {method: http.MethodPost, query: with(), code: 404},
		"a long code":            {query: with("code", strings.Repeat("c", mostToken+1)), code: 400},
	} {
		t.Run(name, func(t *testing.T) {
			handler := &callback{host: "127.0.0.1:5555", issuer: issuerURL, state: "S", arrived: make(chan arrival, 1)}
			r := httptest.NewRequest(firstOf(c.method, http.MethodGet), firstOf(c.path, callbackPath)+"?"+c.query, nil)
			r.Host = firstOf(c.host, "127.0.0.1:5555")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			var got arrival
			select {
			case got = <-handler.arrived:
			default:
			}
			if w.Code != c.code || got != c.want {
				t.Errorf("%d, %+v", w.Code, got)
			}
			if strings.Contains(w.Body.String(), "C") && strings.Contains(w.Body.String(), c.query) {
				t.Error("the page repeats what it was given")
			}
			for _, h := range []string{"Cache-Control", "Referrer-Policy", "Content-Security-Policy"} {
				if w.Header().Get(h) == "" {
					t.Errorf("no %s", h)
				}
			}
		})
	}
	handler := &callback{host: "example.com", issuer: issuerURL, state: "S", arrived: make(chan arrival, 1)}
	for _, want := range []int{200, 409} {
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, callbackPath+"?"+with(), nil)); w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
}

func TestBrowsers(t *testing.T) {
	const link = "https://iam.example.com/oauth/authorize?state=%73"
	for _, c := range []struct {
		chosen, system string
		want           [][]string
	}{
		{"", "linux", [][]string{{"xdg-open", link}}},
		{"", "darwin", [][]string{{"open", link}}},
		{"", "windows", [][]string{{"rundll32", "url.dll,FileProtocolHandler", link}}},
		{"firefox", "linux", [][]string{{"firefox", link}}},
		{"firefox --new-tab %s:chromium", "linux", [][]string{{"firefox", "--new-tab", link}, {"chromium", link}}},
		{":", "linux", [][]string{{"xdg-open", link}}},
	} {
		if diff := cmp.Diff(c.want, browsers(c.chosen, c.system, link)); diff != "" {
			t.Errorf("%q on %s: %s", c.chosen, c.system, diff)
		}
	}
	got := withoutCredentials([]string{"PATH=/bin", "YC_IAM_TOKEN=t1.a.b", "YC_TOKEN=y0_x", "YC_SERVICE_ACCOUNT_KEY_FILE={}", "YC_ENDPOINT=x"})
	if diff := cmp.Diff([]string{"PATH=/bin", "YC_ENDPOINT=x"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestDiscovery: a document is believed only about its own server, and names
// nothing that is less safe.
func TestDiscovery(t *testing.T) {
	document := func(issuer, authorize, token, device string) string {
		return `{"issuer":"` + issuer + `","authorization_endpoint":"` + authorize + `","token_endpoint":"` + token + `","device_authorization_endpoint":"` + device + `"}`
	}
	const a, tok, d = issuerURL + "/a", issuerURL + "/t", issuerURL + "/d"
	for name, c := range map[string]struct{ text, wrong string }{
		"good":               {document(issuerURL, a, tok, d), ""},
		"with a slash":       {document(issuerURL+"/", a, tok, d), ""},
		"no device":          {document(issuerURL, a, tok, ""), ""},
		"of another":         {document("https://evil.example", a, tok, d), "says that its address is"},
		"escapes":            {document(`\u001b[31m`, a, tok, d), "says that its address is"},
		"plain token":        {document(issuerURL, a, "http://iam.example.com/t", d), "does not travel without TLS"},
		"plain on loopback":  {document(issuerURL, a, "http://127.0.0.1:1/t", d), "of another kind"},
		"plain device":       {document(issuerURL, a, tok, "http://127.0.0.1:1/d"), "of another kind"},
		"a script":           {document(issuerURL, "javascript:alert(1)", tok, d), "not safe"},
		"a file":             {document(issuerURL, "file:///etc/passwd", tok, d), "not safe"},
		"a user in it":       {document(issuerURL, "https://x@iam.example.com/a", tok, d), "not safe"},
		"escapes in it":      {document(issuerURL, `https://iam.example.com/\u001b[31m`, tok, d), "not safe"},
		"right to left":      {document(issuerURL, `https://iam.example.com/\u202e`, tok, d), "not safe"},
		"a very long one":    {document(issuerURL, "https://iam.example.com/"+strings.Repeat("a", 5000), tok, d), "not safe"},
		"a very long answer": {strings.Repeat(" ", mostAnswer) + document(issuerURL, a, tok, d), "does not say"},
		"a shell's words":    {document(issuerURL, "https://iam.example.com/$(id)", tok, d), "not safe"},
		"a shell's quote":    {document(issuerURL, "https://iam.example.com/?a='b'", tok, d), "not safe"},
		"a shell's pipe":     {document(issuerURL, "https://iam.example.com/?a|b", tok, d), "not safe"},
		"another command":    {document(issuerURL, "https://iam.example.com/?a;b", tok, d), "not safe"},
		"two on Windows":     {document(issuerURL, "https://iam.example.com/?^&b", tok, d), "not safe"},
		"none":               {"<html>", "does not say"},
		"nothing":            {"", "does not say"},
	} {
		t.Run(name, func(t *testing.T) {
			err := new(issuer).read(strings.NewReader(c.text), issuerURL)
			switch {
			case c.wrong == "" && err != nil, c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
				t.Errorf("%v, want %q", err, c.wrong)
			case err != nil && (strings.ContainsAny(err.Error(), "\x1b\u202e") || len(err.Error()) > 3*mostText):
				t.Errorf("unfit for a terminal: %q", err)
			}
		})
	}
}

// answers is a server that answers with these, in turn.
type answers []string

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(*a) == 0 {
		return nil, errors.New("asked once too often")
	}
	text := (*a)[0]
	*a = (*a)[1:]
	if text == "late" {
		return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: late{}}
	}
	code, body, _ := strings.Cut(text, " ")
	res := &http.Response{StatusCode: 400, Status: "400 Bad Request", Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	switch code {
	case "200":
		res.StatusCode, res.Status = 200, "200 OK"
	case "307":
		res.StatusCode, res.Status = 307, "307 Temporary Redirect"
		res.Header.Set("Location", "https://evil.example/")
	}
	return res, nil
}

type late struct{}

func (late) Error() string   { return "late" }
func (late) Timeout() bool   { return true }
func (late) Temporary() bool { return true }

func testIssuer(a *answers, pauses *[]time.Duration) *issuer {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := &session{env: &Environment{Now: func() time.Time { return now }, Stderr: io.Discard, Version: "1"}}
	return &issuer{URL: issuerURL, Authorization: issuerURL + "/a", Token: issuerURL + "/t", Device: issuerURL + "/d", s: s,
		client: &http.Client{Transport: a, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		sleep: func(ctx context.Context, d time.Duration) error {
			*pauses = append(*pauses, d)
			return ctx.Err()
		}}
}

// TestDevice follows RFC 8628: how long to wait, and when to stop.
func TestDevice(t *testing.T) {
	const begun = `200 {"device_code":"D","user_code":"AAAA-BBBB","verification_uri":"https://iam.example.com/device","interval":2,"expires_in":600}`
	const pending, slower = `400 {"error":"authorization_pending"}`, `400 {"error":"slow_down"}`
	const done = `200 {"access_token":"t1.a.b","token_type":"Bearer","expires_in":60}`
	second := time.Second
	for name, c := range map[string]struct {
		answers answers
		pauses  []time.Duration
		wrong   string
	}{
		"let in":         {answers{begun, pending, done}, []time.Duration{2 * second, 2 * second}, ""},
		"slower":         {answers{begun, slower, pending, slower, done}, []time.Duration{2 * second, 7 * second, 7 * second, 12 * second}, ""},
		"a late answer":  {answers{begun, "late", done}, []time.Duration{2 * second, 7 * second}, ""},
		"no interval":    {answers{strings.Replace(begun, `"interval":2,`, "", 1), done}, []time.Duration{5 * second}, ""},
		"an hour":        {answers{strings.Replace(begun, `"interval":2,`, `"interval":3600,`, 1), done}, []time.Duration{time.Minute}, ""},
		"below nothing":  {answers{strings.Replace(begun, `"interval":2,`, `"interval":-9223372036854775808,`, 1), done}, []time.Duration{5 * second}, ""},
		"denied":         {answers{begun, `400 {"error":"access_denied","error_description":"no \u001b[31m"}`}, []time.Duration{2 * second}, "access_denied: no "},
		"too late":       {answers{begun, `400 {"error":"expired_token"}`}, []time.Duration{2 * second}, "expired_token"},
		"not known":      {answers{`400 {"error":"unauthorized_client"}`}, nil, "unauthorized_client"},
		"sent elsewhere": {answers{begun, "307 "}, []time.Duration{2 * second}, "307"},
		"a strange page": {answers{strings.Replace(begun, "https://iam.example.com/device", "http://evil.example/", 1)}, nil, "names no page"},
		"no code":        {answers{strings.Replace(begun, "AAAA-BBBB", "", 1)}, nil, "names no page"},
		"no token":       {answers{begun, `200 {}`}, []time.Duration{2 * second}, errNoToken.Error()},
		"not a bearer":   {answers{begun, strings.Replace(done, "Bearer", "mac", 1)}, []time.Duration{2 * second}, errNoToken.Error()},
		"two next ones":  {answers{begun, strings.Replace(done, `"token_type"`, `"refresh_token":"rt1.a rt1.b","token_type"`, 1)}, []time.Duration{2 * second}, errNoToken.Error()},
		"two lines":      {answers{begun, strings.Replace(done, "t1.a.b", `t1.a.b\r\nx: y`, 1)}, []time.Duration{2 * second}, errNoToken.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			var pauses []time.Duration
			left := c.answers
			in, err := profile.NewSignIn(issuerURL, true)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testIssuer(&left, &pauses).byDevice(t.Context(), in, time.Hour)
			if diff := cmp.Diff(c.pauses, pauses); diff != "" {
				t.Error(diff)
			}
			if c.wrong == "" && (err != nil || got.Text.Reveal() != "t1.a.b") || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) || len(left) != 0 {
				t.Errorf("%v, want %q; not asked for: %v", err, c.wrong, left)
			}
			if err != nil && strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%q", err)
			}
		})
	}
}

// TestDeviceShowsNothingUnsafe: a link is shown only when it is one.
func TestDeviceShowsNothingUnsafe(t *testing.T) {
	for _, link := range []string{`https://iam.example.com/\u001b[2J`, "javascript:alert(1)", "http://evil.example/"} {
		left := answers{`200 {"device_code":"D","user_code":"A\u001b[2J","verification_uri":"https://iam.example.com/device","verification_uri_complete":"` + link + `","expires_in":600}`,
			`200 {"access_token":"t1.a.b","token_type":"Bearer","expires_in":60}`}
		var pauses []time.Duration
		var shown strings.Builder
		i := testIssuer(&left, &pauses)
		i.s.env.Stderr = &shown
		in, err := profile.NewSignIn(issuerURL, false)
		if err == nil {
			_, err = i.byDevice(t.Context(), in, time.Hour)
		}
		if text := shown.String(); err != nil || strings.ContainsAny(text, "\x1b") || strings.Contains(text, "or go to") || !strings.Contains(text, "https://iam.example.com/device") {
			t.Errorf("%s: %v, %q", link, err, text)
		}
	}
}

// TestEndsWhenItIs: what a server says of a token's life is bounded.
func TestEndsWhenItIs(t *testing.T) {
	for n, want := range map[int64]time.Duration{0: 0, -5: 0, 60: time.Minute, 1 << 62: longestLife} {
		if got := seconds(n, longestLife); got != want {
			t.Errorf("%d: %v", n, got)
		}
	}
}
