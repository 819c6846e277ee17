// Package revocation owns what was ended before its time: it writes
// revocations, tells this server's own verifier of them, and publishes them,
// signed, to every other. A revocation ends the tokens that depend on a thing
// and were made before it in the order of the change feed; no clock decides.
package revocation

import (
	"context"
	"time"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// Revoke ends, as part of a change, every token that depends on a thing. It is
// in force on this node when the change has returned. The row is forgotten
// after token.RevocationLife, when no such token can be alive.
func Revoke(tx *store.Tx, kind token.Kind, id string) error {
	store.InsertRevocation(tx, uint8(kind), id, tx.Now().Add(token.RevocationLife))
	return nil
}

// Forget deletes revocations that have outlived the tokens they ended. It is
// safe on all nodes at once.
func Forget(ctx context.Context, db *store.DB) error {
	return db.Update(ctx, func(tx *store.Tx) error {
		_, err := store.DeleteExpiredRevocations(tx)
		return err
	})
}

// live is a revocation as this node holds it.
type live struct {
	token.Revocation
	expires time.Time
}

func fromRows(rows []store.Revocation) []live {
	list := make([]live, len(rows))
	for i, r := range rows {
		list[i] = live{token.Revocation{Kind: token.Kind(r.Kind), Hash: r.Hash, Seq: uint64(r.Seq)}, r.ExpiresAt}
	}
	return list
}

func entries(list []live) []token.Revocation {
	all := make([]token.Revocation, len(list))
	for i, l := range list {
		all[i] = l.Revocation
	}
	return all
}
