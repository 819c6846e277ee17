package metadata

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	defaultWaiters = 64
	// waitLook is how often a wait looks at what changes without telling, tokens
	// above all.
	waitLook  = 2 * time.Second
	waitSlack = 10 * time.Second // for writing the answer after the longest wait
)

// waiters counts requests that wait, of all clients and of each.
type waiters struct {
	most, each int

	mu    sync.Mutex
	total int
	of    map[netip.Addr]int
}

func (w *waiters) enter(client netip.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.total >= w.most || w.of[client] >= w.each {
		return false
	}
	w.total++
	w.of[client]++
	return true
}

func (w *waiters) leave(client netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total--
	if w.of[client]--; w.of[client] == 0 {
		delete(w.of, client)
	}
}

func (d *Door) changes() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// await answers at once, or, asked for a change, when the answer is another than
// the client has, its time is up or the door closes. What is no answer to wait
// for (404, 503) is given at once too.
func (d *Door) await(r *request, q query, look func() *answer) *answer {
	changed := d.changes() // before the look, so that no change falls between
	a := look()
	if !q.wait || a.status != http.StatusOK || (q.last != "" && q.last != a.tag) || q.timeout == 0 {
		return a
	}
	if !d.waiters.enter(r.client) {
		return plain(http.StatusServiceUnavailable, "busy", "Too many requests wait for a change").header("Retry-After", "5")
	}
	defer d.waiters.leave(r.client)
	defer d.c.Metrics.waiting(d.c.Name)()
	// The server's own deadlines are for answers at once. Where there is no
	// connection to set them on, there are none.
	to := http.NewResponseController(r.w)
	_ = to.SetReadDeadline(time.Now().Add(q.timeout + waitSlack))
	_ = to.SetWriteDeadline(time.Now().Add(q.timeout + waitSlack))

	over, again := time.NewTimer(q.timeout), time.NewTicker(waitLook)
	defer over.Stop()
	defer again.Stop()
	for {
		select {
		case <-changed:
			changed = d.changes()
		case <-again.C:
		case <-over.C:
			return look()
		case <-d.stopping:
			return look()
		case <-r.Context().Done():
			a.outcome = "gone"
			return a
		}
		// Meanwhile the client's account may have become another.
		if a := d.identify(r); a != nil {
			return a
		}
		if b := look(); b.status != http.StatusOK || b.tag != a.tag {
			return b
		}
	}
}
