package cloudapi_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/propusktest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func init() {
	services["idToken"] = "propusk.v1.IdTokenService"
	areaRows = append(areaRows, func(*world) []row {
		return []row{{"idToken.Create", "UNDDD++", func(t *testing.T, w *world, _ int) proto.Message {
			return &propuskpb.CreateIdTokenRequest{ServiceAccountId: w.anyAccount(t)}
		}}}
	})
}

// anyAccount is a new service account of home's folder.
func (w *world) anyAccount(t *testing.T) string {
	t.Helper()
	return w.newAccount(t, "any-"+strings.ToLower(resource.NewID("n")))
}

func (w *world) idToken(t *testing.T, by *caller, account, audience string) *propuskpb.CreateIdTokenResponse {
	t.Helper()
	r := call(t, by, "idToken.Create", &propuskpb.CreateIdTokenRequest{ServiceAccountId: account, Audience: audience}, new(propuskpb.CreateIdTokenResponse))
	w.secret(r.GetIdToken())
	return r
}

// document reads what the server publishes for third parties.
func (w *world) document(t *testing.T, path string, into any) http.Header {
	t.Helper()
	r, err := http.Get(w.HTTPURL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
		t.Fatalf("GET %s: %d %s %v", path, r.StatusCode, text, err)
	}
	return r.Header
}

type keySet struct {
	Keys []struct{ Kty, Use, Alg, Kid, N, E string }
}

// openIDToken checks an ID token as a third party does, with the published
// keys alone, and returns its header and claims.
func (w *world) openIDToken(t *testing.T, text string) (header, claims map[string]any) {
	t.Helper()
	var set keySet
	w.document(t, "/oauth/jwks/keys", &set)
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for i, into := range []*map[string]any{&header, &claims} {
		if err := json.Unmarshal(decode(parts[i]), into); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range set.Keys {
		if k.Kid != header["kid"] {
			continue
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(decode(k.N)), E: int(new(big.Int).SetBytes(decode(k.E)).Int64())}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], decode(parts[2])); err != nil {
			t.Fatal(err)
		}
		return header, claims
	}
	t.Fatalf("key %v is not published: %v", header["kid"], set)
	return nil, nil
}

func TestIDTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "runner")
	self := w.impersonate(t, w.owner, id)
	before := time.Now().Add(-time.Second)
	made := w.idToken(t, self, "", "")
	header, claims := w.openIDToken(t, made.GetIdToken())
	kid, _ := header["kid"].(string)
	if d := cmp.Diff(map[string]any{"alg": "RS256", "typ": "JWT", "kid": kid}, header); d != "" || len(kid) != 20 {
		t.Error(d)
	}
	iat, jti := claims["iat"].(float64), claims["jti"].(string)
	want := map[string]any{"iss": w.HTTPURL, "sub": id, "aud": id, "iat": iat, "exp": iat + 3600, "jti": jti}
	if d := cmp.Diff(want, claims); d != "" || time.Unix(int64(iat), 0).Before(before.Truncate(time.Second)) || time.Unix(int64(iat), 0).After(time.Now()) {
		t.Errorf("issued at %v, %s", iat, d)
	}
	if ends := made.GetExpiresAt().AsTime().Unix(); float64(ends) != iat+3600 {
		t.Errorf("expires_at %d, exp %v", ends, iat+3600)
	}
	again := w.idToken(t, w.owner, id, "https://vault.example.com/v1 <&\"пропуск")
	_, other := w.openIDToken(t, again.GetIdToken())
	if other["aud"] != "https://vault.example.com/v1 <&\"пропуск" || other["sub"] != id || other["jti"] == jti {
		t.Errorf("claims %v", other)
	}
	var conf map[string]any
	w.document(t, "/.well-known/openid-configuration", &conf)
	if conf["issuer"] != w.HTTPURL || conf["jwks_uri"] != w.HTTPURL+"/oauth/jwks/keys" || !cmp.Equal(conf["id_token_signing_alg_values_supported"], []any{"RS256"}) {
		t.Errorf("configuration %v", conf)
	}
	for name := range claims {
		if !slices.Contains(conf["claims_supported"].([]any), any(name)) {
			t.Errorf("claims_supported lacks %s", name)
		}
	}

	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "propusk.CreateIdToken"})
	if len(lines) != 2 {
		t.Fatalf("%d audit lines", len(lines))
	}
	for i, l := range lines {
		c := []map[string]any{claims, other}[i]
		if l.Details["jti"] != c["jti"] || l.Details["audience"] != c["aud"] || l.Details["service_account_id"] != id ||
			l.Details["signing_key_id"] != kid || l.Resource.Path[len(l.Resource.Path)-1].ID != id {
			t.Errorf("audit line %s", l.raw)
		}
	}

	// What third parties take, this API does not.
	w.withToken(t, made.GetIdToken()).refuse(t, "cloud.List", &rmpb.ListCloudsRequest{}, codes.Unauthenticated, "holds a JWT: an IAM token is expected")
	w.withToken(t, "").refuse(t, "token.Create", &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: made.GetIdToken()}},
		codes.Unauthenticated, "PS256")
	w.owner.refuse(t, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: made.GetIdToken()}, codes.InvalidArgument, "not an IAM token")
}

