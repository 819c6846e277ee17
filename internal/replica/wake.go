package replica

// Wake makes Run look at the feed at once, rather than when the poll is due.
// It never blocks; calls that come before the look are one.
func (r *Replica) Wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}
