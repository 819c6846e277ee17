//go:build unix

package compat_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// testFunction has a function that is written with an SDK find its account.
func (s *suite) testFunction(t *testing.T, client string) {
	binary, err := filepath.Abs(s.server.binary)
	if err != nil {
		t.Fatal(err)
	}
	environment := append(s.builtBy(t, client), "PROPUSK="+binary, "CALLER_KEY_FILE="+filepath.Join(s.server.data, "admin-key.json"))
	s.build(t, client)
	out, err := s.execute(t, client, "./run", "", environment...)
	if err != nil || strings.TrimSpace(out.stdout.String()) != s.server.env["SERVICE_ACCOUNT_ID"] {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
	if strings.Contains(out.all(), "t1.") {
		t.Errorf("%s: there is a token in what it prints", client)
	}
}
