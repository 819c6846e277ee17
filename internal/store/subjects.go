package store

import "github.com/propusk/propusk/internal/iam"

// holdSubject keeps a subject that is a resource, as service accounts are, from
// being deleted until the end of the Update: where updates run side by side,
// what it is given would stay behind. One that is deleted already is not given
// anything; whether there is such a subject at all is for the caller to look.
// The resource that the subject gets something on is locked before it.
func holdSubject(tx *Tx, id iam.SubjectID) error {
	var deleted int64
	found, err := tx.one(`SELECT CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END FROM resources WHERE id = $1`+tx.db.engine.RowLock(),
		[]any{string(id)}, &deleted)
	if err == nil && found && deleted == 1 {
		err = notFound("Subject", string(id))
	}
	return err
}
