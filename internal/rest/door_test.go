package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/rest"
)

func send(d http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// status reads an answer that must be a bare google.rpc.Status.
func status(t *testing.T, w *httptest.ResponseRecorder) (code int, message string) {
	t.Helper()
	var s struct {
		Code    int
		Message string
		Details []map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || s.Code == 0 || s.Message == "" || len(s.Details) == 0 {
		t.Fatalf("HTTP %d is no google.rpc.Status (%v): %s", w.Code, err, w.Body)
	}
	last := s.Details[len(s.Details)-1]
	if last["requestId"] != w.Header().Get("X-Request-Id") {
		t.Errorf("RequestInfo %v differs from the header %q", last, w.Header().Get("X-Request-Id"))
	}
	return s.Code, s.Message
}

func TestBodySize(t *testing.T) {
	d := newDoor(t)
	body := func(n int) string { return `{"jwt":"` + strings.Repeat("x", n-len(`{"jwt":""}`)) + `"}` }
	cases := []struct {
		name    string
		size    int
		unknown bool // send without Content-Length
		want    int
	}{
		{"at the limit", rest.MaxBody, false, 200},
		{"at the limit, chunked", rest.MaxBody, true, 200},
		{"above", rest.MaxBody + 1, false, 413},
		{"above, chunked", rest.MaxBody + 1, true, 413},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/iam/v1/tokens", strings.NewReader(body(c.size)))
			if c.unknown {
				r.ContentLength = -1
			}
			w := send(d, r)
			if w.Code != c.want {
				t.Fatalf("HTTP %d, want %d", w.Code, c.want)
			}
			if w.Code == 413 {
				if code, message := status(t, w); code != 3 || message != "The body is larger than 1 MiB" {
					t.Errorf("code %d, message %q", code, message)
				}
			}
		})
	}
}

func TestEndlessBodyEnds(t *testing.T) {
	d := newDoor(t)
	r := httptest.NewRequest("POST", "/iam/v1/tokens", endless{})
	r.ContentLength = -1
	if w := send(d, r); w.Code != 413 {
		t.Errorf("HTTP %d, want 413", w.Code)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '{'
	}
	return len(p), nil
}

func TestSlowBodyIsCut(t *testing.T) {
	s := httptest.NewUnstartedServer(newDoor(t))
	s.Config.ReadTimeout = 50 * time.Millisecond
	s.Start()
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST /iam/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 504 ")) || !bytes.Contains(answer, []byte("did not arrive in time")) {
		t.Errorf("answer: %s", answer)
	}
}

