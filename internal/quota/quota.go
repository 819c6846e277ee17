// Package quota says how much of what a cloud or an organization may hold, and
// refuses what would be too much. It owns the table of quotas with their
// defaults, the reckoning inside the transaction that creates, and what becomes
// of a request for more. It remembers nothing.
package quota

import (
	"errors"
	"fmt"
	"math"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// Unlimited is the limit that is never counted against.
const Unlimited = math.MaxInt64

// mostCounted bounds what a reading counts: beyond it, usage is shown as this
// number, or as the limit and one more where that is higher.
const mostCounted = 100_000

// Limits is what a server does about quotas. The zero value lets everything
// pass without a look at the store.
type Limits struct{ Enforced bool }

// Reserve says, before something is created, why there may not be so many more
// of it: RESOURCE_EXHAUSTED with the quota. at is the cloud or organization that
// carries the limit, or anything below it. It holds the carrier until the
// transaction ends, so that nobody else adds meanwhile.
func (l Limits) Reserve(tx *store.Tx, id ID, at string, more int) error {
	return l.ReserveOf(tx, id, at, "", more)
}

// ReserveOf is Reserve for what is counted on something inside the carrier: the
// members of a group, the groups of a subject.
func (l Limits) ReserveOf(tx *store.Tx, id ID, at, of string, more int) error {
	if !l.Enforced || more <= 0 {
		return nil
	}
	q, carrier, err := hold(tx, id, at)
	if err != nil || carrier == "" {
		return err
	}
	return q.fits(tx, carrier, of, 0, more)
}

// ReserveEach is ReserveOf of one more for each of many things.
func (l Limits) ReserveEach(tx *store.Tx, id ID, at string, of []string) error {
	if !l.Enforced || len(of) == 0 {
		return nil
	}
	q, carrier, err := hold(tx, id, at)
	if err != nil || carrier == "" {
		return err
	}
	limit, err := q.limit(tx, carrier)
	if err != nil {
		return err
	}
	for _, one := range of {
		if err := q.within(tx, carrier, one, limit, 0, 1); err != nil {
			return err
		}
	}
	return nil
}

// Hold holds the carrier of a quota, for a change that learns only on the way
// how much it adds and ends with Added.
func (l Limits) Hold(tx *store.Tx, id ID, at string) error {
	if !l.Enforced {
		return nil
	}
	_, _, err := hold(tx, id, at)
	return err
}

// Added is Reserve after the fact: so many are there that were not before. Hold
// came first.
func (l Limits) Added(tx *store.Tx, id ID, at string, more int) error {
	if !l.Enforced || more <= 0 {
		return nil
	}
	q, carrier, err := find(tx, id, at)
	if err != nil || carrier == "" {
		return err
	}
	return q.fits(tx, carrier, "", more, more)
}

func hold(tx *store.Tx, id ID, at string) (*Quota, string, error) {
	q, carrier, err := find(tx, id, at)
	if err != nil || carrier == "" {
		return q, "", err
	}
	return q, carrier, store.LockResource(tx, carrier)
}

// find looks a quota up, and who carries its limit: "" on and below a root that
// the operator has registered, which belongs to no organization that could.
func find(tx *store.Tx, id ID, at string) (*Quota, string, error) {
	q := Find(id)
	if q == nil || q.count == nil {
		return nil, "", fmt.Errorf("quota %s is not counted", id)
	}
	path, err := store.Ancestors(tx, at)
	if err != nil {
		return nil, "", err
	}
	for _, r := range path {
		if r.Kind == q.Kind {
			return q, r.ID, nil
		}
	}
	if path[len(path)-1].Kind != resource.Organization {
		return q, "", nil
	}
	return nil, "", fmt.Errorf("quota %s: nothing of kind %s stands above %s", id, q.Kind, at)
}

// fits refuses when more than the limit would be there; counted of what is to
// be added are there already.
func (q *Quota) fits(tx *store.Tx, carrier, of string, counted, more int) error {
	limit, err := q.limit(tx, carrier)
	if err != nil {
		return err
	}
	return q.within(tx, carrier, of, limit, counted, more)
}

func (q *Quota) within(tx *store.Tx, carrier, of string, limit int64, counted, more int) error {
	if limit == Unlimited {
		return nil
	}
	there, err := q.count(tx, carrier, of, most(limit, counted))
	if err != nil || int64(there-counted)+int64(more) <= limit {
		return err
	}
	// It is too much; how much exactly, only this answer wants to know.
	if there, err = q.count(tx, carrier, of, max(mostCounted, most(limit, counted))); err != nil {
		return err
	}
	used := int64(there - counted)
	about := string(q.Kind) + " " + carrier
	if of != "" {
		about = of + " in " + about
	}
	return &iam.Error{Kind: iam.ResourceExhausted, Reason: "quota",
		Message: fmt.Sprintf("Quota limit %s exceeded: %d in use by %s, %d more asked for, the limit is %d", q.ID, used, about, more, limit),
		Quota:   &iam.QuotaViolation{Metric: string(q.ID), Limit: limit, Usage: used, Required: used + int64(more)}}
}

// most is how far to count to learn whether a limit is passed.
func most(limit int64, counted int) int {
	return int(min(limit, math.MaxInt32)) + 1 + counted
}

func (q *Quota) limit(tx *store.Tx, carrier string) (int64, error) {
	value, own, err := store.QuotaLimit(tx, carrier, string(q.ID))
	if !own {
		value = q.Default
	}
	return value, err
}

// State is a quota of one cloud or organization as it stands.
type State struct {
	*Quota
	Limit   int64
	Usage   int64
	Counted bool // false: there is no one usage to tell, or nothing that counts
}

// StateOf reads one quota of a carrier. NOT_FOUND when a carrier of that kind
// has no such quota.
func StateOf(tx *store.Tx, carrier resource.Ref, id ID) (*State, error) {
	q := Find(id)
	if q == nil || q.Kind != carrier.Kind {
		return nil, iam.Errorf(iam.NotFound, "Quota %s not found", id)
	}
	limit, err := q.limit(tx, carrier.ID)
	if err != nil {
		return nil, err
	}
	s := &State{Quota: q, Limit: limit}
	if q.count == nil || q.Within {
		return s, nil
	}
	far := mostCounted
	if limit != Unlimited {
		far = max(far, most(limit, 0))
	}
	n, err := q.count(tx, carrier.ID, "", far)
	s.Usage, s.Counted = int64(n), true
	return s, err
}

// Set gives a carrier a limit of its own. INVALID_ARGUMENT says what is wrong
// with the quota or the value.
func Set(tx *store.Tx, carrier resource.Ref, id ID, value int64) error {
	if err := settable(carrier.Kind, id, value); err != nil {
		return err
	}
	return store.SetQuotaLimit(tx, carrier.ID, string(id), value)
}

func settable(kind resource.Kind, id ID, value int64) error {
	q := Find(id)
	switch {
	case q == nil:
		return iam.InvalidField("quota_id", "there is no quota %q", id)
	case q.Kind != kind:
		return iam.InvalidField("quota_id", "%s belongs to %s, not to %s", id, q.Kind, kind)
	case value < 0:
		return iam.InvalidField("value", "a limit is not negative")
	}
	return nil
}

// CarrierOf reads what carries limits: a live cloud or organization.
// NOT_FOUND for what is not there, INVALID_ARGUMENT for what has no quotas.
func CarrierOf(tx *store.Tx, id string) (resource.Ref, error) {
	self, _, err := store.Resource(tx, id)
	if errors.Is(err, iam.NotFound) {
		return self, iam.Errorf(iam.NotFound, "Resource %s not found", id)
	}
	if err == nil && !HasQuotas(self.Kind) {
		return self, iam.InvalidField("resource.id", "%s has no quotas: they belong to clouds and organizations", self)
	}
	return self, err
}
