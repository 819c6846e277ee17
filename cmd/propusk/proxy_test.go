package main

import (
	"net/http"
	"strings"
	"testing"

	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/token"
)

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
