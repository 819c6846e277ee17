package oauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauth"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// fakeGate answers every call alike and remembers the last.
type fakeGate struct {
	answer  proto.Message
	err     error
	request *gate.Request
	asked   proto.Message
}

const gateID = "11111111-2222-4333-8444-555555555555"

var messages = map[string]func() proto.Message{
	propuskpb.OAuthService_RedeemCode_FullMethodName:        func() proto.Message { return &propuskpb.RedeemCodeRequest{} },
	propuskpb.OAuthService_Refresh_FullMethodName:           func() proto.Message { return &propuskpb.RefreshTokenGrantRequest{} },
	propuskpb.OAuthService_RedeemDeviceCode_FullMethodName:  func() proto.Message { return &propuskpb.RedeemDeviceCodeRequest{} },
	propuskpb.OAuthService_ClientCredentials_FullMethodName: func() proto.Message { return &propuskpb.ClientCredentialsGrantRequest{} },
	propuskpb.OAuthService_ExchangeToken_FullMethodName:     func() proto.Message { return &propuskpb.ExchangeTokenRequest{} },
	propuskpb.OAuthService_AuthorizeDevice_FullMethodName:   func() proto.Message { return &propuskpb.AuthorizeDeviceRequest{} },
	propuskpb.OAuthService_Introspect_FullMethodName:        func() proto.Message { return &propuskpb.IntrospectTokenRequest{} },
	propuskpb.OAuthService_Revoke_FullMethodName:            func() proto.Message { return &propuskpb.RevokeOAuthGrantRequest{} },
	propuskpb.OAuthService_GetUserInfo_FullMethodName:       func() proto.Message { return &propuskpb.GetUserInfoRequest{} },
}

func (g *fakeGate) Call(_ context.Context, r *gate.Request) (*gate.Response, error) {
	g.request, g.asked = r, messages[r.Method]()
	if err := r.Decode(g.asked); err != nil {
		return &gate.Response{RequestID: gateID}, err
	}
	return &gate.Response{Message: g.answer, RequestID: gateID}, g.err
}

func door(g *fakeGate) *oauth.Door {
	return &oauth.Door{Config: oauth.Config{Gate: g, Issuer: func() (string, error) { return "https://id.example", nil }}}
}

func post(path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "yc/1\u202e\x07")
	r.RemoteAddr = "192.0.2.7:4711"
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	return r
}

