package source

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// Status is how the renewal of an account's credentials goes.
type Status struct {
	ServiceAccountID string
	Token            Renewal
	AccessKey        Renewal // all zero while nobody has asked for one
}

// Renewal is how the renewal of one credential goes.
type Renewal struct {
	Renewals    uint64
	Failures    uint64
	LastSuccess time.Time     // zero: never
	LastFailure time.Time     // zero: never
	Failure     string        // the kind of the last try's failure, such as UNAVAILABLE; "" when it succeeded
	Remaining   time.Duration // of the life of what is served; 0: nothing is
	Stale       bool          // what is served has less of its life left than it should, or could not be rechecked
	Refused     bool          // IAM has refused the credential
}

// Status is a snapshot, for metrics.
func (r *Renewer) Status() Status {
	return Status{ServiceAccountID: r.ServiceAccountID(), Token: r.tokens.renewal(), AccessKey: r.keys.renewal()}
}

func (k *keeper[T]) renewal() Renewal {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, s := k.clock.now(), &k.state
	left := max(0, k.left(now))
	out := Renewal{Renewals: s.renewals, Failures: s.failures, LastSuccess: s.succeeded, LastFailure: s.failed,
		Remaining: left, Refused: s.refusals > 0 && k.have == nil}
	if s.failure != nil {
		out.Failure = iam.KindOf(s.failure).Error()
	}
	out.Stale = left > 0 && s.failure != nil && !k.fresh(now, left)
	return out
}
