package server

import (
	"context"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// lastUsed gathers when keys were last used and accounts last proved
// themselves, to be written in batches: never on a request's path.
type lastUsed struct {
	db *store.DB

	mu       sync.Mutex
	keys     map[string]time.Time
	accounts map[string]time.Time
	recent   map[string]struct{} // keys noted since lately
	lately   time.Time
}

const (
	writeLastUsed = 10 * time.Second
	// keyGrain is how long a key in constant use is not written again.
	keyGrain = 5 * time.Minute
	// lastUsedBatch bounds the rows of one transaction, so that a round of
	// many thousand keys does not hold up other writers.
	lastUsedBatch = 500
	// accountGrain is how precisely an account's last proof is shown
	// [observed in the API: multiples of ten minutes].
	accountGrain = 10 * time.Minute
)

func newLastUsed(db *store.DB) *lastUsed {
	return &lastUsed{db: db, keys: map[string]time.Time{}, accounts: map[string]time.Time{}, recent: map[string]struct{}{}}
}

func (l *lastUsed) note(key, account string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.Sub(l.lately) >= keyGrain {
		l.recent, l.lately = map[string]struct{}{}, at
	}
	if _, ok := l.recent[key]; ok {
		return
	}
	l.recent[key] = struct{}{}
	l.keys[key] = at
	l.accounts[account] = at.Truncate(accountGrain)
}

// run writes what was gathered, now and then, and once more at the end.
func (l *lastUsed) run(ctx context.Context) error {
	t := time.NewTicker(writeLastUsed)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = l.write(last) // a lost minute of "last used" is no reason to fail a shutdown
			return nil
		case <-t.C:
			_ = l.write(ctx) // kept and tried again with the next batch
		}
	}
}

func (l *lastUsed) write(ctx context.Context) error {
	for {
		keys, accounts := l.take()
		if len(keys) == 0 && len(accounts) == 0 {
			return nil
		}
		err := l.db.Update(ctx, func(tx *store.Tx) error {
			if err := store.TouchKeys(tx, keys); err != nil {
				return err
			}
			return store.TouchServiceAccounts(tx, accounts)
		})
		if err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			keep(l.keys, keys)
			keep(l.accounts, accounts)
			return err
		}
	}
}

// take removes one batch from what was gathered.
func (l *lastUsed) take() (keys, accounts map[string]time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return some(l.keys), some(l.accounts)
}

func some(from map[string]time.Time) map[string]time.Time {
	out := make(map[string]time.Time)
	for id, at := range from {
		if len(out) == lastUsedBatch {
			break
		}
		out[id] = at
		delete(from, id)
	}
	return out
}

// keep puts old times back where no newer ones have come.
func keep(into, old map[string]time.Time) {
	for id, at := range old {
		if at.After(into[id]) {
			into[id] = at
		}
	}
}
