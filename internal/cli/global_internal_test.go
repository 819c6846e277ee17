package cli

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// packed is a message in an operation.
func packed(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	p, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNewerFlags: the flags of every command that newer references have mean
// what is told of them, and what means nothing changes no result.
func TestNewerFlags(t *testing.T) {
	server := newAnyServer(t, func(method string, _ proto.Message) (proto.Message, error) {
		if method == "Delete" {
			return &operationpb.Operation{Id: "op1", Done: true, Metadata: packed(t, &iampb.DeleteServiceAccountMetadata{ServiceAccountId: "aje1"}),
				Result: &operationpb.Operation_Response{Response: packed(t, &iampb.ServiceAccount{Name: "gone"})}}, nil
		}
		return &iampb.Role{Id: "viewer"}, nil
	})
	for line, want := range map[string]string{
		"iam role get viewer --query .id":                                                                               "viewer\n",
		"--query .id iam role get viewer":                                                                               "viewer\n",
		"iam role get viewer --jq .id --timeout 1m":                                                                     "viewer\n",
		"iam role get viewer --jq .id --timeout=0":                                                                      "viewer\n",
		"iam role get viewer --region ru-central1 --pager less --no-pager --syntax 1":                                   "id: viewer\n",
		"iam role get viewer --cli-auto-prompt --no-cli-auto-prompt --print-metadata":                                   "id: viewer\n",
		"iam role get viewer --cli-auto-prompt=off":                                                                     "id: viewer\n",
		"iam service-account delete --id x --jq .name":                                                                  "gone\n",
		"iam service-account delete --id x --print-metadata --jq .id,.metadata.service_account_id,.response.name,.done": "op1\naje1\ngone\ntrue\n",
	} {
		if stdout, stderr, code := server.run(t, Environment{}, strings.Fields(line)...); code != 0 || stdout != want || stderr != "" {
			t.Errorf("%s: %d, %q, %q", line, code, stdout, stderr)
		}
	}
	for line, want := range map[string]string{
		"iam role get viewer --query .id --jq .id":   "--jq and --query exclude each other",
		"iam role get viewer --query .[":             "--jq: ",
		"iam role get viewer --timeout -1s":          "--timeout: -1s is below 0",
		"iam role get viewer --timeout 5":            `--timeout: "5" is no length of time such as 1h30m`,
		"iam role get viewer --syntax 2":             "--syntax: only 1 is understood here",
		"iam service-account get robot --id x":       "name the service account one way",
		"iam service-account delete --id x --name y": "name the service account one way",
		"iam key delete --id x y":                    "name the key one way",
	} {
		server.asked = nil
		if _, stderr, code := server.run(t, Environment{}, strings.Fields(line)...); code != exitMisused || !strings.Contains(stderr, want) || len(server.asked) > 0 {
			t.Errorf("%s: %d, %q, asked %d", line, code, stderr, len(server.asked))
		}
	}
}

// TestTimeout: whatever a command is at, --timeout ends it, and it says what may
// go on without it.
func TestTimeout(t *testing.T) {
	var away atomic.Bool
	held := make(chan struct{})
	t.Cleanup(func() { close(held) })
	server := newAnyServer(t, func(method string, _ proto.Message) (proto.Message, error) {
		switch {
		case away.Load():
			return nil, status.Error(codes.Unavailable, "not now")
		case method == "Delete":
			return &operationpb.Operation{Id: "ajeoperation00000000"}, nil
		case method == "Get":
			return &operationpb.Operation{Id: "ajeoperation00000000"}, nil
		}
		<-held
		return nil, status.Error(codes.Internal, "late")
	})
	for _, c := range []struct {
		line, want string
		away       bool
	}{
		{"iam service-account delete --id x --timeout 1200ms", "--timeout: not done in 1.2s; operation ajeoperation00000000 goes on; `operation wait ajeoperation00000000` waits for its end\n", false},
		{"iam api-key create --service-account-id x --timeout 50ms", "--timeout: not done in 50ms; the server may have done it all the same\n", false},
		{"iam role list --timeout 50ms", "--timeout: not done in 50ms\n", false},
		{"iam role list --timeout 300ms --retry -1", "--timeout: not done in 300ms\n", true},
		{"iam role list --timeout 50ms", "--timeout: not done in 50ms\n", false},
	} {
		away.Store(c.away)
		began := time.Now()
		_, stderr, code := server.run(t, Environment{Environ: []string{"PROPUSK_CLI_LOGS=off"}}, strings.Fields(c.line)...)
		if code != exitFailed || !strings.Contains(stderr, "ERROR: "+c.want) || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %d after %v, %q", c.line, code, time.Since(began), stderr)
		}
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, stderr, code := server.run(t, Environment{Stdin: blocked(held)}, strings.Fields("iam revoke-token --iam-token - --timeout 50ms")...)
		if code != exitFailed || !strings.Contains(stderr, "not done in 50ms") {
			t.Errorf("standard input that is silent: %d, %q", code, stderr)
		}
		_, stderr, code = server.run(t, Environment{}, "config", "get", "cloud-id", "--timeout", "1ns", "--profile", "nope")
		if code != exitMisused || strings.Contains(stderr, "timeout") {
			t.Errorf("another error: %d, %q", code, stderr)
		}
	}()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}

// blocked is a reader without end and without bytes.
type blocked chan struct{}

func (b blocked) Read([]byte) (int, error) { <-b; return 0, nil }

// TestEndlessFilter: a filter without end ends with the command.
func TestEndlessFilter(t *testing.T) {
	server := newAnyServer(t, func(string, proto.Message) (proto.Message, error) { return &iampb.Role{Id: "viewer"}, nil })
	for _, filter := range []string{"def f: f; f", "last(repeat(1))", "until(false; .)", "[limit(1; range(1; infinite) | select(. < 0))]"} {
		began := time.Now()
		_, stderr, code := server.run(t, Environment{Environ: []string{"PROPUSK_CLI_LOGS=off"}}, "iam", "role", "get", "viewer", "--jq", filter, "--timeout", "300ms")
		if code != exitFailed || !strings.Contains(stderr, "not done in 300ms") || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %d after %v, %q", filter, code, time.Since(began), stderr)
		}
	}
}

// TestSemantic: what programs compare.
func TestSemantic(t *testing.T) {
	for version, want := range map[string]string{"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v0.0.0-20260101000000-abcdef+dirty": "0.0.0-20260101000000-abcdef+dirty", "(devel)": "0.0.0-devel", "": "0.0.0-devel", "v": "0.0.0-devel"} {
		if got := semantic(version); got != want {
			t.Errorf("%q: %q", version, got)
		}
	}
	var server anyServer
	if stdout, _, code := server.run(t, Environment{Version: "v1.2.3"}, "version", "--semantic"); code != 0 || stdout != "1.2.3\n" {
		t.Errorf("%d, %q", code, stdout)
	}
}
