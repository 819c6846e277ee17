package audit

import (
	"context"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Archive is where a journal's batches end up, and what remembers how far it
// had come.
type Archive interface {
	// Checkpoint returns the newest checkpoint among all journals of a node; nil
	// when there is none.
	Checkpoint(ctx context.Context, node string) (*store.AuditCheckpoint, error)
	// Import keeps segments and a checkpoint, all or nothing, durably. A segment
	// that is there already is left as it is.
	Import(ctx context.Context, segments []*store.AuditSegment, at *store.AuditCheckpoint) error
}

// InStore is the archive in the store's own tables.
func InStore(db *store.DB) Archive { return storeArchive{db} }

type storeArchive struct{ db *store.DB }

func (a storeArchive) Checkpoint(ctx context.Context, node string) (newest *store.AuditCheckpoint, err error) {
	err = a.db.View(ctx, func(tx *store.Tx) error {
		all, err := store.ListAuditCheckpoints(tx)
		if err != nil {
			return err
		}
		newest = nil
		for _, c := range all {
			if c.Node == node && (newest == nil || c.At.After(newest.At)) {
				newest = c
			}
		}
		return nil
	})
	return newest, err
}

func (a storeArchive) Import(ctx context.Context, segments []*store.AuditSegment, at *store.AuditCheckpoint) error {
	return a.db.Update(ctx, func(tx *store.Tx) error {
		for _, s := range segments {
			if _, err := store.InsertAuditSegment(tx, s); err != nil {
				return err
			}
		}
		return store.PutAuditCheckpoint(tx, at)
	})
}

// Insert adds a change's event to the change's own transaction. It fills in the
// event's id, source and time when they are empty; since Update may run its
// closure more than once, the event that it is given is left as it is.
func Insert(tx *store.Tx, event *Event) error {
	e := *event
	e.complete(tx.Now)
	return store.InsertAuditEvent(tx, &store.AuditEvent{
		ID:             e.ID,
		Time:           e.Time,
		Type:           e.Type,
		SubjectID:      iam.SubjectID(e.Authentication.SubjectID),
		OrganizationID: e.organization(),
		Status:         string(e.Status),
		Body:           string(e.AppendJSON(nil)),
	})
}
