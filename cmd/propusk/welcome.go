package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/propusk/propusk/internal/server"
)

// welcome says where the development server is and what to paste. Paths are
// absolute: the commands are pasted into another terminal.
func (p *program) welcome(s *server.Server) {
	data := s.DataFolder()
	if abs, err := filepath.Abs(data); err == nil {
		data = abs
	}
	in := func(name string) string { return quote(filepath.Join(data, name)) }
	url := "http://" + s.HTTPAddr()
	access := ""
	if s.AccessAddr() != "" {
		access = "  access " + s.AccessAddr() + " (AccessService, for other services)\n"
	}
	fmt.Fprintf(p.stdout, `Propusk is running. Everything it made is in %[1]s.

  REST   %[2]s (and https)
  gRPC   %[3]s (TLS and plaintext)
%[9]s  keys   %[4]s  editor of the folder
         %[5]s  admin of the organization and the cloud
  people %[2]s/login
         alice (owner) and bob; their passwords are in %[8]s

Get an IAM token and use it:

  JWT=$(%[6]s jwt --key %[4]s)
  TOKEN=$(curl -s --data "{\"jwt\": \"$JWT\"}" %[2]s/iam/v1/tokens | sed -E 's/.*"iamToken": ?"([^"]*)".*/\1/')
  curl -H "Authorization: Bearer $TOKEN" %[2]s/resource-manager/v1/clouds

Or as alice, by her OAuth token:

  curl -s --data "{\"yandexPassportOauthToken\": \"$(cat %[10]s)\"}" %[2]s/iam/v1/tokens

For clients that insist on TLS:  export SSL_CERT_FILE=%[7]s
Addresses and ids for scripts:   set -a; . %[8]s; set +a

`, data, url, s.GRPCAddr(), in(server.DevKeyFile), in(server.DevAdminKeyFile), self(), in("ca.pem"), in(server.DevEnvFile), access,
		in(server.DevOAuthTokenFile))
}

// madeByGoRun matches where `go run` keeps the programs that it builds.
var madeByGoRun = regexp.MustCompile(`[/\\]go-build[^/\\]*[/\\]`)

// self is how the user runs this program again. What `go run` made is gone
// when it ends, so in our checkout the command that was typed is better.
func self() string {
	exe, err := os.Executable()
	if err == nil && !madeByGoRun.MatchString(exe) {
		return quote(exe)
	}
	if _, err := os.Stat(filepath.Join("cmd", "propusk", "main.go")); err == nil || exe == "" {
		return "go run ./cmd/propusk"
	}
	return quote(exe)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// quote makes one word of a shell's line out of a text.
func quote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
