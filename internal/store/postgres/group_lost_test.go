package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// TestGroupLost: when the line is cut at the commit that updates share, each of
// them hears that its outcome is unknown, and is not run again; who was refused
// by its own fault is refused still, and nobody because of what has not come
// to be.
func TestGroupLost(t *testing.T) {
	s := pgtest.Shared(t)
	for at, committed := range map[int64]bool{1: false, 2: true} {
		dbs, database := cluster(t, s, 1)
		c := &cutter{server: "127.0.0.1:" + strconv.Itoa(s.Port)}
		cut := store.New(open(t, s.URLAt(c.listen(t), database)), store.Options{})
		t.Cleanup(func() { _ = cut.Close() })
		if err := cut.Update(t.Context(), func(tx *store.Tx) error { return store.SetSetting(tx, "a", "b") }); err != nil {
			t.Fatal(err)
		}
		c.at.Store(at)
		own := errors.New("own")
		const size = 48
		shared := 0
		var mu sync.Mutex
		crowd(t, s.URL(database), size, func(i int) {
			id := fmt.Sprint("x", i)
			if i%4 == 2 {
				id = "same"
			}
			err := cut.Update(context.Background(), func(tx *store.Tx) error {
				if err := insertAccount(id)(tx); err != nil {
					return err
				}
				if i%4 == 3 {
					return own
				}
				return nil
			})
			switch {
			case i%4 == 3 && errors.Is(err, own):
			case i%4 == 2 && committed && iam.KindOf(err) == iam.AlreadyExists:
			case i%4 != 3 && errors.Is(err, postgres.ErrOutcomeUnknown):
				mu.Lock()
				defer mu.Unlock()
				shared++
			default:
				t.Errorf("cut at %d, %s: %v", at, id, err)
			}
		})
		c.at.Store(0)
		want := 0
		if committed {
			want = shared
		}
		if err := dbs[0].View(t.Context(), func(tx *store.Tx) error {
			got, err := store.ListServiceAccounts(tx, "f", store.Page{Limit: 1000})
			if len(got) != want {
				t.Errorf("cut at %d: %d of %d are there, want %d", at, len(got), shared, want)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := cut.Update(t.Context(), insertAccount("after")); err != nil {
			t.Errorf("after the cut: %v", err)
		}
	}
}
