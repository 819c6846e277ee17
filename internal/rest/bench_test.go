package rest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/rest"
)

// trivial is a gate that costs next to nothing, so that the door is measured.
type trivial struct {
	*fakeGate
	answer gate.Response
}

func (g *trivial) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	var in iampb.CreateIamTokenRequest
	if err := r.Decode(&in); err != nil {
		return &g.answer, err
	}
	return &g.answer, nil
}

func newTrivial(b *testing.B) *rest.Door {
	d, err := rest.New(&trivial{newFakeGate(), gate.Response{RequestID: requestID, TraceID: traceID,
		Message: &iampb.CreateIamTokenResponse{IamToken: "t1." + strings.Repeat("x", 400) + "." + strings.Repeat("y", 86), ExpiresAt: then}}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

var tokenBody = []byte(`{"jwt":"` + strings.Repeat("x", 700) + `"}`)

// discard is a ResponseWriter as net/http hands it over, without a network.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// cpu is the time that this process has computed; a busy machine does not
// change it as it changes the clock on the wall.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, since time.Duration) {
	b.ReportMetric(float64(cpu()-since)/float64(b.N), "cpu-ns/op")
}

// BenchmarkDoor is what the door adds to a request that net/http has read.
func BenchmarkDoor(b *testing.B) {
	d := newTrivial(b)
	body := bytes.NewReader(tokenBody)
	r := httptest.NewRequest("POST", "/iam/v1/tokens", body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "bench")
	w := &discard{}
	b.ReportAllocs()
	defer reportCPU(b, cpu())
	for b.Loop() {
		body.Reset(tokenBody)
		r.Body = io.NopCloser(body)
		w.header = make(http.Header, 8)
		d.ServeHTTP(w, r)
	}
}

// BenchmarkRefused is what a wrong body costs.
func BenchmarkRefused(b *testing.B) {
	d := newTrivial(b)
	wrong := []byte(`{"jwt":"` + strings.Repeat("x", 700) + `","nonsense":1}`)
	body := bytes.NewReader(wrong)
	r := httptest.NewRequest("POST", "/iam/v1/tokens", body)
	b.ReportAllocs()
	defer reportCPU(b, cpu())
	for b.Loop() {
		body.Reset(wrong)
		r.Body = io.NopCloser(body)
		d.ServeHTTP(&discard{make(http.Header, 8)}, r)
	}
}

// BenchmarkOverNetHTTP and BenchmarkBareNetHTTP differ by the door; the bare
// one sends as many headers, as client and server are one process here.
func BenchmarkOverNetHTTP(b *testing.B) { overNetHTTP(b, newTrivial(b)) }

func BenchmarkBareNetHTTP(b *testing.B) {
	answer := []byte(`{"iamToken":"` + strings.Repeat("x", 490) + `","expiresAt":"2026-01-02T03:04:05.600Z"}`)
	overNetHTTP(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, name := range []string{"Content-Type", "Cache-Control", "X-Content-Type-Options", "X-Request-Id", "X-Server-Trace-Id"} {
			w.Header().Set(name, requestID)
		}
		_, _ = w.Write(answer)
	}))
}

func overNetHTTP(b *testing.B, h http.Handler) {
	s := httptest.NewServer(h)
	defer s.Close()
	c := s.Client()
	b.ReportAllocs()
	defer reportCPU(b, cpu())
	for b.Loop() {
		res, err := c.Post(s.URL+"/iam/v1/tokens", "application/json", bytes.NewReader(tokenBody))
		if err != nil || res.StatusCode != 200 {
			b.Fatal(err, res)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}
