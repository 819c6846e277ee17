package server_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/server"
)

func TestAccessCallersInFileFlagsAndEnvironment(t *testing.T) {
	file := configFile(t, `
data: d
access-callers:
  - name: ydb
    service-account: aje1
    types: [ydb.database, iam.gizmo]
  - {name: s3, service-account: aje2, types: storage.bucket}
`)
	want := []server.AccessCaller{
		{Name: "ydb", ServiceAccount: "aje1", Types: []string{"ydb.database", "iam.gizmo"}},
		{Name: "s3", ServiceAccount: "aje2", Types: []string{"storage.bucket"}},
	}
	text := []string{"name=ydb service-account=aje1 types=ydb.database|iam.gizmo", "name=s3 service-account=aje2 types=storage.bucket"}
	for name, o := range map[string]server.LoadOptions{
		"file":        {Args: []string{"--config", file}},
		"flags":       {Args: []string{"--data", "d", "--access-callers", text[0], "--access-callers", text[1]}},
		"environment": {Args: []string{"--data", "d"}, Environ: []string{"PROPUSK_ACCESS_CALLERS=" + strings.Join(text, ",")}},
	} {
		got, err := server.Load(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got.AccessCallers); diff != "" {
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

func TestAccessCallersThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"access-callers: ydb":                      "is not of the form key=value",
		"access-callers: {name: ydb}":              "must be a list",
		"access-callers: [ydb]":                    "an entry must hold name",
		"access-callers: [{nome: ydb}]":            `"nome" is none of name, certificate, service-account and types`,
		"access-callers: [{name: [ydb]}]":          "must be a single text without spaces",
		"access-callers: [{name: 'a types=b.c'}]":  "must be a single text without spaces",
		"access-callers: [{name: ydb, types: {}}]": "must be a single text without spaces",
		"access-callers: [{name: ydb, name: ydb}]": "name is given twice",
		"access-callers: [{name: ydb}]":            "either certificate or service-account must be given",
	} {
		_, err := server.Load(server.LoadOptions{Args: []string{"--data", "d", "--config", configFile(t, text)}})
		var wrong *server.ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
