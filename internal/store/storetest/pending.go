package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

func testPendingDeletions(t *testing.T, f *fixture) {
	f.world(t)
	plan := func(ref resource.Ref, in time.Duration, operation string) *store.PendingDeletion {
		return &store.PendingDeletion{Resource: ref, DeleteAfter: f.clock().Add(in).UTC().Truncate(time.Microsecond), OperationID: operation, RequestedBy: iam.SubjectID(robotID)}
	}
	ofCloud := plan(resource.Ref{Kind: resource.Cloud, ID: cloudID}, 2*time.Hour, "op-cloud")
	ofFolder := plan(resource.Ref{Kind: resource.Folder, ID: folderID}, time.Hour, "op-folder")
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.PutPendingDeletion(tx, ofCloud), store.PutPendingDeletion(tx, ofFolder))
	})
	due := func(want ...*store.PendingDeletion) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.DuePendingDeletions(tx, 10)
			same(t, "due", want, got)
			return err
		})
	}
	f.view(t, func(tx *store.Tx) error {
		for what, read := range map[string]func(*store.Tx, string) (*store.PendingDeletion, error){
			folderID: store.PendingDeletionOn, "op-folder": store.PendingDeletionOf,
		} {
			got, err := read(tx, what)
			same(t, what, ofFolder, got)
			if err != nil {
				return err
			}
			if none, err := read(tx, "nobody"); none != nil || err != nil {
				t.Errorf("what is not there: %v, %v", none, err)
			}
		}
		return nil
	})
	due()
	f.advance(time.Hour)
	due(ofFolder)
	f.advance(time.Hour)
	due(ofFolder, ofCloud)
	f.update(t, func(tx *store.Tx) error {
		gone, err := store.RemovePendingDeletion(tx, folderID)
		same(t, "removed", ofFolder, gone)
		if again, err := store.RemovePendingDeletion(tx, folderID); again != nil || err != nil {
			t.Errorf("removed twice: %v, %v", again, err)
		}
		return err
	})
	due(ofCloud)
}