func basicOf(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func serve(g *fakeGate, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	door(g).ServeHTTP(w, r)
	return w
}

func proofOf(id, secret string, m propuskpb.OAuthClientProof_Method) *propuskpb.OAuthClientProof {
	return &propuskpb.OAuthClientProof{ClientId: id, ClientSecret: secret, Method: m}
}

var public = proofOf("c", "", propuskpb.OAuthClientProof_NONE)

// What a request says arrives at the gate's method, word for word.
func TestRequests(t *testing.T) {
	const exchange = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
	for _, c := range []struct {
		what string
		r    *http.Request
		want proto.Message
	}{
		{"a code", post(oauth.TokenPath, "grant_type=authorization_code&client_id=c&code=x+y&redirect_uri=http%3A%2F%2Fa&code_verifier=v&state="),
			&propuskpb.RedeemCodeRequest{Client: public, Code: "x y", RedirectUri: "http://a", CodeVerifier: "v", ClientInstanceInfo: "yc/1"}},
		{"a refresh token and a proof", post(oauth.TokenPath, "grant_type=refresh_token&client_id=c&refresh_token=r&scope=a%20b", "Dpop", "p.q.r"),
			&propuskpb.RefreshTokenGrantRequest{Client: public, RefreshToken: "r", Scope: "a b", ClientInstanceInfo: "yc/1",
				Dpop: &propuskpb.DPoPProof{Jwt: "p.q.r", Method: "POST", Url: "https://id.example/oauth/token"}}},
		{"a device's code", post(oauth.TokenPath, "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=c&device_code=d"),
			&propuskpb.RedeemDeviceCodeRequest{Client: public, DeviceCode: "d", ClientInstanceInfo: "yc/1"}},
		{"a client by Basic", post(oauth.TokenPath, "grant_type=client_credentials&scope=s&client_id=c%3A", "Authorization", basicOf("c:", "p%+ ä")),
			&propuskpb.ClientCredentialsGrantRequest{Client: proofOf("c:", "p%+ ä", propuskpb.OAuthClientProof_BASIC), Scope: "s"}},
		{"a client by the body", post(oauth.TokenPath, "grant_type=client_credentials&client_id=c&client_secret=s"),
			&propuskpb.ClientCredentialsGrantRequest{Client: proofOf("c", "s", propuskpb.OAuthClientProof_POST)}},
		{"an exchange without client", post(oauth.TokenPath, exchange+"&subject_token=t&subject_token_type=y&audience=a"),
			&propuskpb.ExchangeTokenRequest{SubjectToken: "t", SubjectTokenType: "y", Audience: "a"}},
		{"a device", post(oauth.DevicePath, "client_id=c&scope=openid"),
			&propuskpb.AuthorizeDeviceRequest{Client: public, Scope: "openid", ClientInstanceInfo: "yc/1", Address: "192.0.2.7"}},
		{"an introspection", post(oauth.IntrospectPath, "token=t&token_type_hint=h", "Authorization", basicOf("c", "s")),
			&propuskpb.IntrospectTokenRequest{Client: proofOf("c", "s", propuskpb.OAuthClientProof_BASIC), Token: "t", TokenTypeHint: "h"}},
		{"a revocation", post(oauth.RevokePath, "token=t&client_id=c"), &propuskpb.RevokeOAuthGrantRequest{Client: public, Token: "t"}},
		{"userinfo", httptest.NewRequest("GET", oauth.UserInfoPath, nil), nil},
		{"userinfo by the body", post(oauth.UserInfoPath, "access_token=a"), &propuskpb.GetUserInfoRequest{AccessToken: "a"}},
		{"userinfo by the header", post(oauth.UserInfoPath, "", "Authorization", "Bearer  a"), &propuskpb.GetUserInfoRequest{AccessToken: "a"}},
	} {
		g := &fakeGate{err: iam.Errorf(iam.Unavailable, "away")}
		w := serve(g, c.r)
		if d := cmp.Diff(c.want, g.asked, protocmp.Transform()); d != "" {
			t.Errorf("%s: %s (%d %s)", c.what, d, w.Code, w.Body)
		}
		if g.request != nil && (g.request.Door != "oauth" || g.request.RemoteAddr != "192.0.2.7") {
			t.Errorf("%s: from %s by %s", c.what, g.request.RemoteAddr, g.request.Door)
		}
	}
}

// The secret of a client is in the message alone.
func TestAuthorizationStaysHere(t *testing.T) {
	g := &fakeGate{err: iam.Errorf(iam.Unavailable, "away")}
	serve(g, post(oauth.IntrospectPath, "token=t", "Authorization", basicOf("c", "s")))
	if g.request.Authorization != "" {
		t.Error("the client's secret went on as a header")
	}
}

// What is no such request never reaches the gate.
func TestRequestsRefused(t *testing.T) {
	const code = "grant_type=authorization_code&client_id=c&code=x"
	json := post(oauth.TokenPath, `{"grant_type":"authorization_code"}`)
	json.Header.Set("Content-Type", "application/json")
	untyped := post(oauth.TokenPath, code)
	untyped.Header.Del("Content-Type")
	for _, c := range []struct {
		what   string
		r      *http.Request
		status int
		code   string
	}{
		{"JSON", json, 415, "invalid_request"},
		{"no type", untyped, 415, "invalid_request"},
		{"two types", post(oauth.TokenPath, code, "Content-Type", "application/x-www-form-urlencoded"), 415, "invalid_request"},
		{"another charset", post(oauth.TokenPath, code), 0, ""},
		{"packed", post(oauth.TokenPath, code, "Content-Encoding", "gzip"), 415, "invalid_request"},
		{"a megabyte", post(oauth.TokenPath, code+"&x="+strings.Repeat("a", 1<<20)), 413, "invalid_request"},
		{"a query", post(oauth.TokenPath+"?client_secret=s", code), 400, "invalid_request"},
		{"twice", post(oauth.TokenPath, code+"&code=y"), 400, "invalid_request"},
		{"twice, once empty", post(oauth.TokenPath, code+"&client_id="), 400, "invalid_request"},
		{"many", post(oauth.TokenPath, code+strings.Repeat("&a=1", 101)), 400, "invalid_request"},
		{"a bad escape", post(oauth.TokenPath, code+"&x=%zz"), 400, "invalid_request"},
		{"not UTF-8", post(oauth.TokenPath, code+"&x=%ff"), 400, "invalid_request"},
		{"a zero byte", post(oauth.TokenPath, code+"&x=%00"), 400, "invalid_request"},
		{"no grant", post(oauth.TokenPath, "client_id=c"), 400, "invalid_request"},
		{"the password grant", post(oauth.TokenPath, "client_id=c&grant_type=password&username=a&password=b"), 400, "unsupported_grant_type"},
		{"no client", post(oauth.TokenPath, "grant_type=authorization_code&code=x"), 401, "invalid_client"},
		{"a secret alone", post(oauth.TokenPath, "grant_type=authorization_code&code=x&client_secret=s"), 401, "invalid_client"},
		{"an assertion", post(oauth.TokenPath, code+"&client_assertion=x"), 401, "invalid_client"},
		{"two secrets", post(oauth.TokenPath, code+"&client_secret=s", "Authorization", basicOf("c", "s")), 400, "invalid_request"},
		{"two names", post(oauth.TokenPath, code, "Authorization", basicOf("d", "s")), 400, "invalid_request"},
		{"two headers", post(oauth.TokenPath, code, "Authorization", basicOf("c", "s"), "Authorization", "Bearer x"), 400, "invalid_request"},
		{"no Base64", post(oauth.TokenPath, code, "Authorization", "Basic !"), 401, "invalid_client"},
		{"no colon", post(oauth.TokenPath, code, "Authorization", "Basic Yw=="), 401, "invalid_client"},
		{"a wrong escape in Basic", post(oauth.TokenPath, code, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("c:%zz"))), 401, "invalid_client"},
		{"a token as client", post(oauth.TokenPath, code, "Authorization", "Bearer t1.x"), 401, "invalid_client"},
		{"a token in place of a client", post(oauth.IntrospectPath, "token=t", "Authorization", "Bearer t1.x"), 401, "invalid_client"},
		{"a token beside a client", post(oauth.IntrospectPath, "token=t&client_id=c&client_secret=s", "Authorization", "Bearer t1.x"), 401, "invalid_client"},
		{"a token beside a subject token", post(oauth.TokenPath, "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=t&subject_token_type=y&audience=a",
			"Authorization", "bearer t1.x"), 401, "invalid_client"},
		{"another scheme", post(oauth.TokenPath, code, "Authorization", "Negotiate x"), 401, "invalid_client"},
		{"two proofs", post(oauth.TokenPath, code, "Dpop", "a", "Dpop", "b"), 400, "invalid_dpop_proof"},
		{"an empty proof", post(oauth.TokenPath, code, "Dpop", ""), 400, "invalid_dpop_proof"},
		{"GET", httptest.NewRequest("GET", oauth.TokenPath+"?"+code, nil), 405, "invalid_request"},
		{"HEAD", httptest.NewRequest("HEAD", oauth.TokenPath, nil), 405, "invalid_request"},
		{"PUT", httptest.NewRequest("PUT", oauth.UserInfoPath, nil), 405, "invalid_request"},
		{"OPTIONS where no browser asks", httptest.NewRequest("OPTIONS", oauth.IntrospectPath, nil), 405, "invalid_request"},
		{"no token to look at", post(oauth.IntrospectPath, "client_id=c"), 400, "invalid_request"},
		{"no token to end", post(oauth.RevokePath, "client_id=c"), 400, "invalid_request"},
		{"no access token", httptest.NewRequest("GET", oauth.UserInfoPath, nil), 401, "invalid_token"},
		{"one in the address", httptest.NewRequest("GET", oauth.UserInfoPath+"?access_token=a", nil), 400, "invalid_request"},
		{"two of them", post(oauth.UserInfoPath, "access_token=a", "Authorization", "Bearer a"), 400, "invalid_request"},
		{"Basic at userinfo", post(oauth.UserInfoPath, "", "Authorization", basicOf("c", "s")), 401, "invalid_token"},
	} {
		if c.what == "another charset" {
			c.r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=koi8-r")
			c.status, c.code = 415, "invalid_request"
		}
		g := &fakeGate{}
		w := serve(g, c.r)
		if g.request != nil {
			t.Errorf("%s: the gate was asked", c.what)
		}
		checkError(t, c.what, w, c.status, c.code)
		if id := w.Header().Get("X-Request-Id"); len(id) != 36 || id == gateID {
			t.Errorf("%s: request id %q", c.what, id)
		}
	}
}

