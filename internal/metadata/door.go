// Package metadata is the address at which programs find the credentials of
// their service account without holding any themselves: what a virtual machine,
// a pod or a function sees at 169.254.169.254, in Google's and in EC2's manner.
// It owns that wire, who may ask, and who is refused before anything is looked
// up; where tokens come from is the matter of package source.
package metadata

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/metadata/source"
)

// Accounts tells whose credentials a request gets. An error that is
// source.ErrNoAccount means nobody's, and is answered 404; any other, 503.
// client is the peer's own address, never one that a header tells.
type Accounts func(r *http.Request, client netip.Addr) (source.Account, error)

// ErrUnknownClient is a source.ErrNoAccount for an address that nobody set up. To
// such a client everything is 404.
var ErrUnknownClient = fmt.Errorf("%w for this address", source.ErrNoAccount)

// Config says what one door answers. Its zero value serves no account.
type Config struct {
	Name     string   // in metrics and logs; "": "default"
	Accounts Accounts // nil: nobody has an account
	Instance Instance
	Options  Options
	// Function makes the address one that functions see: it has the endpoints of
	// Options alone, no session tokens, and what is disabled is 404, not 400
	// [API fact: functions, metadata options].
	Function bool
	// Hosts are names and addresses, without ports, that a Host header may have
	// beside the address connected to, 169.254.169.254, metadata.google.internal
	// and localhost.
	Hosts []string
	// HopLimit is how many hops the packets of a connection travel once it has
	// asked for a session token; 0 leaves the system's. It needs a door that a
	// Server of this package serves.
	HopLimit int
	// MaxWaiters bounds requests with wait_for_change, 0: 64; of one client, a
	// quarter of them.
	MaxWaiters int
	Now        func() time.Time // nil: time.Now
	Log        *slog.Logger     // of refusals, at most a few a minute; nil: nowhere
	Metrics    *Metrics         // nil: nowhere
}

// Door is the handler of one metadata address. Safe for concurrent use.
type Door struct {
	c        Config
	options  Options // with their defaults
	hosts    map[string]bool
	sessions sessions
	waiters  waiters
	log      quietLog

	instance atomic.Pointer[Instance]
	mu       sync.Mutex
	changed  chan struct{} // closed and made anew by SetInstance
	stopping chan struct{}
	stop     sync.Once
}

// New checks the settings and makes a door. What is wrong is INVALID_ARGUMENT.
func New(c Config) (*Door, error) {
	if c.Name == "" {
		c.Name = "default"
	}
	if c.Accounts == nil {
		c.Accounts = func(*http.Request, netip.Addr) (source.Account, error) { return nil, source.ErrNoAccount }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxWaiters == 0 {
		c.MaxWaiters = defaultWaiters
	}
	if c.MaxWaiters < 0 {
		return nil, iam.InvalidField("max-waiters", "must be above zero")
	}
	if c.HopLimit < 0 || c.HopLimit > 255 {
		return nil, iam.InvalidField("hop-limit", "must be from 1 to 255")
	}
	if err := c.Instance.check(); err != nil {
		return nil, err
	}
	d := &Door{
		c: c, options: c.Options.withDefaults(c.Function), hosts: map[string]bool{},
		waiters: waiters{most: c.MaxWaiters, each: max(1, c.MaxWaiters/4), of: map[netip.Addr]int{}},
		log:     quietLog{log: c.Log, now: c.Now},
		changed: make(chan struct{}), stopping: make(chan struct{}),
	}
	for _, h := range append([]string{"169.254.169.254", "metadata.google.internal", "localhost"}, c.Hosts...) {
		name, ok := hostOf(h)
		if !ok {
			return nil, iam.InvalidField("hosts", "%q is neither a host name nor an address", h)
		}
		d.hosts[name] = true
	}
	d.sessions = sessions{now: c.Now, start: c.Now()}
	if _, err := rand.Read(d.sessions.key[:]); err != nil {
		return nil, iam.Wrap(err, iam.Internal, "no random bytes")
	}
	d.instance.Store(&c.Instance)
	return d, nil
}

// SetInstance replaces what the address tells of its machine and wakes those who
// wait for a change.
func (d *Door) SetInstance(i Instance) error {
	if err := i.check(); err != nil {
		return err
	}
	d.instance.Store(&i)
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.changed)
	d.changed = make(chan struct{})
	return nil
}

// Close ends every wait: what waits is answered with what there is.
func (d *Door) Close() { d.stop.Do(func() { close(d.stopping) }) }

// request is one request that the guard has let in.
type request struct {
	*http.Request
	client  netip.Addr
	w       http.ResponseWriter
	account source.Account // what Accounts said
	failed  error
}

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer d.recover(w, r)
	in := &request{Request: r, w: w, client: clientOf(r)}
	a := d.answer(in)
	d.c.Metrics.count(d.c.Name, a)
	if a.refusal() {
		d.log.refused(r, d.c.Name, in.client, a)
	}
	a.write(w)
}

func (d *Door) answer(r *request) *answer {
	if refused := d.guard(r); refused != nil {
		// What else is on that connection may be another request's disguise.
		return refused.header("Connection", "close")
	}
	if a := d.identify(r); a != nil {
		return a
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if slices.Contains(ec2Versions, first) {
		return d.ec2(r, first)
	}
	return d.google(r)
}

// identify finds out whose credentials r gets. Where clients are told apart, what
// the machine keeps in its attributes and user data is for those who are known:
// the answer for all others.
func (d *Door) identify(r *request) *answer {
	r.account, r.failed = d.c.Accounts(r.Request, r.client)
	switch {
	case errors.Is(r.failed, ErrUnknownClient):
		return noAccount(r.failed)
	case errors.Is(r.failed, ErrClientUnclear):
		return d.sourceFailed(r, r.failed).header("Connection", "close")
	}
	return nil
}

// recover answers a panic without a word about it, and leaves the word in the log.
func (d *Door) recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { // compared as net/http compares it
		panic(p)
	}
	if d.c.Log != nil {
		d.c.Log.ErrorContext(r.Context(), "panic", "listener", d.c.Name, "path", iam.Conceal(clip(r.URL.Path)),
			"panic", iam.Conceal(fmt.Sprint(p)), "stack", string(debug.Stack()))
	}
	a := plain(http.StatusInternalServerError, "internal", "Internal error")
	d.c.Metrics.count(d.c.Name, a)
	a.write(w)
}

// account is whose credentials r gets, or the answer that there are none.
func (d *Door) account(r *request) (source.Account, *answer) {
	if r.failed != nil {
		return nil, d.sourceFailed(r, r.failed)
	}
	if r.account == nil {
		return nil, noAccount(nil)
	}
	return r.account, nil
}

// sourceFailed turns an account's error into an answer. Why IAM gave nothing is
// for the operator, not for whoever asks.
func (d *Door) sourceFailed(r *request, err error) *answer {
	if errors.Is(err, source.ErrNoAccount) {
		return noAccount(err)
	}
	d.log.failed(r.Request, d.c.Name, err)
	a := plain(http.StatusServiceUnavailable, "unavailable", "The credentials of the service account cannot be had at the moment")
	a.header("Retry-After", "1")
	return a
}

func noAccount(err error) *answer {
	outcome := "no_account"
	if errors.Is(err, ErrUnknownClient) {
		outcome = "unknown_client"
	}
	return plain(http.StatusNotFound, outcome, "No service account is attached")
}
