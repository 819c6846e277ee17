package rest

import (
	"errors"
	"net"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
)

// call is one request on its way.
type call struct {
	door     *Door
	w        http.ResponseWriter
	r        *http.Request
	route    *route
	values   values
	tooLarge bool // 413 has no code of its own in google.rpc
}

func (c *call) serve() {
	h := c.r.Header
	request := gate.Request{
		Method: c.route.method, Door: "rest",
		Authorization:   h.Get("Authorization"),
		IdempotencyKey:  h.Get("Idempotency-Key"),
		ClientRequestID: h.Get("X-Client-Request-Id"),
		ClientTraceID:   h.Get("X-Client-Trace-Id"),
		UserAgent:       h.Get("User-Agent"),
		RemoteAddr:      c.r.RemoteAddr,
		Decode:          c.decode,
	}
	if host, _, err := net.SplitHostPort(request.RemoteAddr); err == nil {
		request.RemoteAddr = host
	}
	response, err := c.door.gate.Call(c.r.Context(), &request)
	if err != nil {
		c.fail(err, response)
		return
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	body, err := appendAnswer((*buf)[:0], response.Message, c.route.answer)
	if err != nil {
		c.door.log.ErrorContext(c.r.Context(), "answer has no JSON", "method", c.route.method, "request_id", response.RequestID, "error", err)
		c.fail(internalError(), response)
		return
	}
	*buf = body
	reply(c.w, http.StatusOK, body, response.RequestID, response.TraceID)
}

func (c *call) fail(err error, response *gate.Response) {
	status := gate.Status(err, response.RequestID)
	code := gate.HTTPCode(status.GetCode())
	if c.tooLarge {
		code = http.StatusRequestEntityTooLarge
	}
	var retry time.Duration
	var e *iam.Error
	if errors.As(err, &e) {
		retry = e.RetryAfter
	}
	replyStatus(c.w, code, status, retry, response.RequestID, response.TraceID)
}

// decode fills the request message from body, query string and path.
func (c *call) decode(m proto.Message) error {
	if err := c.decodeBody(m); err != nil {
		return err
	}
	pm := m.ProtoReflect()
	if err := decodeQuery(pm, c.r.URL.RawQuery, c.route); err != nil {
		return err
	}
	for i, fields := range c.route.fields {
		if err := setFromPath(pm, fields, c.values.list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) decodeBody(m proto.Message) error {
	if c.route.ignores || c.r.Body == http.NoBody {
		return nil
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	body, tooLarge, err := readBody(c.w, c.r, (*buf)[:0])
	*buf, c.tooLarge = body, tooLarge
	if err != nil {
		return err
	}
	if !c.route.body {
		return refuseBody(body)
	}
	return decodeBody(body, m)
}

// setFromPath sets a field from a segment of the path. A body may name the
// same field only with the same value.
func setFromPath(m protoreflect.Message, fields []protoreflect.FieldDescriptor, s string) error {
	last := len(fields) - 1
	at := ""
	for _, fd := range fields[:last] {
		at = join(at, string(fd.Name()))
		m = m.Mutable(fd).Message()
	}
	fd := fields[last]
	at = join(at, string(fd.Name()))
	v, ok := parseText(fd, s)
	if !ok {
		return iam.InvalidField(at, "%s", wanted(fd))
	}
	if m.Has(fd) && !m.Get(fd).Equal(v) {
		return iam.InvalidField(at, "differs from the one in the path")
	}
	m.Set(fd, v)
	return nil
}
