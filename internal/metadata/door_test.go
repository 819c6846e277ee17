package metadata_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata"
	"github.com/propusk/propusk/internal/metadata/source"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// account is one whose credentials are as the test says.
type account struct {
	id    string
	token string
	life  time.Duration
	err   error
}

func (a *account) ServiceAccountID() string { return a.id }

func (a *account) Token(context.Context) (iamclient.Token, error) {
	return iamclient.Token{Text: iam.NewSecret(a.token), ReceivedAt: epoch.Add(-time.Hour), ExpiresAt: epoch.Add(a.life)}, a.err
}

func (a *account) AccessKey(context.Context) (iamclient.AccessKey, error) {
	return iamclient.AccessKey{ID: "YCkey", Secret: iam.NewSecret("YCsecret"), SessionToken: iam.NewSecret("s1.session"),
		ReceivedAt: epoch.Add(-time.Minute), ExpiresAt: epoch.Add(a.life)}, a.err
}

func good() *account {
	return &account{id: "aje0000000000000000a", token: "t1.a.b", life: 42617*time.Second + 900*time.Millisecond}
}

func machine() metadata.Instance {
	return metadata.Instance{ID: "epd1", Name: "vm", Hostname: "vm.ru-central1.internal", Zone: "ru-central1-d", CloudID: "b1gcloud", FolderID: "b1gfolder",
		LocalIPv4: "10.0.0.5", MAC: "d0:0d:12:2f:84:2e", Attributes: map[string]string{"ssh-keys": "me:key", "b": "2"},
		Labels: map[string]string{"env": "prod"}, UserData: []byte("#cloud-config\n")}
}

func door(t testing.TB, c metadata.Config) *metadata.Door {
	t.Helper()
	if c.Now == nil {
		c.Now = func() time.Time { return epoch }
	}
	d, err := metadata.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func full(t testing.TB) *metadata.Door {
	return door(t, metadata.Config{Accounts: metadata.Everyone(good()), Instance: machine()})
}

// ask sends a request as its text is on the wire; headers are "Name: value".
func ask(d http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	return askFrom(d, "10.0.0.5:40000", method, target, headers...)
}

func askFrom(d http.Handler, client, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host, r.RemoteAddr = "169.254.169.254", client
	for _, h := range headers {
		name, v, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = v
			continue
		}
		r.Header.Add(name, v)
	}
	local := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local)))
	return w
}

const flavour = "Metadata-Flavor: Google"

