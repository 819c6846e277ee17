package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/registry"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// fakeGate answers every call alike and remembers the last.
type fakeGate struct {
	err   error
	asked *propuskpb.IssueRegistryTokenRequest // nil: nobody has asked
	panic bool
}

const gateID = "11111111-2222-4333-8444-555555555555"

var issued = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (g *fakeGate) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	if g.panic {
		panic("t1.secret")
	}
	m := &propuskpb.IssueRegistryTokenRequest{}
	out := &gate.Response{RequestID: gateID}
	if r.Method != propuskpb.RegistryService_IssueToken_FullMethodName || r.Door != registry.Name || r.Authorization != "" {
		return out, errors.New("another call")
	}
	if err := r.Decode(m); err != nil {
		return out, err
	}
	g.asked = m
	out.Message = &propuskpb.IssueRegistryTokenResponse{Token: "a.b.c", IssuedAt: timestamppb.New(issued), ExpiresAt: timestamppb.New(issued.Add(5 * time.Minute))}
	return out, g.err
}

func (g *fakeGate) Plain(ctx context.Context, _ *gate.Request, act func(context.Context) error) (*gate.Response, error) {
	return &gate.Response{RequestID: gateID}, errors.Join(act(ctx), g.err)
}

type fakeKeys struct{}

func (fakeKeys) JWKS(context.Context) ([]byte, error)         { return []byte(`{"keys":[]}`), nil }
func (fakeKeys) Certificates(context.Context) ([]byte, error) { return []byte("PEM"), nil }

func ask(t *testing.T, g *fakeGate, r *http.Request) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	if !registry.Takes(r) {
		t.Fatalf("%s is not for this door", r.URL)
	}
	w := httptest.NewRecorder()
	(&registry.Door{Gate: g, Keys: fakeKeys{}}).ServeHTTP(w, r)
	var body map[string]any
	if w.Header().Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range []string{"Access-Control-Allow-Origin", "Set-Cookie", "Location"} {
		if v := w.Header().Get(h); v != "" {
			t.Errorf("%s: %s", h, v)
		}
	}
	if w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", w.Header())
	}
	return w, body
}

func get(query string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v2/token/?"+query, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v2/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestAsks(t *testing.T) {
	app := &propuskpb.RegistryScope{Type: "repository", Name: "crp1/app", Actions: []string{"pull", "push"}}
	base := &propuskpb.RegistryScope{Type: "repository", Name: "crp1/base", Actions: []string{"pull"}}
	file := "{\n  \"id\": \"a:b\"\n}"
	for name, tc := range map[string]struct {
		r    *http.Request
		want *propuskpb.IssueRegistryTokenRequest
	}{
		"nobody":   {get("service=s"), &propuskpb.IssueRegistryTokenRequest{Service: "s"}},
		"login":    {get("service=s&account=iam&client_id=docker&offline_token=true", "Authorization", basic("iam", "t1.x")), &propuskpb.IssueRegistryTokenRequest{Service: "s", User: "iam", Password: "t1.x", ClientId: "docker"}},
		"account":  {get("service=s&account=oauth", "Authorization", basic("iam", "t1.x")), &propuskpb.IssueRegistryTokenRequest{Service: "s", User: "iam", Password: "t1.x"}},
		"repeated": {get("service=s&scope=repository:crp1/app:pull,push&scope=repository:crp1/base:pull"), &propuskpb.IssueRegistryTokenRequest{Service: "s", Scopes: []*propuskpb.RegistryScope{app, base}}},
		"spaces":   {get("service=s&scope=repository:crp1/app:pull,push%20repository:crp1/base:pull+"), &propuskpb.IssueRegistryTokenRequest{Service: "s", Scopes: []*propuskpb.RegistryScope{app, base}}},
		"key file": {get("service=s", "Authorization", basic("json_key", file)), &propuskpb.IssueRegistryTokenRequest{Service: "s", User: "json_key", Password: file}},
		"form": {post("grant_type=password&service=s&client_id=c&access_type=offline&username=json_key&scope=repository:crp1/base:pull&password=" + url.QueryEscape(file)),
			&propuskpb.IssueRegistryTokenRequest{Service: "s", User: "json_key", Password: file, ClientId: "c", Scopes: []*propuskpb.RegistryScope{base}}},
		"form and header": {post("grant_type=password&service=s", "Authorization", basic("iam", "t1.x")), &propuskpb.IssueRegistryTokenRequest{Service: "s", User: "iam", Password: "t1.x"}},
	} {
		g := &fakeGate{}
		w, body := ask(t, g, tc.r)
		if diff := cmp.Diff(tc.want, g.asked, protocmp.Transform()); w.Code != http.StatusOK || diff != "" {
			t.Errorf("%s: %d %v\n%s", name, w.Code, body, diff)
		}
		want := map[string]any{"token": "a.b.c", "access_token": "a.b.c", "expires_in": 300.0, "issued_at": "2026-01-02T03:04:05Z"}
		if diff := cmp.Diff(want, body); diff != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v\n%s", name, w.Header(), diff)
		}
	}
}

