package source_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/metadata/source"
)

// FuzzUpstream: whatever an address answers, there is a token that fits into a
// header and has some of its life left, or an error without the answer in it.
func FuzzUpstream(f *testing.F) {
	for _, body := range []string{`{"access_token":"t1.a.b","expires_in":60,"token_type":"Bearer"}`, `Token is disabled for "epd"`, `{"expires_in":-1}`, `[]`, ``} {
		f.Add(body)
	}
	var answer string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
	f.Cleanup(s.Close)
	o, err := source.NewUpstream(strings.TrimPrefix(s.URL, "http://"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		answer = body
		got, err := o.Make(t.Context())
		if err != nil {
			if len(body) > 16 && strings.Contains(err.Error(), body) {
				t.Errorf("the error repeats the answer: %v", err)
			}
			return
		}
		if text := got.Text.Reveal(); text == "" || strings.ContainsAny(text, "\r\n ") || !got.ExpiresAt.After(got.ReceivedAt) {
			t.Errorf("%q gives %q until %v", body, text, got.ExpiresAt)
		}
	})
}

// FuzzTokenFile: what is in the file is one word for a form, or an error without it.
func FuzzTokenFile(f *testing.F) {
	for _, text := range []string{"eyJ.eyJ.sig\n", "", "\xff", "a b", "\ufeffeyJ"} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "token")
	read := source.TokenFile(path)
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := read(t.Context())
		if err == nil && (got.Reveal() == "" || strings.ContainsAny(got.Reveal(), " \t\r\n\x00")) {
			t.Errorf("%q gives %q", text, got.Reveal())
		}
		if err != nil && len(text) > 16 && strings.Contains(err.Error(), string(text)) {
			t.Errorf("the error repeats the file: %v", err)
		}
	})
}
