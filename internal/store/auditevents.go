package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

// AuditEvent is a row of audit_events: the event as JSON, and what it is sought by.
type AuditEvent struct {
	ID             string
	Time           time.Time
	Type           string
	SubjectID      iam.SubjectID // "" when nobody was proved
	OrganizationID string
	Status         string
	Body           string // JSON
}

// AuditFilter says which events to list, oldest first. Zero fields do not filter.
type AuditFilter struct {
	Since   time.Time // at or after
	Until   time.Time // before
	Type    string
	Subject iam.SubjectID
	After   AuditCursor // the last event of the page before
	Limit   int         // at most so many rows; 0 and less yield none
}

// AuditCursor is a place in the list of events.
type AuditCursor struct {
	Time time.Time
	ID   string
}

const auditEventColumns = `id, event_time, event_type, subject_id, organization_id, status, body`

// InsertAuditEvent adds an event.
func InsertAuditEvent(tx *Tx, e *AuditEvent) error {
	_, err := tx.exec(`INSERT INTO audit_events (`+auditEventColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		e.ID, micros(e.Time), e.Type, string(e.SubjectID), e.OrganizationID, e.Status, e.Body)
	return tx.unlessTaken(err, "Audit event %s already exists", e.ID)
}

// ListAuditEvents returns the events that a filter lets through.
func ListAuditEvents(tx *Tx, f AuditFilter) ([]*AuditEvent, error) {
	if f.Limit <= 0 {
		return nil, nil
	}
	query, args := `SELECT `+auditEventColumns+` FROM audit_events WHERE 1 = 1`, []any(nil)
	where := func(condition string, value any) {
		args = append(args, value)
		query += ` AND ` + condition + ` ` + placeholder(args)
	}
	// A place at or after Since says it all; two lower bounds would make the
	// engine begin at the lower.
	if !f.Since.IsZero() && f.After.Time.Before(f.Since) {
		where(`event_time >=`, micros(f.Since))
	}
	if !f.Until.IsZero() {
		where(`event_time <`, micros(f.Until))
	}
	if f.Type != "" {
		where(`event_type =`, f.Type)
	}
	if f.Subject != "" {
		where(`subject_id =`, string(f.Subject))
	}
	if f.After != (AuditCursor{}) {
		args = append(args, micros(f.After.Time))
		query += ` AND (event_time, id) > (` + placeholder(args)
		args = append(args, f.After.ID)
		query += `, ` + placeholder(args) + `)`
	}
	args = append(args, f.Limit)
	return collect(tx, scanAuditEvent, query+` ORDER BY event_time, id LIMIT `+placeholder(args), args...)
}

// DeleteAuditEvents forgets events older than a time and returns how many.
func DeleteAuditEvents(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM audit_events WHERE event_time < $1`, micros(before))
}

func scanAuditEvent(r Rows) (*AuditEvent, error) {
	var e AuditEvent
	var subject string
	err := r.Scan(&e.ID, asTime(&e.Time), &e.Type, &subject, &e.OrganizationID, &e.Status, &e.Body)
	e.SubjectID = iam.SubjectID(subject)
	return &e, err
}
