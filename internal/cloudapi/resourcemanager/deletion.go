package resourcemanager

import (
	"context"
	"errors"
	"math"
	"time"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/operation"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// gracePeriod is what an unset delete_after means [API fact: deletion of clouds and folders].
const gracePeriod = 24 * time.Hour

// Deletions deletes clouds and folders, at once or when their time has come.
type Deletions struct {
	DB      *store.DB
	Changes cloudapi.Changes
	// RecordJob writes the audit line of a deletion whose call is long over, or of
	// why it was refused.
	RecordJob func(tx *store.Tx, event string, by iam.SubjectID, on resource.Ref, refused error) error
}

// Delete deletes a cloud with everything below it, or plans to.
func (s *CloudService) Delete(ctx context.Context, r *rmpb.DeleteCloudRequest) (*operationpb.Operation, error) {
	return s.Deletions.request(ctx, resource.Ref{Kind: resource.Cloud, ID: r.GetCloudId()}, r.GetDeleteAfter())
}

// Delete deletes a folder with everything below it, or plans to.
func (s *FolderService) Delete(ctx context.Context, r *rmpb.DeleteFolderRequest) (*operationpb.Operation, error) {
	return s.Deletions.request(ctx, resource.Ref{Kind: resource.Folder, ID: r.GetFolderId()}, r.GetDeleteAfter())
}

func (d *Deletions) request(ctx context.Context, ref resource.Ref, given *timestamppb.Timestamp) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	after := call.Started.Add(gracePeriod)
	if given != nil {
		after = given.AsTime()
	}
	after = after.Truncate(time.Microsecond) // as it is kept, so that it is read back alike
	call.Note(idName(ref.Kind), ref.ID)
	ch := cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixManager), ResourceID: ref.ID, Description: "Delete " + word(ref.Kind),
		Metadata: deletionMetadata(ref, after, "", time.Time{}),
	}
	if !after.After(call.Started) {
		return d.Changes.Run(ctx, ch, func(tx *store.Tx) (proto.Message, error) { return &emptypb.Empty{}, destroy(tx, ref) })
	}
	call.Note("delete_after", after.UTC().Format(time.RFC3339))
	return d.Changes.Begin(ctx, ch, func(tx *store.Tx) error {
		if err := store.LockResource(tx, ref.ID); err != nil {
			return err
		}
		if old, err := store.PendingDeletionOn(tx, ref.ID); err != nil {
			return err
		} else if old != nil {
			return iam.Errorf(iam.FailedPrecondition, "%s %s is being deleted already; operation %s", title(ref.Kind), ref.ID, old.OperationID)
		}
		err := store.PutPendingDeletion(tx, &store.PendingDeletion{
			Resource: ref, DeleteAfter: after, OperationID: ch.ID, RequestedBy: call.Caller().ID})
		if err != nil {
			return err
		}
		return showStatus(tx, ref)
	})
}

// Cancel takes back a planned deletion whose operation is given. The second
// result is false when the operation stands for no deletion that still waits.
func (d *Deletions) Cancel(ctx context.Context, op *iam.Operation) (*iam.Operation, bool, error) {
	var waits *store.PendingDeletion
	err := d.DB.View(ctx, func(tx *store.Tx) (err error) {
		waits, err = store.PendingDeletionOf(tx, op.ID)
		return err
	})
	if err != nil || waits == nil {
		return nil, false, err
	}
	permission := iam.Permission("resource-manager.folders.delete")
	if waits.Resource.Kind == resource.Cloud {
		permission = "resource-manager.clouds.delete"
	}
	if err := gate.Require(ctx, permission, waits.Resource.Kind, waits.Resource.ID); err != nil {
		return nil, true, err
	}
	by := gate.From(ctx).Caller().ID
	var cancelled *iam.Operation
	err = d.Changes.Plain(ctx, func(tx *store.Tx) error {
		now, err := store.RemovePendingDeletion(tx, waits.Resource.ID)
		if err != nil {
			return err
		}
		if now == nil || now.OperationID != op.ID {
			return iam.Errorf(iam.FailedPrecondition, "Operation %s cannot be cancelled any more", op.ID)
		}
		if err := showStatus(tx, now.Resource); err != nil {
			return err
		}
		meta, err := cloudapi.Pack(deletionMetadata(now.Resource, now.DeleteAfter, by, tx.Now()))
		if err != nil {
			return err
		}
		cancelled, err = operation.Cancel(tx, op.ID, meta)
		return err
	})
	return cancelled, true, err
}

// dueAtOnce bounds how many deletions one round takes on.
const dueAtOnce = 20

