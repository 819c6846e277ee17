package server

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Of those who sign in at once with one former cookie, on two nodes, one goes on
// with the session, and the others begin theirs. No former cookie outlives a sign-in
// during which everybody is signed out.
func TestOneGoesOnOfTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	one, two := openNode(t, url, key), openNode(t, url, key)
	two.dev = one.dev
	old := one.alice(t)
	before := one.sessionOf(t, old).GetId()
	var all [3]*propuskpb.SignInResponse_Session
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i] = []*hall{one, two}[i%2].again(t, "alice", old) })
	}
	wg.Wait()
	went := 0
	for i, s := range all {
		id := []*hall{two, one}[i%2].sessionOf(t, s.GetCookie()).GetId()
		if s.GetContinued() {
			went++
		}
		if (id == before) != s.GetContinued() {
			t.Errorf("%d has the session %s of %s, and hears %v", i, id, before, s.GetContinued())
		}
	}
	if went != 1 {
		t.Errorf("%d go on with one session", went)
	}
	for range 5 {
		former := one.alice(t)
		wg.Go(func() { one.again(t, "alice", former) })
		wg.Go(func() {
			if _, err := two.SignOutUser(t.Context(), UserSignOutRequest{User: "alice"}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if _, err := one.account(t, former); err == nil {
			t.Error("the former cookie lives")
		}
	}
}
