package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/token"
)

// startDev runs `propusk dev` in a folder of the test's own.
func startDev(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p, err := startProcess(dir, "dev", nil, append([]string{"dev", "--data", "d"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// env is what dev's shell file says.
func (p *process) env(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.cmd.Dir, "d", "env"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	return env
}

func readKey(t *testing.T, path ...string) *keyfile.File {
	t.Helper()
	key, err := keyfile.Read(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustExchange(t *testing.T, p *process, key *keyfile.File) string {
	t.Helper()
	text, err := p.exchange(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// halfCall sends all of an exchange but the last byte and returns what is
// needed to finish it.
func halfCall(t *testing.T, p *process, key *keyfile.File) (finish func() (*http.Response, error)) {
	t.Helper()
	jwt, err := keyfile.SignJWT(key, publicAudience, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.http)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	body := `{"jwt":"` + jwt.Reveal() + `"}`
	fmt.Fprintf(conn, "POST /iam/v1/tokens HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n') // the handler has begun to read
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = in.ReadString('\n')
	_, _ = io.WriteString(conn, body[:len(body)-1])
	return func() (*http.Response, error) {
		if _, err := io.WriteString(conn, body[len(body)-1:]); err != nil {
			return nil, err
		}
		return http.ReadResponse(in, nil)
	}
}

// awaitLog waits for a word in the log.
func (p *process) awaitLog(t *testing.T, word string) {
	t.Helper()
	for deadline := time.Now().Add(startLimit); !strings.Contains(p.log(), word); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q:\n%s", word, p.log())
		}
	}
}

func TestShutdownFinishesCalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	finish := halfCall(t, p, readKey(t, dir, "d", "key.json"))
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.awaitLog(t, "msg=stopping")
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.http)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Error("new connections are taken 5 s after SIGTERM")
			break
		}
	}
	a, err := ask("GET", "http://"+p.debug+"/readyz", "", "")
	if err != nil || a.code != 503 {
		t.Errorf("readyz while stopping: %v, %v", a, err)
	}
	select {
	case <-p.ended:
		t.Fatalf("it ended with a call in progress: %v\n%s", p.result, p.log())
	default:
	}
	response, err := finish()
	if err != nil || response.StatusCode != 200 {
		t.Errorf("the call in progress: %v, %v", response, err)
	}
	<-p.ended
	if p.result != nil || !strings.Contains(p.log(), "msg=stopped") {
		t.Errorf("after SIGTERM: %v\n%s", p.result, p.log())
	}
}

// A reader of the revocation feed waits for half a minute: not when the server stops.
func TestShutdownEndsLongPolls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	v := follow(t, p, rootKey(t, dir))
	answered := make(chan string, 1)
	go func() {
		url := fmt.Sprintf("http://%s%s?after=%d&wait=25", p.http, token.RevocationsPath, v.Status().Position)
		a, err := ask("GET", url, "", "")
		answered <- fmt.Sprint(a, err)
	}()
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %s, and a long poll was all there was", took)
	}
	if got := <-answered; !strings.HasPrefix(got, "503 ") {
		t.Errorf("the long poll: %s", got)
	}
}

// follow is a verifier that is being fed until the test ends.
func follow(t *testing.T, p *process, root ed25519.PublicKey) *token.Verifier {
	t.Helper()
	v, err := token.NewVerifier(token.Config{BaseURL: "http://" + p.http, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go v.Follow(ctx)
	<-v.Ready()
	return v
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	halfCall(t, p, readKey(t, dir, "d", "key.json"))
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	p.awaitLog(t, "msg=stopping")
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.ended:
		if p.result == nil {
			t.Error("a server that was broken off ended well")
		}
	case <-time.After(5 * time.Second):
		t.Error("it still runs")
	}
}

// rootKey is what `propusk root-key` prints.
func rootKey(t *testing.T, dir string) ed25519.PublicKey {
	t.Helper()
	out, err := propusk(dir, "root-key", "--data", "d")
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A verifier elsewhere pins the root key and lives through the server's
// restarts, those by kill -9 too.
func TestVerifierLivesThroughRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	key := readKey(t, dir, "d", "key.json")
	v := follow(t, p, rootKey(t, dir))
	want := func(text string, want error) {
		t.Helper()
		var err error
		for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err = v.Verify(text); errors.Is(err, want) {
				return
			}
		}
		t.Fatalf("the verifier says %v, want %v", err, want)
	}
	kept, revoked := mustExchange(t, p, key), mustExchange(t, p, key)
	want(kept, nil)
	want(revoked, nil)
	if a, err := ask("POST", "http://"+p.http+"/iam/v1/tokens:revoke", kept, `{"iamToken":"`+revoked+`"}`); err != nil || a.code != 200 {
		t.Fatal(a, err)
	}
	want(revoked, token.ErrRevoked)
	for _, end := range []func(){func() { p.kill() }, func() { _ = p.stop() }} {
		before := v.Status()
		end()
		want(revoked, token.ErrRevoked)
		want(kept, nil) // for as long as the verifier may be stale
		p = startDev(t, dir, "--http-listen", p.http)
		fresh := mustExchange(t, p, key)
		want(fresh, nil)
		want(kept, nil)
		want(revoked, token.ErrRevoked)
		if a, err := ask("GET", "http://"+p.http+"/resource-manager/v1/clouds", revoked, ""); err != nil || a.code != 401 {
			t.Errorf("a token revoked before the restart: %v, %v", a, err)
		}
		if a, err := ask("POST", "http://"+p.http+"/iam/v1/tokens:revoke", kept, `{"iamToken":"`+fresh+`"}`); err != nil || a.code != 200 {
			t.Fatal(a, err)
		}
		want(fresh, token.ErrRevoked) // so the feed is being followed again
		if after := v.Status(); after.Position <= before.Position {
			t.Errorf("the verifier's position went from %d to %d", before.Position, after.Position)
		}
	}
}

// The client behind a trusted proxy is the one in the log and in the audit
// lines, whichever door it came by; a stranger's word about itself is not heard.
func TestClientBehindProxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ trusted, want string }{{"127.0.0.1", "203.0.113.9"}, {"10.0.0.0/8", "127.0.0.1"}} {
		dir := t.TempDir()
		p := startDev(t, dir, "--trusted-proxies", tt.trusted)
		const header = "192.0.2.1, 203.0.113.9"
		calls := 0
		for _, path := range []string{"/resource-manager/v1/clouds", token.KeySetPath} {
			r, err := http.NewRequest("GET", "http://"+p.http+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", header)
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			calls++
		}
		for _, addr := range []string{p.grpc, p.http} {
			conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", header)
			if _, err := rmpb.NewCloudServiceClient(conn).List(ctx, &rmpb.ListCloudsRequest{}); status.Code(err) != codes.Unauthenticated {
				t.Errorf("%v", err)
			}
			conn.Close()
			calls++
		}
		lines, err := propusk(dir, "audit", "list", "--data", "d")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(lines), `"remote_address":"`+tt.want+`"`); n != calls-1 { // a key set has no line
			t.Errorf("trusting %s, %d of %d lines tell of %s:\n%s", tt.trusted, n, calls-1, tt.want, lines)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(p.log(), "remote="+tt.want); n != calls {
			t.Errorf("trusting %s, %d of %d calls in the log are from %s:\n%s", tt.trusted, n, calls, tt.want, p.log())
		}
	}
}
