package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
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
	jwt, err := keyfile.SignJWT(key, keyfile.PublicAudience, time.Now(), time.Hour)
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
