package function_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/function"
)

// echo answers with what its event's body says, or with its event.
const echo = `
import json, time
def handler(event, context):
    if isinstance(event, dict) and event.get("queryStringParameters", {}).get("sleep"):
        time.sleep(float(event["queryStringParameters"]["sleep"]))
    if isinstance(event, dict) and event.get("httpMethod") == "PUT":
        return event["body"]
    if event == "raise":
        raise ValueError("raised")
    if isinstance(event, dict) and "httpMethod" in event:
        return {"statusCode": 201, "headers": {"x-own": "1"}, "body": json.dumps(event)}
    return event
`

func door(t *testing.T, change func(*function.Function)) (url string, r *function.Runner) {
	t.Helper()
	needs(t, "python3")
	r, _ = start(t, change, write(t, "echo.py", echo))
	server := httptest.NewServer(&function.Door{Runner: r})
	t.Cleanup(server.Close)
	return server.URL, r
}

type answered struct {
	code   int
	header http.Header
	body   string
}

func ask(t *testing.T, method, url, body string, headers ...string) answered {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Add(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{got.StatusCode, got.Header, string(text)}
}

func TestEvent(t *testing.T) {
	url, _ := door(t, nil)
	got := ask(t, "POST", url+"/?a=1&a=2&b=1", "hello, world!", "Content-Type", "application/x-www-form-urlencoded", "X-Two", "1", "X-Two", "2",
		"Authorization", "Bearer mine", "Cookie", "a=b", "Te", "x", "Content-Md5", "x", "Max-Forwards", "1", "X-Request-Id", "chosen", "X-Forwarded-For", "192.0.2.1", "User-Agent", "test")
	if got.code != 201 || got.header.Get("X-Own") != "1" || got.header.Get("X-Function-Error") != "" || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%+v", got)
	}
	var e struct {
		HTTPMethod                      string
		Headers                         map[string]string
		MultiValueHeaders               map[string][]string
		QueryStringParameters           map[string]string
		MultiValueQueryStringParameters map[string][]string
		RequestContext                  struct {
			Identity                           struct{ SourceIP, UserAgent string }
			HTTPMethod, RequestID, RequestTime string
			RequestTimeEpoch                   int64
		}
		Body            string
		IsBase64Encoded bool
		Path, URL       *string
	}
	if err := json.Unmarshal([]byte(got.body), &e); err != nil {
		t.Fatal(err)
	}
	id := got.header.Get("X-Request-Id")
	for _, name := range []string{"X-Real-Remote-Address", "X-Trace-Id"} {
		if e.Headers[name] == "" {
			t.Errorf("no %s", name)
		}
		delete(e.Headers, name)
		delete(e.MultiValueHeaders, name)
	}
	if d := cmp.Diff(map[string]string{"Accept-Encoding": "gzip", "Content-Length": "13", "Content-Type": "application/x-www-form-urlencoded",
		"Host": strings.TrimPrefix(url, "http://"), "User-Agent": "test", "X-Forwarded-For": "192.0.2.1, 127.0.0.1", "X-Request-Id": id, "X-Two": "2"}, e.Headers); d != "" {
		t.Error(d)
	}
	if len(e.MultiValueHeaders) != len(e.Headers) || !cmp.Equal(e.MultiValueHeaders["X-Two"], []string{"1", "2"}) {
		t.Errorf("%v", e.MultiValueHeaders)
	}
	if !cmp.Equal(e.QueryStringParameters, map[string]string{"a": "2", "b": "1"}) || !cmp.Equal(e.MultiValueQueryStringParameters, map[string][]string{"a": {"1", "2"}, "b": {"1"}}) {
		t.Errorf("%v %v", e.QueryStringParameters, e.MultiValueQueryStringParameters)
	}
	c := e.RequestContext
	if at, err := time.Parse("02/Jan/2006:15:04:05 -0700", c.RequestTime); err != nil || at.Unix() != c.RequestTimeEpoch || time.Since(at) > time.Minute ||
		c.RequestID != id || len(id) != 36 || c.Identity.SourceIP != "127.0.0.1" || c.Identity.UserAgent != "test" || c.HTTPMethod != "POST" {
		t.Errorf("%+v %v", c, err)
	}
	if e.HTTPMethod != "POST" || e.Body != "aGVsbG8sIHdvcmxkIQ==" || !e.IsBase64Encoded || *e.Path != "" || *e.URL != "" {
		t.Errorf("%+v", e)
	}
	for _, secret := range []string{"mine", "chosen"} {
		if strings.Contains(got.body, secret) {
			t.Errorf("the event has %q", secret)
		}
	}
	got = ask(t, "POST", url+"/x/y?z", `{"п":1}`, "Content-Type", "application/json; charset=utf-8")
	if !strings.Contains(got.body, `"path": "/x/y", "url": "/x/y?z"`) || !strings.Contains(got.body, `"isBase64Encoded": false`) {
		t.Errorf("%s", got.body)
	}
}

