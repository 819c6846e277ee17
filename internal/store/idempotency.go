package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// IdempotencyLife is how long a key stands for its request.
const IdempotencyLife = 24 * time.Hour

// Idempotency is what a claimed key stands for: never a response, only what was
// asked (by hash) and what came of it.
type Idempotency struct {
	RequestHash []byte
	OperationID string // "" when the method has none
	ResourceID  string
	CreatedAt   time.Time
}

// ClaimIdempotency takes a key for the first request that comes with it. When
// another has it, claimed is false and existing tells of the other. Concurrent
// claims wait for each other: exactly one wins. An expired claim counts as none.
func ClaimIdempotency(tx *Tx, subject iam.SubjectID, method, key string, requestHash []byte, expires time.Time) (existing *Idempotency, claimed bool, err error) {
	n, err := tx.exec(`INSERT INTO idempotency_keys (subject_id, method, key, request_hash, operation_id, resource_id, created_at, expires_at)
		VALUES ($1, $2, $3, $4, '', '', $5, $6)
		ON CONFLICT (subject_id, method, key) DO UPDATE SET request_hash = excluded.request_hash, operation_id = '',
			resource_id = '', created_at = excluded.created_at, expires_at = excluded.expires_at
		WHERE idempotency_keys.expires_at <= $5`,
		string(subject), method, key, bytesOrNull(requestHash), micros(tx.now), micros(expires))
	if err != nil {
		return nil, false, err
	}
	if n > 0 {
		return nil, true, nil
	}
	existing, err = first(tx, "Idempotency key", key, scanIdempotency,
		`SELECT request_hash, operation_id, resource_id, created_at FROM idempotency_keys
		WHERE subject_id = $1 AND method = $2 AND key = $3`, string(subject), method, key)
	return existing, false, err
}

// FindIdempotency returns what a key stands for without claiming it; nil when
// it stands for nothing, or nothing any more.
func FindIdempotency(tx *Tx, subject iam.SubjectID, method, key string) (*Idempotency, error) {
	return firstOrNil(collect(tx, scanIdempotency, `SELECT request_hash, operation_id, resource_id, created_at FROM idempotency_keys
		WHERE subject_id = $1 AND method = $2 AND key = $3 AND expires_at > $4`, string(subject), method, key, micros(tx.now)))
}

// SetIdempotencyResult writes what came of a claimed request.
func SetIdempotencyResult(tx *Tx, subject iam.SubjectID, method, key, operationID, resourceID string) error {
	n, err := tx.exec(`UPDATE idempotency_keys SET operation_id = $1, resource_id = $2
		WHERE subject_id = $3 AND method = $4 AND key = $5`, operationID, resourceID, string(subject), method, key)
	return mustChange(n, err, "Idempotency key", key)
}

// DeleteExpiredIdempotency forgets claims that expired before now and returns
// how many.
func DeleteExpiredIdempotency(tx *Tx) (int64, error) {
	return tx.exec(`DELETE FROM idempotency_keys WHERE expires_at <= $1`, micros(tx.now))
}

func scanIdempotency(r Rows) (*Idempotency, error) {
	var i Idempotency
	err := r.Scan(asBytes(&i.RequestHash), &i.OperationID, &i.ResourceID, asTime(&i.CreatedAt))
	return &i, err
}
