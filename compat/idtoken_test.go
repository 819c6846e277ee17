//go:build unix

package compat_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// testRelyingParty makes ID tokens and shows them to a third party that knows
// nothing but the server's address: it must take what is for it, and nothing else.
func (s *suite) testRelyingParty(t *testing.T, client string) {
	s.build(t, client)
	const audience = "https://third.example.com"
	var made struct {
		IDToken   string
		ExpiresAt time.Time
	}
	s.rest(t, "POST", "/propusk/v1/idTokens", s.token(t), map[string]string{"audience": audience}, &made)
	verify := func(audience, token string) (*output, error) {
		return s.execute(t, client, "./run", "", "ISSUER="+s.server.env["HTTP_URL"], "AUDIENCE="+audience, "ID_TOKEN="+token)
	}
	out, err := verify(audience, made.IDToken)
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
	var claims struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	if err := json.Unmarshal([]byte(out.stdout.String()), &claims); err != nil {
		t.Fatalf("%s printed %s: %v", client, out.all(), err)
	}
	if claims.Iss != s.server.env["HTTP_URL"] || claims.Sub != s.server.env["SERVICE_ACCOUNT_ID"] || claims.Aud != audience ||
		claims.Exp-claims.Iat != 3600 || claims.Exp != made.ExpiresAt.Unix() || claims.Jti == "" {
		t.Errorf("%s read %+v", client, claims)
	}
	parts := strings.Split(made.IDToken, ".")
	for what, wrong := range map[string][2]string{
		"for somebody else": {"https://other.example.com", made.IDToken},
		"altered":           {audience, parts[0] + "." + parts[1] + "." + flipped(parts[2])},
		"without signature": {audience, parts[0] + "." + parts[1] + "."},
	} {
		if out, err := verify(wrong[0], wrong[1]); err == nil || !strings.Contains(out.stderr.String(), "refused") {
			t.Errorf("%s takes a token %s: %v\n%s", client, what, err, out.all())
		}
	}
}

// flipped changes the first character, which is of the signature's first byte.
func flipped(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}
