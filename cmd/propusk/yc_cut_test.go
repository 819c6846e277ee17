package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// asIs passes messages on as the bytes that they are.
type asIs struct{}

func (asIs) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (asIs) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (asIs) Name() string                       { return "proto" }

// cutter stands between a client and a server. Of a method that is armed it
// lets the server do its work, and cuts the client's connections instead of
// answering.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	armed map[string]int // how often still, by the method's last word
	seen  map[string][]string
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, err
}

func (c *cutter) cuts(method, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[method] = append(c.seen[method], key)
	if c.armed[method] == 0 {
		return false
	}
	c.armed[method]--
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
	return true
}

func (c *cutter) arm(method string, times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.seen = map[string]int{method: times}, map[string][]string{}
}

func startCutter(t *testing.T, backend string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: listener, armed: map[string]int{}, seen: map[string][]string{}}
	conn, err := grpc.NewClient(backend, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(asIs{})))
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodec(asIs{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		word := method[strings.LastIndex(method, ".")+1:]
		if strings.HasPrefix(method, "/yandex.cloud.endpoint.") {
			return status.Error(codes.Unimplemented, "everything is here")
		}
		var request, answer []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		md, _ := metadata.FromIncomingContext(stream.Context())
		// What the server has begun it finishes, whatever becomes of the client.
		err := conn.Invoke(metadata.NewOutgoingContext(context.WithoutCancel(stream.Context()), md), method, &request, &answer)
		if c.cuts(word, strings.Join(md.Get("idempotency-key"), ",")) {
			return status.Error(codes.Internal, "nobody hears this")
		}
		if err != nil {
			return err
		}
		return stream.SendMsg(&answer)
	}))
	go func() { _ = s.Serve(c) }()
	t.Cleanup(func() { s.Stop(); _ = conn.Close() })
	return c
}

// TestCutAnswers: when the connection is lost after the server has done what it
// was asked, the client asks again and gets what was done: nothing is made
// twice. A secret that is lost so is not told again, which is told.
func TestCutAnswers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startDev(t, dir)
	c := startCutter(t, p.grpc)
	env, err := run(dir, "sh", "-c", ". d/env; echo $FOLDER_ID $CLOUD_ID $SERVICE_ACCOUNT_ID")
	if err != nil {
		t.Fatal(err)
	}
	ids := strings.Fields(string(env))
	yc := func(args ...string) (string, string, int) {
		cmd := exec.Command("yc", args...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + dir, "YC_ENDPOINT=" + c.Addr().String(), "YC_FOLDER_ID=" + ids[0], "YC_CLOUD_ID=" + ids[1],
			"YC_SERVICE_ACCOUNT_KEY_FILE=" + filepath.Join(dir, "d", "admin-key.json")}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	count := func(list ...string) string {
		out, errs, code := yc(append(list, "--jq", "length")...)
		if code != 0 {
			t.Fatal(errs)
		}
		return strings.TrimSpace(out)
	}
	robot := []string{"--service-account-id", ids[2]}
	for _, x := range []struct {
		method       string
		args, list   []string
		answer       string // a filter of it; "" when it cannot be told again
		before, then int    // rows of list
	}{
		{"ServiceAccountService/Create", []string{"iam", "service-account", "create", "cut"}, []string{"iam", "service-account", "list"}, ".id", 2, 3},
		{"KeyService/Create", append([]string{"iam", "key", "create"}, robot...), append([]string{"iam", "key", "list"}, robot...), "", 1, 2},
		{"KeyService/Create", append([]string{"iam", "key", "create", "-o", "key.json"}, robot...), append([]string{"iam", "key", "list"}, robot...), "", 2, 3},
		{"ApiKeyService/Create", append([]string{"iam", "api-key", "create"}, robot...), append([]string{"iam", "api-key", "list"}, robot...), "", 0, 1},
		{"AccessKeyService/Create", append([]string{"iam", "access-key", "create"}, robot...), append([]string{"iam", "access-key", "list"}, robot...), "", 1, 2},
		{"FolderService/Create", []string{"resource-manager", "folder", "create", "cut"}, []string{"resource-manager", "folder", "list"}, ".id", 1, 2},
		{"ServiceAccountService/Delete", []string{"iam", "service-account", "delete", "cut"}, []string{"iam", "service-account", "list"}, "type", 3, 2},
		{"FolderService/UpdateAccessBindings", []string{"resource-manager", "folder", "add-access-binding", ids[0], "--role", "auditor", "--service-account-id", ids[2]},
			[]string{"resource-manager", "folder", "list-access-bindings", ids[0]}, ".effective_deltas[0].action", 1, 2},
	} {
		name := strings.Join(x.args, " ")
		if got := count(x.list...); got != fmt.Sprint(x.before) {
			t.Fatalf("%s: %s before", name, got)
		}
		c.arm(x.method, 2)
		out, errs, code := yc(append(x.args, "--jq", x.answer)...)
		switch out := strings.TrimSpace(out); {
		case x.answer != "" && (code != 0 || out == "" || out == "null"):
			t.Errorf("%s: %d, %q, %s", name, code, out, errs)
		case x.answer == "" && (code != 1 || out != "" || !strings.Contains(errs, "its secret is shown only once\n  the answer to an earlier try of this command was lost")):
			t.Errorf("%s: %d, %q, %s", name, code, out, errs)
		}
		keys := c.seen[x.method]
		if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] {
			t.Errorf("%s is asked with the keys %q", x.method, keys)
		}
		if got := count(x.list...); got != fmt.Sprint(x.then) {
			t.Errorf("%s: %s rows after, want %d", name, got, x.then)
		}
	}
}
