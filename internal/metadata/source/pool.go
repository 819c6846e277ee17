package source

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const (
	defaultIdle = time.Hour
	defaultMost = 4096
)

// PoolOptions bound a Pool.
type PoolOptions struct {
	// New makes the account of a key, such as a service account's id. Its error
	// is what Get fails with, and is not remembered.
	New  func(key string) (*Renewer, error)
	Idle time.Duration // after which an account that nobody asks for is dropped; 0: 1 h
	Most int           // accounts at once; 0: 4096. One more drops the one that was longest not asked for
}

// Pool is the accounts of many clients, each made when it is first asked for and
// dropped when nobody asks for it any more. It is safe for concurrent use.
type Pool struct {
	options PoolOptions
	end     context.CancelFunc
	ended   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	live   map[string]*pooled
}

type pooled struct {
	*Renewer
	used time.Duration // by the monotonic clock
}

// NewPool starts a pool; Close ends it and all that is in it.
func NewPool(o PoolOptions) *Pool {
	if o.Idle <= 0 {
		o.Idle = defaultIdle
	}
	if o.Most <= 0 {
		o.Most = defaultMost
	}
	ctx, end := context.WithCancel(context.Background())
	p := &Pool{options: o, end: end, live: map[string]*pooled{}}
	p.ended.Go(func() { p.sweep(ctx) })
	return p
}

// Get is the account of a key. Ask for it again for each request: one that was
// dropped is renewed no more.
func (p *Pool) Get(key string) (*Renewer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, iam.Errorf(iam.Unavailable, "this program is ending")
	}
	if have, ok := p.live[key]; ok {
		have.used = uptime()
		return have.Renewer, nil
	}
	if len(p.live) >= p.options.Most {
		p.dropOldest()
	}
	r, err := p.options.New(key)
	if err != nil {
		return nil, err
	}
	p.live[key] = &pooled{Renewer: r, used: uptime()}
	return r, nil
}

func (p *Pool) dropOldest() {
	oldest := ""
	for key, have := range p.live {
		if oldest == "" || have.used < p.live[oldest].used {
			oldest = key
		}
	}
	p.live[oldest].end()
	delete(p.live, oldest)
}

func (p *Pool) sweep(ctx context.Context) {
	ticker := time.NewTicker(p.options.Idle / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		for key, have := range p.live {
			if uptime()-have.used > p.options.Idle {
				have.end()
				delete(p.live, key)
			}
		}
		p.mu.Unlock()
	}
}

// Statuses are those of the accounts that are live, in the order of their keys.
func (p *Pool) Statuses() []Status {
	p.mu.Lock()
	type one struct {
		key string
		r   *Renewer
	}
	all := make([]one, 0, len(p.live))
	for key, have := range p.live {
		all = append(all, one{key, have.Renewer})
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b one) int { return cmp.Compare(a.key, b.key) })
	out := make([]Status, 0, len(all))
	for _, a := range all {
		out = append(out, a.r.Status())
	}
	return out
}

// Close ends all accounts.
func (p *Pool) Close() {
	p.end()
	p.ended.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, have := range p.live {
		have.Close()
	}
	clear(p.live)
}
