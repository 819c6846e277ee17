package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Every kind of key has its last use written, with that of its account, and
// what could not be written is kept.
func TestLastUsedOfEveryKind(t *testing.T) {
	db, _ := twoNodes(t)
	const account = "ajerobot"
	keys := map[usedKind]string{usedAuthorizedKey: "ajekey", usedAPIKey: "ajeapi", usedAccessKey: "ajeaccess"}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		for _, insert := range []error{
			store.InsertOrganization(tx, &iam.Organization{ID: "bpf", Name: "acme"}),
			store.InsertCloud(tx, &iam.Cloud{ID: "b1gcloud", OrganizationID: "bpf", Name: "c"}),
			store.InsertFolder(tx, &iam.Folder{ID: "b1gfolder", CloudID: "b1gcloud", Name: "f", Status: iam.FolderActive}),
			store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: account, FolderID: "b1gfolder", Name: "a", Status: iam.ServiceAccountActive}),
			store.InsertKey(tx, &iam.Key{ID: keys[usedAuthorizedKey], ServiceAccountID: account, Algorithm: iam.RSA2048}),
			store.InsertAPIKey(tx, &iam.APIKey{ID: keys[usedAPIKey], ServiceAccountID: account, Scopes: []string{"s"}, Lookup: "l", Hash: []byte("h")}),
			store.InsertAccessKey(tx, &iam.AccessKey{ID: keys[usedAccessKey], ServiceAccountID: account, KeyID: "YC"}, []byte("sealed")),
		} {
			if insert != nil {
				return insert
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Date(2026, 11, 1, 12, 34, 56, 0, time.UTC)
	used := newLastUsed(db, func() time.Time { return clock }, slog.New(slog.DiscardHandler))
	at := clock
	for kind, id := range keys {
		used.note(kind, id, account, at)
	}
	if err := used.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx *store.Tx) error {
		k, e1 := store.GetKey(tx, keys[usedAuthorizedKey])
		api, e2 := store.GetAPIKey(tx, keys[usedAPIKey])
		access, e3 := store.GetAccessKey(tx, keys[usedAccessKey])
		a, e4 := store.GetServiceAccount(tx, account)
		for _, err := range []error{e1, e2, e3, e4} {
			if err != nil {
				return err
			}
		}
		for what, got := range map[string]time.Time{"authorized key": k.LastUsedAt, "API key": api.LastUsedAt, "static access key": access.LastUsedAt} {
			if !got.Equal(at) {
				t.Errorf("%s: last used at %v, want %v", what, got, at)
			}
		}
		if want := at.Truncate(accountGrain); !a.LastAuthenticatedAt.Equal(want) {
			t.Errorf("account: %v, want %v", a.LastAuthenticatedAt, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	later := at.Add(keyGrain)
	clock = later
	used.note(usedAccessKey, keys[usedAccessKey], account, later)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if used.write(t.Context()) == nil {
		t.Fatal("written to a closed database")
	}
	if used.waiting() != 1 {
		t.Errorf("%d wait for the next write, want the one that could not be written", used.waiting())
	}
}

// stampStore is a store of stamps that knows when it was written.
type stampStore struct {
	mu     sync.Mutex
	stamps map[usedID]time.Time
	writes []time.Time
	rows   int
	slow   time.Duration
	fail   bool
}

func recorded(t *testing.T) (*stampStore, *lastUsed, *bytes.Buffer) {
	var log bytes.Buffer
	r := &stampStore{stamps: map[usedID]time.Time{}}
	l := newLastUsed(nil, time.Now, slog.New(slog.NewTextHandler(&log, nil)))
	l.save = r.save
	return r, l, &log
}

func (r *stampStore) save(ctx context.Context, batch usedBatch) error {
	began := time.Now()
	time.Sleep(r.slow)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, began)
	if r.fail {
		return errors.New("the database is away")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for kind, times := range batch {
		for id, at := range times {
			r.stamps[usedID{usedKind(kind), id}] = at
			r.rows++
		}
	}
	return nil
}

// stamp is what was written of one key or account.
func (r *stampStore) stamp(kind usedKind, id string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stamps[usedID{kind, id}]
}

func (r *stampStore) setFail(fail bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

// runUsed runs l as the server does; stop ends it as a graceful stop does.
func runUsed(t *testing.T, l *lastUsed, patience time.Duration) (stop func()) {
	g := NewGroup(patience)
	if err := g.Start(t.Context(), l.component()); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// Under any load there is one write a second at most, a key in constant use is
// written once in its grain, and at the stop every stamp is exact.
func TestLastUsedUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l, _ := recorded(t)
		r.slow = 300 * time.Millisecond
		stop := runUsed(t, l, time.Minute)
		const keys, seconds = 3000, 11 * 60
		want := map[string]time.Time{}
		for second := range seconds {
			for i := range keys / 10 {
				id := fmt.Sprintf("aje%d", (second*keys/10+i)%keys)
				want[id] = time.Now()
				l.note(usedAPIKey, id, "account", time.Now())
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		r.mu.Lock()
		if most := seconds; len(r.writes) > most || len(r.writes) < 10 {
			t.Errorf("%d writes in %d s", len(r.writes), seconds)
		}
		for i := 1; i < len(r.writes); i++ {
			if gap := r.writes[i].Sub(r.writes[i-1]); gap < time.Second {
				t.Errorf("two writes within %v", gap)
			}
		}
		if most := 4 * keys; r.rows > most {
			t.Errorf("%d rows written for %d keys in 11 minutes", r.rows, keys)
		}
		r.mu.Unlock()
		stop()
		for id, at := range want {
			if got := r.stamps[usedID{usedAPIKey, id}]; !got.Equal(at.Truncate(time.Microsecond)) {
				t.Fatalf("%s: %v, want %v", id, got, at)
			}
		}
		if got := r.stamps[usedID{usedAccount, "account"}]; !got.Equal(time.Now().Add(-time.Minute).Truncate(accountGrain)) && !got.Equal(time.Now().Truncate(accountGrain)) {
			t.Errorf("the account: %v", got)
		}
	})
}

// The last use of a key that is then left alone is written, and forgotten here.
func TestLastUsedForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l, _ := recorded(t)
		stop := runUsed(t, l, time.Minute)
		l.note(usedAPIKey, "k", "a", time.Now())
		time.Sleep(time.Minute)
		last := time.Now()
		l.note(usedAPIKey, "k", "a", last)
		time.Sleep(2 * time.Second)
		if r.stamp(usedAPIKey, "k").Equal(last) {
			t.Error("written twice within its grain")
		}
		time.Sleep(keyGrain + sweepUsed)
		if got := r.stamp(usedAPIKey, "k"); !got.Equal(last.Truncate(time.Microsecond)) {
			t.Errorf("the last use: %v, want %v", got, last)
		}
		time.Sleep(keyGrain + 2*sweepUsed)
		for i := range l.parts {
			p := &l.parts[i]
			p.mu.Lock()
			if n := len(p.known); n > 0 {
				t.Errorf("%d remembered for nothing", n)
			}
			p.mu.Unlock()
		}
		stop()
	})
}

// A database that is away costs nothing but time, and at the stop the log says
// how much was not written.
func TestLastUsedWithoutDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l, log := recorded(t)
		stop := runUsed(t, l, time.Minute)
		r.setFail(true)
		first := time.Now()
		l.note(usedAccessKey, "k", "a", first)
		time.Sleep(time.Minute)
		r.setFail(false)
		time.Sleep(2 * time.Second)
		if got := r.stamp(usedAccessKey, "k"); !got.Equal(first.Truncate(time.Microsecond)) {
			t.Errorf("after it was back: %v, want %v", got, first)
		}
		r.setFail(true)
		l.note(usedAccessKey, "other", "b", time.Now())
		stop()
		if text := log.String(); !strings.Contains(text, `"keys and accounts"=2`) {
			t.Errorf("the log says %q", text)
		}
	})
}

