package quota

import (
	"strconv"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// Desired is one limit that is asked for.
type Desired struct {
	ID    ID
	Value int64
}

// NewRequest makes a request for other limits, which an operator decides.
// INVALID_ARGUMENT names the field.
func NewRequest(id string, at resource.Ref, by iam.SubjectID, wanted []Desired) (*store.QuotaRequest, error) {
	q := &store.QuotaRequest{ID: id, Resource: at, Status: store.QuotaPending, CreatedBy: by}
	seen := make(map[ID]bool, len(wanted))
	for i, w := range wanted {
		quota := Find(w.ID)
		switch {
		case quota == nil || quota.Kind != at.Kind:
			return nil, iam.InvalidField(field(i, "quota_id"), "%s has no quota %q", at.Kind, w.ID)
		case seen[w.ID]:
			return nil, iam.InvalidField(field(i, "quota_id"), "%s is asked for twice", w.ID)
		}
		seen[w.ID] = true
		q.Limits = append(q.Limits, store.QuotaWish{QuotaID: string(w.ID), Desired: w.Value, Status: store.QuotaPending})
	}
	return q, nil
}

// MaxOpen is how many requests about one cloud or organization wait at a time.
const MaxOpen = 100

// Submit puts a request on record: RESOURCE_EXHAUSTED while MaxOpen wait.
func Submit(tx *store.Tx, q *store.QuotaRequest) error {
	if err := store.LockResource(tx, q.Resource.ID); err != nil {
		return err
	}
	open, err := store.CountOpenQuotaRequests(tx, q.Resource.ID, MaxOpen)
	if err != nil {
		return err
	}
	if open == MaxOpen {
		return iam.Errorf(iam.ResourceExhausted, "%d quota requests about %s wait already: cancel one, or wait until one is decided", open, q.Resource)
	}
	q.CreatedAt, q.ModifiedAt = tx.Now(), tx.Now()
	return store.InsertQuotaRequest(tx, q)
}

func field(i int, name string) string {
	return "desired_quota_limits[" + strconv.Itoa(i) + "]." + name
}

// Decision is what an operator says to one limit of a request, or to all that
// are still open.
type Decision struct {
	ID      ID     // "" for all open ones
	Approve bool   // else rejected
	Value   *int64 // the limit to set; nil gives what was asked for
	Message string // to whoever asked
}

// Decide answers a request. An approved limit is in force with the commit.
// FAILED_PRECONDITION when there is nothing to decide any more.
func Decide(tx *store.Tx, requestID string, d Decision) (*store.QuotaRequest, error) {
	if d.Value != nil && (d.ID == "" || !d.Approve) {
		return nil, iam.InvalidField("value", "a value goes with the approval of one quota")
	}
	q, err := store.LockQuotaRequest(tx, requestID)
	if err != nil {
		return nil, err
	}
	found := false
	for i := range q.Limits {
		w := &q.Limits[i]
		if d.ID != "" && ID(w.QuotaID) != d.ID {
			continue
		}
		if w.Status != store.QuotaPending {
			if d.ID == "" {
				continue
			}
			return nil, iam.Errorf(iam.FailedPrecondition, "Quota %s of request %s is decided: %s", d.ID, q.ID, w.Status)
		}
		found = true
		w.Message, w.ModifiedBy = d.Message, ""
		if err := answer(tx, q.Resource, w, d); err != nil {
			return nil, err
		}
	}
	switch {
	case !found && d.ID != "":
		return nil, iam.InvalidField("quota_id", "request %s does not ask for %s", q.ID, d.ID)
	case !found:
		return nil, iam.Errorf(iam.FailedPrecondition, "Quota request %s is decided: %s", q.ID, q.Status)
	}
	q.Status = statusOf(q.Limits)
	return q, store.UpdateQuotaRequest(tx, q)
}

func answer(tx *store.Tx, at resource.Ref, w *store.QuotaWish, d Decision) error {
	if !d.Approve {
		w.Status = store.QuotaRejected
		return nil
	}
	w.Status, w.Approved = store.QuotaApproved, w.Desired
	if d.Value != nil {
		w.Approved = *d.Value
	}
	if w.Approved < w.Desired {
		w.Status = store.QuotaPartialApproved
	}
	return Set(tx, at, ID(w.QuotaID), w.Approved)
}

// Cancel takes limits out of a request that nobody has decided yet. Cancelling
// what is cancelled changes nothing.
func Cancel(tx *store.Tx, requestID string, by iam.SubjectID, ids []string) (*store.QuotaRequest, error) {
	q, err := store.LockQuotaRequest(tx, requestID)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		w := wishOf(q, id)
		switch {
		case w == nil:
			return nil, iam.InvalidField("quota_ids["+strconv.Itoa(i)+"]", "request %s does not ask for %q", q.ID, id)
		case w.Status == store.QuotaCanceled:
		case w.Status != store.QuotaPending:
			return nil, iam.Errorf(iam.FailedPrecondition, "Quota %s of request %s is decided: %s", id, q.ID, w.Status)
		default:
			w.Status, w.ModifiedBy = store.QuotaCanceled, by
		}
	}
	q.Status = statusOf(q.Limits)
	return q, store.UpdateQuotaRequest(tx, q)
}

func wishOf(q *store.QuotaRequest, id string) *store.QuotaWish {
	for i := range q.Limits {
		if q.Limits[i].QuotaID == id {
			return &q.Limits[i]
		}
	}
	return nil
}

// statusOf is a request's state by those of its limits.
func statusOf(limits []store.QuotaWish) store.QuotaStatus {
	var open, cancelled int
	for _, w := range limits {
		switch w.Status {
		case store.QuotaPending:
			open++
		case store.QuotaCanceled:
			cancelled++
		}
	}
	switch {
	case cancelled == len(limits):
		return store.QuotaCanceled
	case open == 0:
		return store.QuotaProcessed
	case open+cancelled == len(limits):
		return store.QuotaPending
	default:
		return store.QuotaProcessing
	}
}
