package metadata

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/metadata/pods"
	"github.com/propusk/propusk/internal/metadata/source"
)

// ErrClientUnclear is that nobody can say now who a client is. To such a client
// everything is 503, on a connection that ends.
var ErrClientUnclear = iam.Errorf(iam.Unavailable, "it is not known now whose address this is")

const (
	// podPatience is how long a new pod is waited for: its programs run before the
	// cluster has told of its address, and most clients take a 404 for good.
	podPatience = 3 * time.Second
	podLook     = 100 * time.Millisecond
)

// Pods knows the pods of a node; *pods.Watcher.
type Pods interface {
	AccountOf(netip.Addr) (pods.Pod, bool)
	// Heard tells whether the cluster has told of its pods of late: if not, no
	// address is known, and that says nothing.
	Heard() bool
}

// ByPod gives a client the account that its pod has by of; one that is no pod's
// address, ErrUnknownClient; while that is not known, ErrClientUnclear. A
// connection stays that of one pod. It is for such listeners as ByAddress.
func ByPod(known Pods, of func(pods.Pod) (source.Account, error)) Accounts {
	return func(r *http.Request, client netip.Addr) (source.Account, error) {
		pod, err := podOf(r.Context(), known, client)
		if err != nil {
			return nil, err
		}
		if !ownedBy(r.Context(), pod.UID) {
			return nil, iam.Wrap(ErrClientUnclear, iam.Unavailable, "the connection was that of another pod")
		}
		return of(pod)
	}
}

func podOf(ctx context.Context, known Pods, client netip.Addr) (pods.Pod, error) {
	over := time.NewTimer(podPatience)
	defer over.Stop()
	again := time.NewTicker(podLook)
	defer again.Stop()
	for {
		if pod, ok := known.AccountOf(client); ok {
			return pod, nil
		}
		if !known.Heard() {
			return pods.Pod{}, iam.Wrap(ErrClientUnclear, iam.Unavailable, "the cluster has not told of its pods")
		}
		select {
		case <-again.C:
		case <-over.C:
			return pods.Pod{}, ErrUnknownClient
		case <-ctx.Done():
			return pods.Pod{}, ErrClientUnclear
		}
	}
}

// owner is whose a connection is, once somebody has asked on it.
type owner struct{ uid atomic.Pointer[string] }

type ownerKey struct{}

// ownedBy tells whether the connection of a request is that of a pod, which it
// becomes by its first. Where there is no connection, every request is its own.
func ownedBy(ctx context.Context, uid string) bool {
	o, ok := ctx.Value(ownerKey{}).(*owner)
	return !ok || o.uid.CompareAndSwap(nil, &uid) || *o.uid.Load() == uid
}
