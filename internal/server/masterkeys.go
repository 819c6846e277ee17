package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// PathRotateMaster is the path of RotateMaster on the operator's socket.
const PathRotateMaster = "/rotate-keys/master"

const (
	// resealBatch bounds the rows of one transaction, so that other writers get
	// in between, and what a crash leaves to the next command.
	resealBatch = 200
	// resealPasses bounds how often what others wrote meanwhile is looked for.
	resealPasses = 5
	mostUnopened = 100
	// masterSpread is how long other nodes get to hear of a new master key by
	// the feed, read their sources again and seal under it.
	masterSpread = 2 * time.Second
	// masterLag is how long this server gets to write what it had sealed under
	// the key before.
	masterLag = time.Second
	// recordsEnd is how long the end of a rotation may take to be recorded.
	recordsEnd = 5 * time.Second
)

// RotateMaster reads the master keys again and seals every secret under the
// first of them, in small transactions and row by row only where the secret is
// the one that was read. The server goes on meanwhile. Cut short at any moment,
// it leaves every row sealed under a key that is in the source, and can be
// called again. FAILED_PRECONDITION when a new key is wanted and the keys do
// not come from a file.
func (s *Server) RotateMaster(ctx context.Context, r RotateMasterRequest) (*RotateMasterResult, error) {
	if r.NewKey && r.Check {
		return nil, iam.Errorf(iam.InvalidArgument, "a check changes nothing, so it makes no new key: give one of --check and --new-key")
	}
	s.master.Lock()
	defer s.master.Unlock()
	out := &RotateMasterResult{File: s.box.File(), Shared: s.shared()}
	if r.NewKey {
		if out.File == "" {
			return nil, iam.Errorf(iam.FailedPrecondition, "the master keys do not come from a file: put a new line on top of them where they are kept, and leave --new-key out")
		}
		key := seal.NewMasterKey(s.now().UTC().Format("20060102") + "-" + randomHex(4))
		if err := seal.AddMasterKey(out.File, key); err != nil {
			return nil, iam.Wrap(err, iam.FailedPrecondition, "no master key was added to %s: %v", out.File, err)
		}
		out.Added = key.ID
		if out.Shared {
			out.Key, out.Held = s.box.SealingKeyID(), s.box.KeyIDs()
			return out, s.recordMaster(ctx, "propusk.AddMasterKey", audit.Done, key.ID)
		}
	}
	if r.Check {
		// What is remembered here opens more than the next start will.
		now, err := s.box.Fresh(ctx)
		if err != nil {
			return nil, iam.Wrap(err, iam.FailedPrecondition, "the master keys could not be read again: %v", err)
		}
		out.Key, out.Held = now.SealingKeyID(), now.KeyIDs()
		return out, s.countSealed(ctx, now, out)
	}
	if err := s.box.Reload(ctx); err != nil {
		return nil, iam.Wrap(err, iam.FailedPrecondition, "the master keys could not be read again, nothing was changed: %v", err)
	}
	out.Key, out.Held = s.box.SealingKeyID(), s.box.KeyIDs()
	if err := s.recordMaster(ctx, rotateMaster, audit.Started, out.Key); err != nil {
		return nil, err
	}
	err := s.resealAll(ctx, out)
	// Whatever ended the call, what was begun gets its end in the audit log.
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordsEnd)
	defer cancel()
	if err != nil {
		return nil, errors.Join(err, s.recordMasterFailed(late, out.Key, err))
	}
	var moved, failed int
	for _, t := range out.Tables {
		moved, failed = moved+t.Moved, failed+t.Failed
	}
	return out, s.recordMaster(late, rotateMaster, audit.Done, out.Key,
		audit.Detail{Name: "moved", Text: strconv.Itoa(moved)}, audit.Detail{Name: "unopened", Text: strconv.Itoa(failed)})
}

// resealAll moves every table, and again what was written under another key
// while it was at it; then it counts.
func (s *Server) resealAll(ctx context.Context, out *RotateMasterResult) error {
	tables := make([]SealedCount, len(store.SealedTables))
	for i, table := range store.SealedTables {
		tables[i] = SealedCount{Table: string(table), failed: map[string]bool{}}
	}
	for pass := range resealPasses {
		moved := 0
		for i, table := range store.SealedTables {
			n, err := s.resealTable(ctx, table, &tables[i], pass == 0)
			if err != nil {
				return err
			}
			moved += n
			if s.shared() && n > 0 && !s.pause(ctx, masterSpread) {
				return ctx.Err()
			}
		}
		// What was sealed before the key was read, and is being written, has no
		// row yet.
		if !s.shared() && !s.opts.Quiet && moved > 0 && !s.pause(ctx, masterLag) {
			return ctx.Err()
		}
		if moved == 0 && !slices.ContainsFunc(tables, func(t SealedCount) bool { return t.changed }) {
			break
		}
	}
	out.Tables = tables
	return s.countSealed(ctx, s.box, out)
}