// TestResponse: what becomes of a handler's answer. The body of a PUT is the answer.
func TestResponse(t *testing.T) {
	url, _ := door(t, nil)
	for _, c := range []struct {
		answer string
		code   int
		body   string
		header map[string]string
	}{
		{`{"statusCode":404,"body":"gone"}`, 404, "gone", map[string]string{"Content-Type": "text/plain; charset=utf-8"}},
		{`{"body":"{}"}`, 200, "{}", map[string]string{"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}},
		{`{"code":1}`, 200, "", nil},
		{`{"body":"/wA=","isBase64Encoded":true}`, 200, "\xff\x00", map[string]string{"Content-Type": "application/octet-stream"}},
		{`{"headers":{"content-type":"a/b","x-a":"one"},"multiValueHeaders":{"X-A":["1","2"]}}`, 200, "", map[string]string{"Content-Type": "a/b", "X-A": "1"}},
		{`{"headers":{"Server":"s","date":"d","WWW-Authenticate":"w","Host":"h","Authorization":"a","Content-Length":"99","Connection":"close"}}`, 200, "",
			map[string]string{"X-Yf-Remapped-Server": "s", "X-Yf-Remapped-Date": "d", "X-Yf-Remapped-Www-Authenticate": "w", "Authorization": "", "Server": "", "Host": "", "Content-Length": "0", "Connection": ""}},
		{`{"headers":{"x-request-id":"mine","X-Function-Id":"mine","X-Content-Type-Options":"sniff"},"multiValueHeaders":{"x-function-version-id":["mine"]}}`, 200, "",
			map[string]string{"X-Function-Id": "d4efunction", "X-Function-Version-Id": "d4eversion", "X-Content-Type-Options": "nosniff"}},
		{`{"statusCode":null,"headers":null,"body":null}`, 200, "", nil},
		{`plain`, 502, `{"errorMessage":"Malformed serverless function response: not a valid json","errorType":"ProxyIntegrationError","payload":"plain"}`, map[string]string{"X-Function-Error": "true"}},
		{``, 502, `{"errorMessage":"Malformed serverless function response: not a valid json","errorType":"ProxyIntegrationError"}`, nil},
		{`["a"]`, 502, "not an object", nil},
		{`{"body":{"a":1}}`, 502, "body is of type object, not string", nil},
		{`{"headers":{"a":1}}`, 502, "is of type number, not string", nil},
		{`{"statusCode":"200"}`, 502, "statusCode is of type string, not int", nil},
		{`{"statusCode":99}`, 502, "statusCode is 99", nil},
		{`{"statusCode":1000}`, 502, "statusCode is 1000", nil},
		{`{"headers":{"Transfer-Encoding":"x"}}`, 502, "Transfer-Encoding may not be", nil},
		{`{"headers":{"A":"b\r\nC: d"}}`, 502, "is no header", map[string]string{"C": ""}},
		{`{"headers":{"A: b":"c"}}`, 502, "is no header", nil},
		{`{"body":"*","isBase64Encoded":true}`, 502, "not in Base64", nil},
	} {
		got := ask(t, "PUT", url, c.answer, "Content-Type", "application/json")
		if got.code != c.code || c.code == 200 && got.body != c.body || !strings.Contains(got.body, c.body) {
			t.Errorf("%s: %d %q; want %d %q", c.answer, got.code, got.body, c.code, c.body)
		}
		if id := got.header.Get("X-Request-Id"); len(id) != 36 {
			t.Errorf("%s: request %q", c.answer, id)
		}
		for name, want := range c.header {
			if name != "Connection" && got.header.Get(name) != want {
				t.Errorf("%s: %s is %q", c.answer, name, got.header.Get(name))
			}
		}
	}
}

func TestRaw(t *testing.T) {
	url, _ := door(t, nil)
	for body, want := range map[string]string{`{"a": 1}`: `{"a": 1}`, `text`: `text`, ``: ``} {
		if got := ask(t, "POST", url+"?integration=raw", body); got.code != 200 || got.body != want {
			t.Errorf("%s: %+v", body, got)
		}
	}
	got := ask(t, "POST", url+"?integration=raw", "raise")
	if got.code != 502 || got.header.Get("X-Function-Error") != "true" || !strings.HasPrefix(got.body, `{"errorMessage":"raised","errorType":"ValueError","stackTrace":["`) {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"?integration=raw", ""} {
		if got := ask(t, "POST", url+path, strings.Repeat("x", 3_670_017)); got.code != 413 || got.header.Get("X-Function-Error") != "" {
			t.Errorf("%s: %d %s", path, got.code, got.body)
		}
	}
	if got := ask(t, "POST", url, strings.Repeat("x", 3_000_000)); got.code != 413 { // in Base64
		t.Errorf("%d", got.code)
	}
	if got := ask(t, "POST", url+"?%zz", ""); got.code != 400 {
		t.Errorf("%d %s", got.code, got.body)
	}
}

// TestForeign: neither another name of this machine nor a page of another site
// gets to the handler.
func TestForeign(t *testing.T) {
	url, _ := door(t, nil)
	for _, c := range []struct {
		headers []string
		code    int
	}{
		{[]string{"Host", "localhost:1"}, 201}, {[]string{"Host", "fn.localhost"}, 201}, {[]string{"Host", "[::1]:80"}, 201}, {[]string{"Host", "127.1.2.3"}, 201},
		{[]string{"Host", "evil.example"}, 403}, {[]string{"Host", "127.0.0.1.evil.example"}, 403}, {[]string{"Host", "192.0.2.1"}, 403}, {[]string{"Host", "localhost.evil.example:80"}, 403},
		{[]string{"Origin", "http://localhost:3000"}, 201}, {[]string{"Origin", "https://evil.example"}, 403}, {[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403}, {[]string{"Sec-Fetch-Site", "none"}, 201}, {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://localhost:3000"}, 201},
	} {
		if got := ask(t, "POST", url, "{}", c.headers...); got.code != c.code {
			t.Errorf("%v: %d %s", c.headers, got.code, got.body)
		}
	}
}

// TestInstances: one call at a time in a process, and so many at once.
func TestInstances(t *testing.T) {
	for instances, want := range map[int]int{1: 1, 3: 3} {
		url, r := door(t, func(f *function.Function) { f.Instances = instances })
		var wait sync.WaitGroup
		began := time.Now()
		for range 3 {
			wait.Go(func() {
				if got := ask(t, "GET", url+"?sleep=0.8", ""); got.code != 201 {
					t.Errorf("%+v", got)
				}
			})
		}
		wait.Wait()
		if took := time.Since(began); instances == 1 && took < 2400*time.Millisecond {
			t.Errorf("%d instances: %v", instances, took)
		}
		if got := r.Idle(); got != want {
			t.Errorf("%d processes, want %d", got, want)
		}
	}
}

// TestBusy: who waits longer than a call may take is told so.
func TestBusy(t *testing.T) {
	url, _ := door(t, func(f *function.Function) { f.Timeout = 2 * time.Second })
	if got := ask(t, "GET", url, ""); got.code != 201 {
		t.Fatalf("%+v", got)
	}
	codes := make(chan int, 3)
	for range 3 {
		go func() { codes <- ask(t, "GET", url+"?sleep=1.8", "").code }()
	}
	seen := map[int]int{}
	for range 3 {
		seen[<-codes]++
	}
	if seen[201] == 0 || seen[429] == 0 {
		t.Errorf("%v", seen)
	}
	if got := ask(t, "GET", url+"?sleep=5", ""); got.code != 504 || got.header.Get("X-Function-Error") != "true" {
		t.Errorf("%+v", got)
	}
}

// TestGivenUp: a caller that goes ends its call.
func TestGivenUp(t *testing.T) {
	url, r := door(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", url+"?sleep=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := http.DefaultClient.Do(request); err == nil {
		t.Fatal("it answered")
	}
	answer := httptest.NewRecorder() // nobody takes a call that came to nothing for one that went well
	(&function.Door{Runner: r}).ServeHTTP(answer, httptest.NewRequestWithContext(ctx, "GET", "http://localhost/", nil))
	if answer.Code != 503 {
		t.Errorf("code %d", answer.Code)
	}
	began := time.Now()
	if got := ask(t, "GET", url, ""); got.code != 201 || time.Since(began) > 10*time.Second {
		t.Errorf("%+v after %v", got, time.Since(began))
	}
	if got := r.Idle(); got != 1 {
		t.Errorf("%d processes", got)
	}
}
