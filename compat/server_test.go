//go:build unix

package compat_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a server may take to open its database and listen.
const startLimit = 30 * time.Second

// particulars are the names that `propusk dev` writes into its env file.
var particulars = []string{"ENDPOINT", "HTTP_URL", "ORGANIZATION_ID", "CLOUD_ID", "FOLDER_ID", "SERVICE_ACCOUNT_ID", "ACCESS_ENDPOINT", "OAUTH_TOKEN", "ALICE_PASSWORD"}

// server is a running `propusk dev`, known by its data folder.
type server struct {
	data   string
	env    map[string]string
	binary string // the program
}

// environment tells a client where the server is and who it is itself.
func (s *server) environment() []string {
	vars := []string{
		"KEY_FILE=" + filepath.Join(s.data, "key.json"),
		"CA_FILE=" + filepath.Join(s.data, "ca.pem"),
	}
	for _, name := range particulars {
		vars = append(vars, name+"="+s.env[name])
	}
	return vars
}

// startServer builds propusk and runs it in a new data folder until the test
// ends. PROPUSK_BIN names a binary to run instead of building one, and
// PROPUSK_COMPAT_DATA the data folder of a server that runs already.
func startServer(t *testing.T) *server {
	t.Helper()
	if data := os.Getenv("PROPUSK_COMPAT_DATA"); data != "" {
		env, err := readEnv(filepath.Join(data, "env"))
		if err != nil {
			t.Fatal(err)
		}
		return &server{data: data, env: env, binary: propuskBinary(t)}
	}
	data := filepath.Join(t.TempDir(), "data")
	var log output
	binary := propuskBinary(t)
	cmd := exec.Command(binary, append([]string{"dev", "--data", data,
		"--http-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0", "--access-listen", "127.0.0.1:0", "--debug-listen", "127.0.0.1:0"}, registryFlags...)...)
	// The server takes every PROPUSK_ variable for a setting, ours too.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PROPUSK_") })
	cmd.Stdout, cmd.Stderr = &log.stdout, &log.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { stop(t, cmd, ended, &log) })
	return &server{data: data, env: awaitEnv(t, data, ended), binary: binary}
}

func propuskBinary(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv("PROPUSK_BIN"); binary != "" {
		return binary
	}
	binary := filepath.Join(t.TempDir(), "propusk")
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	var out output
	if err := out.run(command(ctx, "..", "go", "build", "-tags", "grpcnotrace", "-o", binary, "./cmd/propusk")); err != nil {
		t.Fatalf("build propusk: %v\n%s", err, out.all())
	}
	return binary
}

// awaitEnv waits for the env file to be whole and the server to listen.
func awaitEnv(t *testing.T, data string, ended chan error) map[string]string {
	t.Helper()
	deadline := time.Now().Add(startLimit)
	for {
		env, incomplete := readEnv(filepath.Join(data, "env"))
		if incomplete == nil && listens(env["ENDPOINT"]) && listens(strings.TrimPrefix(env["HTTP_URL"], "http://")) {
			return env
		}
		if time.Now().After(deadline) {
			t.Fatalf("server is not ready after %s (env file: %v)", startLimit, incomplete)
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("server ended at its start: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// readEnv reads a shell file of assignments that must have every particular.
func readEnv(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	env := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		env[name] = strings.Trim(value, `'"`)
	}
	for _, name := range particulars {
		if env[name] == "" {
			return nil, fmt.Errorf("%s lacks %s", path, name)
		}
	}
	return env, nil
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// stop ends the server as an operator would and shows its log if a client failed.
func stop(t *testing.T, cmd *exec.Cmd, ended chan error, log *output) {
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		cmd.Process.Kill()
		<-ended
		t.Error("server was still running 10 s after SIGTERM")
	}
	if t.Failed() {
		t.Logf("server's log:\n%s", log.all())
	}
}
