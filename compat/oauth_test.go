//go:build unix

package compat_test

import (
	"strings"
	"testing"
	"time"
)

// testTokenExchange exchanges each kind of token at the token endpoint.
func (s *suite) testTokenExchange(t *testing.T) {
	const minter = "jwt/openssl"
	s.build(t, minter)
	s.build(t, "curl")
	s.exchanged(t, "jwt", s.mint(t, minter))
	s.exchanged(t, "account", s.exchanged(t, "oauth", s.server.env["OAUTH_TOKEN"]))
}

// exchanged is the IAM token that a token of a kind is exchanged for; clouds are
// listed with it.
func (s *suite) exchanged(t *testing.T, kind, subjectToken string) string {
	t.Helper()
	var issued struct {
		AccessToken     string  `json:"access_token"`
		IssuedTokenType string  `json:"issued_token_type"`
		TokenType       string  `json:"token_type"`
		ExpiresIn       float64 `json:"expires_in"`
	}
	s.curl(t, &issued, "tokenexchange", subjectToken, kind)
	if !iamToken.MatchString(issued.AccessToken) {
		t.Fatalf("%s: access_token does not match %s: %d characters", kind, iamToken, len(issued.AccessToken))
	}
	if issued.TokenType != "Bearer" || issued.IssuedTokenType != "urn:ietf:params:oauth:token-type:access_token" {
		t.Errorf("%s: %s, %s", kind, issued.TokenType, issued.IssuedTokenType)
	}
	if life := time.Duration(issued.ExpiresIn) * time.Second; life < tokenLife-lifeSlack || life > tokenLife {
		t.Errorf("%s: expires_in is %s, want %s", kind, life, tokenLife)
	}
	var listed struct {
		Clouds []struct{ ID string }
	}
	s.curl(t, &listed, "clouds", issued.AccessToken)
	if len(listed.Clouds) == 0 {
		t.Errorf("%s: no clouds are listed", kind)
	}
	return issued.AccessToken
}

// testDevice asks for a device code and then for its token, as a shell script does.
func (s *suite) testDevice(t *testing.T) {
	s.build(t, "curl")
	out, err := s.execute(t, "curl", "./device", "")
	if err != nil || strings.TrimSpace(out.stdout.String()) != "authorization_pending" {
		t.Fatalf("curl/device: %v\n%s", err, out.all())
	}
}
