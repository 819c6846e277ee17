package server

import (
	"context"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// Keys are given their look-ups so many in a transaction, and again so often:
// a node of an older version may have made some meanwhile.
const (
	lookupsAtOnce = 100
	lookupsEvery  = time.Hour
)

// runLookups gives static access keys from before there were look-ups theirs,
// beside everything else that a server does from its start on.
func (s *Server) runLookups(ctx context.Context) error {
	if err := s.fillLookups(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "background work failed", "job", "look-ups of access keys", "error", err)
	}
	return s.every(ctx, lookupsEvery, "look-ups of access keys", s.fillLookups)
}

// fillLookups makes the look-ups that are missing. Many nodes may do so at once.
// A secret that does not open is passed over: its key proves nobody either. From
// the first end on a secret that is not found is nobody's.
func (s *Server) fillLookups(ctx context.Context) error {
	closed := 0
	for after := ""; ; {
		var rows []*store.SealedAccessKey
		err := s.db.View(ctx, func(tx *store.Tx) (err error) {
			rows, err = store.ListAccessKeysWithoutLookup(tx, after, lookupsAtOnce)
			return err
		})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		after = rows[len(rows)-1].ID
		lookups, missed := s.lookupsOf(rows)
		closed += missed
		err = s.db.Update(ctx, func(tx *store.Tx) error {
			for id, lookup := range lookups {
				if _, err := store.SetAccessKeyLookup(tx, id, lookup); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.searchable.Store(true)
	if closed > 0 {
		s.log.WarnContext(ctx, "static access keys cannot be found by their secrets, because those do not open", "keys", closed)
	}
	return nil
}

// lookupsOf are the look-ups of keys by their ids, and how many secrets do not open.
func (s *Server) lookupsOf(rows []*store.SealedAccessKey) (lookups map[string]string, closed int) {
	lookups = make(map[string]string, len(rows))
	for _, k := range rows {
		secret, err := s.box.Open(store.AccessKeyPlace(k.ID), k.Sealed)
		if err != nil {
			closed++
			continue
		}
		lookups[k.ID] = credential.SecretLookup(iam.NewSecret(string(secret)))
		clear(secret)
	}
	return lookups, closed
}
