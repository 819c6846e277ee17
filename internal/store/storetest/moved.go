package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// testHookBeforeMoved: whoever is told that the world has moved finds it moved.
// Were ErrMoved quicker than the hook, he would decide from the old state again
// and again, and give up although little has happened.
func testHookBeforeMoved(t *testing.T, f *fixture) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var slow, applied atomic.Bool
	f.db.AfterCommit(func(context.Context, iam.Position) {
		if slow.Load() {
			close(entered)
			<-leave
			applied.Store(true)
		}
	})
	f.world(t)
	guarded := store.WithGuard(t.Context(), f.head(t), []store.Change{{Kind: store.ChangeBinding, Key: store.BindingKey(cloudID, "someone")}})
	slow.Store(true)
	changed := make(chan error, 1)
	go func() {
		changed <- f.db.Update(t.Context(), func(tx *store.Tx) error {
			return second(store.AddBinding(tx, cloudID, bind("viewer", "someone")))
		})
	}()
	<-entered // committed, and not yet in force here
	go func() { time.Sleep(50 * time.Millisecond); close(leave) }()
	err := f.db.Update(guarded, func(*store.Tx) error { return nil })
	if !errors.Is(err, store.ErrMoved) {
		t.Errorf("guard: %v, want ErrMoved", err)
	}
	if !applied.Load() {
		t.Error("ErrMoved came before the hook had returned")
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
}

// testDetailsMoveNothing: whoever may rename a folder must not hold off all
// changes below it by doing so in a loop, his own suspension among them.
func testDetailsMoveNothing(t *testing.T, f *fixture) {
	f.world(t)
	guarded := store.WithGuard(t.Context(), f.head(t), []store.Change{
		{Kind: store.ChangeResource, Key: orgID}, {Kind: store.ChangeResource, Key: cloudID}, {Kind: store.ChangeResource, Key: folderID}})
	for id, rename := range map[string]func(tx *store.Tx) error{
		orgID:    func(tx *store.Tx) error { return store.UpdateOrganization(tx, organization(orgID, "renamed")) },
		cloudID:  func(tx *store.Tx) error { return store.UpdateCloud(tx, cloud(cloudID, orgID, "renamed")) },
		folderID: func(tx *store.Tx) error { return store.UpdateFolder(tx, folder(folderID, cloudID, "renamed")) },
	} {
		f.told(t, []store.Change{{Kind: store.ChangeDetails, Key: id}}, rename)
		if err := f.db.Update(guarded, func(*store.Tx) error { return nil }); err != nil {
			t.Errorf("after %s was renamed: %v", id, err)
		}
	}
}
