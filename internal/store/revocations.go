package store

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/token"
)

// Revocation ends every token that depends on a thing and was made at a
// position below Seq.
type Revocation struct {
	Kind      uint8 // a token.Kind
	Hash      [16]byte
	Seq       iam.Position
	ExpiresAt time.Time // when no such token can be alive any more
}

type pendingRevocation struct {
	kind    uint8
	hash    [16]byte
	expires time.Time
}

// InsertRevocation ends the tokens that depend on a thing, kind being a
// token.Kind. The row carries the transaction's own number in the feed, so it
// is written when the transaction ends and not seen within it. A thing revoked
// again takes the newer number and the later expiry.
func InsertRevocation(tx *Tx, kind uint8, id string, expires time.Time) {
	p := pendingRevocation{kind: kind, hash: token.HashID(token.Kind(kind), id), expires: expires}
	tx.revoked = append(tx.revoked, p)
	tx.record(ChangeRevocation, hex.EncodeToString(p.hash[:]))
}

func writeRevocations(tx *Tx, d *Draft) error {
	for _, p := range d.revoked {
		_, err := tx.exec(`INSERT INTO revocations (kind, hash, seq, expires_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (kind, hash) DO UPDATE SET seq = excluded.seq,
			expires_at = CASE WHEN excluded.expires_at > revocations.expires_at THEN excluded.expires_at ELSE revocations.expires_at END`,
			p.kind, p.hash[:], uint64(d.position), micros(p.expires))
		if err != nil {
			return err
		}
	}
	return nil
}

// ListRevocations returns the revocations after a position, in the order of the feed.
func ListRevocations(tx *Tx, after iam.Position) ([]Revocation, error) {
	return collect(tx, scanRevocation,
		`SELECT kind, hash, seq, expires_at FROM revocations WHERE seq > $1 ORDER BY seq, kind, hash`, uint64(after))
}

// Ended tells whether one of the things that a proof depends on was revoked
// after a position. It costs a look-up each, however much was revoked.
func Ended(tx *Tx, depends []token.Dependency, after iam.Position) (bool, error) {
	for _, d := range depends {
		hash := token.HashID(d.Kind, d.ID)
		n, err := count(tx, 1, `SELECT 1 FROM revocations WHERE kind = $1 AND hash = $2 AND seq > $3`, uint8(d.Kind), hash[:], uint64(after))
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// DeleteExpiredRevocations forgets revocations that have outlived the tokens
// they ended, and returns how many.
func DeleteExpiredRevocations(tx *Tx) (int64, error) {
	return tx.exec(`DELETE FROM revocations WHERE expires_at <= $1`, micros(tx.now))
}

func scanRevocation(r Rows) (Revocation, error) {
	var v Revocation
	var kind int64
	var seq uint64
	var hash []byte
	if err := r.Scan(&kind, &hash, &seq, asTime(&v.ExpiresAt)); err != nil {
		return v, err
	}
	if len(hash) != len(v.Hash) || kind < 0 || kind > 255 {
		return v, fmt.Errorf("store: revocation %d has kind %d and a hash of %d bytes", seq, kind, len(hash))
	}
	v.Kind, v.Hash, v.Seq = uint8(kind), [16]byte(hash), iam.Position(seq)
	return v, nil
}
