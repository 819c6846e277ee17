package store

import (
	"time"
)

// AuditSegment is a piece of a node's journal: bytes from Offset on, hash-chained.
type AuditSegment struct {
	Node        string
	Incarnation string
	Offset      int64
	Length      int64 // of the piece in the journal; Data may be packed
	FirstTime   time.Time
	LastTime    time.Time
	ChainHead   []byte // of the chain after the last line of the piece
	Data        []byte
}

// AuditCheckpoint is how far a journal had come, and its chain's head there.
type AuditCheckpoint struct {
	Node        string
	Incarnation string
	Offset      int64
	Head        []byte
	At          time.Time
}

// AuditSegmentFilter says which segments to list, by the time of their first
// line. Zero fields do not filter.
type AuditSegmentFilter struct {
	Since time.Time         // segments that end at or after it
	Until time.Time         // segments that begin before it
	After AuditSegmentPlace // the last segment of the page before
	Limit int               // at most so many rows; 0 and less yield none
}

// AuditSegmentPlace is a place in the list of segments.
type AuditSegmentPlace struct {
	FirstTime   time.Time
	Node        string
	Incarnation string
	Offset      int64
}

const auditSegmentColumns = `node, incarnation, start_offset, length, first_time, last_time, chain_head, data`

// InsertAuditSegment adds a segment; false when the piece that begins there is
// stored already.
func InsertAuditSegment(tx *Tx, s *AuditSegment) (bool, error) {
	n, err := tx.exec(`INSERT INTO audit_segments (`+auditSegmentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (node, incarnation, start_offset) DO NOTHING`,
		s.Node, s.Incarnation, s.Offset, s.Length, micros(s.FirstTime), micros(s.LastTime), bytesOrNull(s.ChainHead), bytesOrNull(s.Data))
	return n > 0, err
}

// ListAuditSegments returns segments ordered by the time of their first line,
// then node, incarnation and offset.
func ListAuditSegments(tx *Tx, f AuditSegmentFilter) ([]*AuditSegment, error) {
	if f.Limit <= 0 {
		return nil, nil
	}
	query, args := `SELECT `+auditSegmentColumns+` FROM audit_segments WHERE 1 = 1`, []any(nil)
	if !f.Since.IsZero() {
		args = append(args, micros(f.Since))
		query += ` AND last_time >= ` + placeholder(args)
	}
	if !f.Until.IsZero() {
		args = append(args, micros(f.Until))
		query += ` AND first_time < ` + placeholder(args)
	}
	if f.After != (AuditSegmentPlace{}) {
		places := ""
		for _, v := range []any{micros(f.After.FirstTime), f.After.Node, f.After.Incarnation, f.After.Offset} {
			args = append(args, v)
			places += `, ` + placeholder(args)
		}
		query += ` AND (first_time, node, incarnation, start_offset) > (` + places[2:] + `)`
	}
	args = append(args, f.Limit)
	return collect(tx, scanAuditSegment,
		query+` ORDER BY first_time, node, incarnation, start_offset LIMIT `+placeholder(args), args...)
}

// AuditSegmentEnd returns the offset after the last stored segment of a
// journal; 0 when there is none.
func AuditSegmentEnd(tx *Tx, node, incarnation string) (int64, error) {
	var end int64
	_, err := tx.one(`SELECT start_offset + length FROM audit_segments
		WHERE node = $1 AND incarnation = $2 ORDER BY start_offset DESC LIMIT 1`, []any{node, incarnation}, &end)
	return end, err
}

// PruneAuditSegments forgets segments whose last line is older than a time and
// returns how many.
func PruneAuditSegments(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM audit_segments WHERE last_time < $1`, micros(before))
}

// PutAuditCheckpoint writes how far a journal has come. It never goes back.
func PutAuditCheckpoint(tx *Tx, c *AuditCheckpoint) error {
	_, err := tx.exec(`INSERT INTO audit_checkpoints (node, incarnation, end_offset, head, noted_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (node, incarnation) DO UPDATE SET end_offset = excluded.end_offset, head = excluded.head, noted_at = excluded.noted_at
		WHERE audit_checkpoints.end_offset <= excluded.end_offset`,
		c.Node, c.Incarnation, c.Offset, bytesOrNull(c.Head), micros(c.At))
	return err
}

// GetAuditCheckpoint returns how far a journal had come.
func GetAuditCheckpoint(tx *Tx, node, incarnation string) (*AuditCheckpoint, error) {
	return first(tx, "Audit checkpoint", node+"/"+incarnation, scanAuditCheckpoint,
		`SELECT node, incarnation, end_offset, head, noted_at FROM audit_checkpoints WHERE node = $1 AND incarnation = $2`, node, incarnation)
}

// ListAuditCheckpoints returns the checkpoints of all journals, ordered by node
// and incarnation.
func ListAuditCheckpoints(tx *Tx) ([]*AuditCheckpoint, error) {
	return collect(tx, scanAuditCheckpoint,
		`SELECT node, incarnation, end_offset, head, noted_at FROM audit_checkpoints ORDER BY node, incarnation`)
}

func scanAuditSegment(r Rows) (*AuditSegment, error) {
	var s AuditSegment
	err := r.Scan(&s.Node, &s.Incarnation, &s.Offset, &s.Length, asTime(&s.FirstTime), asTime(&s.LastTime),
		asBytes(&s.ChainHead), asBytes(&s.Data))
	return &s, err
}

func scanAuditCheckpoint(r Rows) (*AuditCheckpoint, error) {
	var c AuditCheckpoint
	err := r.Scan(&c.Node, &c.Incarnation, &c.Offset, asBytes(&c.Head), asTime(&c.At))
	return &c, err
}
