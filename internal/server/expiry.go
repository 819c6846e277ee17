package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

// expiryBatch bounds the accounts whose end one transaction acts upon.
const expiryBatch = 100

// expiries watches for accounts whose expires_at comes. Before the doors open
// it acts upon what came while no server ran, a batch of it; the rest follows.
func (s *Server) expiries() Component {
	job := func(ctx context.Context) error { return s.every(ctx, time.Second, "expiry", s.expireAccounts) }
	return Component{
		Name: "expiry of accounts",
		Start: func(ctx context.Context) error {
			if _, err := s.expireBatch(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "background work failed", "job", "expiry", "error", err)
			}
			return nil
		},
		Run: job,
	}
}

// expiryLag is more than a node may be behind when it makes a token of an
// account: so long after its end, and their longest life, none is alive.
const expiryLag = time.Minute

// expireAccounts ends the live tokens of every account whose expires_at has
// come, whatever end of their own they carry: it may have been moved nearer
// after they were made. Where none can be alive, as after a long rest of the
// server, nothing is told to those who verify. Each end is acted upon once, on
// whichever node it is seen first, and has its audit line.
func (s *Server) expireAccounts(ctx context.Context) error {
	for {
		if n, err := s.expireBatch(ctx); err != nil || n < expiryBatch {
			return err
		}
	}
}

func (s *Server) expireBatch(ctx context.Context) (seen int, err error) {
	var due []*iam.ServiceAccount
	err = s.db.View(ctx, func(tx *store.Tx) (err error) {
		due, err = store.ListExpiredServiceAccounts(tx, expiryBatch)
		return err
	})
	if err != nil || len(due) == 0 {
		return 0, err
	}
	// Others who write to many accounts take them in this order too.
	slices.SortFunc(due, func(a, b *iam.ServiceAccount) int { return strings.Compare(a.ID, b.ID) })
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		for _, a := range due {
			ours, err := store.RecordServiceAccountExpiry(tx, a.ID, a.ExpiresAt)
			if err != nil {
				return err
			}
			if !ours { // another node was quicker, or the end was moved
				continue
			}
			if tx.Now().Before(a.ExpiresAt.Add(mint.Life + expiryLag)) {
				if err := revocation.Revoke(tx, token.KindSubject, a.ID); err != nil {
					return err
				}
			}
			if err := recordExpiry(tx, a); err != nil {
				return err
			}
		}
		return nil
	})
	return len(due), err
}

// recordExpiry writes the audit line of an account that its expires_at has
// suspended.
func recordExpiry(tx *store.Tx, a *iam.ServiceAccount) error {
	path, err := store.Ancestors(tx, a.ID)
	if err != nil {
		return err
	}
	e := &audit.Event{
		Type: audit.TypeOf("propusk.ExpireServiceAccount"), Time: tx.Now(), Status: audit.Done,
		Authorization: audit.Authorization{Authorized: true},
		Request:       audit.Request{UserAgent: "propusk expiry"},
		Details: []audit.Detail{
			{Name: "service_account_id", Text: a.ID}, {Name: "service_account_name", Text: a.Name},
			{Name: "expires_at", Text: a.ExpiresAt.UTC().Format(time.RFC3339Nano)},
		},
	}
	for i := len(path) - 1; i >= 0; i-- {
		e.Resource.Path = append(e.Resource.Path, audit.Place{Type: string(path[i].Kind), ID: path[i].ID})
	}
	return audit.Insert(tx, e)
}
