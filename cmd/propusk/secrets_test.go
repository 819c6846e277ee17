package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/keyfile"
)

// A session full of secrets, well and badly sent, at the most talkative log:
// none of them is in the log, in the audit lines or in the data folder, but for
// the key files that are there for it.
func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir, "--log-level", "debug")
	key := readKey(t, dir, "d", "key.json")
	secrets := map[string]string{}
	keep := func(name, text string) { // what comes last in a token and a JWT is their signature
		secrets[name] = text[strings.LastIndexByte(text, '.')+1:]
	}
	jwt, err := keyfile.SignJWT(key, keyfile.PublicAudience, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	keep("JWT", jwt.Reveal())
	iam, err := p.exchangeJWT(jwt.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	keep("IAM token", iam)
	admin := mustExchange(t, p, readKey(t, dir, "d", "admin-key.json"))
	keep("admin's IAM token", admin)
	secrets["key.json"] = pemBody(t, key.PrivateKey.Reveal())
	oauth := p.env(t)["OAUTH_TOKEN"]
	secrets["OAuth token"] = oauth
	a, err := ask("POST", "http://"+p.http+"/iam/v1/tokens", "", `{"yandexPassportOauthToken":"`+oauth+`"}`)
	if err != nil || a.code != 200 {
		t.Fatalf("exchange of the OAuth token: %v, %v", a, err)
	}
	var ofAlice struct{ IAMToken string }
	if err := json.Unmarshal(a.body, &ofAlice); err != nil {
		t.Fatal(err)
	}
	keep("alice's IAM token", ofAlice.IAMToken)

	url := "http://" + p.http
	account := key.ServiceAccountID
	good := func(method, path, body string) string {
		t.Helper()
		a, err := ask(method, url+path, admin, body)
		if err != nil || a.code != 200 {
			t.Fatalf("%s %s: %v, %v", method, path, a, err)
		}
		return string(a.body)
	}
	var made struct{ PrivateKey string }
	if err := json.Unmarshal([]byte(good("POST", "/iam/v1/keys", `{"serviceAccountId":"`+account+`"}`)), &made); err != nil {
		t.Fatal(err)
	}
	secrets["key made over the API"] = pemBody(t, made.PrivateKey)
	good("GET", "/iam/v1/serviceAccounts/"+account, "")
	good("POST", "/iam/v1/tokens:revoke", `{"iamToken":"`+iam+`"}`)

	for _, bad := range [][4]string{ // method, path, token, body
		{"POST", "/iam/v1/tokens", "", `{"jwt":"` + jwt.Reveal() + `x"}`},
		{"POST", "/iam/v1/tokens", "", `{"jwt":"` + jwt.Reveal() + `"`},
		{"POST", "/iam/v1/tokens", "", `{"jwt":["` + jwt.Reveal() + `"]}`},
		{"POST", "/iam/v1/tokens", "", `{"` + jwt.Reveal() + `":1}`},
		{"POST", "/iam/v1/tokens", "", `{"yandexPassportOauthToken":"` + jwt.Reveal() + `"}`},
		{"POST", "/iam/v1/tokens", "", `{"yandexPassportOauthToken":"` + oauth + `x"}`},
		{"POST", "/iam/v1/tokens", "", `{"jwt":"` + oauth + `"}`},
		{"GET", "/resource-manager/v1/clouds", oauth, ""},
		{"GET", "/resource-manager/v1/clouds/" + oauth, admin, ""},
		{"POST", "/iam/v1/tokens:revoke", admin, `{"iamToken":"` + jwt.Reveal() + `"}`},
		{"GET", "/resource-manager/v1/clouds", jwt.Reveal(), ""},
		{"GET", "/resource-manager/v1/clouds", iam, ""},
		{"GET", "/resource-manager/v1/clouds", admin + "x", ""},
		{"GET", "/resource-manager/v1/clouds?iamToken=" + admin, "", ""},
		{"GET", "/resource-manager/v1/clouds/" + admin, admin, ""},
		{"GET", "/iam/v1/serviceAccounts/" + jwt.Reveal(), admin, ""},
		{"GET", "/" + admin, "", ""},
		{"POST", "/iam/v1/serviceAccounts", admin, `{"folderId":"` + admin + `","name":"` + admin + `"}`},
	} {
		if a, err := ask(bad[0], url+bad[1], bad[2], bad[3]); err != nil || a.code < 400 {
			t.Errorf("%s %.60s: %v, %v", bad[0], bad[1], a, err)
		}
	}
	// A client that speaks garbage, and one that breaks TLS off.
	if conn, err := net.Dial("tcp", p.http); err == nil {
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n", admin, admin)
		conn.Close()
	}
	if conn, err := tls.Dial("tcp", p.http, &tls.Config{ServerName: "localhost"}); err == nil {
		conn.Close()
	}
	lines, err := propusk(dir, "audit", "list", "--data", "d", "--limit", "10000")
	if err != nil || !bytes.Contains(lines, []byte("CreateIamToken")) {
		t.Fatalf("%v\n%s", err, lines)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(p.log(), "msg=call"); n < 15 {
		t.Errorf("the log tells of %d calls only:\n%s", n, p.log())
	}
	for name, secret := range secrets {
		if strings.Contains(p.log(), secret) {
			t.Errorf("the log shows the %s:\n%s", name, p.log())
		}
		if bytes.Contains(lines, []byte(secret)) {
			t.Errorf("an audit line shows the %s:\n%s", name, lines)
		}
		for _, file := range filesWith(t, filepath.Join(dir, "d"), secret) {
			ours := name == "key.json" && file == "key.json" || name == "OAuth token" && (file == "oauth-token" || file == "env")
			if !ours {
				t.Errorf("the file %s holds the %s", file, name)
			}
		}
	}
	if files := filesWith(t, filepath.Join(dir, "d"), "PRIVATE KEY-----"); strings.Join(files, " ") != "admin-key.json ca-key.pem key.json" {
		t.Errorf("private keys in the clear in %q", files)
	}
}

// pemBody is a line from the middle of a PEM text.
func pemBody(t *testing.T, text string) string {
	t.Helper()
	lines := strings.Split(text, "\n")
	if len(lines) < 10 {
		t.Fatalf("a private key of %d lines", len(lines))
	}
	return lines[len(lines)/2]
}

// filesWith lists the files below a folder that hold a text.
func filesWith(t *testing.T, folder, text string) (found []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, name))
		if bytes.Contains(data, []byte(text)) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
