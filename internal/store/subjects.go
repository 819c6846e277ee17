package store

import "github.com/propusk/propusk/internal/iam"

// hold keeps a resource, live or deleted, as it is until the end of the Update;
// an id of no resource holds nothing.
func hold(tx *Tx, id string) (deleted bool, err error) {
	var flag int64
	_, err = tx.one(`SELECT CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END FROM resources WHERE id = $1`+tx.db.engine.RowLock(),
		[]any{id}, &flag)
	return flag == 1, err
}

// holdSubject keeps a subject that is a resource, as service accounts are, from
// being deleted until the end of the Update: where updates run side by side,
// what it is given would stay behind. One that is deleted already is not given
// anything; whether there is such a subject at all is for the caller to look.
// The resource that the subject gets something on is locked before it.
func holdSubject(tx *Tx, id iam.SubjectID) error {
	deleted, err := hold(tx, string(id))
	if err == nil && deleted {
		err = notFound("Subject", string(id))
	}
	return err
}
