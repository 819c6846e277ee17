package source

import "time"

// NewRenewerAt is NewRenewer with a monotonic clock of the test's.
func NewRenewerAt(o Origin, keys Keys, p Policy, mono func() time.Duration) (*Renewer, error) {
	return newRenewer(o, keys, p, mono)
}

// Live is how many accounts a pool holds.
func (p *Pool) Live() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}
