package gate

import (
	"context"
	"sync"
	"time"
)

// patience is the context of a call: it carries the call, and a deadline whose timer is made when somebody
// waits for it, which a call that finds all it needs in memory never does.
type patience struct {
	context.Context
	call *Call
	at   time.Time

	once   sync.Once
	mu     sync.Mutex // guards armed against a reader that does not arm
	armed  context.Context
	cancel context.CancelFunc
}

// withPatience bounds a call in time. end must be called when the call is over.
func withPatience(parent context.Context, c *Call, limit time.Duration) *patience {
	p := &c.within
	p.Context, p.call, p.at = parent, c, time.Now().Add(limit) // timers go by the machine's clock
	return p
}

// Value implements context.Context.
func (p *patience) Value(key any) any {
	if key == (callKey{}) {
		return p.call
	}
	return p.Context.Value(key)
}

func (p *patience) arm() context.Context {
	p.once.Do(func() {
		ctx, cancel := context.WithDeadline(p.Context, p.at)
		p.mu.Lock()
		p.armed, p.cancel = ctx, cancel
		p.mu.Unlock()
	})
	return p.armed
}

func (p *patience) timer() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.armed
}

// Deadline implements context.Context.
func (p *patience) Deadline() (time.Time, bool) {
	if at, ok := p.Context.Deadline(); ok && at.Before(p.at) {
		return at, true
	}
	return p.at, true
}

// Done implements context.Context.
func (p *patience) Done() <-chan struct{} { return p.arm().Done() }

// Err implements context.Context.
func (p *patience) Err() error {
	if ctx := p.timer(); ctx != nil {
		return ctx.Err()
	}
	if err := p.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(p.at) {
		return p.arm().Err()
	}
	return nil
}

// end gives the timer back.
func (p *patience) end() {
	if p.timer() != nil {
		p.cancel()
	}
}