func checkError(t *testing.T, what string, w *httptest.ResponseRecorder, status int, code string) map[string]string {
	t.Helper()
	var e map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != status || e["error"] != code || e["error_description"] == "" || len(e) != 2 {
		t.Errorf("%s: %d %s", what, w.Code, w.Body)
	}
	h := w.Header()
	if h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %v", what, h)
	}
	if (w.Code == 401) != (h.Get("Www-Authenticate") != "") && w.Code != 403 {
		t.Errorf("%s: %d with the challenge %q", what, w.Code, h.Get("Www-Authenticate"))
	}
	return e
}

// Errors of the gate are told in the protocol's words.
func TestGateErrors(t *testing.T) {
	token := func() *http.Request { return post(oauth.TokenPath, "grant_type=authorization_code&client_id=c&code=x") }
	info := func() *http.Request { return post(oauth.UserInfoPath, "", "Authorization", "Bearer a") }
	for _, c := range []struct {
		what      string
		r         *http.Request
		err       error
		status    int
		code      string
		challenge string
		retry     string
	}{
		{"a code", token(), iam.OAuthError(iam.OAuthInvalidGrant, "no"), 400, "invalid_grant", "", ""},
		{"a client", token(), iam.OAuthError(iam.OAuthInvalidClient, "no"), 401, "invalid_client", `Basic realm="oauth", charset="UTF-8"`, ""},
		{"a scope", token(), iam.OAuthError(iam.OAuthInvalidScope, "no"), 400, "invalid_scope", "", ""},
		{"a device that waits", token(), iam.OAuthError(iam.OAuthAuthorizationPending, "no"), 400, "authorization_pending", "", ""},
		{"a person's no", token(), iam.OAuthError(iam.OAuthAccessDenied, "no"), 400, "access_denied", "", ""},
		{"a field", token(), iam.InvalidField("code", "too long"), 400, "invalid_request", "", ""},
		{"a right", token(), iam.Errorf(iam.PermissionDenied, "no"), 403, "access_denied", "", ""},
		{"a proof of another kind", token(), iam.Errorf(iam.Unauthenticated, "no"), 400, "invalid_grant", "", ""},
		{"a grant that is not built", token(), iam.Errorf(iam.Unimplemented, "no"), 400, "unsupported_grant_type", "", ""},
		{"too much", token(), &iam.Error{Kind: iam.ResourceExhausted, Message: "wait", RetryAfter: 1500 * time.Millisecond}, 429, "temporarily_unavailable", "", "2"},
		{"away", token(), iam.Errorf(iam.Unavailable, "away"), 503, "temporarily_unavailable", "", ""},
		{"an inner error", token(), context.DeadlineExceeded, 503, "temporarily_unavailable", "", ""},
		{"a token", info(), iam.OAuthError(iam.OAuthInvalidToken, `say "no" \ да`), 401, "invalid_token",
			`Bearer realm="oauth", error="invalid_token", error_description="say 'no' / ??"`, ""},
		{"an IAM token", info(), iam.Errorf(iam.Unauthenticated, "old"), 401, "invalid_token",
			`Bearer realm="oauth", error="invalid_token", error_description="old"`, ""},
		{"a scope at userinfo", info(), iam.OAuthError(iam.OAuthInsufficientScope, "no"), 403, "insufficient_scope",
			`Bearer realm="oauth", error="insufficient_scope", error_description="no"`, ""},
	} {
		w := serve(&fakeGate{err: c.err}, c.r)
		checkError(t, c.what, w, c.status, c.code)
		if got := w.Header().Get("Www-Authenticate"); got != c.challenge {
			t.Errorf("%s: challenge %q", c.what, got)
		}
		if w.Header().Get("Retry-After") != c.retry || w.Header().Get("X-Request-Id") != gateID {
			t.Errorf("%s: %v", c.what, w.Header())
		}
	}
	w := serve(&fakeGate{err: errSecret}, token())
	if e := checkError(t, "an inner error", w, 500, "server_error"); strings.Contains(e["error_description"], "hunter2") {
		t.Errorf("it tells %s", w.Body)
	}
}

