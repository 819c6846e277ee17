package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/kubernetes"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// answering is a gate that decodes a question and answers it.
type answering func(*propuskpb.ReviewTokenRequest) (*propuskpb.ReviewTokenResponse, error)

func (a answering) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	m := &propuskpb.ReviewTokenRequest{}
	res := &gate.Response{RequestID: "req-1"}
	if r.Door != kubernetes.Name || r.Authorization != "" {
		return res, iam.Errorf(iam.Internal, "asked as %q with %q", r.Door, r.Authorization)
	}
	if err := r.Decode(m); err != nil {
		return res, err
	}
	out, err := a(m)
	if err == nil {
		res.Message = out
	}
	return res, err
}

const question = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t1.secret.text"}}`

func ask(d *kubernetes.Door, method, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, kubernetes.Path+"?timeout=5s", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer t1.of.asker")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestFailuresAreKubernetes(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   int
		reason string
	}{
		{iam.Errorf(iam.Unauthenticated, "no"), 401, "Unauthorized"},
		{iam.Errorf(iam.PermissionDenied, "no"), 403, "Forbidden"},
		{iam.Errorf(iam.NotFound, "no"), 403, "Forbidden"},
		{iam.InvalidField("token", "no"), 400, "BadRequest"},
		{&iam.Error{Kind: iam.Unavailable, Message: "away", RetryAfter: 1500 * time.Millisecond}, 503, "ServiceUnavailable"},
		{iam.Errorf(iam.ResourceExhausted, "no"), 429, "TooManyRequests"},
		{context.DeadlineExceeded, 503, "ServiceUnavailable"},
		{http.ErrHijacked, 500, "InternalError"},
	} {
		d := &kubernetes.Door{Gate: answering(func(*propuskpb.ReviewTokenRequest) (*propuskpb.ReviewTokenResponse, error) { return nil, c.err })}
		w := ask(d, http.MethodPost, "application/json; charset=utf-8", question)
		var got struct {
			Kind, APIVersion, Status, Reason, Message string
			Code                                      int
		}
		if strings.Contains(w.Body.String(), http.ErrHijacked.Error()) {
			t.Errorf("what went wrong inside is told: %s", w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.code || got.Code != c.code || got.Reason != c.reason ||
			got.Kind != "Status" || got.APIVersion != "v1" || got.Status != "Failure" || got.Message == "" {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
		if w.Header().Get("X-Request-Id") != "req-1" || (c.code == 503) != (w.Header().Get("Retry-After") == "2") && c.err != context.DeadlineExceeded ||
			(c.code == 401) != (w.Header().Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%v: %v", c.err, w.Header())
		}
	}
}

func TestOnlyReviewsAreTaken(t *testing.T) {
	d := &kubernetes.Door{Gate: answering(func(*propuskpb.ReviewTokenRequest) (*propuskpb.ReviewTokenResponse, error) {
		t.Error("the gate was asked")
		return &propuskpb.ReviewTokenResponse{}, nil
	})}
	for _, c := range []struct {
		method, contentType, body string
		code                      int
	}{
		{http.MethodGet, "application/json", "", 405},
		{http.MethodPut, "application/json", question, 405},
		{http.MethodPost, "", question, 415},
		{http.MethodPost, "text/plain", question, 415},
		{http.MethodPost, "application/x-www-form-urlencoded", "token=x", 415},
		{http.MethodPost, "application/json", question[1:], 400},
	} {
		w := ask(d, c.method, c.contentType, c.body)
		if w.Code != c.code || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s %s: %d %s", c.method, c.contentType, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, kubernetes.Path, strings.NewReader(question))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Add("Authorization", "Bearer a")
	r.Header.Add("Authorization", "Bearer b")
	w := httptest.NewRecorder()
	if d.ServeHTTP(w, r); w.Code != 400 {
		t.Errorf("two credentials: %d", w.Code)
	}
	for path, want := range map[string]bool{"/k8s/tokenreview": true, "/k8s/tokenreview/": false, "/k8s/token%72eview": false, "/k8s/": false, "/": false} {
		if got := kubernetes.Takes(httptest.NewRequest(http.MethodPost, path, nil)); got != want {
			t.Errorf("%s is taken: %t", path, got)
		}
	}
}

// Kubernetes trusts names that begin with "system:" as its own, and a member of
// system:masters with everything; whatever our ids come to be, none of them is such.
func TestNobodyIsTheClusterItself(t *testing.T) {
	for what, m := range map[string]*propuskpb.ReviewTokenResponse{
		"user":           {Authenticated: true, SubjectId: "system:admin", Groups: []string{"ajegroup"}},
		"administrators": {Authenticated: true, SubjectId: "ajesomebody", Groups: []string{"ajegroup", "system:masters"}},
		"nobody's name":  {Authenticated: true, Groups: []string{"ajegroup"}},
		"not proved":     {SubjectId: "ajesomebody", Groups: []string{"ajegroup"}, TokenId: "ajetoken", Error: "no"},
	} {
		d := &kubernetes.Door{Gate: answering(func(*propuskpb.ReviewTokenRequest) (*propuskpb.ReviewTokenResponse, error) { return m, nil })}
		w := ask(d, http.MethodPost, "application/json", question)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"authenticated":false`) || strings.Contains(w.Body.String(), "aje") {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
}

type broken struct{ with any }

func (b broken) Call(context.Context, *gate.Request) (*gate.Response, error) { panic(b.with) }

func TestPanics(t *testing.T) {
	var log bytes.Buffer
	const secret = "t1.AAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAA"
	d := &kubernetes.Door{Gate: broken{"of " + secret}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	w := ask(d, http.MethodPost, "application/json", question)
	id := w.Header().Get("X-Request-Id")
	if w.Code != 500 || strings.Contains(w.Body.String(), secret) || id == "" || !strings.Contains(log.String(), id) || strings.Contains(log.String(), "t1.secret") {
		t.Errorf("%d %s %s", w.Code, w.Body, log.String())
	}
	d.Gate = broken{http.ErrAbortHandler}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("hanging up became %v", p)
		}
	}()
	ask(d, http.MethodPost, "application/json", question)
}

func FuzzReview(f *testing.F) {
	for _, seed := range []string{question, "", "{}", "null", `{"spec":null}`, strings.Replace(question, "/v1", "/v1beta1", 1),
		strings.Replace(question, "t1.", `\u0000`, 1), strings.Replace(question, `"t1.secret.text"`, `"x","audiences":["a",""]`, 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var asked *propuskpb.ReviewTokenRequest
		d := &kubernetes.Door{Gate: answering(func(m *propuskpb.ReviewTokenRequest) (*propuskpb.ReviewTokenResponse, error) {
			asked = m
			return &propuskpb.ReviewTokenResponse{Authenticated: true, SubjectId: "ajesomebody", TokenId: "id"}, nil
		})}
		w := ask(d, http.MethodPost, "application/json", body)
		var got struct{ Kind, APIVersion string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%q: %s", body, w.Body)
		}
		switch {
		case asked == nil && (w.Code < 400 || w.Code >= 500 || got.Kind != "Status"):
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		case asked != nil && (w.Code != 200 || got.Kind != "TokenReview" || asked.GetAuthorization() != "Bearer t1.of.asker" || strings.Contains(asked.GetToken(), "\x00")):
			t.Errorf("%q: %d %s, asked %v", body, w.Code, w.Body, asked)
		}
	})
}
