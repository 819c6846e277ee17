// Package propusktest starts a whole Propusk server inside a test: the real
// server on an in-memory database, listening on loopback, with an organization,
// a cloud, a folder and accounts to begin with.
//
//	s := propusktest.New(t)
//	res := s.Get(t, s.Token(t), "/resource-manager/v1/clouds")
package propusktest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/server"
)

// Server is a running server.
type Server struct {
	HTTPURL  string // http://host:port of REST and everything else on HTTP; gRPC is spoken there too
	Endpoint string // host:port of gRPC, plaintext

	OrganizationID   string
	CloudID          string
	FolderID         string
	ServiceAccountID string // editor of the folder, resource-manager.viewer of the cloud
	AdminID          string // service account: admin of the organization and the cloud
	AliceID          string // person: owns the organization and the cloud
	BobID            string // person: belongs to the organization

	Key      []byte            // key file of ServiceAccountID
	AdminKey []byte            // key file of AdminID
	RootKey  ed25519.PublicKey // for token.Config.Root

	// Server is the server itself, for tests of this module.
	Server *server.Server

	stop func() error
}

// Option changes how a server is started.
type Option func(*server.Config, *server.Options)

// OnDisk keeps the database in a folder instead of in memory.
func OnDisk(folder string) Option {
	return func(c *server.Config, o *server.Options) { c.Data, o.Memory = folder, false }
}

// OnPostgres keeps the database in PostgreSQL instead of in memory: in what a
// URL leads to, which must be empty or have been used so before.
func OnPostgres(url string) Option {
	return func(c *server.Config, o *server.Options) { c.Database, o.Memory = server.DatabaseURL(url), false }
}

// WithClock gives the server a clock.
func WithClock(now func() time.Time) Option {
	return func(_ *server.Config, o *server.Options) { o.Now = now }
}

// WithLog gives the server a log; without it the server is silent.
func WithLog(l *slog.Logger) Option {
	return func(_ *server.Config, o *server.Options) { o.Log = l }
}

// WithConfig changes the settings.
func WithConfig(change func(*server.Config)) Option {
	return func(c *server.Config, _ *server.Options) { change(c) }
}

// OnAddress places the HTTP listener, which otherwise takes a free port: for a
// server that starts where another one has stopped.
func OnAddress(hostPort string) Option {
	return func(c *server.Config, _ *server.Options) { c.HTTPListen = hostPort }
}

// New starts a server that stops with the test.
func New(t testing.TB, options ...Option) *Server {
	t.Helper()
	cfg := server.Config{
		Data: t.TempDir(), HTTPListen: "127.0.0.1:0", GRPCListen: "127.0.0.1:0", AccessListen: "127.0.0.1:0", DebugListen: server.Off,
		ShutdownTimeout: 10 * time.Second, // net/http gives a connection without a request 5 s
	}
	opts := server.Options{Dev: true, Memory: true}
	for _, o := range options {
		o(&cfg, &opts)
	}
	s, err := server.New(context.Background(), cfg, opts)
	if err != nil {
		t.Fatalf("propusktest: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	described := describe(t, s)
	described.stop = sync.OnceValue(func() error { stop(); return <-done })
	t.Cleanup(func() { described.Stop(t) })
	return described
}

// Stop ends the server before the test ends, as an operator does: calls in
// progress are finished. What it kept on disk is there for the next one.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Errorf("propusktest: the server stopped with: %v", err)
	}
}

func describe(t testing.TB, s *server.Server) *Server {
	t.Helper()
	w := s.Dev()
	root, err := s.RootKey(context.Background(), struct{}{})
	if err != nil {
		t.Fatalf("propusktest: %v", err)
	}
	return &Server{
		HTTPURL: "http://" + s.HTTPAddr(), Endpoint: s.GRPCAddr(),
		OrganizationID: w.OrganizationID, CloudID: w.CloudID, FolderID: w.FolderID,
		ServiceAccountID: w.ServiceAccountID, AdminID: w.AdminID, AliceID: w.AliceID, BobID: w.BobID,
		Key: s.DevKey(server.DevKeyFile), AdminKey: s.DevKey(server.DevAdminKeyFile),
		RootKey: root.RootKey, Server: s,
	}
}

// JWT signs a JWT with a key file, good for an hour from now on the wall clock.
func JWT(t testing.TB, key []byte) string {
	t.Helper()
	f, err := keyfile.Parse(key)
	if err != nil {
		t.Fatalf("propusktest: %v", err)
	}
	jwt, err := keyfile.SignJWT(f, keyfile.PublicAudience, time.Now(), time.Hour)
	if err != nil {
		t.Fatalf("propusktest: %v", err)
	}
	return jwt.Reveal()
}

// Token exchanges Key for an IAM token.
func (s *Server) Token(t testing.TB) string { t.Helper(); return s.TokenFor(t, s.Key) }

// AdminToken exchanges AdminKey for an IAM token.
func (s *Server) AdminToken(t testing.TB) string { t.Helper(); return s.TokenFor(t, s.AdminKey) }

// TokenFor exchanges a key file for an IAM token.
func (s *Server) TokenFor(t testing.TB, key []byte) string {
	t.Helper()
	var out struct {
		IAMToken string `json:"iamToken"`
	}
	r := s.Do(t, "POST", "", "/iam/v1/tokens", map[string]string{"jwt": JWT(t, key)})
	if r.Code != http.StatusOK {
		t.Fatalf("propusktest: exchange answered %d: %s", r.Code, r.Body)
	}
	r.Decode(t, &out)
	return out.IAMToken
}

// Response is an HTTP answer, read to its end.
type Response struct {
	Code   int
	Header http.Header
	Body   []byte
}

// Decode reads the body as JSON.
func (r *Response) Decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(r.Body, into); err != nil {
		t.Fatalf("answer %d is no JSON for %T: %v\n%s", r.Code, into, err, r.Body)
	}
}

// Do sends a request with an IAM token ("" for none). A body that is a string
// or bytes goes out as it is, another as JSON, nil as none.
func (s *Server) Do(t testing.TB, method, token, path string, body any, headers ...string) *Response {
	t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = bytes.NewBufferString(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.HTTPURL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &Response{Code: res.StatusCode, Header: res.Header, Body: text}
}

// Get is Do with GET and no body.
func (s *Server) Get(t testing.TB, token, path string) *Response {
	t.Helper()
	return s.Do(t, "GET", token, path, nil)
}

// Dial opens a gRPC connection that sends an IAM token with every call ("" for none).
func (s *Server) Dial(t testing.TB, token string) *grpc.ClientConn {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	c, err := grpc.NewClient(s.Endpoint, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
