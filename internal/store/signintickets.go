package store

import (
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const ticketColumns = `lookup, purpose, subject_id, left_tries, expires_at`

// InsertTicket adds a ticket of a person.
func InsertTicket(tx *Tx, t *iam.Ticket) error {
	if _, err := GetUserAccount(tx, t.UserID); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO sign_in_tickets (`+ticketColumns+`) VALUES ($1, $2, $3, $4, $5)`,
		t.Lookup, string(t.Purpose), t.UserID, t.Tries, micros(t.ExpiresAt))
	return tx.unlessTaken(err, "Ticket already exists")
}

// FindTicket returns a ticket for a purpose that has not expired and has tries
// left. The miss does not repeat the look-up.
func FindTicket(tx *Tx, purpose iam.TicketPurpose, lookup string) (*iam.Ticket, error) {
	return first(tx, "Ticket", "of this text", scanTicket, `SELECT `+ticketColumns+` FROM sign_in_tickets
		WHERE lookup = $1 AND purpose = $2 AND expires_at > $3 AND left_tries > 0`, lookup, string(purpose), micros(tx.now))
}

// TryTicket takes one try of a ticket that FindTicket would find, and returns it
// as it then is.
func TryTicket(tx *Tx, purpose iam.TicketPurpose, lookup string) (*iam.Ticket, error) {
	return first(tx, "Ticket", "of this text", scanTicket, `UPDATE sign_in_tickets SET left_tries = left_tries - 1
		WHERE lookup = $1 AND purpose = $2 AND expires_at > $3 AND left_tries > 0 RETURNING `+ticketColumns,
		lookup, string(purpose), micros(tx.now))
}

// DeleteTicket uses a ticket up; NOT_FOUND when somebody was quicker.
func DeleteTicket(tx *Tx, lookup string) error {
	n, err := tx.exec(`DELETE FROM sign_in_tickets WHERE lookup = $1`, lookup)
	return mustChange(n, err, "Ticket", "of this text")
}

// DeleteTickets takes a person's tickets for a purpose away.
func DeleteTickets(tx *Tx, userID string, purpose iam.TicketPurpose) error {
	_, err := tx.exec(`DELETE FROM sign_in_tickets WHERE subject_id = $1 AND purpose = $2`, userID, string(purpose))
	return err
}

// DeleteExpiredTickets forgets tickets that ended before a time.
func DeleteExpiredTickets(tx *Tx, before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM sign_in_tickets WHERE expires_at < $1`, micros(before))
}

func scanTicket(r Rows) (*iam.Ticket, error) {
	var t iam.Ticket
	var purpose string
	var tries int64
	err := r.Scan(&t.Lookup, &purpose, &t.UserID, &tries, asTime(&t.ExpiresAt))
	t.Purpose, t.Tries = iam.TicketPurpose(purpose), int(tries)
	return &t, err
}
