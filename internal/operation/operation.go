// Package operation keeps long-running operations and makes a change happen
// once: the row of an idempotency key, the change itself and the operation
// that tells of it are one transaction.
//
// It knows nothing about what is changed; messages are opaque to it.
package operation

import (
	"bytes"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// IdempotencyKey is a client's word that a change is to happen once. The zero
// value, or one with an empty Key, means no such word.
type IdempotencyKey struct {
	Subject iam.SubjectID
	Method  string
	Key     string
	Digest  []byte // of the request: the same key with another request is refused
}

// Start is what is known of an operation before its change runs.
type Start struct {
	ID          string
	ResourceID  string
	Description string
	By          iam.SubjectID
	Metadata    iam.Message
	Idempotency IdempotencyKey
}

// Done runs a change and stores its operation as done, in the transaction of
// tx. When the idempotency key was seen before, nothing runs and the operation
// of that time comes back with replayed set. A key that came with another
// request is INVALID_ARGUMENT.
func Done(tx *store.Tx, s Start, change func() (iam.Message, error)) (op iam.Operation, replayed bool, err error) {
	first, err := claim(tx, s.Idempotency)
	if err != nil {
		return op, false, err
	}
	if first != nil {
		stored, err := store.GetOperation(tx, first.OperationID)
		if err != nil {
			return op, true, err
		}
		return *stored, true, nil
	}
	response, err := change()
	if err != nil {
		return op, false, err
	}
	op = iam.Operation{
		ID: s.ID, ResourceID: s.ResourceID, Description: s.Description, CreatedBy: s.By,
		CreatedAt: tx.Now(), ModifiedAt: tx.Now(), Done: true, Metadata: s.Metadata, Response: response,
	}
	if err := store.InsertOperation(tx, &op); err != nil {
		return op, false, err
	}
	return op, false, remember(tx, s.Idempotency, op.ID, s.ResourceID)
}

// Once runs a change that has no operation because its answer holds a secret.
// A replay cannot repeat the answer: it is ALREADY_EXISTS and names what was made.
func Once(tx *store.Tx, key IdempotencyKey, thing, resourceID string, change func() error) error {
	first, err := claim(tx, key)
	if err != nil {
		return err
	}
	if first != nil {
		return shownBefore(thing, first.ResourceID)
	}
	if err := change(); err != nil {
		return err
	}
	return remember(tx, key, "", resourceID)
}

// DoneOnce is Done for a change whose answer shows a secret that the operation
// does not keep. A replay is answered as in Once.
func DoneOnce(tx *store.Tx, s Start, thing string, change func() (iam.Message, error)) (iam.Operation, error) {
	op, replayed, err := Done(tx, s, change)
	if err == nil && replayed {
		err = shownBefore(thing, op.ResourceID)
	}
	return op, err
}

func shownBefore(thing, id string) error {
	return iam.Errorf(iam.AlreadyExists, "%s %s was made by an earlier call with this idempotency-key; its secret is shown only once", thing, id)
}

// Replayed returns the operation that an idempotency key stands for, nil when
// it stands for none. A key that came with another request is INVALID_ARGUMENT.
func Replayed(tx *store.Tx, k IdempotencyKey) (*iam.Operation, error) {
	first, err := store.FindIdempotency(tx, k.Subject, k.Method, k.Key)
	if err != nil || first == nil {
		return nil, err
	}
	if err := sameRequest(first, k); err != nil || first.OperationID == "" {
		return nil, err
	}
	return store.GetOperation(tx, first.OperationID)
}

func claim(tx *store.Tx, k IdempotencyKey) (*store.Idempotency, error) {
	if k.Key == "" {
		return nil, nil
	}
	first, fresh, err := store.ClaimIdempotency(tx, k.Subject, k.Method, k.Key, k.Digest, tx.Now().Add(store.IdempotencyLife))
	if err != nil || fresh {
		return nil, err
	}
	return first, sameRequest(first, k)
}

func sameRequest(first *store.Idempotency, k IdempotencyKey) error {
	if bytes.Equal(first.RequestHash, k.Digest) {
		return nil
	}
	return iam.InvalidField("idempotency-key", "was used with another request of this method")
}

func remember(tx *store.Tx, k IdempotencyKey, operationID, resourceID string) error {
	if k.Key == "" {
		return nil
	}
	return store.SetIdempotencyResult(tx, k.Subject, k.Method, k.Key, operationID, resourceID)
}
