package server_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/server"
)

func TestLeakSourcesInFileFlagsAndEnvironment(t *testing.T) {
	file := configFile(t, `
data: d
leak-sources:
  - id: github
    service-account: aje1
  - {id: git.lab_2, service-account: aje1}
`)
	want := []server.LeakSource{{ID: "github", ServiceAccount: "aje1"}, {ID: "git.lab_2", ServiceAccount: "aje1"}}
	text := []string{"id=github service-account=aje1", "id=git.lab_2 service-account=aje1"}
	for name, o := range map[string]server.LoadOptions{
		"file":        {Args: []string{"--config", file}},
		"flags":       {Args: []string{"--data", "d", "--leak-sources", text[0], "--leak-sources", text[1]}},
		"environment": {Args: []string{"--data", "d"}, Environ: []string{"PROPUSK_LEAK_SOURCES=" + strings.Join(text, ",")}},
	} {
		got, err := server.Load(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got.LeakSources); diff != "" {
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

func TestLeakSourcesThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"leak-sources: github":                                                           "is not of the form key=value",
		"leak-sources: {id: github}":                                                     "must be a list",
		"leak-sources: [github]":                                                         "an entry must hold id and service-account",
		"leak-sources: [{name: github}]":                                                 `"name" is neither id nor service-account`,
		"leak-sources: [{id: [github]}]":                                                 "must be a single text without spaces",
		"leak-sources: [{id: 'a b', service-account: aje1}]":                             "must be a single text without spaces",
		"leak-sources: [{id: github}]":                                                   "github: no service-account",
		"leak-sources: [{service-account: aje1}]":                                        "is not an id",
		"leak-sources: [{id: a/b, service-account: aje1}]":                               "is not an id",
		"leak-sources: [{id: " + strings.Repeat("a", 64) + ", service-account: aje1}]":   "is not an id",
		"leak-sources: [{id: a, service-account: aje1}, {id: a, service-account: aje2}]": "its id is another source's",
		"leak-sources: [{id: a, id: b, service-account: aje1}]":                          "id is given twice",
	} {
		_, err := server.Load(server.LoadOptions{Args: []string{"--data", "d", "--config", configFile(t, text)}})
		var wrong *server.ConfigError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
