package source

import "time"

// clock measures how long ago something was by two clocks, because each of them
// is wrong at times: the wall clock is set back and forth, and the monotonic one
// stands still while a laptop sleeps.
type clock struct {
	wall func() time.Time
	mono func() time.Duration // since some moment
}

var started = time.Now()

// uptime is the monotonic clock.
func uptime() time.Duration { return time.Since(started) }

// moment is one point of time by both clocks.
type moment struct {
	wall time.Time // without a monotonic reading
	mono time.Duration
}

func (c clock) now() moment { return moment{c.wall().Round(0), c.mono()} }

// since is how long ago a moment was: the longer time of the two, so that nothing
// is taken for younger than it may be.
func (m moment) since(then moment) time.Duration {
	return max(m.mono-then.mono, m.wall.Sub(then.wall))
}
