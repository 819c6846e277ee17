package oauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

type errorAnswer struct {
	Code string `json:"error"`
	Text string `json:"error_description"`
}

// refuse answers with an error.
func (v *visit) refuse(f *failure) {
	if f.retryAfter > 0 {
		v.w.Header().Set("Retry-After", strconv.FormatInt(int64((f.retryAfter+time.Second-1)/time.Second), 10))
	}
	if c := v.challenge(f); c != "" {
		v.w.Header().Set("WWW-Authenticate", c)
	}
	v.reply(f.status, &errorAnswer{f.code, plain(f.text)})
}

// reply sends one JSON object, or nothing for nil, with the headers that every
// answer carries: there are tokens in them (RFC 6749 section 5.1).
func (v *visit) reply(status int, answer any) {
	var body bytes.Buffer
	if answer != nil {
		enc := json.NewEncoder(&body)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(answer); err != nil { // of these structs it never fails
			status = http.StatusInternalServerError
			body.Reset()
		}
	}
	h := v.w.Header()
	if answer != nil {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", v.requestID)
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body.Bytes()) // a client that is gone cannot be told so
}

// allowOrigins lets programs in browsers read the answers, wherever they came
// from: whatever they get they have proved in the request itself.
func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, X-Request-Id")
}

// preflight tells a browser what it may send.
func (v *visit) preflight(e *endpoint) {
	h := v.w.Header()
	h.Set("Allow", strings.Join(e.methods, ", ")+", OPTIONS")
	h.Set("Access-Control-Allow-Methods", strings.Join(e.methods, ", "))
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
	h.Set("Access-Control-Max-Age", "600")
	h.Set("X-Request-Id", v.requestID)
	v.w.WriteHeader(http.StatusNoContent)
}
