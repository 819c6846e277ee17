package quota_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

func ask(t *testing.T, db *store.DB, id string, wanted ...quota.Desired) {
	t.Helper()
	q, err := quota.NewRequest(id, home, "alice", wanted)
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *store.Tx) error { return quota.Submit(tx, q) })
}

func five() *int64 { n := int64(5); return &n }

func TestDecide(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		ask(t, db, "r1", quota.Desired{ID: quota.ServiceAccounts, Value: 500}, quota.Desired{ID: quota.Folders, Value: 50}, quota.Desired{ID: quota.APIKeys, Value: 9})
		decide := func(id string, d quota.Decision) (q *store.QuotaRequest, err error) {
			err = db.Update(t.Context(), func(tx *store.Tx) error {
				q, err = quota.Decide(tx, id, d)
				return err
			})
			return q, err
		}
		expect := func(q *store.QuotaRequest, err error, status store.QuotaStatus, each ...store.QuotaStatus) {
			t.Helper()
			if err != nil || q.Status != status {
				t.Fatalf("%+v, %v; want %s", q, err, status)
			}
			for i, want := range each {
				if q.Limits[i].Status != want {
					t.Errorf("limit %d is %s, want %s", i, q.Limits[i].Status, want)
				}
			}
		}
		for what, d := range map[string]quota.Decision{
			"a value for all":           {Approve: true, Value: five()},
			"a value with a no":         {ID: quota.Folders, Value: five()},
			"a quota not asked for":     {ID: quota.Clouds, Approve: true},
			"a quota that is not there": {ID: "x", Approve: true},
		} {
			if _, err := decide("r1", d); !errors.Is(err, iam.InvalidArgument) {
				t.Errorf("%s: %v", what, err)
			}
		}
		q, err := decide("r1", quota.Decision{ID: quota.ServiceAccounts, Approve: true, Value: five()})
		expect(q, err, store.QuotaProcessing, store.QuotaPartialApproved, store.QuotaPending, store.QuotaPending)
		if _, err := decide("r1", quota.Decision{ID: quota.ServiceAccounts}); !errors.Is(err, iam.FailedPrecondition) {
			t.Errorf("decided twice: %v", err)
		}
		q, err = decide("r1", quota.Decision{ID: quota.APIKeys, Message: "no"})
		expect(q, err, store.QuotaProcessing, store.QuotaPartialApproved, store.QuotaPending, store.QuotaRejected)
		q, err = decide("r1", quota.Decision{Approve: true})
		expect(q, err, store.QuotaProcessed, store.QuotaPartialApproved, store.QuotaApproved, store.QuotaRejected)
		if _, err := decide("r1", quota.Decision{Approve: true}); !errors.Is(err, iam.FailedPrecondition) {
			t.Errorf("nothing is open: %v", err)
		}
		if _, err := decide("none", quota.Decision{Approve: true}); !errors.Is(err, iam.NotFound) {
			t.Errorf("no such request: %v", err)
		}
		_ = db.View(t.Context(), func(tx *store.Tx) error {
			for id, want := range map[quota.ID]int64{quota.ServiceAccounts: 5, quota.Folders: 50, quota.APIKeys: 1000} {
				if s, err := quota.StateOf(tx, home, id); err != nil || s.Limit != want {
					t.Errorf("%s is %+v, %v; want %d", id, s, err, want)
				}
			}
			return nil
		})
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		ask(t, db, "r1", quota.Desired{ID: quota.ServiceAccounts, Value: 500}, quota.Desired{ID: quota.Folders, Value: 50})
		cancel := func(ids ...string) (status store.QuotaStatus, err error) {
			err = db.Update(t.Context(), func(tx *store.Tx) error {
				q, err := quota.Cancel(tx, "r1", "alice", ids)
				if err == nil {
					status = q.Status
				}
				return err
			})
			return status, err
		}
		folders, accounts := string(quota.Folders), string(quota.ServiceAccounts)
		if _, err := cancel(folders, "x"); !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("a quota not asked for: %v", err)
		}
		if s, err := cancel(folders); err != nil || s != store.QuotaPending {
			t.Errorf("one of two: %s, %v", s, err)
		}
		if s, err := cancel(folders, folders); err != nil || s != store.QuotaPending {
			t.Errorf("again: %s, %v", s, err)
		}
		if s, err := cancel(accounts); err != nil || s != store.QuotaCanceled {
			t.Errorf("both: %s, %v", s, err)
		}
		ask(t, db, "r2", quota.Desired{ID: quota.Folders, Value: 7})
		update(t, db, func(tx *store.Tx) error {
			_, err := quota.Decide(tx, "r2", quota.Decision{Approve: true})
			return err
		})
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := quota.Cancel(tx, "r2", "alice", []string{folders})
			return err
		})
		if !errors.Is(err, iam.FailedPrecondition) {
			t.Errorf("cancel what is approved: %v", err)
		}
	})
}

