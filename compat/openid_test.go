//go:build unix

package compat_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// publicSDK is the client that every server has.
const publicSDK = "yc.oauth.public-sdk"

// registration is an OAuth client as its programs are told of it.
type registration struct {
	name, profile, method string
	more                  []string // of the environment
}

var registrations = []registration{
	{name: "built-in", method: "none"},
	{name: "web-basic", profile: "web", method: "client_secret_basic"},
	{name: "web-post", profile: "web", method: "client_secret_post"},
	{name: "spa", profile: "spa", method: "none"},
}

// relyingParties are the programs that sign people in, with what each can be.
func relyingParties(t *testing.T) map[string][]registration {
	all := map[string][]registration{}
	for _, client := range folders(t, "openid") {
		switch filepath.Base(client) {
		case "mod-auth-openidc":
			all[client] = []registration{registrations[1], registrations[2]}
		case "openid-client":
			all[client] = append(registrations[:len(registrations):len(registrations)],
				registration{name: "built-in-dpop", method: "none", more: []string{"DPOP=1"}},
				registration{name: "device", method: "none", more: []string{"FLOW=device"}},
				registration{name: "device-dpop", method: "none", more: []string{"FLOW=device", "DPOP=1"}})
		default:
			all[client] = registrations
		}
	}
	return all
}

// signedIn is what a program prints about the person who has come to it.
type signedIn struct {
	Subject            string `json:"subject"`
	Email              string `json:"email"`
	AccessToken        string `json:"access_token"`
	RefreshToken       string `json:"refresh_token"`
	RenewedAccessToken string `json:"renewed_access_token"`
	Claims             struct {
		AuthTime int64    `json:"auth_time"`
		AMR      []string `json:"amr"`
		Login    string   `json:"preferred_username"`
	} `json:"claims"`
	Active                 *bool  `json:"active"`
	RefusedWithoutProof    string `json:"refused_without_proof"`
	RefreshedWithoutProof  bool   `json:"refreshed_without_proof"`
	AliveAfterRevocation   bool   `json:"alive_after_revocation"`
	RefusedAfterRevocation int    `json:"refused_after_revocation"`
}

// testSignIn has a program sign alice in: it prints where she is to go, she goes
// there with a browser, and it prints what it has got.
func (s *suite) testSignIn(t *testing.T, client string, as registration) {
	s.build(t, client)
	back := fmt.Sprintf("http://127.0.0.1:%d/auth/callback", freePort(t))
	id, secret := publicSDK, ""
	if as.profile != "" {
		id, secret = s.registerClient(t, as, back)
	}
	out := s.signIn(t, client, append([]string{
		"ISSUER=" + s.server.env["HTTP_URL"], "CLIENT_ID=" + id, "CLIENT_SECRET=" + secret, "REDIRECT_URI=" + back, "AUTH_METHOD=" + as.method}, as.more...))
	var alice struct{ ID string }
	s.rest(t, "GET", "/iam/v1/yandexPassportUserAccounts:byLogin?login=alice", s.token(t), nil, &alice)
	if out.Subject != alice.ID || out.Email != "alice@example.com" {
		t.Errorf("signed in %s, %s; want alice", out.Subject, out.Email)
	}
	if iam := iamToken.MatchString(out.AccessToken); iam != (id == publicSDK) {
		t.Errorf("an IAM token: %v, for %s", iam, id)
	}
	if filepath.Base(client) == "mod-auth-openidc" {
		return
	}
	if out.Claims.Login != "alice" || time.Since(time.Unix(out.Claims.AuthTime, 0)) > runLimit || len(out.Claims.AMR) == 0 {
		t.Errorf("claims are %+v", out.Claims)
	}
	if out.RefreshToken == "" || out.RenewedAccessToken == "" || out.RenewedAccessToken == out.AccessToken {
		t.Errorf("refresh token of %d characters, renewed access token of %d", len(out.RefreshToken), len(out.RenewedAccessToken))
	}
	s.checkEnd(t, client, as, secret, out)
}

// checkEnd looks at what a program has found out when it ended its tokens.
func (s *suite) checkEnd(t *testing.T, client string, as registration, secret string, out *signedIn) {
	t.Helper()
	if strings.Contains(as.name, "dpop") && (out.RefreshedWithoutProof || out.RefusedWithoutProof == "") {
		t.Errorf("a refresh token bound to a key, used without it: refused with %q", out.RefusedWithoutProof)
	}
	if filepath.Base(client) == "go-oauth2" {
		return
	}
	if secret != "" && (out.Active == nil || !*out.Active) {
		t.Error("introspection does not call the token active")
	}
	if out.AliveAfterRevocation || out.RefusedAfterRevocation != 401 {
		t.Errorf("after revocation userinfo answers %d", out.RefusedAfterRevocation)
	}
}

// signIn runs a program, sends alice where it says, and reads what it prints.
func (s *suite) signIn(t *testing.T, client string, environment []string) *signedIn {
	t.Helper()
	process := s.start(t, client, environment)
	lines := bufio.NewScanner(process.stdout)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "http") {
		t.Fatalf("%s printed %q instead of an address: %v\n%s", client, lines.Text(), process.wait(), process.stderr.String())
	}
	newPerson(s.server.env["HTTP_URL"], "alice", s.server.env["ALICE_PASSWORD"]).walk(t, lines.Text())
	var out signedIn
	if !lines.Scan() {
		t.Fatalf("%s: %v\n%s", client, process.wait(), process.stderr.String())
	}
	if err := json.Unmarshal(lines.Bytes(), &out); err != nil {
		t.Fatalf("%s printed %s: %v", client, lines.Bytes(), err)
	}
	if err := process.wait(); err != nil {
		t.Errorf("%s: %v\n%s", client, err, process.stderr.String())
	}
	return &out
}

// registerClient makes an OAuth client, with a secret if its profile has them.
func (s *suite) registerClient(t *testing.T, as registration, back string) (id, secret string) {
	t.Helper()
	var made struct {
		Response struct {
			ID          string
			SecretValue string
		}
	}
	name := fmt.Sprintf("compat-%s-%d", as.name, time.Now().UnixNano())
	s.rest(t, "POST", "/iam/v1/oauthClients", s.token(t), map[string]any{"name": name, "folderId": s.server.env["FOLDER_ID"],
		"profileId": as.profile, "redirectUris": []string{back}, "authenticationMethods": []string{as.method}}, &made)
	if id = made.Response.ID; as.profile != "web" {
		return id, ""
	}
	s.rest(t, "POST", "/iam/v1/oauthClientSecrets", s.token(t), map[string]string{"oauthClientId": id}, &made)
	return id, made.Response.SecretValue
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
