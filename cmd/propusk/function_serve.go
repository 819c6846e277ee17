package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/propusk/propusk/internal/function"
)

const (
	functionHeaderTime = 10 * time.Second
	functionIdle       = 2 * time.Minute
	functionHeaders    = 64 << 10
	functionGrace      = time.Second // for calls under way, after Ctrl-C
)

// listenForFunction listens on loopback, for programs of this user alone.
func listenForFunction(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return onlyThisUser(listener), nil
}

// serve lets HTTP requests call the function until ctx ends.
func (r *functionRun) serve(ctx context.Context, runner *function.Runner, listener net.Listener) error {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	door := &http.Server{
		Handler:           &function.Door{Runner: runner},
		ReadHeaderTimeout: functionHeaderTime,
		// Its end breaks off the call too, which may have waited for a process before.
		ReadTimeout: 2*functionHeaderTime + 2*r.function.Timeout,
		IdleTimeout: functionIdle, MaxHeaderBytes: functionHeaders,
		BaseContext: func(net.Listener) context.Context { return calls },
	}
	fmt.Fprintf(r.stderr, "function %s listens at http://%s\n", r.function.ID, listener.Addr())
	ended := make(chan error, 1)
	go func() { ended <- door.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("--listen: %w", err)
	case <-ctx.Done():
	}
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), functionGrace)
	defer stop()
	if err := door.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
		cancel() // its handlers' processes are killed
	}
	return nil
}
