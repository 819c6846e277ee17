package function

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/resource"
)

// event is an HTTP request as a handler gets it [API fact: request structure].
type event struct {
	Method     string              `json:"httpMethod"`
	Headers    map[string]string   `json:"headers"`
	AllHeaders map[string][]string `json:"multiValueHeaders"`
	Query      map[string]string   `json:"queryStringParameters"`
	AllQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	Context    eventContext        `json:"requestContext"`
	Body       string              `json:"body"`
	Base64     bool                `json:"isBase64Encoded"`

	// A function's own address has no path; what is asked for below it is told
	// where an API gateway would.
	Path       string         `json:"path"`
	URL        string         `json:"url"`
	Params     map[string]any `json:"params"`
	PathParams map[string]any `json:"pathParams"`
	AllParams  map[string]any `json:"multiValueParams"`
}

type eventContext struct {
	Identity  eventIdentity `json:"identity"`
	Method    string        `json:"httpMethod"`
	RequestID string        `json:"requestId"`
	Time      string        `json:"requestTime"`
	TimeEpoch int64         `json:"requestTimeEpoch"`
}

type eventIdentity struct {
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// dropped do not reach a handler [API fact: message headers].
var dropped = []string{"Expect", "Te", "Trailer", "Upgrade", "Proxy-Authenticate", "Authorization", "Connection", "Content-Md5",
	"Max-Forwards", "Server", "Transfer-Encoding", "Www-Authenticate", "Cookie"}

// logTime is the common log format's.
const logTime = "02/Jan/2006:15:04:05 -0700"

// bodyOf reads a request's body, or tells that it is too large.
func bodyOf(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostBytes+1))
	switch {
	case err != nil:
		return nil, &Failure{Status: 400, Type: "BadRequest", Message: "the request's body cannot be read"}
	case len(body) > mostBytes:
		return nil, &Failure{Status: 413, Type: "PayloadTooLarge", Message: fmt.Sprintf("the request is larger than %d bytes", mostBytes)}
	}
	return body, nil
}

// eventOf makes the event of a request. The id is ours: a client's own
// X-Request-Id is replaced, so that no client chooses what logs say.
func eventOf(r *http.Request, body []byte, id string, now time.Time) ([]byte, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &Failure{Status: 400, Type: "BadRequest", Message: "the query string is none"}
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	all := headersOf(r, id, client)
	e := event{Method: r.Method, Headers: lastOf(all), AllHeaders: all, Query: lastOf(query), AllQuery: query,
		Params: map[string]any{}, PathParams: map[string]any{}, AllParams: map[string]any{},
		Context: eventContext{Identity: eventIdentity{client, r.UserAgent()}, Method: r.Method, RequestID: id,
			Time: now.UTC().Format(logTime), TimeEpoch: now.Unix()}}
	if r.URL.Path != "/" {
		e.Path, e.URL = r.URL.Path, r.URL.RequestURI()
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if e.Body = string(body); len(body) > 0 && (kind != "application/json" || !utf8.Valid(body)) {
		e.Body, e.Base64 = base64.StdEncoding.EncodeToString(body), true
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, &Failure{Status: 400, Type: "BadRequest", Message: "the request is no text"}
	}
	if len(text) > mostBytes {
		return nil, &Failure{Status: 413, Type: "PayloadTooLarge", Message: fmt.Sprintf("the request's event is larger than %d bytes", mostBytes)}
	}
	return text, nil
}

func headersOf(r *http.Request, id, client string) map[string][]string {
	all := map[string][]string{}
	for name, values := range r.Header {
		if !slices.Contains(dropped, name) {
			all[name] = values
		}
	}
	all["Host"] = []string{r.Host}
	if r.ContentLength > 0 {
		all["Content-Length"] = []string{fmt.Sprint(r.ContentLength)}
	}
	if before := strings.Join(r.Header.Values("X-Forwarded-For"), ", "); before != "" {
		client = before + ", " + client
	}
	all["X-Forwarded-For"] = []string{client}
	if host, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		all["X-Real-Remote-Address"] = []string{"[" + host + "]:" + port}
	}
	all["X-Request-Id"] = []string{id}
	all["X-Trace-Id"] = []string{resource.NewUUID()}
	return all
}

func lastOf(all map[string][]string) map[string]string {
	out := make(map[string]string, len(all))
	for name, values := range all {
		out[name] = values[len(values)-1]
	}
	return out
}