func TestGoogle(t *testing.T) {
	const v1 = "/computeMetadata/v1/"
	for _, c := range []struct {
		path string
		code int
		want string // of the body; of a redirect, the place
	}{
		{"/", 200, "computeMetadata/\n"},
		{"/computeMetadata", 301, "/computeMetadata/"},
		{"/computeMetadata/", 200, "v1/\n"},
		{"/computeMetadata/v1", 301, v1},
		{"/computeMetadata/v1?recursive=true", 301, v1 + "?recursive=true"},
		{"/computeMetadata/v2/", 404, ""},
		{v1, 200, "instance/\nproject/\nyandex/\n"},
		{v1 + "instance", 301, v1 + "instance/"},
		{v1 + "instance?alt=json", 301, v1 + "instance/?alt=json"},
		{v1 + "instance/", 200, "attributes/\ndescription\n"},
		{v1 + "instance/id", 200, "epd1"},
		{v1 + "instance/id/", 404, ""},
		{v1 + "instance/id/x", 404, ""},
		{v1 + "instance/id?alt=json", 200, `"epd1"`},
		{v1 + "instance/zone", 200, "projects/b1gcloud/zones/ru-central1-d"},
		{v1 + "instance/hostname", 200, "vm.ru-central1.internal"},
		{v1 + "instance/name", 200, "vm"},
		{v1 + "instance/attributes/", 200, "b\nssh-keys\nuser-data\n"},
		{v1 + "instance/attributes/?alt=json", 200, `["b","ssh-keys","user-data"]`},
		{v1 + "instance/attributes/ssh-keys", 200, "me:key"},
		{v1 + "instance/attributes/none", 404, ""},
		{v1 + "instance/attributes/?recursive=true", 200, `{"b":"2","ssh-keys":"me:key","user-data":"#cloud-config\n"}`},
		{v1 + "instance/attributes?recursive=true", 200, `{"b":"2","ssh-keys":"me:key","user-data":"#cloud-config\n"}`},
		{v1 + "instance/vendor/cloud-id", 200, "b1gcloud"},
		{v1 + "instance/vendor/folder-id", 200, "b1gfolder"},
		{v1 + "instance/vendor/labels/env", 200, "prod"},
		{v1 + "instance/vendor/identity/document", 200, `{"instanceId":"epd1","productCodes":null,"cloudId":"b1gcloud","folderId":"b1gfolder","zoneId":"ru-central1-d","version":"2023-03-01"}`},
		{v1 + "instance/network-interfaces/0/ip", 200, "10.0.0.5"},
		{v1 + "instance/network-interfaces/?recursive=true", 200, `[{"ip":"10.0.0.5","mac":"d0:0d:12:2f:84:2e"}]`},
		{v1 + "yandex/folder-id", 200, "b1gfolder"},
		{v1 + "project/project-id", 200, "b1gcloud"},
		{v1 + "instance/service-accounts/", 200, "default/\n"},
		{v1 + "instance/service-accounts/default", 301, v1 + "instance/service-accounts/default/"},
		{v1 + "instance/service-accounts/default/", 200, "aliases\nemail\nscopes\ntoken\n"},
		{v1 + "instance/service-accounts/default/email", 200, "aje0000000000000000a"},
		{v1 + "instance/service-accounts/default/aliases", 200, "default\n"},
		{v1 + "instance/service-accounts/default/identity?audience=x", 404, ""},
		{v1 + "instance/service-accounts/default/token", 200, `{"access_token":"t1.a.b","expires_in":42617,"token_type":"Bearer"}`},
		{v1 + "instance/service-accounts/default/token?alt=text&scopes=a", 200, `{"access_token":"t1.a.b","expires_in":42617,"token_type":"Bearer"}`},
		{v1 + "instance/service-accounts/default/token/", 404, ""},
		{v1 + "instance/service-accounts/aje0000000000000000a/token", 200, `{"access_token":"t1.a.b","expires_in":42617,"token_type":"Bearer"}`},
		{v1 + "instance/service-accounts/aje0000000000000000b/token", 404, ""},
		{v1 + "instance/service-accounts/?recursive=true", 200, `{"default":{"aliases":["default"],"email":"aje0000000000000000a","scopes":[]}}`},
		{v1 + "instance/service-accounts/?recursive=true&alt=text", 200, "default/aliases default\ndefault/email aje0000000000000000a\ndefault/scopes \n"},
		{v1 + "instance/id?alt=xml", 400, ""},
		{v1 + "instance/id?alt=json&alt=text", 400, ""},
		{v1 + "instance/?recursive=yes", 400, ""},
		{v1 + "instance/id?timeout_sec=-1", 400, ""},
		{v1 + "instance/id?a=%zz", 400, ""},
		{v1 + "instance/id?whatever=1", 200, "epd1"},
		{"/other", 404, ""},
	} {
		w := ask(full(t), "GET", c.path, flavour)
		got := w.Body.String()
		if w.Code == 301 {
			got = w.Header().Get("Location")
		}
		if w.Code != c.code || (c.want != "" && got != c.want && !(c.path == v1+"instance/" && strings.Contains(got, "attributes/\n"))) {
			t.Errorf("%s: %d %q, want %d %q", c.path, w.Code, got, c.code, c.want)
		}
		if w.Header().Get("Metadata-Flavor") != "Google" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.path, w.Header())
		}
		if c.code == 200 && w.Header().Get("ETag") == "" {
			t.Errorf("%s: no ETag", c.path)
		}
	}
}

