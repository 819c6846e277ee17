package server_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/server"
)

func TestRegistriesInFileFlagsAndEnvironment(t *testing.T) {
	file := configFile(t, `
data: d
registries:
  - service: cr.example.com:5000
  - {service: old, resource: crp1, keys: certificates}
  - service: new
    keys: set
`)
	want := []server.Registry{{Service: "cr.example.com:5000"}, {Service: "old", Resource: "crp1", Keys: "certificates"}, {Service: "new", Keys: "set"}}
	text := []string{"service=cr.example.com:5000", "service=old resource=crp1 keys=certificates", "service=new keys=set"}
	for name, o := range map[string]server.LoadOptions{
		"file":        {Args: []string{"--config", file}},
		"flags":       {Args: []string{"--data", "d", "--registries", text[0], "--registries", text[1], "--registries", text[2]}},
		"environment": {Args: []string{"--data", "d"}, Environ: []string{"PROPUSK_REGISTRIES=" + strings.Join(text, ",")}},
	} {
		got, err := server.Load(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got.Registries); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		// What is printed is read back as it was.
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

func TestRegistriesThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"registries: cr":                                     "is not of the form key=value",
		"registries: {service: cr}":                          "must be a list",
		"registries: [cr]":                                   "an entry must hold service",
		"registries: [{name: cr}]":                           `"name" is none of service, resource and keys`,
		"registries: [{service: 'a b'}]":                     "must be a single text without spaces",
		"registries: [{resource: crp1}]":                     "is not a service",
		"registries: [{service: /a}]":                        "is not a service",
		"registries: [{service: a, resource: ../b}]":         "is not the id of a resource",
		"registries: [{service: a, keys: jwks}]":             `keys is "jwks", which is neither "certificates" nor "set"`,
		"registries: [{service: a}, {service: a}]":           "is given twice: each registry needs a name of its own",
		"registries: [{service: a, service: b}]":             "service is given twice",
		"registries: [{service: " + strings.Repeat("a", 256): "",
	} {
		_, err := server.Load(server.LoadOptions{Args: []string{"--data", "d", "--config", configFile(t, text)}})
		var wrong *server.ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
