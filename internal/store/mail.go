package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
)

const mailColumns = `id, sealed, created_at, next_at, tries, expires_at`

// MailPlace is where a message that waits is sealed for.
func MailPlace(id string) seal.Place {
	return seal.Place{Table: "outgoing_mail", Column: "sealed", ID: id}
}

// InsertMail puts a message into the queue.
func InsertMail(tx *Tx, m *iam.OutgoingMail) error {
	_, err := tx.exec(`INSERT INTO outgoing_mail (`+mailColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		m.ID, m.Sealed, micros(m.CreatedAt), micros(m.NextAt), m.Tries, micros(m.ExpiresAt))
	return tx.unlessTaken(err, "Message %s already exists", m.ID)
}

// ListDueMail returns messages whose time has come, the longest due first, at
// most limit of them; those that have expired are among them.
func ListDueMail(tx *Tx, limit int) ([]*iam.OutgoingMail, error) {
	return collect(tx, scanMail, `SELECT `+mailColumns+` FROM outgoing_mail WHERE next_at <= $1 ORDER BY next_at, id LIMIT $2`, micros(tx.now), limit)
}

// ClaimMail makes a message this node's to send until its next time; false when
// it is no longer as it was read: another node has it.
func ClaimMail(tx *Tx, m *iam.OutgoingMail, next time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE outgoing_mail SET tries = tries + 1, next_at = $1 WHERE id = $2 AND tries = $3`, micros(next), m.ID, m.Tries)
	return n == 1, err
}

// DeleteMail takes a message out of the queue; false when it was not there.
func DeleteMail(tx *Tx, id string) (bool, error) {
	n, err := tx.exec(`DELETE FROM outgoing_mail WHERE id = $1`, id)
	return n == 1, err
}

// CountMail counts the messages that wait, up to most.
func CountMail(tx *Tx, most int) (int, error) {
	return count(tx, most, `SELECT 1 FROM outgoing_mail WHERE 1 = 1`)
}

// DeleteExpiredMail forgets messages that were worth nothing before a time.
func DeleteExpiredMail(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM outgoing_mail WHERE expires_at < $1`, micros(before))
}

func scanMail(r Rows) (*iam.OutgoingMail, error) {
	var m iam.OutgoingMail
	var tries int64
	err := r.Scan(&m.ID, asBytes(&m.Sealed), asTime(&m.CreatedAt), asTime(&m.NextAt), &tries, asTime(&m.ExpiresAt))
	m.Tries = int(tries)
	return &m, err
}
