package source

import "time"

const (
	// look is how often a keeper looks whether something is due: timers stand
	// still while the machine sleeps, and a clock may have been set.
	look = 30 * time.Second
	// lookForChange is the same for an origin that tells of changes.
	lookForChange = 5 * time.Second
	// shortestInterval is that of an origin whose credentials are near their end.
	shortestInterval = time.Second
)

// run renews ahead until its context ends. changed, when there is one, tells that
// a renewal is due now.
func (k *keeper[T]) run(lazy bool, changed func() bool) {
	most := look
	if changed != nil {
		most = lookForChange
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-timer.C:
		case <-k.wake:
		}
		other := changed != nil && changed()
		k.mu.Lock()
		wait := most
		if k.flight == nil {
			if wait = k.due(lazy); other || wait <= 0 {
				k.start()
				wait = most
			}
		}
		k.mu.Unlock()
		timer.Reset(max(min(wait, most), 10*time.Millisecond))
	}
}

// due is in how much time to renew ahead; none or less: now.
func (k *keeper[T]) due(lazy bool) time.Duration {
	now := k.clock.now()
	s := &k.state
	if lazy && (!s.everAsked || now.since(s.asked) > restAfter) {
		return look // until somebody asks
	}
	if s.failure != nil {
		return s.next - now.mono
	}
	if k.have == nil {
		return 0
	}
	age := now.since(k.have.from)
	interval := time.Duration(float64(k.have.life) * (1 - k.share))
	if used := s.everAsked && s.asked.mono >= s.checked.mono; used && k.recheck > 0 {
		interval = min(interval, k.recheck)
	}
	return max(time.Duration(float64(interval)*k.have.ahead), shortestInterval) - age
}