// TestDecideOrCancel: an operator decides while the asker cancels. One of them
// is too late.
func TestDecideOrCancel(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		for _, id := range []string{"r1", "r2", "r3", "r4", "r5"} {
			ask(t, db, id, quota.Desired{ID: quota.Folders, Value: 7})
			var done atomic.Int64
			var wg sync.WaitGroup
			for _, act := range []func(tx *store.Tx) error{
				func(tx *store.Tx) error { _, err := quota.Decide(tx, id, quota.Decision{Approve: true}); return err },
				func(tx *store.Tx) error { _, err := quota.Decide(tx, id, quota.Decision{}); return err },
				func(tx *store.Tx) error {
					_, err := quota.Cancel(tx, id, "alice", []string{string(quota.Folders)})
					return err
				},
			} {
				wg.Go(func() {
					err := db.Update(t.Context(), act)
					if err == nil {
						done.Add(1)
					} else if !errors.Is(err, iam.FailedPrecondition) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if done.Load() != 1 {
				t.Errorf("%d were done", done.Load())
			}
		}
	})
}

func TestNewRequest(t *testing.T) {
	for what, wanted := range map[string][]quota.Desired{
		"unknown":                 {{ID: "x", Value: 1}},
		"of an organization":      {{ID: quota.Clouds, Value: 1}},
		"twice":                   {{ID: quota.Folders, Value: 1}, {ID: quota.Folders, Value: 2}},
		"good and then not known": {{ID: quota.Folders, Value: 1}, {ID: "y"}},
	} {
		_, err := quota.NewRequest("r", resource.Ref{Kind: resource.Cloud, ID: "c"}, "alice", wanted)
		if !errors.Is(err, iam.InvalidArgument) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestOpenRequestsAreBounded: however many ask at once, no more than so many
// requests wait; one that is decided or cancelled makes room, elsewhere is room.
func TestOpenRequestsAreBounded(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, db *store.DB) {
		for i := range quota.MaxOpen - 3 {
			ask(t, db, fmt.Sprint("r", i), quota.Desired{ID: quota.Folders, Value: 7}, quota.Desired{ID: quota.APIKeys, Value: 7})
		}
		submit := func(id string, at resource.Ref, what quota.ID) error {
			q, err := quota.NewRequest(id, at, "alice", []quota.Desired{{ID: what, Value: 7}})
			if err != nil {
				t.Fatal(err)
			}
			return db.Update(t.Context(), func(tx *store.Tx) error { return quota.Submit(tx, q) })
		}
		race := func(name string, room int64) {
			t.Helper()
			var done atomic.Int64
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					if err := submit(fmt.Sprint(name, i), home, quota.Folders); err == nil {
						done.Add(1)
					} else if !errors.Is(err, iam.ResourceExhausted) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if done.Load() != room {
				t.Errorf("%s: %d were put on record where there was room for %d", name, done.Load(), room)
			}
		}
		race("first", 3)
		update(t, db, func(tx *store.Tx) error { // half decided is not decided
			_, err := quota.Decide(tx, "r0", quota.Decision{ID: quota.Folders})
			return err
		})
		race("half", 0)
		update(t, db, func(tx *store.Tx) error {
			_, err := quota.Decide(tx, "r0", quota.Decision{Approve: true})
			return err
		})
		update(t, db, func(tx *store.Tx) error {
			_, err := quota.Cancel(tx, "r1", "alice", []string{string(quota.Folders), string(quota.APIKeys)})
			return err
		})
		race("room", 2)
		if err := submit("far", org, quota.Clouds); err != nil {
			t.Errorf("another carrier: %v", err)
		}
	})
}
