package operation

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Begin stores an operation that is not done yet, with the change that starts
// it. Replays are answered as in Done.
func Begin(tx *store.Tx, s Start, change func() error) (op iam.Operation, replayed bool, err error) {
	op, replayed, err = Done(tx, s, func() (iam.Message, error) { return iam.Message{}, change() })
	if err != nil || replayed {
		return op, replayed, err
	}
	op.Done = false
	return op, false, store.UpdateOperation(tx, &op)
}

// Finish ends an operation well, with its response.
func Finish(tx *store.Tx, id string, response iam.Message) error {
	op, err := store.GetOperation(tx, id)
	if err != nil || op.Done {
		return err
	}
	op.Done, op.Response, op.ModifiedAt = true, response, tx.Now()
	return store.UpdateOperation(tx, op)
}

// Fail ends an operation that has come to nothing, with a refusal that its
// readers may see.
func Fail(tx *store.Tx, id string, refusal *iam.Error) error {
	op, err := store.GetOperation(tx, id)
	if err != nil || op.Done {
		return err
	}
	op.Done, op.ModifiedAt = true, tx.Now()
	op.ErrorKind, op.ErrorText = refusal.Kind, refusal.Message
	return store.UpdateOperation(tx, op)
}

// Cancel ends an operation as cancelled, with metadata that says by whom.
func Cancel(tx *store.Tx, id string, metadata iam.Message) (*iam.Operation, error) {
	op, err := store.GetOperation(tx, id)
	if err != nil {
		return nil, err
	}
	op.Done, op.Metadata, op.ModifiedAt = true, metadata, tx.Now()
	op.ErrorKind, op.ErrorText = iam.Canceled, "The operation was cancelled"
	return op, store.UpdateOperation(tx, op)
}
