package server_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/server"
)

func TestConfigWrittenIsReadBack(t *testing.T) {
	for _, args := range []string{
		"--data=d",
		"--data=d --audience=https://x/y --audience=z --endpoints=a=h:1 --endpoints=b=h:2 --master-key-command=cat --tls-cert=c --tls-key=k --pprof --cache-bytes=100000000 --clock-skew=90s --rotate-every=36h --log-level=error --debug-listen=[::1]:0",
	} {
		want, err := server.Load(server.LoadOptions{Args: strings.Fields(args)})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := want.WriteYAML(&text); err != nil {
			t.Fatal(err)
		}
		got, err := server.Load(server.LoadOptions{Args: []string{"--config", configFile(t, text.String())}})
		if err != nil {
			t.Fatalf("%v\n%s", err, &text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s\n%s", d, &text)
		}
	}
}

func TestConfigHelp(t *testing.T) {
	var out bytes.Buffer
	_, err := server.Load(server.LoadOptions{Command: "propusk serve", Args: []string{"-h"}, Output: &out})
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error = %v, want flag.ErrHelp", err)
	}
	for _, want := range []string{"Usage: propusk serve", "--http-listen (127.0.0.1:8080)", "--master-key-command text\n        A program that prints the key"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help does not say %q:\n%s", want, &out)
		}
	}
}

func TestConfigFlagsOfTheCommand(t *testing.T) {
	var once bool
	_, err := server.Load(server.LoadOptions{Args: []string{"--data=d", "--once"}, Flags: func(fs *flag.FlagSet) { fs.BoolVar(&once, "once", false, "") }})
	if err != nil || !once {
		t.Errorf("once = %v, error %v", once, err)
	}
}

const (
	tableBegin = "<!-- settings: written by go test ./internal/server -run Manual -update -->\n"
	tableEnd   = "<!-- end of settings -->\n"
)

func TestManualInDocsIsFresh(t *testing.T) {
	const path = "../../docs/operating.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s does not have the marks %q and %q", path, tableBegin, tableEnd)
	}
	var table bytes.Buffer
	if err := server.ManualTable(&table); err != nil {
		t.Fatal(err)
	}
	fresh := before + tableBegin + table.String() + tableEnd + after
	if fresh == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is stale; run: go test ./internal/server -run Manual -update", path)
	}
	if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add("data: d\naudience: [a]\nmaster-key: {file: x}\n")
	f.Add("a: &a {b: *a}\ndata: *a\n")
	f.Add("endpoints: {a: h:1}\nclock-skew: 9999999999999d\ncache-bytes: 99999999999GiB\n")
	f.Add("? [a]\n: b\n")
	f.Add("--- \n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := server.Load(server.LoadOptions{Args: []string{"--config", path}})
		if err != nil {
			return
		}
		// What was understood can be written down and is understood again.
		var out bytes.Buffer
		if err := c.WriteYAML(&out); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := server.Load(server.LoadOptions{Args: []string{"--config", path}})
		if err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		if d := cmp.Diff(c, again); d != "" {
			t.Fatalf("%s\n%s", d, &out)
		}
	})
}
