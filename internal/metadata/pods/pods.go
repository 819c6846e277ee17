// Package pods knows which pod of a node has which address, and which account its
// service account is annotated with. It asks the Kubernetes API alone, over plain
// HTTP, and when it has not heard of that for a while it knows nothing.
package pods

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Annotation is the key by which a Kubernetes service account names the IAM
// service account whose tokens its pods get [API fact: workload identity in
// managed clusters].
const Annotation = "yandex.cloud/federated-yc-service-account-id"

// Pod is who asks.
type Pod struct {
	Namespace, Name string
	UID             string
	ServiceAccount  string // of Kubernetes
	// Annotation is the account that the service account names, "" for none. It is
	// the word of whoever may change service accounts in that namespace: what
	// tokens are made of must confirm it, or the operator must trust them all.
	Annotation string
}

// Subject names the pod's service account as tokens of the cluster name it.
func (p Pod) Subject() string { return "system:serviceaccount:" + p.Namespace + ":" + p.ServiceAccount }

// Options say whose pods, and where to ask. Node and Server are required.
type Options struct {
	Node      string // name of the node in the cluster
	Server    string // URL of the API: https, or http on loopback
	CAFile    string // PEM; "": the system's. Read again when it changes
	TokenFile string // of the token to ask with, read for every request; "": without one
	// Stale is how long after the last word of the API there are still answers;
	// 0: 2 min, and at least 5 s.
	Stale time.Duration
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nowhere
}

// Watcher follows a node's pods while Run runs. It is safe for concurrent use.
type Watcher struct {
	client    *client
	node      string
	stale     time.Duration
	now       func() time.Time
	log       *slog.Logger
	pods      *feed[pod]
	accounted *feed[serviceAccount]

	mu        sync.RWMutex
	byAddress map[netip.Addr]map[name]*pod
	known     map[name]*pod
	accounts  map[name]string // annotations
}

// name is an object's in its cluster.
type name struct{ namespace, name string }

// New checks the options. Nothing is asked before Run.
func New(o Options) (*Watcher, error) {
	if o.Node == "" {
		return nil, errors.New("the name of the node is missing")
	}
	if o.Stale == 0 {
		o.Stale = 2 * time.Minute
	}
	if o.Stale < 5*time.Second {
		return nil, fmt.Errorf("answers cannot be as fresh as %s: 5s is the least", o.Stale)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c, err := newClient(&o)
	if err != nil {
		return nil, err
	}
	w := &Watcher{client: c, node: o.Node, stale: o.Stale, now: o.Now, log: o.Log,
		byAddress: map[netip.Addr]map[name]*pod{}, known: map[name]*pod{}, accounts: map[name]string{}}
	w.pods = newFeed(w, "pods", "spec.nodeName="+o.Node, w.replacePods, w.applyPod)
	w.accounted = newFeed(w, "serviceaccounts", "", w.replaceAccounts, w.applyAccount)
	return w, nil
}

// Run follows the cluster until ctx ends. What fails is tried again and again.
func (w *Watcher) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { w.pods.run(ctx) })
	both.Go(func() { w.accounted.run(ctx) })
	both.Wait()
}

// AccountOf is the pod that has an address. It is false when no pod of this node
// has it, when several seem to, and when the API has not been heard of for longer
// than answers may be old.
func (w *Watcher) AccountOf(addr netip.Addr) (Pod, bool) {
	if !w.Heard() {
		return Pod{}, false
	}
	now := w.now()
	w.mu.RLock()
	defer w.mu.RUnlock()
	var found *pod
	for _, p := range w.byAddress[addr.Unmap().WithZone("")] {
		if !p.lives(now) {
			continue
		}
		if found != nil { // one of them has gone, and which is not known yet
			return Pod{}, false
		}
		found = p
	}
	if found == nil {
		return Pod{}, false
	}
	of := name{found.Metadata.Namespace, found.account()}
	return Pod{Namespace: of.namespace, Name: found.Metadata.Name, UID: found.Metadata.UID, ServiceAccount: of.name, Annotation: w.accounts[of]}, true
}

// Heard tells whether the API has been heard of lately enough for AccountOf to
// know anything.
func (w *Watcher) Heard() bool { return w.Age() <= w.stale }

// Age is how long ago the API was last heard of, of pods or of service accounts,
// whichever is longer; very long before it was first.
func (w *Watcher) Age() time.Duration {
	return max(w.pods.age(), w.accounted.age())
}

const (
	firstPause = 500 * time.Millisecond
	mostPause  = 10 * time.Second
)

// pause waits before the next attempt, longer each time, and not in step with
// other nodes.
func pause(ctx context.Context, failures int) {
	d := min(mostPause, firstPause<<min(failures, 10))
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
