package profile

import (
	"crypto/elliptic"
	"strings"
	"testing"
)

// FuzzKeptFiles: whatever stands in a file of ours, reading it ends, and what
// comes of it is usable.
func FuzzKeptFiles(f *testing.F) {
	in, err := NewSignIn("https://iam.example.com", true)
	if err != nil {
		f.Fatal(err)
	}
	v := vault{folder: f.TempDir()}
	if err := (SignIns{v}).Put("default", in); err != nil {
		f.Fatal(err)
	}
	whole, err := v.file("default")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"iam_token":"t1.a.b","issued_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T12:00:00Z"}`))
	f.Add([]byte(`{"keyring":"0011/default/2233"}`))
	f.Add([]byte(`{"id":"x","issuer":"y","dpop_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, ok := parseToken(text); ok && (got.Text.Reveal() == "" || strings.ContainsAny(got.Text.Reveal(), "\r\n\x00 ")) {
			t.Errorf("a token that is no header's value: %q", text)
		}
		got, err := parseSignIn(text)
		if err == nil && (got.ID == "" || got.Issuer == "" || got.Key != nil && got.Key.Curve != elliptic.P256()) {
			t.Errorf("a sign-in of nothing: %q", text)
		}
		_ = inKeyring(text)
	})
}