type innerError string

func (e innerError) Error() string { return string(e) }

const errSecret = innerError("dial postgres://hunter2")

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		what   string
		r      *http.Request
		answer proto.Message
		want   string
	}{
		{"tokens", post(oauth.TokenPath, "grant_type=authorization_code&client_id=c&code=x"),
			&propuskpb.OAuthTokenResponse{AccessToken: "a", TokenType: "Bearer", ExpiresIn: 60, RefreshToken: "r", IdToken: "i", Scope: "openid"},
			`{"access_token":"a","token_type":"Bearer","expires_in":60,"refresh_token":"r","id_token":"i","scope":"openid"}`},
		{"a device", post(oauth.DevicePath, "client_id=c"),
			&propuskpb.AuthorizeDeviceResponse{DeviceCode: "d", UserCode: "U", VerificationUri: "https://a/?b&c", ExpiresIn: 600, Interval: 5},
			`{"device_code":"d","user_code":"U","verification_uri":"https://a/?b&c","expires_in":600,"interval":5}`},
		{"a dead token", post(oauth.IntrospectPath, "token=t&client_id=c"), &propuskpb.IntrospectTokenResponse{Scope: "x", SubjectId: "s"}, `{"active":false}`},
		{"a live one", post(oauth.IntrospectPath, "token=t&client_id=c"),
			&propuskpb.IntrospectTokenResponse{Active: true, SubjectId: "s", ExpiresAt: timestamppb.New(time.Unix(7, 9)), Issuer: "https://id"},
			`{"active":true,"exp":7,"sub":"s","iss":"https://id"}`},
		{"nothing", post(oauth.RevokePath, "token=t&client_id=c"), &propuskpb.RevokeOAuthGrantResponse{}, ""},
		{"somebody", post(oauth.UserInfoPath, "", "Authorization", "Bearer a"),
			&propuskpb.GetUserInfoResponse{Sub: "s", Email: "a@b", Groups: []string{"g"}}, `{"sub":"s","email":"a@b","email_verified":false,"groups":["g"]}`},
		{"without e-mail", post(oauth.UserInfoPath, "", "Authorization", "Bearer a"), &propuskpb.GetUserInfoResponse{Sub: "s"}, `{"sub":"s"}`},
	} {
		w := serve(&fakeGate{answer: c.answer}, c.r)
		if got := strings.TrimSuffix(w.Body.String(), "\n"); w.Code != 200 || got != c.want {
			t.Errorf("%s: %d %s", c.what, w.Code, got)
		}
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" || h.Get("X-Request-Id") != gateID {
			t.Errorf("%s: %v", c.what, h)
		}
	}
}

