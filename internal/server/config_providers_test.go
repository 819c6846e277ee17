package server_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/server"
)

func TestProvidersInFileFlagsAndEnvironment(t *testing.T) {
	file := configFile(t, `
data: d
public-url: https://id.example
providers:
  - id: google
    title: Google Workspace
    issuer: https://accounts.google.com
    client-id: 123.apps
    client-secret-file: /run/secrets/google
    scopes: openid email
    match: e-mail
    domains: [example.com, example.org]
    create: true
    organizations: [bpf1]
    trust-second-factor: true
  - id: yandex
    title: 'Яндекс "ID"'
    authorization-endpoint: https://oauth.yandex.ru/authorize
    token-endpoint: https://oauth.yandex.ru/token
    userinfo-endpoint: https://login.yandex.ru/info
    subject-field: id
    email-field: default_email
    client-id: abc
    trust-e-mail: true
`)
	want := []server.SignInProvider{
		{ID: "google", Title: "Google Workspace", Issuer: "https://accounts.google.com", ClientID: "123.apps", ClientSecretFile: "/run/secrets/google",
			Scopes: []string{"openid", "email"}, Match: "e-mail", Domains: []string{"example.com", "example.org"}, Create: true, Organizations: []string{"bpf1"}, TrustSecondFactor: true},
		{ID: "yandex", Title: `Яндекс "ID"`, AuthorizationEndpoint: "https://oauth.yandex.ru/authorize", TokenEndpoint: "https://oauth.yandex.ru/token",
			UserinfoEndpoint: "https://login.yandex.ru/info", SubjectField: "id", EmailField: "default_email", ClientID: "abc", TrustEmail: true},
	}
	text := []string{want[0].String(), want[1].String()}
	for name, o := range map[string]server.LoadOptions{
		"file":        {Args: []string{"--config", file}},
		"flags":       {Args: []string{"--data", "d", "--public-url", "https://id.example", "--providers", text[0], "--providers", text[1]}},
		"environment": {Args: []string{"--data", "d", "--public-url", "https://id.example"}, Environ: []string{"PROPUSK_PROVIDERS=" + strings.Join(text, ",")}},
	} {
		got, err := server.Load(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got.Providers); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		var printed bytes.Buffer
		if err := got.WriteYAML(&printed); err != nil {
			t.Fatal(err)
		}
		again, err := server.Load(server.LoadOptions{Args: []string{"--config", configFile(t, printed.String())}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%s, printed and read again: %s", name, diff)
		}
	}
}

func TestProvidersThatMakeNoSense(t *testing.T) {
	const good = "id: one, title: One, issuer: 'https://one.example', client-id: c"
	const bare = "id: one, title: One, client-id: c"
	for text, want := range map[string]string{
		"{id: One, title: One, issuer: 'https://one.example', client-id: c}":    "id must be up to 32 lower-case letters",
		"{id: one/x, title: One, issuer: 'https://one.example', client-id: c}":  "id must be up to 32 lower-case letters",
		"{id: one, issuer: 'https://one.example', client-id: c}":                "title must be 1 to 60 characters",
		`{id: one, title: "a\nb", issuer: 'https://one.example', client-id: c}`: "title must be 1 to 60 characters",
		"{id: one, title: One, issuer: 'https://one.example'}":                  "client-id must be given",
		"{" + bare + "}": "either issuer must be given",
		"{" + bare + ", issuer: 'http://one.example'}":                                       "issuer must be https unless",
		"{" + bare + ", issuer: 'https://u:p@one.example'}":                                  "issuer must have no user",
		"{" + bare + ", issuer: 'https://one.example/?x=y'}":                                 "issuer must have no query",
		"{" + bare + ", issuer: 'one.example'}":                                              "issuer is not an address",
		"{" + good + ", token-endpoint: 'https://one.example'}":                              "token-endpoint is told by the issuer",
		"{" + good + ", email-field: x}":                                                     "for providers without an issuer",
		"{" + good + ", match: both}":                                                        `match must be "subject" or "e-mail"`,
		"{" + good + ", create: perhaps}":                                                    "create is neither true nor false",
		"{" + good + ", organizations: bpf1}":                                                "set create",
		"{" + good + ", create: true, organizations: '../x'}":                                "is not the id of an organization",
		"{" + good + ", domains: localhost}":                                                 "is not a domain such as example.com",
		"{" + good + ", scopes: email}":                                                      "openid among them",
		"{" + good + ", scopes: 'openid \"x\"'}":                                             "words as RFC 6749 has them",
		"{" + good + ", client-secret: hush, client-secret-file: f}":                         "exclude each other",
		"{" + good + `, client-secret: "hush\n"}`:                                            "client-secret has characters",
		"{" + good + ", s3cr: x}":                                                            "an entry must be words of the form",
		"{" + good + ", secret: hush}":                                                       `"secret" is none of id, title`,
		"{" + good + ", domains: {a: b}}":                                                    "must be a single text, or a list of such",
		"{" + good + "}, {" + good + "}":                                                     "is another provider's",
		"{" + good + "}, {id: two, title: Two, issuer: 'https://one.example', client-id: c}": "is another provider's",
		"one": "an entry must hold id, title",
	} {
		_, err := server.Load(server.LoadOptions{Args: []string{"--config", configFile(t, "data: d\npublic-url: https://id.example\nproviders: ["+text+"]\n")}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the secret is told: %v", text, err)
		}
	}
	_, err := server.Load(server.LoadOptions{Args: []string{"--config", configFile(t, "data: d\nproviders: [{"+good+"}]\n")}})
	if err == nil || !strings.Contains(err.Error(), "come back from a provider to public-url, which is not set") {
		t.Errorf("without public-url: %v", err)
	}
	if _, err := server.Load(server.LoadOptions{Args: []string{"--data", "d", "--public-url", "https://id.example", "--providers", `id=one title="One`}}); err == nil || !strings.Contains(err.Error(), "a quote that does not end") {
		t.Errorf("half a quote: %v", err)
	}
}

// A secret in the config is shown nowhere.
func TestProvidersSecretIsHidden(t *testing.T) {
	c, err := server.Load(server.LoadOptions{Args: []string{"--config", configFile(t,
		"data: d\npublic-url: https://id.example\nproviders: [{id: one, title: One, issuer: 'https://one.example', client-id: c, client-secret: s3cr3t}]\n")}})
	if err != nil || string(c.Providers[0].ClientSecret) != "s3cr3t" {
		t.Fatalf("%v", err)
	}
	var printed bytes.Buffer
	if err := c.WriteYAML(&printed); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{printed.String(), fmt.Sprintf("%v %+v %#v", c, *c, c.Providers[0]), c.Providers[0].String()} {
		if strings.Contains(text, "s3cr3t") {
			t.Errorf("the secret is shown: %s", text)
		}
	}
}
