package store

import (
	"encoding/json"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// QuotaStatus is where a request for more stands, or one limit in it.
type QuotaStatus string

// The states of requests and of the limits in them, as the API spells them.
const (
	QuotaPending         QuotaStatus = "PENDING"
	QuotaProcessing      QuotaStatus = "PROCESSING"       // of a request: a part is decided
	QuotaProcessed       QuotaStatus = "PROCESSED"        // of a request: everything is decided
	QuotaApproved        QuotaStatus = "APPROVED"         // of a limit
	QuotaPartialApproved QuotaStatus = "PARTIAL_APPROVED" // of a limit: less than was asked for
	QuotaRejected        QuotaStatus = "REJECTED"         // of a limit
	QuotaCanceled        QuotaStatus = "CANCELED"
)

// QuotaRequest asks an operator for other limits on a cloud or organization.
type QuotaRequest struct {
	ID         string
	Resource   resource.Ref
	Status     QuotaStatus
	Limits     []QuotaWish
	CreatedBy  iam.SubjectID
	CreatedAt  time.Time
	ModifiedAt time.Time
}

// QuotaWish is one limit that a request asks for.
type QuotaWish struct {
	QuotaID    string        `json:"quota_id"`
	Desired    int64         `json:"desired"`
	Approved   int64         `json:"approved,omitempty"`
	Status     QuotaStatus   `json:"status"`
	Message    string        `json:"message,omitempty"`
	ModifiedBy iam.SubjectID `json:"modified_by,omitempty"`
}

const quotaRequestColumns = `id, resource_id, resource_type, status, limits, created_by, created_at, modified_at`

// InsertQuotaRequest adds a request about a live resource.
func InsertQuotaRequest(tx *Tx, q *QuotaRequest) error {
	if _, err := lockLive(tx, "Resource", q.Resource); err != nil {
		return err
	}
	limits, err := json.Marshal(q.Limits)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO quota_requests (`+quotaRequestColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		q.ID, q.Resource.ID, string(q.Resource.Kind), string(q.Status), string(limits), string(q.CreatedBy),
		micros(q.CreatedAt), micros(q.ModifiedAt))
	tx.record(ChangeDetails, q.ID)
	return tx.unlessTaken(err, "Quota request %s already exists", q.ID)
}

// GetQuotaRequest returns a request by id.
func GetQuotaRequest(tx *Tx, id string) (*QuotaRequest, error) {
	return first(tx, "Quota request", id, scanQuotaRequest, `SELECT `+quotaRequestColumns+` FROM quota_requests WHERE id = $1`, id)
}

// LockQuotaRequest is GetQuotaRequest that keeps others from deciding the
// request until the Update ends.
func LockQuotaRequest(tx *Tx, id string) (*QuotaRequest, error) {
	return first(tx, "Quota request", id, scanQuotaRequest,
		`SELECT `+quotaRequestColumns+` FROM quota_requests WHERE id = $1`+tx.db.engine.RowLock(), id)
}

// CountOpenQuotaRequests counts the requests about a resource of which something
// is still to be decided, up to most.
func CountOpenQuotaRequests(tx *Tx, resourceID string, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM quota_requests WHERE resource_id = $1 AND status IN ($2, $3)`,
		resourceID, string(QuotaPending), string(QuotaProcessing))
}

// UpdateQuotaRequest writes a request's status and limits.
func UpdateQuotaRequest(tx *Tx, q *QuotaRequest) error {
	limits, err := json.Marshal(q.Limits)
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE quota_requests SET status = $1, limits = $2, modified_at = $3 WHERE id = $4`,
		string(q.Status), string(limits), micros(tx.now), q.ID)
	tx.record(ChangeDetails, q.ID)
	return mustChange(n, err, "Quota request", q.ID)
}

// ListQuotaRequests returns a page of the requests about a resource, about any
// when that is "", with a status unless that is "". Page.Name is not looked at.
func ListQuotaRequests(tx *Tx, resourceID string, status QuotaStatus, p Page) ([]*QuotaRequest, error) {
	query, args := `SELECT `+quotaRequestColumns+` FROM quota_requests WHERE TRUE`, []any{}
	if resourceID != "" {
		args = append(args, resourceID)
		query += ` AND resource_id = ` + placeholder(args)
	}
	if status != "" {
		args = append(args, string(status))
		query += ` AND status = ` + placeholder(args)
	}
	return listByID(tx, p, scanQuotaRequest, query, args...)
}

func scanQuotaRequest(r Rows) (*QuotaRequest, error) {
	var q QuotaRequest
	var kind, status, by, limits string
	err := r.Scan(&q.ID, &q.Resource.ID, &kind, &status, &limits, &by, asTime(&q.CreatedAt), asTime(&q.ModifiedAt))
	if err != nil {
		return nil, err
	}
	q.Resource.Kind, q.Status, q.CreatedBy = resource.Kind(kind), QuotaStatus(status), iam.SubjectID(by)
	return &q, json.Unmarshal([]byte(limits), &q.Limits)
}
