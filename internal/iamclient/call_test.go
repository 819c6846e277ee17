package iamclient_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

const secret = "y0_this-is-the-secret-of-a-person"

func TestTriesAgainWhileIAMIsAway(t *testing.T) {
	t.Parallel()
	f := &fake{create: func(_ context.Context, n int, _ *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
		if n < 4 {
			return nil, status.Error(codes.Unavailable, "restarting")
		}
		return &iampb.CreateIamTokenResponse{IamToken: "opaque", ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}, nil
	}}
	got, err := f.serve(t, iamclient.Options{}).ExchangeOAuth(within(t, 20*time.Second), iam.NewSecret(secret))
	if err != nil || f.count() != 4 {
		t.Fatalf("%v after %d calls, want a token after 4", err, f.count())
	}
	if left := time.Until(got.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Errorf("%v left, want an hour", left)
	}
}

func TestGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	f := &fake{create: func(context.Context, int, *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
		return nil, status.Error(codes.Unavailable, "restarting")
	}}
	began := time.Now()
	_, err := f.serve(t, iamclient.Options{}).ExchangeOAuth(within(t, time.Second), iam.NewSecret(secret))
	if !errors.Is(err, iam.Unavailable) || !strings.Contains(err.Error(), "restarting") || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %v, want the server's own words within a second", err, time.Since(began))
	}
	if n := f.count(); n < 2 || n > 12 {
		t.Errorf("%d calls in a second", n)
	}
}

// A server that takes the connection and says nothing, and one that is not there.
func TestSilentServers(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, address := range map[string]string{"silent": silent.Addr().String(), "gone": gone.Addr().String()} {
		c := dial(t, iamclient.Options{Endpoint: address, Plaintext: true, Attempt: 300 * time.Millisecond})
		_, err := c.ExchangeOAuth(within(t, time.Second), iam.NewSecret(secret))
		if !errors.Is(err, iam.Unavailable) || iamclient.Definite(err) {
			t.Errorf("%s: %v, want UNAVAILABLE", name, err)
		}
	}
}

func TestSlowAnswerIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := &fake{create: func(ctx context.Context, n int, _ *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
		if n == 1 {
			<-ctx.Done()
		}
		return &iampb.CreateIamTokenResponse{IamToken: "opaque"}, nil
	}}
	c := f.serve(t, iamclient.Options{Attempt: 200 * time.Millisecond})
	got, err := c.ExchangeOAuth(within(t, 20*time.Second), iam.NewSecret(secret))
	if err != nil || f.count() != 2 {
		t.Fatalf("%v after %d calls, want a token after 2", err, f.count())
	}
	if left := time.Until(got.ExpiresAt); left > time.Minute {
		t.Errorf("%v left of a token whose end nobody told, want a minute", left)
	}
}

func TestRefusalIsNotTriedAgain(t *testing.T) {
	for _, code := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.InvalidArgument,
		codes.ResourceExhausted, codes.Internal, codes.Unimplemented} {
		f := &fake{create: func(context.Context, int, *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
			return nil, status.Error(code, "no")
		}}
		_, err := f.serve(t, iamclient.Options{}).ExchangeOAuth(within(t, 5*time.Second), iam.NewSecret(secret))
		if !errors.Is(err, iam.Kind(code)) || f.count() != 1 {
			t.Errorf("%v: %v after %d calls", code, err, f.count())
		}
		if iamclient.Definite(err) {
			t.Errorf("%v without a request id is taken for IAM's own", code)
		}
	}
}

// A server that repeats what it was sent, at length and in colours.
func TestErrorsAreFitToBeLogged(t *testing.T) {
	f := &fake{create: func(ctx context.Context, _ int, r *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("x-request-id", "id-of-"+r.GetYandexPassportOauthToken()))
		return nil, status.Error(codes.Unauthenticated, "bad \x1b[31m"+r.GetYandexPassportOauthToken()+"\nsecond line"+strings.Repeat("!", 5000))
	}}
	_, err := f.serve(t, iamclient.Options{}).ExchangeOAuth(within(t, 5*time.Second), iam.NewSecret(secret))
	text := err.Error()
	if strings.Contains(text, secret) || strings.ContainsAny(text, "\x1b\n") || len(text) > 2000 {
		t.Errorf("the error is %q", text)
	}
}

func TestWhatIsNoToken(t *testing.T) {
	for _, text := range []string{"", "a b", "a\nb", "ключ", strings.Repeat("a", 9000), "a\x00"} {
		f := &fake{create: func(context.Context, int, *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
			return &iampb.CreateIamTokenResponse{IamToken: text, ExpiresAt: timestamppb.Now()}, nil
		}}
		_, err := f.serve(t, iamclient.Options{}).ExchangeOAuth(within(t, 5*time.Second), iam.NewSecret(secret))
		if !errors.Is(err, iam.Internal) {
			t.Errorf("%.20q: %v, want INTERNAL", text, err)
		}
	}
}

// Ends that only a wrong clock can tell are not believed.
func TestUnbelievableEnds(t *testing.T) {
	for name, off := range map[string]time.Duration{"past": -time.Hour, "next year": 365 * 24 * time.Hour} {
		f := &fake{create: func(context.Context, int, *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
			return &iampb.CreateIamTokenResponse{IamToken: "opaque", ExpiresAt: timestamppb.New(time.Now().Add(off))}, nil
		}}
		got, err := f.serve(t, iamclient.Options{}).ExchangeOAuth(within(t, 5*time.Second), iam.NewSecret(secret))
		if left := time.Until(got.ExpiresAt); err != nil || left <= 0 || left > time.Minute {
			t.Errorf("%s: %v left, %v; want a minute", name, left, err)
		}
	}
}
