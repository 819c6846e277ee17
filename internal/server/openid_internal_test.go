package server

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestDiscoveryIsTrue: whatever the configuration names is there.
func TestDiscoveryIsTrue(t *testing.T) {
	h := openHall(t)
	read := func(path string) (int, string) {
		t.Helper()
		r, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get("http://" + h.HTTPAddr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(body)
	}
	_, text := read("/.well-known/openid-configuration")
	if _, same := read("/.well-known/oauth-authorization-server"); same != text {
		t.Error("the two documents differ")
	}
	var conf map[string]any
	if err := json.Unmarshal([]byte(text), &conf); err != nil {
		t.Fatal(err)
	}
	endpoints := 0
	for name, value := range conf {
		where, ok := value.(string)
		if !ok || name == "issuer" {
			continue
		}
		path, ok := strings.CutPrefix(where, "https://id.example")
		if status, _ := read(path); !ok || status == http.StatusNotFound {
			t.Errorf("%s: there is nothing at %s", name, where)
		}
		endpoints++
	}
	if endpoints != 8 || conf["issuer"] != "https://id.example" {
		t.Errorf("%d endpoints of %v", endpoints, conf["issuer"])
	}
	for name, want := range map[string][]string{
		"response_types_supported": {"code"}, "code_challenge_methods_supported": {"S256"}, "response_modes_supported": {"query"},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "none"},
		"prompt_values_supported":               {"none", "login", "consent", "select_account"},
	} {
		var got []string
		for _, v := range conf[name].([]any) {
			got = append(got, v.(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if conf["authorization_response_iss_parameter_supported"] != true || conf["request_uri_parameter_supported"] != false {
		t.Errorf("configuration: %v", conf)
	}
}
