package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// slowCalls holds unary calls until release is closed.
func slowCalls(entered chan<- struct{}, release <-chan struct{}) grpc.ServerOption {
	return grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		entered <- struct{}{}
		<-release
		return next(ctx, in)
	})
}

func TestShutdownWaitsForCalls(t *testing.T) {
	entered, release := make(chan struct{}, 3), make(chan struct{})
	h := openHouse(t, true, true, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
		fmt.Fprint(w, "done")
	}, nil, slowCalls(entered, release))
	var calls sync.WaitGroup
	for _, addr := range []string{h.GRPCAddr(), h.HTTPAddr()} {
		calls.Go(func() { checkHealth(t, addr, h.trust(t)) })
	}
	calls.Go(func() {
		if got := h.get(t, "HTTP/1.1", true); got != "done" {
			t.Errorf("page: %q", got)
		}
	})
	for range 3 {
		<-entered
	}
	down := make(chan error, 1)
	go func() { down <- h.Shutdown(t.Context()) }()
	<-h.Stopping()
	select {
	case err := <-down:
		t.Errorf("shut down with calls in progress: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	calls.Wait()
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := <-h.served; err != nil {
		t.Error(err)
	}
}

func TestShutdownLosesPatience(t *testing.T) {
	t.Parallel()
	for _, door := range []string{"grpc", "http"} {
		entered, release := make(chan struct{}, 1), make(chan struct{})
		h := openHouse(t, true, false, nil, nil, slowCalls(entered, release))
		addr := h.GRPCAddr()
		if door == "http" {
			addr = h.HTTPAddr()
		}
		client := dialGRPC(t, addr, nil)
		failed := make(chan error, 1)
		go func() {
			_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
			failed <- err
		}()
		<-entered
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: shutdown = %v", door, err)
		}
		cancel()
		close(release)
		if err := <-failed; err == nil {
			t.Errorf("%s: the call ended well", door)
		}
		if err := <-h.served; err != nil {
			t.Errorf("%s: %v", door, err)
		}
	}
}

// A call that its client gave up leaves a handler without a stream, which
// net/http does not wait for.
func TestShutdownWithAbandonedCallOverHTTP(t *testing.T) {
	entered, release := make(chan struct{}, 1), make(chan struct{})
	h := openHouse(t, true, false, nil, nil, slowCalls(entered, release))
	ctx, cancel := context.WithCancel(t.Context())
	client := dialGRPC(t, h.HTTPAddr(), nil)
	go client.Check(ctx, &healthpb.HealthCheckRequest{})
	<-entered
	cancel()
	down := make(chan error, 1)
	time.Sleep(20 * time.Millisecond)
	go func() { down <- h.Shutdown(t.Context()) }()
	select {
	case err := <-down:
		t.Errorf("shut down under a running handler: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if err := <-down; err != nil {
		t.Error(err)
	}
}
