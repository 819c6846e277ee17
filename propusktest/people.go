package propusktest

import (
	"context"
	"net/http"
	"testing"

	"github.com/propusk/propusk/internal/server"
)

// NewPerson makes a person who belongs to OrganizationID and has no role, and
// an OAuth token of that person.
func (s *Server) NewPerson(t testing.TB, login string) (id, oauthToken string) {
	t.Helper()
	made, err := s.Server.AddUser(context.Background(), server.UserAddRequest{Login: login, Organizations: []string{s.OrganizationID}})
	if err != nil {
		t.Fatalf("propusktest: %v", err)
	}
	return made.ID, s.OAuthToken(t, made.ID)
}

// OAuthToken makes an OAuth token of a person, named by id, login or e-mail
// address, such as AliceID. It is good for a year.
func (s *Server) OAuthToken(t testing.TB, person string) string {
	t.Helper()
	made, err := s.Server.MakeUserToken(context.Background(), server.UserTokenRequest{User: person})
	if err != nil {
		t.Fatalf("propusktest: %v", err)
	}
	return made.Secret
}

// PersonToken exchanges an OAuth token for an IAM token.
func (s *Server) PersonToken(t testing.TB, oauthToken string) string {
	t.Helper()
	var out struct {
		IAMToken string `json:"iamToken"`
	}
	r := s.Do(t, "POST", "", "/iam/v1/tokens", map[string]string{"yandexPassportOauthToken": oauthToken})
	if r.Code != http.StatusOK {
		t.Fatalf("propusktest: exchange answered %d: %s", r.Code, r.Body)
	}
	r.Decode(t, &out)
	return out.IAMToken
}
