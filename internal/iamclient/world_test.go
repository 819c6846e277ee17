package iamclient_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/propusktest"
)

// fake is an IAM of which the test decides how it answers.
type fake struct {
	iampb.UnimplementedIamTokenServiceServer
	mu     sync.Mutex
	calls  int
	create func(ctx context.Context, n int, r *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error)
}

func (f *fake) Create(ctx context.Context, r *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
	f.mu.Lock()
	f.calls++
	n := f.calls
	f.mu.Unlock()
	return f.create(ctx, n, r)
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// serve starts a fake and makes a client of it.
func (f *fake) serve(t *testing.T, o iamclient.Options) *iamclient.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	iampb.RegisterIamTokenServiceServer(s, f)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	o.Endpoint, o.Plaintext = l.Addr().String(), true
	return dial(t, o)
}

func dial(t *testing.T, o iamclient.Options) *iamclient.Client {
	t.Helper()
	c, err := iamclient.Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func realClient(t *testing.T, s *propusktest.Server, now func() time.Time) *iamclient.Client {
	t.Helper()
	return dial(t, iamclient.Options{Endpoint: s.Endpoint, Plaintext: true, Now: now})
}

func parse(t *testing.T, key []byte) *keyfile.File {
	t.Helper()
	f, err := keyfile.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func works(t *testing.T, s *propusktest.Server, token iam.Secret) {
	t.Helper()
	if r := s.Get(t, token.Reveal(), "/iam/v1/serviceAccounts/"+s.ServiceAccountID); r.Code != 200 {
		t.Errorf("a call with the token: %d %s", r.Code, r.Body)
	}
}