func TestRefusesToRead(t *testing.T) {
	twice := get("service=s", "Authorization", basic("iam", "t1.x"), "Authorization", basic("oauth", "y0_x"))
	put := httptest.NewRequest(http.MethodPut, "/v2/token", nil)
	options := httptest.NewRequest(http.MethodOptions, "/v2/token", nil)
	plain := post("grant_type=password&service=s")
	plain.Header.Set("Content-Type", "text/plain")
	for name, tc := range map[string]struct {
		r            *http.Request
		status       int
		code, phrase string
	}{
		"two headers":          {twice, 400, "UNSUPPORTED", "more than one Authorization header"},
		"bearer":               {get("service=s", "Authorization", "Bearer t1.secret"), 401, "UNAUTHORIZED", "by the scheme Basic"},
		"not base64":           {get("service=s", "Authorization", "Basic t1.secret"), 401, "UNAUTHORIZED", "in Base64"},
		"bits left over":       {get("service=s", "Authorization", "Basic aWFtOnQxLnh="), 401, "UNAUTHORIZED", "in Base64"}, // "iam:t1.x" ends in "g="
		"no colon":             {get("service=s", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("t1.secret"))), 401, "UNAUTHORIZED", "joined by a colon"},
		"not UTF-8":            {get("service=s", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("iam:\xff"))), 401, "UNAUTHORIZED", "in Base64"},
		"password in address":  {get("service=s&username=iam&password=t1.secret"), 400, "UNSUPPORTED", "does not belong into the address"},
		"POST with a query":    {httptest.NewRequest(http.MethodPost, "/v2/token?service=s", strings.NewReader("")), 400, "UNSUPPORTED", "belong into its body"},
		"both":                 {post("grant_type=password&service=s&username=iam&password=t1.secret", "Authorization", basic("oauth", "y0_x")), 400, "UNSUPPORTED", "both in the Authorization header and in the body"},
		"refresh":              {post("grant_type=refresh_token&service=s&refresh_token=t1.secret"), 401, "UNAUTHORIZED", "no refresh tokens"},
		"no grant":             {post("service=s&username=iam&password=t1.secret"), 400, "UNSUPPORTED", "grant_type must be password"},
		"other grant":          {post("grant_type=client_credentials&service=s"), 400, "UNSUPPORTED", "grant_type must be password"},
		"service twice":        {get("service=s&service=other"), 400, "UNSUPPORTED", "given twice: service"},
		"password twice":       {post("grant_type=password&service=s&username=iam&password=a&password=b"), 400, "UNSUPPORTED", "given twice: password"},
		"scope that climbs":    {get("service=s&scope=repository:crp1/../crp2/app:pull"), 400, "NAME_INVALID", "A scope is not of the form"},
		"encoded slash":        {get("service=s&scope=repository:crp1%252fapp:pull"), 400, "NAME_INVALID", "A scope is not of the form"},
		"capitals":             {get("service=s&scope=repository:CRP1/app:pull"), 400, "NAME_INVALID", "A scope is not of the form"},
		"many scopes":          {get("service=s" + strings.Repeat("&scope=repository:a/b:pull", 17)), 400, "UNSUPPORTED", "More than 16 scopes"},
		"many parameters":      {get("service=s" + strings.Repeat("&x=", 64)), 413, "UNSUPPORTED", "larger than any"},
		"long query":           {get("service=s&x=" + strings.Repeat("x", 17<<10)), 413, "UNSUPPORTED", "larger than any"},
		"large body":           {post("grant_type=password&service=s&password=" + strings.Repeat("x", 49<<10)), 413, "UNSUPPORTED", "larger than any"},
		"control character":    {get("service=s%0a"), 400, "UNSUPPORTED", "percent-encoded UTF-8"},
		"bad encoding":         {post("grant_type=password&password=%zzt1.secret"), 400, "UNSUPPORTED", "percent-encoded UTF-8"},
		"compressed":           {post("x", "Content-Encoding", "gzip"), 415, "UNSUPPORTED", "Content-Encoding"},
		"another content type": {plain, 415, "UNSUPPORTED", "application/x-www-form-urlencoded"},
		"another method":       {put, 405, "UNSUPPORTED", "GET, or POST"},
		"preflight":            {options, 405, "UNSUPPORTED", "GET, or POST"},
	} {
		g := &fakeGate{}
		w, body := ask(t, g, tc.r)
		text := w.Body.String()
		if first := body["errors"].([]any)[0].(map[string]any); w.Code != tc.status || first["code"] != tc.code || !strings.Contains(first["message"].(string), tc.phrase) || g.asked != nil {
			t.Errorf("%s: %d %s, want %d %s %q", name, w.Code, text, tc.status, tc.code, tc.phrase)
		}
		if !strings.Contains(text, w.Header().Get("X-Request-Id")) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, headers %v", name, text, w.Header())
		}
		if strings.Contains(text, "t1.secret") {
			t.Errorf("%s: the password is sent back: %s", name, text)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (tc.status == 401) != strings.HasPrefix(challenge, "Basic ") {
			t.Errorf("%s: challenge %q", name, challenge)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		err           error
		status        int
		code, phrase  string
		oauth         string
		retry, hidden string
	}{
		"wrong password": {&iam.Error{Kind: iam.Unauthenticated, Message: "The token has expired"}, 401, "UNAUTHORIZED", "The token has expired [request id " + gateID, "invalid_grant", "", ""},
		"no role":        {&iam.Error{Kind: iam.PermissionDenied, Message: "needs x"}, 403, "DENIED", "needs x", "invalid_scope", "", ""},
		"a field":        {iam.InvalidField("service", "is too long"), 400, "UNSUPPORTED", "service: is too long", "invalid_request", "", ""},
		"nothing there":  {&iam.Error{Kind: iam.NotFound, Message: "none"}, 404, "NAME_UNKNOWN", "none", "invalid_request", "", ""},
		"not built":      {&iam.Error{Kind: iam.Unimplemented, Message: "no registry"}, 404, "UNSUPPORTED", "no registry", "invalid_request", "", ""},
		"busy":           {&iam.Error{Kind: iam.ResourceExhausted, Message: "slowly", RetryAfter: 1500 * time.Millisecond}, 429, "TOOMANYREQUESTS", "slowly", "invalid_request", "2", ""},
		"away":           {&iam.Error{Kind: iam.Unavailable, Message: "away"}, 503, "UNAVAILABLE", "away", "server_error", "", ""},
		"broken":         {errors.New("table signing_keys"), 500, "UNKNOWN", "Internal error", "server_error", "", "signing_keys"},
	} {
		for _, r := range []*http.Request{get("service=s"), post("grant_type=password&service=s")} {
			w, body := ask(t, &fakeGate{err: tc.err}, r)
			first := body["errors"].([]any)[0].(map[string]any)
			if w.Code != tc.status || first["code"] != tc.code || !strings.Contains(first["message"].(string), tc.phrase) || w.Header().Get("Retry-After") != tc.retry {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			if tc.hidden != "" && strings.Contains(w.Body.String(), tc.hidden) {
				t.Errorf("%s: %s", name, w.Body)
			}
			if want := map[string]any{http.MethodPost: tc.oauth}[r.Method]; body["error"] != want {
				t.Errorf("%s %s: error %v, want %v", r.Method, name, body["error"], want)
			}
		}
	}
	w, _ := ask(t, &fakeGate{panic: true}, get("service=s", "Authorization", basic("iam", "t1.secret")))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("a panic: %d %s", w.Code, w.Body)
	}
}

func TestPublishes(t *testing.T) {
	for path, want := range map[string]string{"/v2/token/keys": `{"keys":[]}`, "/v2/token/certs": "PEM"} {
		w, _ := ask(t, &fakeGate{}, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != 200 || w.Body.String() != want || !strings.HasPrefix(w.Header().Get("Cache-Control"), "public") {
			t.Errorf("%s: %d %s %v", path, w.Code, w.Body, w.Header())
		}
		w, _ = ask(t, &fakeGate{err: iam.Unavailable}, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code == 200 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: an error is kept: %d %v", path, w.Code, w.Header())
		}
		w, _ = ask(t, &fakeGate{}, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != 405 {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/v2/", "/v2/token/x", "/v2%2ftoken", "/v2/token%2f", "/V2/token", "//v2/token", "/v2/token//"} {
		if registry.Takes(httptest.NewRequest(http.MethodGet, path, nil)) {
			t.Errorf("%s is taken", path)
		}
	}
}