// Programs in a browser ask from wherever they came; what they may send is told
// to the browser first.
func TestOtherOrigins(t *testing.T) {
	for path, methods := range map[string]string{oauth.TokenPath: "POST", oauth.RevokePath: "POST", oauth.UserInfoPath: "GET, POST"} {
		r := httptest.NewRequest("OPTIONS", path, nil)
		r.Header.Set("Origin", "https://app.example")
		w := serve(&fakeGate{}, r)
		h := w.Header()
		if w.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != methods ||
			h.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, DPoP" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
		w = serve(&fakeGate{}, post(path, "x=%"))
		if w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: a refusal cannot be read: %v", path, w.Header())
		}
	}
	for _, path := range []string{oauth.IntrospectPath, oauth.DevicePath} {
		if w := serve(&fakeGate{}, post(path, "x=%")); w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
}

func TestTakes(t *testing.T) {
	for path, want := range map[string]bool{"/oauth/token": true, "/oauth/token/": false, "/oauth/%74oken": false, "/oauth/authorize": false,
		"/oauth/device/code": true, "/oauth/jwks/keys": false, "/": false} {
		if got := oauth.Takes(httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// Whatever comes, the answer is one of the protocol's, and nothing with a
// parameter twice reaches the gate.
func FuzzTokenRequest(f *testing.F) {
	f.Add("grant_type=authorization_code&client_id=c&code=x", "")
	f.Add("grant_type=client_credentials", basicOf("c", "s"))
	f.Add("grant_type=refresh_token&refresh_token=r&client_id=%00", "Bearer x")
	f.Add("&&=&a&a=b", "Basic Og==")
	f.Fuzz(func(t *testing.T, body, authorization string) {
		r := post(oauth.TokenPath, body)
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		g := &fakeGate{err: iam.OAuthError(iam.OAuthInvalidGrant, "no")}
		w := serve(g, r)
		var e map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code < 400 || w.Code >= 500 || e["error"] == "" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if values, err := url.ParseQuery(body); err == nil && g.request != nil {
			for name, all := range values {
				if len(all) > 1 && name != "" {
					t.Fatalf("%q came through %d times", name, len(all))
				}
			}
		}
	})
}
