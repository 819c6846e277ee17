package rest

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
)

// Values of headers that never change, shared by all answers.
var (
	jsonType  = []string{"application/json"}
	noStore   = []string{"no-store"}
	noSniff   = []string{"nosniff"}
	challenge = []string{"Bearer"}
)

// reply sends one JSON text with the headers that every answer carries.
func reply(w http.ResponseWriter, code int, body []byte, requestID, traceID string) {
	h := w.Header()
	h["Content-Type"], h["Cache-Control"], h["X-Content-Type-Options"] = jsonType, noStore, noSniff
	ids := [...]string{requestID, traceID, strconv.Itoa(len(body))}
	h["X-Request-Id"], h["X-Server-Trace-Id"], h["Content-Length"] = ids[0:1:1], ids[1:2:2], ids[2:3:3]
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that is gone cannot be told so
}

// replyStatus sends a bare google.rpc.Status [API fact: error body].
func replyStatus(w http.ResponseWriter, code int, s *spb.Status, retryAfter time.Duration, requestID, traceID string) {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	body, err := appendJSON((*buf)[:0], s)
	if err != nil { // a detail of a type that is not linked in
		body, _ = appendJSON((*buf)[:0], &spb.Status{Code: s.GetCode(), Message: s.GetMessage()})
	}
	*buf = body
	if code == http.StatusUnauthorized {
		w.Header()["Www-Authenticate"] = challenge
	}
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((retryAfter+time.Second-1)/time.Second), 10))
	}
	reply(w, code, body, requestID, traceID)
}

// internalError is said for whatever must not be shown.
func internalError() error {
	return iam.Errorf(iam.Internal, "Internal error; the request id leads to its cause in the server's log")
}

// appendJSON adds the compact proto3 JSON of a message.
func appendJSON(buf []byte, m proto.Message) ([]byte, error) {
	if out, ok := appendPlain(buf, m); ok {
		return out, nil
	}
	start := len(buf)
	out, err := protojson.MarshalOptions{}.MarshalAppend(buf, m)
	if err != nil {
		return buf, err
	}
	return out[:start+compact(out[start:])], nil
}

// compact takes out, in place, the spaces between tokens that protojson puts
// in at will, and returns the new length.
func compact(b []byte) int {
	n := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case ' ':
			i++
		case '"':
			end := i + stringEnd(b[i:])
			if n != i {
				copy(b[n:], b[i:end])
			}
			n += end - i
			i = end
		default:
			b[n] = b[i]
			n++
			i++
		}
	}
	return n
}

// stringEnd is the length of the JSON string that b begins with.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); {
		at := bytes.IndexByte(b[i:], '"')
		if at < 0 {
			return len(b)
		}
		slashes := 0
		for j := i + at - 1; j >= i && b[j] == '\\'; j-- {
			slashes++
		}
		i += at + 1
		if slashes%2 == 0 {
			return i
		}
	}
	return len(b)
}