func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// resealTable walks one table and returns how many rows it moved.
func (s *Server) resealTable(ctx context.Context, table store.SealedTable, c *SealedCount, first bool) (moved int, err error) {
	c.changed = false
	err = s.eachSealed(ctx, table, func(rows []store.SealedRow) error {
		var old []store.SealedRow
		var anew [][]byte
		for _, row := range rows {
			text, changed, err := s.box.Reseal(row.Place, row.Sealed)
			switch {
			case err != nil:
				c.unopened(row.ID, err)
			case changed:
				old, anew = append(old, row), append(anew, text)
			case first:
				c.There++
			}
		}
		n, err := s.writeSealed(ctx, table, old, anew)
		c.changed = c.changed || n < len(old)
		c.Moved, moved = c.Moved+n, moved+n
		return err
	})
	return moved, err
}

func (s *Server) writeSealed(ctx context.Context, table store.SealedTable, old []store.SealedRow, anew [][]byte) (moved int, err error) {
	if len(old) == 0 {
		return 0, nil
	}
	err = s.db.Update(ctx, func(tx *store.Tx) error {
		moved = 0 // the transaction may run again
		for i, row := range old {
			done, err := store.Reseal(tx, table, row, anew[i])
			if err != nil {
				return err
			}
			if done {
				moved++
			}
		}
		return nil
	})
	if err != nil {
		moved = 0
	}
	return moved, err
}

func (s *Server) eachSealed(ctx context.Context, table store.SealedTable, each func([]store.SealedRow) error) error {
	for after := ""; ; {
		var rows []store.SealedRow
		err := s.db.View(ctx, func(tx *store.Tx) (err error) {
			rows, err = store.ListSealed(tx, table, after, resealBatch)
			return err
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := each(rows); err != nil {
			return err
		}
		after = rows[len(rows)-1].ID
	}
}

// countSealed counts what is under which key now, and opens everything once
// when the tables were not walked before.
func (s *Server) countSealed(ctx context.Context, box *seal.Box, out *RotateMasterResult) error {
	look := len(out.Tables) == 0
	for i, table := range store.SealedTables {
		if look {
			out.Tables = append(out.Tables, SealedCount{Table: string(table), failed: map[string]bool{}})
		}
		c := &out.Tables[i]
		c.ByKey = map[string]int{}
		err := s.eachSealed(ctx, table, func(rows []store.SealedRow) error {
			for _, row := range rows {
				id, err := seal.KeyID(row.Sealed)
				if err != nil {
					c.unopened(row.ID, err)
					continue
				}
				c.ByKey[id]++
				if !look {
					continue
				}
				secret, err := box.Open(row.Place, row.Sealed)
				clear(secret)
				if err != nil {
					c.unopened(row.ID, err)
				} else if id == out.Key {
					c.There++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rotateMaster is the event of a rotation, at its beginning and at its end.
const rotateMaster = "propusk.RotateMasterKey"

func (s *Server) recordMaster(ctx context.Context, event string, status audit.Status, keyID string, details ...audit.Detail) error {
	return s.insertMasterEvent(ctx, event, keyID, func(e *audit.Event) { e.Status, e.Details = status, details })
}

func (s *Server) recordMasterFailed(ctx context.Context, keyID string, why error) error {
	return s.insertMasterEvent(ctx, rotateMaster, keyID, func(e *audit.Event) { e.Status, e.Error = audit.Failed, audit.FailureOf(why) })
}

func (s *Server) insertMasterEvent(ctx context.Context, event, keyID string, fill func(*audit.Event)) error {
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		e := operatorEvent(tx, event)
		e.Resource.Path = []audit.Place{{Type: "propusk.masterKey", ID: keyID}}
		fill(e)
		return audit.Insert(tx, e)
	})
	if err != nil {
		return fmt.Errorf("rotate master key: %w", err)
	}
	return nil
}
