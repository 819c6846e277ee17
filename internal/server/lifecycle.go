package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Component is a part of the server that is started and stopped. Any of the
// three functions may be nil.
type Component struct {
	Name string
	// Start returns when the component is ready for those after it.
	Start func(context.Context) error
	// Run works until its context ends. Returning an error earlier brings the
	// whole group down; returning nil earlier is fine.
	Run func(context.Context) error
	// Stop ends what Start began, gracefully until its context ends. It is
	// called before Run's context ends.
	Stop func(context.Context) error
}

// Group starts components in order and stops them in reverse. The first error
// is the group's.
type Group struct {
	patience time.Duration // how long stopping may take, all together
	started  []*running
	failed   chan error
	mu       sync.Mutex
	first    error
	stopping bool
}

type running struct {
	Component
	cancel context.CancelFunc
	done   chan struct{}
}

// NewGroup makes an empty group whose Stop takes at most so long.
func NewGroup(patience time.Duration) *Group {
	return &Group{patience: patience, failed: make(chan error, 1)}
}

// Start starts one more component. When it fails, everything started before
// is stopped and the error is returned; the group is then done.
func (g *Group) Start(ctx context.Context, c Component) error {
	if c.Start != nil {
		if err := c.Start(ctx); err != nil {
			g.fail(fmt.Errorf("%s: %w", c.Name, err))
			return g.Stop()
		}
	}
	r := &running{Component: c, done: make(chan struct{})}
	// Not the starter's context: a signal must stop the group in order.
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	g.started = append(g.started, r)
	if c.Run == nil {
		close(r.done)
		return nil
	}
	go func() {
		defer close(r.done)
		if err := c.Run(runCtx); err != nil && runCtx.Err() == nil {
			g.fail(fmt.Errorf("%s: %w", c.Name, err))
		}
	}()
	return nil
}

func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first == nil {
		g.first = err
		g.failed <- err
	}
}

// Wait returns when ctx ends (a signal) or a component has failed, whichever
// comes first; then it stops the group and returns the first error. The end of
// ctx is no error.
func (g *Group) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-g.failed:
	}
	return g.Stop()
}

// Stop stops all components in reverse order and returns the group's first
// error. Calling it again does nothing more.
func (g *Group) Stop() error {
	g.mu.Lock()
	again := g.stopping
	g.stopping = true
	g.mu.Unlock()
	if again {
		return g.err()
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.patience)
	defer cancel()
	for i := len(g.started) - 1; i >= 0; i-- {
		r := g.started[i]
		if err := r.stop(ctx); err != nil {
			g.fail(fmt.Errorf("stop %s: %w", r.Name, err))
		}
	}
	return g.err()
}

func (g *Group) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.first
}

var errStillRunning = errors.New("did not end in time")

func (r *running) stop(ctx context.Context) error {
	var err error
	if r.Stop != nil {
		err = r.Stop(ctx)
	}
	r.cancel()
	select {
	case <-r.done:
		return err
	default:
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		// Out of patience, yet a component that only needs a moment to notice
		// should not be left running under those that are stopped next.
		select {
		case <-r.done:
		case <-time.After(lastMoment):
			err = errors.Join(err, errStillRunning)
		}
	}
	return err
}

const lastMoment = time.Second