// RunDue carries out the deletions whose time has come; one that fails does not
// hold up the others. It is safe to run on many nodes at once.
func (d *Deletions) RunDue(ctx context.Context) error {
	var due []*store.PendingDeletion
	err := d.DB.View(ctx, func(tx *store.Tx) (err error) {
		due, err = store.DuePendingDeletions(tx, dueAtOnce)
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range due {
		err := d.runDue(ctx, p, nil, func(tx *store.Tx) error { return destroy(tx, p.Resource) })
		// What cannot be deleted now, as it holds the last owner of something else,
		// stays, and the operation tells why: it would be refused again and again.
		var refusal *iam.Error
		if errors.As(err, &refusal) && refusal.Kind == iam.FailedPrecondition {
			err = d.runDue(ctx, p, refusal, func(tx *store.Tx) error { return giveUp(tx, p, refusal) })
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// runDue does something about a deletion unless it was taken back or carried
// out meanwhile.
func (d *Deletions) runDue(ctx context.Context, p *store.PendingDeletion, refused error, act func(*store.Tx) error) error {
	return d.DB.Update(ctx, func(tx *store.Tx) error {
		now, err := store.PendingDeletionOf(tx, p.OperationID)
		if err != nil || now == nil || now.DeleteAfter.After(tx.Now()) {
			return err
		}
		if err := d.RecordJob(tx, "resourcemanager.Delete"+title(p.Resource.Kind), p.RequestedBy, p.Resource, refused); err != nil {
			return err
		}
		return act(tx)
	})
}

func giveUp(tx *store.Tx, p *store.PendingDeletion, refusal *iam.Error) error {
	if _, err := store.RemovePendingDeletion(tx, p.Resource.ID); err != nil {
		return err
	}
	if err := showStatus(tx, p.Resource); err != nil {
		return err
	}
	return operation.Fail(tx, p.OperationID, refusal)
}

// destroy deletes a resource with all below it, ends every token that rests on
// it, and finishes the operations that waited for it.
func destroy(tx *store.Tx, ref resource.Ref) error {
	kind, remove := token.KindFolder, store.DeleteFolder
	if ref.Kind == resource.Cloud {
		kind, remove = token.KindCloud, store.DeleteCloud
	}
	gone, err := remove(tx, ref.ID)
	if err != nil {
		return err
	}
	for _, id := range append(gone.Folders, ref.ID) {
		waited, err := store.RemovePendingDeletion(tx, id)
		if err != nil {
			return err
		}
		if waited == nil {
			continue
		}
		done, err := cloudapi.Pack(&emptypb.Empty{})
		if err != nil {
			return err
		}
		if err := operation.Finish(tx, waited.OperationID, done); err != nil {
			return err
		}
	}
	return revocation.Revoke(tx, kind, ref.ID)
}

// showStatus makes a folder's status tell whether its deletion, or that of its
// cloud, is waited for. A cloud shows no status of its own, so its folders do.
func showStatus(tx *store.Tx, ref resource.Ref) error {
	ids := []string{ref.ID}
	if ref.Kind == resource.Cloud {
		all, err := store.ListFolders(tx, ref.ID, store.Page{Limit: math.MaxInt32})
		if err != nil {
			return err
		}
		ids = ids[:0]
		for _, f := range all {
			ids = append(ids, f.ID)
		}
	}
	for _, id := range ids {
		if err := showStatusOf(tx, id); err != nil {
			return err
		}
	}
	return nil
}

func showStatusOf(tx *store.Tx, folderID string) error {
	f, err := store.HoldFolder(tx, folderID)
	if err != nil {
		return err
	}
	waits, err := waitsFor(tx, f.ID, f.CloudID)
	if err != nil {
		return err
	}
	was := f.Status
	if f.Status = iam.FolderActive; waits {
		f.Status = iam.FolderPendingDeletion
	}
	if f.Status == was {
		return nil
	}
	return store.UpdateFolder(tx, f)
}

// waitsFor tells whether the deletion of one of the resources is waited for.
func waitsFor(tx *store.Tx, ids ...string) (bool, error) {
	for _, id := range ids {
		p, err := store.PendingDeletionOn(tx, id)
		if err != nil || p != nil {
			return p != nil, err
		}
	}
	return false, nil
}

func deletionMetadata(ref resource.Ref, after time.Time, cancelledBy iam.SubjectID, at time.Time) proto.Message {
	var cancelledAt *timestamppb.Timestamp
	if !at.IsZero() {
		cancelledAt = timestamppb.New(at)
	}
	if ref.Kind == resource.Cloud {
		return &rmpb.DeleteCloudMetadata{CloudId: ref.ID, DeleteAfter: timestamppb.New(after), CancelledBy: string(cancelledBy), CancelledAt: cancelledAt}
	}
	return &rmpb.DeleteFolderMetadata{FolderId: ref.ID, DeleteAfter: timestamppb.New(after), CancelledBy: string(cancelledBy), CancelledAt: cancelledAt}
}

func word(k resource.Kind) string {
	if k == resource.Cloud {
		return "cloud"
	}
	return "folder"
}

func title(k resource.Kind) string {
	if k == resource.Cloud {
		return "Cloud"
	}
	return "Folder"
}

func idName(k resource.Kind) string { return word(k) + "_id" }
