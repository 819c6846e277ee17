//go:build unix

package compat_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// metadataConfig is one account of the server's, for programs of this machine.
const metadataConfig = `endpoint: %s
ca-file: %s
accounts:
  app: {service-account-key-file: %s}
listeners:
  - {name: machine, listen: "%s", account: app, instance: {id: epd00000000000000000}}
`

// startMetadata runs `propusk metadata` for the server's account until the test
// ends, and returns its host:port.
func startMetadata(t *testing.T, s *server) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "metadata.yaml")
	text := fmt.Sprintf(metadataConfig, s.env["ENDPOINT"], filepath.Join(s.data, "ca.pem"), filepath.Join(s.data, "key.json"), "127.0.0.1:0")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return runMetadata(t, exec.Command(s.binary, "metadata", "--config", config))
}

var servingMetadata = regexp.MustCompile(`msg="serving metadata" listen=(\S+)`)

// runMetadata starts a command that is to serve metadata, and returns where it does.
func runMetadata(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PROPUSK_") })
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines strings.Builder
	at := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for scan := bufio.NewScanner(io.LimitReader(log, 1<<20)); scan.Scan(); {
			mu.Lock()
			lines.WriteString(scan.Text() + "\n")
			mu.Unlock()
			if found := servingMetadata.FindStringSubmatch(scan.Text()); found != nil {
				at <- found[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("propusk metadata ended with %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		if t.Failed() {
			t.Logf("propusk metadata's log:\n%s", lines.String())
		}
		if strings.Contains(lines.String(), "t1.") || strings.Contains(lines.String(), "s1.") {
			t.Error("there is a token in the log of propusk metadata")
		}
	})
	select {
	case address := <-at:
		return address
	case <-read:
	case <-time.After(startLimit):
	}
	t.Fatal("propusk metadata does not serve")
	return ""
}

// builtBy makes what a client needs of another one's build, and tells where it is.
func (s *suite) builtBy(t *testing.T, client string) []string {
	t.Helper()
	by, err := os.ReadFile(filepath.Join(client, "built-by"))
	if err != nil {
		return nil
	}
	name := strings.TrimSpace(string(by))
	s.build(t, name)
	return []string{"BUILD_CACHE=" + filepath.Join(cacheRoot(t), name)}
}

// testMetadata has a client of the metadata address find its token there, and
// call the server with it. The program itself checks what it gets.
func (s *suite) testMetadata(t *testing.T, client, address string) {
	environment := append(s.builtBy(t, client), "METADATA="+address, "STS_URL="+s.server.env["HTTP_URL"])
	s.build(t, client)
	out, err := s.execute(t, client, "./run", "", environment...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
}

// otherSources get tokens of the server's account in all the other ways.
const otherSources = `endpoint: %s
ca-file: %s
exchange-url: %s
accounts:
  acting: {service-account-key-file: %s, impersonate-service-account-id: %s}
  federated: {token-file: %s, token-type: jwt}
  second: {metadata: "%s"}
listeners:
  - {name: acting, listen: "127.0.0.1:0", account: acting}
  - {name: federated, listen: "127.0.0.1:0", account: federated}
  - {name: second, listen: "127.0.0.1:0", account: second}
`

// testSources asks addresses whose account acts for another one, has a token in
// place of a key, or takes its tokens from the address first.
func (s *suite) testSources(t *testing.T, first string) {
	const client = "metadata/curl"
	s.build(t, client)
	folder := t.TempDir()
	var jwt output
	if err := jwt.run(exec.Command(s.server.binary, "jwt", "--key", filepath.Join(s.server.data, "key.json"))); err != nil {
		t.Fatal(err)
	}
	config, proof := filepath.Join(folder, "metadata.yaml"), filepath.Join(folder, "token")
	text := fmt.Sprintf(otherSources, s.server.env["ENDPOINT"], filepath.Join(s.server.data, "ca.pem"), s.server.env["HTTP_URL"],
		filepath.Join(s.server.data, "admin-key.json"), s.server.env["SERVICE_ACCOUNT_ID"], proof, first)
	for path, text := range map[string]string{config: text, proof: jwt.stdout.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range strings.Split(runMetadata(t, exec.Command(s.server.binary, "metadata", "--config", config)), ",") {
		s.testMetadata(t, client, address)
	}
}

// testLinkLocal has guests of a machine find it at 169.254.169.254, in network
// namespaces that the program makes.
func (s *suite) testLinkLocal(t *testing.T, client string) {
	switch root := os.Getuid() == 0; {
	case !root && s.strict:
		t.Fatalf("%s needs root, and every client must run here", client)
	case !root:
		t.Skipf("%s needs root, for network namespaces", client)
	}
	s.build(t, client)
	out, err := s.execute(t, client, "./run", "", "BINARY="+s.server.binary, "FOLDER="+t.TempDir())
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
}
