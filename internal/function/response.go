package function

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"
)

// response is what a handler answers to an HTTP call [API fact: response structure].
type response struct {
	Status     *int                `json:"statusCode"`
	Headers    map[string]string   `json:"headers"`
	AllHeaders map[string][]string `json:"multiValueHeaders"`
	Body       string              `json:"body"`
	Base64     bool                `json:"isBase64Encoded"`
}

// What becomes of a handler's headers [API fact: message headers].
var (
	removed = []string{"Host", "Authorization", "User-Agent", "Connection", "Max-Forwards", "Cookie",
		"X-Request-Id", "X-Function-Id", "X-Function-Version-Id", "X-Content-Type-Options"}
	refused  = []string{"Proxy-Authenticate", "Transfer-Encoding", "Via"}
	remapped = []string{"Content-Md5", "Date", "Server", "Www-Authenticate"}
)

const remappedPrefix = "X-Yf-Remapped-"

// write answers an HTTP call with what the handler has answered, or tells why that
// is no answer to one.
func (r *response) write(w http.ResponseWriter) error {
	body := []byte(r.Body)
	if r.Base64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return malformed("body is not in Base64", nil)
		}
	}
	status := http.StatusOK
	if r.Status != nil {
		status = *r.Status
	}
	if status < 200 || status > 599 {
		return malformed(fmt.Sprintf("statusCode is %d", status), nil)
	}
	header, err := r.header()
	if err != nil {
		return err
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	answer(w, status, body)
	return nil
}

func (r *response) header() (http.Header, error) {
	header := http.Header{}
	for name, value := range r.Headers {
		header[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
	}
	for name, values := range r.AllHeaders {
		header[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
	for name, values := range header {
		switch {
		case !isToken(name) || slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "\r\n\x00") }):
			return nil, malformed(fmt.Sprintf("%q is no header", name), nil)
		case slices.Contains(refused, name):
			return nil, malformed(name+" may not be among the headers", nil)
		case slices.Contains(removed, name), name == "Content-Length", name == "Trailer":
			delete(header, name)
		case slices.Contains(remapped, name):
			delete(header, name)
			header[remappedPrefix+name] = values
		}
	}
	return header, nil
}

// isToken tells a header's name (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// responseOf reads what a handler has answered to an HTTP call.
func responseOf(text []byte) (*response, error) {
	if !json.Valid(text) {
		return nil, malformed("not a valid json", text)
	}
	if bytes.TrimLeft(text, " \t\r\n")[0] != '{' {
		return nil, malformed("not an object", text)
	}
	r := &response{}
	if err := json.Unmarshal(text, r); err != nil {
		what := "not of the documented structure"
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			what = fmt.Sprintf("%s is of type %s, not %s", wrong.Field, wrong.Value, wrong.Type)
		}
		return nil, malformed(what, text)
	}
	return r, nil
}

// mostPayload bounds how much of an answer is shown to who asked.
const mostPayload = 64 << 10

// malformed is an answer that is none to an HTTP call [API fact: the text and the type].
func malformed(why string, text []byte) *Failure {
	f := &Failure{Status: http.StatusBadGateway, Own: true, Type: "ProxyIntegrationError", Message: "Malformed serverless function response: " + why}
	f.Payload = strings.ToValidUTF8(string(text[:min(len(text), mostPayload)]), "\uFFFD")
	return f
}

// answer writes a body, which is JSON or plain text unless a header says what it
// is: no browser has to guess.
func answer(w http.ResponseWriter, status int, body []byte) {
	if w.Header().Get("Content-Type") == "" {
		switch {
		case json.Valid(body):
			w.Header().Set("Content-Type", "application/json")
		case utf8.Valid(body):
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		default:
			w.Header().Set("Content-Type", "application/octet-stream")
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