// A whole tree spells keys as Google's does, and holds no credential.
func TestGoogleRecursive(t *testing.T) {
	w := ask(full(t), "GET", "/computeMetadata/v1/?recursive=true", flavour)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	instance := got["instance"].(map[string]any)
	want := map[string]any{"default": map[string]any{"aliases": []any{"default"}, "email": "aje0000000000000000a", "scopes": []any{}}}
	if diff := cmp.Diff(want, instance["serviceAccounts"]); diff != "" {
		t.Error(diff)
	}
	if instance["vendor"].(map[string]any)["cloudId"] != "b1gcloud" {
		t.Errorf("vendor: %v", instance["vendor"])
	}
	if strings.Contains(w.Body.String(), "t1.") {
		t.Error("a token is in it")
	}
}

func TestFlavourHeader(t *testing.T) {
	for _, headers := range [][]string{nil, {"Metadata-Flavor: google"}, {"Metadata-Flavor: Google, Google"}, {flavour, flavour}, {"X-Google-Metadata-Request: True"}} {
		for _, path := range []string{"/", "/computeMetadata/v1/instance/service-accounts/default/token", "/nowhere"} {
			w := ask(full(t), "GET", path, headers...)
			if w.Code != 403 || w.Header().Get("Metadata-Flavor") != "Google" {
				t.Errorf("%s with %q: %d, flavour %q", path, headers, w.Code, w.Header().Get("Metadata-Flavor"))
			}
		}
	}
	if w := ask(full(t), "GET", "/computeMetadata/v1/instance/id", "metadata-flavor: Google"); w.Code != 200 {
		t.Errorf("in lower case: %d", w.Code)
	}
}

func TestNoAccount(t *testing.T) {
	nobody := map[string]metadata.Config{
		"none set":       {},
		"none there":     {Accounts: metadata.Everyone(&account{err: iam.Wrap(source.ErrNoAccount, iam.NotFound, "refused")})},
		"unknown client": {Accounts: func(*http.Request, netip.Addr) (source.Account, error) { return nil, metadata.ErrUnknownClient }},
	}
	for name, c := range nobody {
		c.Options.AWSv1Endpoint, c.Options.AWSv1Token = metadata.Enabled, metadata.Enabled
		d := door(t, c)
		session := ask(d, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60").Body.String()
		for _, w := range []*httptest.ResponseRecorder{
			ask(d, "GET", "/computeMetadata/v1/instance/service-accounts/default/token", flavour),
			ask(d, "GET", "/latest/meta-data/iam/security-credentials/default"),
			ask(d, "GET", "/latest/meta-data/iam/security-credentials/default", "X-aws-ec2-metadata-token: "+session),
		} {
			if w.Code != 404 {
				t.Errorf("%s: %d %q", name, w.Code, w.Body)
			}
		}
	}
	w := ask(door(t, nobody["none set"]), "GET", "/computeMetadata/v1/instance/service-accounts/", flavour)
	if w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("the accounts of none: %d %q", w.Code, w.Body)
	}
	if w := ask(door(t, nobody["none set"]), "GET", "/computeMetadata/v1/instance/?recursive=true", flavour); w.Code != 200 {
		t.Errorf("the whole without an account: %d", w.Code)
	}
}

