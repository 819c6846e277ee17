package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/propusk/propusk/internal/cli"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// fake is a server that remembers what it was asked and answers what it is told.
type fake struct {
	endpoint string
	asked    []string // methods, in order
	headers  []metadata.MD
	requests []proto.Message

	answer  func(method string, request proto.Message) (proto.Message, error)
	created *iampb.CreateIamTokenResponse // what an exchange gets, when not goodToken
	refuse  func() error                  // of an exchange, when not nil
}

const goodToken = "t1.good.token"

func newFake(t *testing.T, options ...grpc.ServerOption) *fake {
	t.Helper()
	f := &fake{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(append(options, grpc.UnaryInterceptor(
		func(ctx context.Context, request any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			method := info.FullMethod[strings.LastIndex(info.FullMethod, "/")+1:]
			f.asked, f.headers = append(f.asked, method), append(f.headers, md)
			f.requests = append(f.requests, request.(proto.Message))
			_ = grpc.SetTrailer(ctx, metadata.Pairs("x-request-id", "req-1"))
			if _, ok := request.(*iampb.CreateIamTokenRequest); ok {
				if f.refuse != nil {
					if err := f.refuse(); err != nil {
						return nil, err
					}
				}
				if f.created != nil {
					return f.created, nil
				}
				return &iampb.CreateIamTokenResponse{IamToken: goodToken}, nil
			}
			return f.answer(method, request.(proto.Message))
		}))...)
	propuskpb.RegisterResourceServiceServer(s, propuskpb.UnimplementedResourceServiceServer{})
	propuskpb.RegisterExplainServiceServer(s, propuskpb.UnimplementedExplainServiceServer{})
	propuskpb.RegisterIdTokenServiceServer(s, propuskpb.UnimplementedIdTokenServiceServer{})
	propuskpb.RegisterRevocationServiceServer(s, propuskpb.UnimplementedRevocationServiceServer{})
	propuskpb.RegisterLeakServiceServer(s, propuskpb.UnimplementedLeakServiceServer{})
	iampb.RegisterIamTokenServiceServer(s, iampb.UnimplementedIamTokenServiceServer{})
	operationpb.RegisterOperationServiceServer(s, operationpb.UnimplementedOperationServiceServer{})
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(s.Stop)
	f.endpoint = listener.Addr().String()
	return f
}

// ran is what a command came to.
type ran struct {
	stdout, stderr string
	err            error
}

// run runs a command with a token in the environment, unless environ says otherwise.
func (f *fake) run(t *testing.T, environ []string, args ...string) ran {
	t.Helper()
	if environ == nil {
		environ = []string{"YC_IAM_TOKEN=" + goodToken}
	}
	var stdout, stderr bytes.Buffer
	err := cli.Run(t.Context(), cli.Environment{
		Environ: append(environ, "YC_ENDPOINT="+f.endpoint), Stdout: &stdout, Stderr: &stderr, Now: time.Now}, args[0], args[1:])
	return ran{stdout.String(), stderr.String(), err}
}

func (r ran) misused(t *testing.T, text string) {
	t.Helper()
	if m, ok := errors.AsType[*cli.Misuse](r.err); !ok || !strings.Contains(m.Error(), text) {
		t.Errorf("%v, want a misuse with %q", r.err, text)
	}
}

func (r ran) helped(t *testing.T, text string) {
	t.Helper()
	if !errors.Is(r.err, flag.ErrHelp) || !strings.Contains(r.stdout, text) {
		t.Errorf("%v, %s, want help with %q", r.err, r.stdout, text)
	}
}

func (r ran) good(t *testing.T) string {
	t.Helper()
	if r.err != nil {
		t.Fatalf("%v", r.err)
	}
	return r.stdout
}

func keyText(t *testing.T) string {
	t.Helper()
	private, err := keyfile.Generate(iam.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keyfile.PublicKeyText(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	f, err := keyfile.New(iam.Key{ID: "ajekey", ServiceAccountID: "ajerobot", Algorithm: iam.RSA2048, PublicKey: public, CreatedAt: time.Now()}, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(f.Encode())
}

func done(t *testing.T, id string, answer proto.Message) *operationpb.Operation {
	t.Helper()
	packed, err := anypb.New(answer)
	if err != nil {
		t.Fatal(err)
	}
	return &operationpb.Operation{Id: id, Done: true, Result: &operationpb.Operation_Response{Response: packed}}
}
