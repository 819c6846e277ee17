package store

import (
	"context"

	"github.com/propusk/propusk/internal/iam"
)

type guardKey struct{}

type guard struct {
	position iam.Position
	keys     map[Change]struct{}
}

// maxGuardScan bounds what a guard reads of the feed. A decision so far behind
// is made again rather than checked at the writers' expense.
const maxGuardScan = 4096

// WithGuard makes Update refuse with ErrMoved when one of keys has changed
// after position: a decision made from what was known at position stays a
// decision only while what it rests on stays. It also refuses, to be safe, when
// the feed has been trimmed or has moved too far to look.
func WithGuard(ctx context.Context, position iam.Position, keys []Change) context.Context {
	g := &guard{position: position, keys: make(map[Change]struct{}, len(keys))}
	for _, k := range keys {
		g.keys[k] = struct{}{}
	}
	return context.WithValue(ctx, guardKey{}, g)
}

func guardOf(ctx context.Context) *guard {
	g, _ := ctx.Value(guardKey{}).(*guard)
	return g
}

// check looks before the transaction's own work, so that an error of that work
// is never shown to one who has lost the right to see it.
func (g *guard) check(tx *Tx) error {
	if g == nil {
		return nil
	}
	head, err := tx.Head()
	if err != nil {
		return err
	}
	tx.head = head
	return g.scan(tx, g.position, head)
}

// scan looks through the entries in (after, to].
func (g *guard) scan(tx *Tx, after, to iam.Position) error {
	if to < after {
		return ErrMoved // the feed went back: another history
	}
	if to == after {
		return nil
	}
	next, moved, rows := after+1, false, 0
	err := tx.each(`SELECT seq, kind, key FROM changes WHERE seq > $1 AND seq <= $2 ORDER BY seq, part LIMIT $3`,
		[]any{uint64(after), uint64(to), maxGuardScan}, func(r Rows) error {
			var seq uint64
			var kind, key string
			if err := r.Scan(&seq, &kind, &key); err != nil {
				return err
			}
			if rows == 0 && iam.Position(seq) != next {
				moved = true
			}
			if _, ok := g.keys[Change{Kind: ChangeKind(kind), Key: key}]; ok {
				moved = true
			}
			rows++
			return nil
		})
	if err != nil {
		return err
	}
	if moved || rows == 0 || rows == maxGuardScan {
		return ErrMoved
	}
	return nil
}
