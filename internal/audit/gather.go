package audit

import "time"

// A write and its fdatasync cost the same CPU however many lines they carry.
// Left alone, callers fall into two groups that take turns: one writes while
// the other makes its lines, and each write carries half of what it could. So
// whoever leads a batch waits for nearly as many lines as have lately been under
// way at one time, without spinning and no longer than gatherFor. A caller who is
// alone never waits.
const gatherFor = time.Millisecond

// gather returns when the pending batch b, which the caller leads, should be
// written.
func (j *Journal) gather(b *batch) {
	if j.cfg.Mode != Durable {
		return
	}
	j.mu.Lock()
	if j.closed || b.count >= j.crowd {
		j.mu.Unlock()
		return
	}
	b.gathering = true
	j.mu.Unlock()
	j.patience.Reset(gatherFor)
	select {
	case <-j.company:
		j.patience.Stop()
		return
	case <-j.patience.C:
	}
	j.mu.Lock()
	late := b.gathering
	b.gathering = false
	j.mu.Unlock()
	if !late {
		<-j.company // it was sent between the timer and the lock
	}
}

// joined lets the leader of b go on when all who are expected are there. Under mu.
func (j *Journal) joined(b *batch) {
	if b.gathering && b.count >= j.crowd {
		b.gathering = false
		j.company <- struct{}{}
	}
}

// learn notes how many callers there were when b was written: its own, and
// those who came meanwhile. A few may stay away. Under mu.
func (j *Journal) learn(b *batch) {
	j.crowd = b.count
	if j.pending != nil {
		j.crowd += j.pending.count
	}
	j.crowd -= j.crowd / 16
}
