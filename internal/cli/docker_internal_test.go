package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRegistryHost(t *testing.T) {
	for text, want := range map[string]string{
		"cr.example.com": "cr.example.com", "CR.example.com:5000": "cr.example.com:5000", "https://cr.example.com/v1/": "cr.example.com",
		"http://localhost:5000": "localhost:5000", "[::1]:5000": "[::1]:5000",
		"": "", "/": "", "https://": "", "a@b": "", "https://cr.example.com@evil.example/": "", "*": "", "a%2fb": "", "a b": "", "a?b": "", "a#b": "",
		"a:b": "", ":5000": "", "cr.example.com\n": "",
	} {
		if got := registryHost(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzRegistryHost(f *testing.F) {
	for _, s := range []string{"https://cr.example.com/v1/", "CR:5000", "a@b", "[::1]:1", "https://http://x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		host := registryHost(text)
		if host != "" && (registryHost(host) != host || strings.ContainsAny(host, "/@ \n*%") || !strings.Contains(strings.ToLower(text), host)) {
			t.Errorf("%q: %q", text, host)
		}
	})
}

// FuzzAddCredentialHelper: what was in the file is in it afterwards, and the
// registry too; a file that is not understood stays as it is.
func FuzzAddCredentialHelper(f *testing.F) {
	for _, s := range []string{"", "{}", "null", `{"auths":{},"credHelpers":{"a":"b"}}`, `{"credHelpers":[]}`, `{"a":1`, "[]", `{"a":1}{}`, `{"credHelpers":{"cr":"x","cr":"y"}}`, `{"\ud800":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := addCredentialHelper(path, "propusk", []string{"cr"})
		now, rerr := os.ReadFile(path)
		if rerr != nil {
			t.Fatal(rerr)
		}
		if err != nil {
			if string(now) != text {
				t.Errorf("refused (%v) and changed", err)
			}
			return
		}
		var before, after map[string]json.RawMessage
		_ = json.Unmarshal([]byte(text), &before)
		if err := json.Unmarshal(now, &after); err != nil {
			t.Fatalf("%q becomes %q: %v", text, now, err)
		}
		for name, value := range before {
			if name != credHelpers && !bytes.Equal(compact(value), compact(after[name])) {
				t.Errorf("%q: %s was %s and is %s", text, name, value, after[name])
			}
		}
		var helpers map[string]string
		if json.Unmarshal(after[credHelpers], &helpers) == nil && helpers["cr"] != "propusk" {
			t.Errorf("%q becomes %q", text, now)
		}
	})
}

func compact(text []byte) []byte {
	var b bytes.Buffer
	_ = json.Compact(&b, text)
	return b.Bytes()
}