// When calls in progress have used up the time to stop, the last writes still
// get a moment.
func TestLastUsedHasTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l, _ := recorded(t)
		g := NewGroup(time.Second)
		hanging := Component{Name: "door", Stop: func(ctx context.Context) error { <-ctx.Done(); return nil }}
		for _, c := range []Component{l.component(), hanging} {
			if err := g.Start(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		r.slow = 100 * time.Millisecond
		for i := range 2 * lastBatch {
			l.note(usedAPIKey, fmt.Sprint(i), "a", time.Now())
		}
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
		if len(r.stamps) != 2*lastBatch+1 {
			t.Errorf("%d stamps", len(r.stamps))
		}
	})
}

// A write that hangs holds up a graceful stop for the time to stop and no longer.
func TestLastUsedStopsBesideAHangingWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l, log := recorded(t)
		l.save = func(ctx context.Context, _ usedBatch) error { <-ctx.Done(); return ctx.Err() }
		stop := runUsed(t, l, 5*time.Second)
		l.note(usedAPIKey, "k", "a", time.Now())
		time.Sleep(2 * time.Second) // it hangs now
		began := time.Now()
		stop()
		if took := time.Since(began); took > 5*time.Second+lastWrites {
			t.Errorf("stopping took %v", took)
		}
		if text := log.String(); !strings.Contains(text, `"keys and accounts"=2`) {
			t.Errorf("the log says %q", text)
		}
	})
}

// Notes from many sides while it writes: none is lost.
func TestLastUsedTogether(t *testing.T) {
	r, l, _ := recorded(t)
	var all sync.WaitGroup
	last := [4]time.Time{}
	for worker := range last {
		all.Go(func() {
			for range 2000 {
				last[worker] = time.Now()
				l.note(usedAPIKey, fmt.Sprint("k", worker), "a", last[worker])
				l.note(usedAuthorizedKey, "shared", "a", last[worker])
			}
		})
	}
	all.Go(func() {
		for range 50 {
			if err := l.write(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	if err := l.finish(t.Context()); err != nil {
		t.Error(err)
	}
	newest := slices.MaxFunc(last[:], time.Time.Compare)
	for worker, at := range last {
		if got := r.stamps[usedID{usedAPIKey, fmt.Sprint("k", worker)}]; !got.Equal(at.Truncate(time.Microsecond)) {
			t.Errorf("key %d: %v, want %v", worker, got, at)
		}
	}
	if got := r.stamps[usedID{usedAuthorizedKey, "shared"}]; !got.Equal(newest.Truncate(time.Microsecond)) {
		t.Errorf("the shared key: %v, want %v", got, newest)
	}
}

// BenchmarkNote is what a proof pays for its stamp.
func BenchmarkNote(b *testing.B) {
	l := newLastUsed(nil, time.Now, slog.New(slog.DiscardHandler))
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("aje%017d", i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			k := keys[i%len(keys)]
			l.note(usedAPIKey, k, k, time.Now())
		}
	})
}
