// Package function owns a handler's life as a cloud function on this machine: the
// process it runs in, its environment, the event and the context that it gets, the
// token in that context, its time, its logs and its answer, also over HTTP. It asks
// for tokens and never sees the caller's credential. It is no sandbox: a handler
// may do what the person who runs it may do on the machine.
package function

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

const (
	// DefaultTimeout and DefaultMemory are those of a function's version [API fact].
	DefaultTimeout = 3 * time.Second
	DefaultMemory  = 128 // MB

	longestTimeout = time.Hour // [API fact: long-lived functions]

	// mostBytes bounds an event and an answer [API fact: 3.5 MB].
	mostBytes = 3_670_016
	// mostProgramBytes bounds what a program answers [API fact: Bash functions, 1 MB].
	mostProgramBytes = 1 << 20
)

// Function is what is run, and how.
type Function struct {
	Handler  Handler
	ID       string // of the function, as its context tells it
	Version  string // id of its version
	FolderID string // may be empty

	Memory    int           // MB, told to the handler; not enforced
	Timeout   time.Duration // of one call, with the start of its process
	Instances int           // processes, each of which answers one call at a time
	Environ   []string      // see Environment

	// Token gives an IAM token of the function's account that is good for a call
	// from now on. nil: the function has no account, and its context no token.
	Token func(ctx context.Context) (iamclient.Token, error)

	Log *Logbook // what the handler prints, and lines for each call's start and end
	Now func() time.Time
}

// Runner runs a function. It is safe for concurrent use.
type Runner struct {
	f       Function
	folder  string // of the runtime's own files, the handler's empty home and its temporary files
	command []string

	slots   chan struct{}
	mu      sync.Mutex
	idle    []*instance
	waiting int
	closed  bool
	close   sync.Once
}

// Start makes a function ready: it finds the handler's interpreter, or builds what
// is written in Go, for which ctx is the limit. No code of the handler runs before
// its first call. A missing interpreter, a handler that is not there or does not
// compile, and values out of bounds are INVALID_ARGUMENT.
func Start(ctx context.Context, f Function) (*Runner, error) {
	switch {
	case !canRun:
		return nil, iam.Errorf(iam.Unimplemented, "handlers run on Unix alone; on Windows, run this in WSL")
	case f.Timeout <= 0 || f.Timeout > longestTimeout:
		return nil, iam.InvalidField("timeout", "from 1ms to %v", longestTimeout)
	case f.Instances < 1 || f.Instances > 100:
		return nil, iam.InvalidField("instances", "from 1 to 100")
	case f.Memory < 1:
		return nil, iam.InvalidField("memory", "a number of megabytes, at least 1")
	}
	keepDescriptors()
	keepMemory()
	folder, err := os.MkdirTemp("", "propusk-function-")
	if err != nil {
		return nil, iam.Wrap(err, iam.Internal, "make a folder for the runtime: %v", err)
	}
	r := &Runner{f: f, folder: folder, slots: make(chan struct{}, f.Instances)}
	err = errors.Join(os.Mkdir(r.home(), 0o700), os.Mkdir(r.temporary(), 0o700))
	if err == nil {
		r.command, err = f.Handler.command(ctx, folder)
	}
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	return r, nil
}

func (r *Runner) home() string      { return filepath.Join(r.folder, "home") }
func (r *Runner) temporary() string { return filepath.Join(r.folder, "tmp") }

// Close ends every process of the function and removes what Start has made. It
// waits for calls under way, which their contexts end.
func (r *Runner) Close() { r.close.Do(r.end) }

func (r *Runner) end() {
	r.mu.Lock()
	r.closed = true
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	var wait sync.WaitGroup
	for _, i := range idle {
		wait.Go(i.end)
	}
	wait.Wait()
	for range cap(r.slots) { // a call under way ends its own process
		r.slots <- struct{}{}
	}
	for range cap(r.slots) { // later ones are refused
		<-r.slots
	}
	_ = os.RemoveAll(r.folder)
}

// Call is one call of a function.
type Call struct {
	RequestID string
	Event     []byte
}

// Invoke calls the function, in a process that waits for work or in a new one.
// Its error is a *Failure, or ctx's own when that has ended. While all processes
// are busy it waits, for as long as a call may take, behind so many others at most.
func (r *Runner) Invoke(ctx context.Context, c Call) ([]byte, error) {
	if len(c.Event) > mostBytes {
		return nil, &Failure{Status: 413, Type: "PayloadTooLarge", Message: fmt.Sprintf("the event is larger than %d bytes", mostBytes)}
	}
	release, err := r.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return nil, stopped()
	}
	began := r.f.Now()
	told, err := r.told(ctx, c, began)
	if err != nil {
		return nil, err
	}
	r.f.Log.printf("START RequestID: %s Version: %s\n", c.RequestID, r.f.Version)
	limited, cancel := context.WithTimeout(ctx, r.f.Timeout)
	defer cancel()
	answer, err := r.answer(limited, told, c.Event)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case limited.Err() != nil && err != nil:
		err = &Failure{Status: 504, Own: true, Type: "TimeoutError", Message: fmt.Sprintf("the function has not answered within %v", r.f.Timeout)}
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		f = r.f.Log.concealed(f)
		err = f
		r.f.Log.printf("ERROR RequestID: %s %s\n", c.RequestID, f)
	}
	r.f.Log.printf("END RequestID: %s\nREPORT RequestID: %s Duration: %.3f ms Memory Size: %d MB\n",
		c.RequestID, c.RequestID, float64(r.f.Now().Sub(began).Microseconds())/1000, r.f.Memory)
	return answer, err
}

// mostWaiting calls wait for a process at the most, for each that there is.
const mostWaiting = 100

func (r *Runner) acquire(ctx context.Context) (release func(), err error) {
	release = func() { <-r.slots }
	select {
	case r.slots <- struct{}{}:
		return release, nil
	default:
	}
	busy := &Failure{Status: 429, Type: "TooManyRequests", Message: "every instance of the function is busy"}
	r.mu.Lock()
	if r.waiting >= mostWaiting*r.f.Instances {
		r.mu.Unlock()
		return nil, busy
	}
	r.waiting++
	r.mu.Unlock()
	defer func() { r.mu.Lock(); r.waiting--; r.mu.Unlock() }()
	patience := time.NewTimer(r.f.Timeout)
	defer patience.Stop()
	select {
	case r.slots <- struct{}{}:
		return release, nil
	case <-patience.C:
		return nil, busy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answer has the handler answer, and keeps its process for the next call if that
// is as good as new.
func (r *Runner) answer(ctx context.Context, told *told, event []byte) ([]byte, error) {
	if r.f.Handler.Runtime == Program {
		return r.runProgram(ctx, told, event)
	}
	i, err := r.take()
	if err != nil {
		return nil, err
	}
	answer, healthy, err := i.exchange(ctx, told, event)
	r.mu.Lock()
	if healthy && !r.closed {
		r.idle = append(r.idle, i)
		i = nil
	}
	r.mu.Unlock()
	if i != nil {
		i.kill()
	}
	return answer, err
}

// take finds a process that waits for work, the one that did so last, or starts one.
func (r *Runner) take() (*instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.idle) > 0 {
		last := r.idle[len(r.idle)-1]
		r.idle = r.idle[:len(r.idle)-1]
		if last.alive() {
			return last, nil
		}
		last.kill()
	}
	if r.closed {
		return nil, stopped()
	}
	return r.start()
}

func stopped() *Failure {
	return &Failure{Status: 503, Type: "ServiceUnavailable", Message: "the function is being stopped"}
}