func TestBrokenBody(t *testing.T) {
	r := httptest.NewRequest("POST", "/iam/v1/tokens", io.MultiReader(strings.NewReader("{"), broken{}))
	w := send(newDoor(t), r)
	if code, message := status(t, w); w.Code != 400 || code != 3 || strings.Contains(message, "inside") {
		t.Errorf("HTTP %d, code %d, %q", w.Code, code, message)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("inside") }

// answerWith is a gate that fails every call, or panics.
type answerWith struct {
	*fakeGate
	err error
}

func (g answerWith) Call(context.Context, *gate.Request) (*gate.Response, error) {
	if g.err == nil {
		panic("secret")
	}
	return &gate.Response{RequestID: requestID, TraceID: traceID}, g.err
}

func TestCodes(t *testing.T) {
	for kind, want := range map[iam.Kind]int{
		iam.Canceled: 499, iam.InvalidArgument: 400, iam.DeadlineExceeded: 504, iam.NotFound: 404, iam.AlreadyExists: 409,
		iam.PermissionDenied: 403, iam.ResourceExhausted: 429, iam.FailedPrecondition: 400, iam.Aborted: 409, iam.OutOfRange: 400,
		iam.Unimplemented: 501, iam.Internal: 500, iam.Unavailable: 503, iam.Unauthenticated: 401, 2: 500, 15: 500, 99: 500,
	} {
		d, err := rest.New(answerWith{newFakeGate(), iam.Errorf(kind, "text")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := send(d, httptest.NewRequest("GET", "/iam/v1/roles", nil))
		if code, message := status(t, w); w.Code != want || code != int(kind) || message != "text" {
			t.Errorf("%v: HTTP %d (want %d), code %d, %q", kind, w.Code, want, code, message)
		}
		if got := w.Header().Get("Www-Authenticate"); (got == "Bearer") != (want == 401) {
			t.Errorf("%v: WWW-Authenticate %q", kind, got)
		}
	}
	d, err := rest.New(answerWith{newFakeGate(), fmt.Errorf("a secret of the house")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := send(d, httptest.NewRequest("GET", "/iam/v1/roles", nil))
	if _, message := status(t, w); w.Code != 500 || strings.Contains(message, "secret") {
		t.Errorf("HTTP %d, %q", w.Code, message)
	}
}

func TestPanicIsSilent(t *testing.T) {
	d, err := rest.New(answerWith{newFakeGate(), nil}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := send(d, httptest.NewRequest("GET", "/iam/v1/roles", nil))
	if _, message := status(t, w); w.Code != 500 || strings.Contains(message, "secret") {
		t.Errorf("HTTP %d, %q", w.Code, message)
	}
}

// capture is a gate that keeps what it was told.
type capture struct {
	*fakeGate
	got *gate.Request
}

func (g capture) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	*g.got = *r
	return &gate.Response{RequestID: requestID, TraceID: traceID, Message: &iampb.ListRolesResponse{}}, nil
}

func TestHeadersReachTheGate(t *testing.T) {
	var got gate.Request
	d, err := rest.New(capture{newFakeGate(), &got}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/iam/v1/roles", nil)
	r.RemoteAddr = "[2001:db8::1]:4711"
	for name, v := range map[string]string{"Authorization": "Bearer t", "Idempotency-Key": "k", "X-Client-Request-Id": "c",
		"X-Client-Trace-Id": "t", "User-Agent": "u"} {
		r.Header.Set(name, v)
	}
	w := send(d, r)
	got.Decode = nil
	want := gate.Request{Method: "/yandex.cloud.iam.v1.RoleService/List", Door: "rest", Authorization: "Bearer t", IdempotencyKey: "k",
		ClientRequestID: "c", ClientTraceID: "t", UserAgent: "u", RemoteAddr: "2001:db8::1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the gate was told %+v, want %+v", got, want)
	}
	if w.Header().Get("X-Request-Id") != requestID || w.Header().Get("X-Server-Trace-Id") != traceID || w.Body.String() != "{}" {
		t.Errorf("answer %v %s", w.Header(), w.Body)
	}
}

func TestConcurrentCalls(t *testing.T) {
	d := newDoor(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				name := fmt.Sprintf("%d-%d", i, j)
				w := send(d, httptest.NewRequest("POST", "/iam/v1/tokens", strings.NewReader(`{"jwt":"`+name+`"}`)))
				if !strings.Contains(w.Body.String(), "t1.for-"+name+".x") {
					t.Errorf("%s was answered %s", name, w.Body)
				}
			}
		})
	}
	wg.Wait()
}

// Every method with a REST way is reached by it, and by it alone.
func TestEveryRoute(t *testing.T) {
	g := newFakeGate()
	var reached string
	d, err := rest.New(reaching{g, &reached}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, way := range ways(g.methods) {
		reached = ""
		w := send(d, httptest.NewRequest(way.verb, way.path, nil))
		if reached != way.method {
			t.Errorf("%s %s reached %q, want %q: HTTP %d %s", way.verb, way.path, reached, way.method, w.Code, w.Body)
		}
		n++
	}
	if n < 200 {
		t.Errorf("only %d routes were seen", n)
	}
}

type reaching struct {
	*fakeGate
	method *string
}

func (g reaching) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	*g.method = r.Method
	m := g.inputs[r.Method].New().Interface()
	if err := r.Decode(m); err != nil {
		*g.method = err.Error()
	}
	var missing []string
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if v.String() != "v-"+string(fd.Name()) {
			missing = append(missing, string(fd.Name()))
		}
		return true
	})
	if len(missing) > 0 {
		*g.method = fmt.Sprint("wrong values: ", missing)
	}
	return &gate.Response{Message: proto.Message(&iampb.ListRolesResponse{})}, nil
}
