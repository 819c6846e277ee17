package replica_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

// mostBytes is what one binding may take when it is remembered.
const mostBytes = 300

// bindMany binds a role to so many subjects on "dev", in few transactions.
func (f *fixture) bindMany(n int) []iam.SubjectID {
	f.t.Helper()
	ids := make([]iam.SubjectID, n)
	for i := range ids {
		ids[i] = iam.SubjectID(fmt.Sprintf("aje%017d", i))
	}
	for few := range slices.Chunk(ids, 10_000) {
		f.update(func(tx *store.Tx) error {
			for _, id := range few {
				if _, err := store.AddBinding(tx, "dev", binding("resource-manager.viewer", id)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	f.addUsers("last") // so that the engine no longer holds the long transactions
	return ids
}

// weigh makes the replica remember a role of each subject on "dev" and returns
// what that takes: of the heap, and as accounted.
func (f *fixture) weigh(ids []iam.SubjectID) (heap, accounted float64) {
	f.t.Helper()
	if err := f.r.Start(f.t.Context()); err != nil { // forgets everything
		f.t.Fatal(err)
	}
	before, counted := heapBytes(), f.r.Stats()
	for few := range slices.Chunk(ids, 1000) {
		seen := 0
		_, _, err := f.r.Consistent(f.t.Context(), func(v *replica.View) error {
			path, err := v.Ancestors("dev")
			if err != nil {
				return err
			}
			return v.Bound(path[:1], few, func(int, int, []iam.RoleID) bool { seen++; return true })
		})
		if err != nil || seen != len(few) {
			f.t.Fatalf("%d of %d seen, %v", seen, len(few), err)
		}
	}
	n := float64(len(ids))
	after := f.r.Stats()
	if missed := f.misses(func() {
		for _, id := range ids {
			if roles, err := f.r.Roles(f.t.Context(), "dev", id); err != nil || len(roles) != 1 {
				f.t.Fatalf("%s: %v, %v", id, roles, err)
			}
		}
	}); missed > 0 {
		f.t.Fatalf("%d of %d bindings are not remembered", missed, len(ids))
	}
	heap = float64(heapBytes()-before) / n
	runtime.KeepAlive(f)
	runtime.KeepAlive(ids)
	return heap, float64(after.Bytes-counted.Bytes) / n
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestBindingsAreLight(t *testing.T) {
	f := newFixture(t, func(c *replica.Config) { c.MaxBytes = 64 << 20 })
	heap, accounted := f.weigh(f.bindMany(30_000))
	t.Logf("%.0f bytes each on the heap, %.0f accounted", heap, accounted)
	if heap > mostBytes || accounted > mostBytes {
		t.Errorf("a binding takes %.0f bytes, accounted %.0f; want at most %d", heap, accounted, mostBytes)
	}
	if heap > accounted*1.2 {
		t.Errorf("a binding takes %.0f bytes and is accounted with %.0f: the bound on memory would not hold", heap, accounted)
	}
}

// BenchmarkManyBindings is the same with many more of them, and what a page of
// a thousand costs in the store at the start, the middle and the end; run it
// once (-benchtime 1x).
func BenchmarkManyBindings(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFixture(b, func(c *replica.Config) { c.MaxBytes = int64(n) * 512 })
			ids := f.bindMany(n)
			for b.Loop() {
				heap, accounted := f.weigh(ids)
				b.ReportMetric(heap, "heap-B/binding")
				b.ReportMetric(accounted, "accounted-B/binding")
				places := []int{1, n / 2, n - pageSize}
				for i, took := range f.pages(ids, places) {
					b.ReportMetric(float64(took.Microseconds()), []string{"start", "middle", "end"}[i]+"-us/page")
				}
			}
		})
	}
}

const pageSize = 1000

// pages is the least of several times that a page took after each of some
// places among the subjects bound on "dev". They are taken in turns.
func (f *fixture) pages(ids []iam.SubjectID, places []int) []time.Duration {
	f.t.Helper()
	least := make([]time.Duration, len(places))
	for range 15 {
		for i, at := range places {
			began := time.Now()
			err := f.db.View(f.t.Context(), func(tx *store.Tx) error {
				got, err := store.ListBindings(tx, "dev", binding("resource-manager.viewer", ids[at-1]), pageSize)
				if err == nil && (len(got) != pageSize || got[0].Subject.ID != ids[at]) {
					err = fmt.Errorf("%d bindings, from %s on", len(got), got[0].Subject.ID)
				}
				return err
			})
			if err != nil {
				f.t.Fatal(err)
			}
			if took := time.Since(began); least[i] == 0 || took < least[i] {
				least[i] = took
			}
		}
	}
	return least
}