func TestSourceFails(t *testing.T) {
	for name, a := range map[string]*account{
		"away":    {err: iam.Wrap(errors.New("secret of the wire"), iam.Unavailable, "IAM is away")},
		"expired": {token: "t1.a.b", life: 0},
		"a blink": {token: "t1.a.b", life: 900 * time.Millisecond},
		"empty":   {life: time.Hour},
	} {
		w := ask(door(t, metadata.Config{Accounts: metadata.Everyone(a)}), "GET", "/computeMetadata/v1/instance/service-accounts/default/token", flavour)
		if w.Code != 503 || strings.Contains(w.Body.String(), "wire") || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
	d := door(t, metadata.Config{Instance: machine(), Accounts: func(*http.Request, netip.Addr) (source.Account, error) {
		return nil, errors.New("pods are not known yet")
	}})
	if w := ask(d, "GET", "/computeMetadata/v1/instance/service-accounts/", flavour); w.Code != 503 {
		t.Errorf("not known whose: %d", w.Code)
	}
	if w := ask(d, "GET", "/computeMetadata/v1/instance/zone", flavour); w.Code != 200 {
		t.Errorf("the zone waits for an account: %d", w.Code)
	}
}

func TestOptions(t *testing.T) {
	const token = "/computeMetadata/v1/instance/service-accounts/default/token"
	const credentials = "/latest/meta-data/iam/security-credentials/default"
	off := metadata.Disabled
	for _, c := range []struct {
		name     string
		options  metadata.Options
		function bool
		path     string
		header   string
		code     int
		body     string
	}{
		{"gce off", metadata.Options{GCEEndpoint: off}, false, token, flavour, 400, `Metadata service is disabled for "epd1"`},
		{"gce off, something else", metadata.Options{GCEEndpoint: off}, false, "/computeMetadata/v1/instance/id", flavour, 400, ""},
		{"gce off, function", metadata.Options{GCEEndpoint: off}, true, token, flavour, 404, ""},
		{"gce token off", metadata.Options{GCEToken: off}, false, token, flavour, 400, `Token is disabled for "epd1"`},
		{"gce token off, something else", metadata.Options{GCEToken: off}, false, "/computeMetadata/v1/instance/id", flavour, 200, ""},
		{"functions have no token switch", metadata.Options{GCEToken: off}, true, token, flavour, 200, ""},
		{"v1 by default", metadata.Options{}, false, credentials, "", 401, ""},
		{"v1 and v2 off", metadata.Options{AWSv2Endpoint: off}, false, credentials, "", 400, ""},
		{"v1 in a function by default", metadata.Options{}, true, credentials, "", 404, ""},
		{"v1 in a function", metadata.Options{AWSv1Endpoint: metadata.Enabled}, true, credentials, "", 200, ""},
		{"v1 on, its token by default", metadata.Options{AWSv1Endpoint: metadata.Enabled}, false, credentials, "", 400, `Token is disabled for "epd1"`},
		{"v1 on", metadata.Options{AWSv1Endpoint: metadata.Enabled}, false, "/latest/meta-data/instance-id", "", 200, "epd1"},
	} {
		d := door(t, metadata.Config{Accounts: metadata.Everyone(good()), Instance: machine(), Options: c.options, Function: c.function})
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		w := ask(d, "GET", c.path, headers...)
		if w.Code != c.code || (c.body != "" && w.Body.String() != c.body) {
			t.Errorf("%s: %d %q, want %d %q", c.name, w.Code, w.Body, c.code, c.body)
		}
		if c.code == 400 && (w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("ETag") == "") {
			t.Errorf("%s: %v", c.name, w.Header())
		}
	}
	for _, function := range []bool{false, true} {
		d := door(t, metadata.Config{Options: metadata.Options{AWSv2Endpoint: off}, Function: function})
		want := map[bool]int{false: 400, true: 404}[function]
		for _, w := range []*httptest.ResponseRecorder{
			ask(d, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60"),
			ask(d, "GET", credentials, "X-aws-ec2-metadata-token: x"),
		} {
			if w.Code != want {
				t.Errorf("v2 off, function %v: %d", function, w.Code)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []metadata.Config{
		{Hosts: []string{"a b"}}, {Hosts: []string{"a..b"}}, {Hosts: []string{"fe80::1%eth0"}}, {Hosts: []string{"host:80"}},
		{HopLimit: 256}, {HopLimit: -1}, {MaxWaiters: -1},
		{Instance: metadata.Instance{ID: `a"b`}}, {Instance: metadata.Instance{Zone: "a/b"}}, {Instance: metadata.Instance{MAC: "a\nb"}},
		{Instance: metadata.Instance{LocalIPv4: "::1"}},
		{Instance: metadata.Instance{Attributes: map[string]string{"a/b": ""}}},
		{Instance: metadata.Instance{Attributes: map[string]string{"..": ""}}},
		{Instance: metadata.Instance{UserData: make([]byte, metadata.LongestUserData+1)}},
	} {
		if _, err := metadata.New(c); !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("%s: %v", fmt.Sprintf("%.80v", c), err)
		}
	}
}

func BenchmarkToken(b *testing.B) {
	d := full(b)
	r := httptest.NewRequest("GET", tokenPath, nil)
	r.Host, r.RemoteAddr = "169.254.169.254", "10.0.0.5:1"
	r.Header.Set("Metadata-Flavor", "Google")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if d.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
