package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const operationColumns = `id, resource_id, description, created_by, created_at, modified_at, done,
	metadata_type, metadata, response_type, response, error_kind, error_text`

// OperationCursor is a place in a list of operations.
type OperationCursor struct {
	CreatedAt time.Time
	ID        string
}

// InsertOperation adds an operation.
func InsertOperation(tx *Tx, o *iam.Operation) error {
	_, err := tx.exec(`INSERT INTO operations (`+operationColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		o.ID, o.ResourceID, o.Description, string(o.CreatedBy), micros(o.CreatedAt), micros(o.ModifiedAt), flag(o.Done),
		o.Metadata.Type, bytesOrNull(o.Metadata.Value), o.Response.Type, bytesOrNull(o.Response.Value), int64(o.ErrorKind), o.ErrorText)
	return tx.unlessTaken(err, "Operation %s already exists", o.ID)
}

// GetOperation returns an operation by id.
func GetOperation(tx *Tx, id string) (*iam.Operation, error) {
	return first(tx, "Operation", id, scanOperation, `SELECT `+operationColumns+` FROM operations WHERE id = $1`, id)
}

// ListOperations returns the operations of a resource, newest first, those
// older than a place in the list (the zero cursor for the first page), at most
// limit.
func ListOperations(tx *Tx, resourceID string, after OperationCursor, limit int) ([]*iam.Operation, error) {
	if limit <= 0 {
		return nil, nil
	}
	query, args := `SELECT `+operationColumns+` FROM operations WHERE resource_id = $1`, []any{resourceID}
	if after != (OperationCursor{}) {
		query += ` AND (created_at, id) < ($2, $3)`
		args = append(args, micros(after.CreatedAt), after.ID)
	}
	args = append(args, limit)
	return collect(tx, scanOperation, query+` ORDER BY created_at DESC, id DESC LIMIT `+placeholder(args), args...)
}

// UpdateOperation writes what may change of an operation: the time, whether it
// is done, metadata and outcome.
func UpdateOperation(tx *Tx, o *iam.Operation) error {
	n, err := tx.exec(`UPDATE operations SET modified_at = $1, done = $2, metadata_type = $3, metadata = $4,
		response_type = $5, response = $6, error_kind = $7, error_text = $8 WHERE id = $9`,
		micros(o.ModifiedAt), flag(o.Done), o.Metadata.Type, bytesOrNull(o.Metadata.Value),
		o.Response.Type, bytesOrNull(o.Response.Value), int64(o.ErrorKind), o.ErrorText, o.ID)
	return mustChange(n, err, "Operation", o.ID)
}

// flag is how a boolean is stored: 0 or 1.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func scanOperation(r Rows) (*iam.Operation, error) {
	var o iam.Operation
	var createdBy string
	var done, kind int64
	err := r.Scan(&o.ID, &o.ResourceID, &o.Description, &createdBy, asTime(&o.CreatedAt), asTime(&o.ModifiedAt), &done,
		&o.Metadata.Type, asBytes(&o.Metadata.Value), &o.Response.Type, asBytes(&o.Response.Value), &kind, &o.ErrorText)
	o.CreatedBy, o.Done, o.ErrorKind = iam.SubjectID(createdBy), done != 0, iam.Kind(kind)
	return &o, err
}
