package replica_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/store"
)

const small = 1 << 20

func smallMemory(c *replica.Config) { c.MaxBytes = small }

func (f *fixture) readUsers(ids []string) {
	f.t.Helper()
	for _, id := range ids {
		if _, err := f.r.UserAccount(f.t.Context(), id); err != nil && !errors.Is(err, iam.NotFound) {
			f.t.Fatal(err)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	f := newFixture(t, smallMemory)
	ids := numbered("user", 10_000)
	f.addUsers(ids...)
	f.readUsers(ids)
	f.readUsers(numbered("ghost", 10_000))
	s := f.r.Stats()
	if s.Bytes > small {
		t.Errorf("%+v: over %d bytes", s, small)
	}
	if s.Entries < 1000 || s.Absent < 100 || s.Bytes < small*7/10 {
		t.Errorf("%+v: much of the room is not used", s)
	}
}

// What is accounted is what it takes, about.
func TestAccountedBytes(t *testing.T) {
	f := newFixture(t, func(c *replica.Config) { c.MaxBytes = 64 << 20 })
	ids := numbered("user", 4_000)
	f.addUsers(ids...)
	f.update(func(tx *store.Tx) error {
		for _, id := range ids {
			if _, err := store.AddBinding(tx, "dev", binding("viewer", iam.SubjectID(id))); err != nil {
				return err
			}
		}
		return nil
	})
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	f.readUsers(ids)
	users := heap()
	for _, id := range ids {
		if got, err := f.r.Roles(t.Context(), "dev", iam.SubjectID(id)); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
	}
	bindings := heap()
	s := f.r.Stats()
	taken := bindings - before
	t.Logf("a user %d bytes, a binding %d bytes; accounted %d of %d", (users-before)/int64(len(ids)), (bindings-users)/int64(len(ids)), s.Bytes, taken)
	if s.Bytes < taken*8/10 || s.Bytes > taken*14/10 {
		t.Errorf("accounted %d bytes, taken %d", s.Bytes, taken)
	}
	if per := (bindings - users) / int64(len(ids)); per > 300 {
		t.Errorf("a binding takes %d bytes, want at most 300", per)
	}
}

// Those in use stay when somebody reads everything once, or asks for what does
// not exist.
func TestScansPushOutLittle(t *testing.T) {
	f := newFixture(t, smallMemory)
	hot, cold := numbered("hot", 300), numbered("cold", 10_000)
	f.addUsers(hot...)
	f.addUsers(cold...)
	for range 4 {
		f.readUsers(hot)
	}
	f.readUsers(cold)
	if n := f.misses(func() { f.readUsers(hot) }); n > 15 {
		t.Errorf("%d of %d in use were pushed out by a scan", n, len(hot))
	}
	f.readUsers(numbered("ghost", 10_000))
	if n := f.misses(func() { f.readUsers(hot) }); n > 0 {
		t.Errorf("%d of %d in use were pushed out by made-up ids", n, len(hot))
	}
}

// An idle replica takes next to nothing.
func TestIdleMemory(t *testing.T) {
	e := newEngine(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := replica.New(replica.Config{DB: store.New(e, store.Options{})})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 128<<10 {
		t.Errorf("an empty replica takes %d bytes", n)
	}
	runtime.KeepAlive(r)
}
