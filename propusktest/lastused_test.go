package propusktest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
)

// Keys used until the server stops show their very last use when it runs again.
func TestLastUsesOutliveAStop(t *testing.T) {
	var c clock
	folder := t.TempDir()
	s := propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithClock(c.now))
	const keys = 3
	files, ids, last := [keys][]byte{}, [keys]string{}, [keys]time.Time{}
	for i := range keys {
		ids[i], files[i] = keyOf(t, s, fmt.Sprint("user-", i), time.Now().Add(100*time.Hour))
	}
	for round := range 3 { // the later rounds fall within the grain of the first write
		for i := range keys {
			last[i] = c.now()
			s.TokenFor(t, files[i])
		}
		if round < 2 {
			time.Sleep(1100 * time.Millisecond)
		}
	}
	s.Stop(t)
	s = propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithClock(c.now))
	for i := range keys {
		err := s.Server.DB().View(t.Context(), func(tx *store.Tx) error {
			list, err := store.ListKeys(tx, ids[i], store.Page{Limit: 9})
			if err != nil {
				return err
			}
			if len(list) != 1 || list[0].LastUsedAt.Before(last[i].Truncate(time.Microsecond)) || list[0].LastUsedAt.After(last[i].Add(time.Second)) {
				t.Errorf("key %d: last used at %v, want %v", i, list[0].LastUsedAt, last[i])
			}
			a, err := store.GetServiceAccount(tx, ids[i])
			if err == nil && !a.LastAuthenticatedAt.Equal(a.LastAuthenticatedAt.Truncate(10*time.Minute)) || a.Status != iam.ServiceAccountActive || a.LastAuthenticatedAt.IsZero() {
				t.Errorf("account %d: %+v", i, a)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