func TestIDTokensRefused(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	id, other := w.newAccount(t, "runner"), w.newAccount(t, "other")
	self, stranger := w.impersonate(t, w.owner, id), w.exchange(t, w.Key)
	create := func(by *caller, account, audience string, code codes.Code, text string) {
		t.Helper()
		by.refuse(t, "idToken.Create", &propuskpb.CreateIdTokenRequest{ServiceAccountId: account, Audience: audience}, code, text)
	}
	create(self, other, "", codes.PermissionDenied, "Permission to [")
	w.bind(t, "sa", other, add("iam.serviceAccounts.tokenCreator", id))
	w.idToken(t, self, other, "")
	for _, unknown := range []string{id, "ajenever0000000000000"} {
		create(stranger, unknown, "", codes.NotFound, "Service account "+unknown+" not found")
	}
	for audience, text := range map[string]string{
		" a": "space", "a ": "space", "a\nb": "printable", "a\x00b": "NUL", "a\u202eb": "printable", strings.Repeat("a", 256): "255",
	} {
		create(self, "", audience, codes.InvalidArgument, text)
	}
	w.idToken(t, self, "", strings.Repeat("ы", 255))
	// The denial of impersonation is about others alone.
	w.deny(t, "folder", w.home.FolderID, "iam.denyServiceAccountImpersonation")
	create(self, other, "", codes.PermissionDenied, "iam.denyServiceAccountImpersonation")
	w.idToken(t, self, "", "")
	w.allow(t, "folder", w.home.FolderID, "iam.denyServiceAccountImpersonation")

	// Nobody can call an ID token back, so its end is what is known now.
	ends := w.clock.now().Add(20 * time.Minute).Truncate(time.Second)
	w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: other, UpdateMask: masked("expires_at"), ExpiresAt: timestamppb.New(ends)})
	if got := w.idToken(t, w.owner, other, "").GetExpiresAt().AsTime(); !got.Equal(ends) {
		t.Errorf("ends at %v, the account at %v", got, ends)
	}
	w.clock.add(21 * time.Minute)
	create(w.owner, other, "", codes.FailedPrecondition, "is suspended")
	w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: id})
	create(w.owner, id, "", codes.FailedPrecondition, "is suspended")
	create(self, "", "", codes.Unauthenticated, "")
	w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: id})
	create(w.owner, id, "", codes.NotFound, "Service account "+id+" not found")
	w.clock.add(11*time.Hour + 9*time.Minute) // half an hour before the end of the owner's own token
	if life := w.idToken(t, w.owner, "", "").GetExpiresAt().AsTime().Sub(w.clock.now()); life > 31*time.Minute {
		t.Errorf("lives %v, longer than what proved the caller", life)
	}
}

// People have no ID tokens of their own here.
func TestIDTokenOfAPerson(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	person := asPerson(w.person(t, "carol", w.home.OrganizationID))
	person.refuse(t, "idToken.Create", &propuskpb.CreateIdTokenRequest{}, codes.InvalidArgument, "not a service account")
}

func TestOpenIDDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, propusktest.WithConfig(func(c *server.Config) { c.PublicURL = "https://iam.example.com/" }))
	var set keySet
	var conf struct {
		Issuer string
		Keys   string `json:"jwks_uri"`
	}
	h := w.document(t, "/oauth/jwks/keys", &set) // before the first token, and yet not empty
	if len(set.Keys) != 1 || set.Keys[0].Kty != "RSA" || set.Keys[0].Alg != "RS256" || set.Keys[0].Use != "sig" || set.Keys[0].E != "AQAB" {
		t.Errorf("%+v", set)
	}
	if h.Get("Cache-Control") != "public, max-age=900" || h.Get("Content-Type") != "application/json" || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", h)
	}
	if w.document(t, "/.well-known/openid-configuration", &conf); conf.Issuer != "https://iam.example.com" || conf.Keys != "https://iam.example.com/oauth/jwks/keys" {
		t.Errorf("%+v", conf)
	}
	if _, claims := w.openIDToken(t, w.idToken(t, w.owner, "", "").GetIdToken()); claims["iss"] != "https://iam.example.com" {
		t.Errorf("%v", claims)
	}
	for _, path := range []string{"/oauth/jwks/keys", "/.well-known/openid-configuration"} {
		r, err := http.Head(w.HTTPURL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK || len(body) != 0 || r.Header.Get("Cache-Control") == "" {
			t.Errorf("HEAD %s: %d, %d bytes", path, r.StatusCode, len(body))
		}
		if r, err = http.Post(w.HTTPURL+path, "application/json", bytes.NewReader(nil)); err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if r.StatusCode == http.StatusOK {
			t.Errorf("POST %s: %d", path, r.StatusCode)
		}
	}
}

// A server that listens everywhere does not know its own name.
func TestNoIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, propusktest.OnAddress("0.0.0.0:0"), propusktest.WithConfig(func(c *server.Config) { c.BehindProxy = "nothing" }))
	w.owner.refuse(t, "idToken.Create", &propuskpb.CreateIdTokenRequest{}, codes.FailedPrecondition, "public-url")
	r, err := http.Get(regexp.MustCompile(`//[^/]*:`).ReplaceAllString(w.HTTPURL, "//127.0.0.1:") + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "public-url") || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", r.StatusCode, text)
	}
}

func TestIDKeysRotate(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	keys := func() (ids []string) {
		var set keySet
		w.document(t, "/oauth/jwks/keys", &set)
		for _, k := range set.Keys {
			ids = append(ids, k.Kid)
		}
		return ids
	}
	signs := func() string {
		t.Helper()
		header, _ := w.openIDToken(t, w.idToken(t, w.exchange(t, []byte(w.home.KeyFile)), "", "").GetIdToken())
		return header["kid"].(string)
	}
	rotate := func(r server.RotateKeysRequest) (listed []string) {
		t.Helper()
		res, err := w.Server.Server.RotateKeys(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range res.Keys {
			if k.Signs == "ID tokens" {
				listed = append(listed, k.ID)
			}
		}
		return listed
	}
	if listed := rotate(server.RotateKeysRequest{}); len(listed) != 0 {
		t.Errorf("keys before anybody needed one: %v", listed)
	}
	first := signs()
	listed := rotate(server.RotateKeysRequest{})
	if d := cmp.Diff(listed, keys()); d != "" || len(listed) != 2 || listed[0] != first {
		t.Fatalf("%v\n%s", listed, d)
	}
	if got := signs(); got != first {
		t.Error("the new key signs before it was published long enough")
	}
	w.clock.add(24*time.Hour + time.Minute)
	if got := signs(); got != listed[1] {
		t.Error("the new key does not sign after a day")
	}
	if now := keys(); len(now) != 2 {
		t.Errorf("the old key is gone while its tokens live: %v", now)
	}
	w.clock.add(15*time.Minute + time.Hour + 15*time.Minute)
	if now := keys(); len(now) != 1 || now[0] != listed[1] {
		t.Errorf("the old key stays: %v", now)
	}
	after := rotate(server.RotateKeysRequest{Distrust: listed[1]})
	if now := keys(); len(now) != 1 || len(after) != 1 || now[0] != after[0] || now[0] == listed[1] || signs() != now[0] {
		t.Errorf("after a distrust: %v, %v", now, after)
	}
	if _, err := w.Server.Server.RotateKeys(t.Context(), server.RotateKeysRequest{Distrust: "ajenever0000000000000"}); err == nil {
		t.Error("an unknown key is distrusted")
	}
	if n := len(w.audit(t.Context(), t, server.AuditListRequest{Type: "propusk.DistrustSigningKey"})); n != 1 {
		t.Errorf("%d audit lines of a distrust", n)
	}
}
