package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// PendingDeletion is a cloud or folder that waits for its deletion.
type PendingDeletion struct {
	Resource    resource.Ref
	DeleteAfter time.Time
	OperationID string // the operation that is done when the deletion is
	RequestedBy iam.SubjectID
}

const pendingColumns = `resource_id, kind, delete_after, operation_id, requested_by`

// PutPendingDeletion writes down that a resource is to be deleted, in place of
// an earlier such request.
func PutPendingDeletion(tx *Tx, p *PendingDeletion) error {
	_, err := tx.exec(`INSERT INTO pending_deletions (`+pendingColumns+`) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (resource_id) DO UPDATE SET delete_after = excluded.delete_after,
			operation_id = excluded.operation_id, requested_by = excluded.requested_by`,
		p.Resource.ID, string(p.Resource.Kind), micros(p.DeleteAfter), p.OperationID, string(p.RequestedBy))
	return err
}

// RemovePendingDeletion takes a request back and returns it; nil when there is none.
func RemovePendingDeletion(tx *Tx, resourceID string) (*PendingDeletion, error) {
	return firstOrNil(collect(tx, scanPending,
		`DELETE FROM pending_deletions WHERE resource_id = $1 RETURNING `+pendingColumns, resourceID))
}

// PendingDeletionOn returns the request for a resource; nil when there is none.
func PendingDeletionOn(tx *Tx, resourceID string) (*PendingDeletion, error) {
	return firstOrNil(collect(tx, scanPending,
		`SELECT `+pendingColumns+` FROM pending_deletions WHERE resource_id = $1`, resourceID))
}

// PendingDeletionOf returns the request that an operation stands for; nil when
// it stands for none, or for none any more.
func PendingDeletionOf(tx *Tx, operationID string) (*PendingDeletion, error) {
	return firstOrNil(collect(tx, scanPending,
		`SELECT `+pendingColumns+` FROM pending_deletions WHERE operation_id = $1`, operationID))
}

// DuePendingDeletions returns requests whose time has come, the oldest first.
func DuePendingDeletions(tx *Tx, limit int) ([]*PendingDeletion, error) {
	return collect(tx, scanPending, `SELECT `+pendingColumns+` FROM pending_deletions
		WHERE delete_after <= $1 ORDER BY delete_after, resource_id LIMIT $2`, micros(tx.now), limit)
}

func firstOrNil[T any](rows []*T, err error) (*T, error) {
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

func scanPending(r Rows) (*PendingDeletion, error) {
	var p PendingDeletion
	var kind, by string
	err := r.Scan(&p.Resource.ID, &kind, asTime(&p.DeleteAfter), &p.OperationID, &by)
	p.Resource.Kind, p.RequestedBy = resource.Kind(kind), iam.SubjectID(by)
	return &p, err
}
