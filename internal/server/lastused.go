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
	gathered [usedKinds]map[string]time.Time
	recent   map[string]struct{} // keys noted since lately
	lately   time.Time
}

// usedKind is a kind of what is used; the order is that of the writes.
type usedKind int

const (
	usedAuthorizedKey usedKind = iota
	usedAPIKey
	usedAccessKey
	usedAccount
	usedKinds
)

var touchUsed = [usedKinds]func(*store.Tx, map[string]time.Time) error{
	usedAuthorizedKey: store.TouchKeys, usedAPIKey: store.TouchAPIKeys, usedAccessKey: store.TouchAccessKeys,
	usedAccount: store.TouchServiceAccounts,
}

const (
	writeLastUsed = 10 * time.Second
	// keyGrain is how long a key in constant use is not written again.
	keyGrain = 5 * time.Minute
	// lastUsedBatch bounds the rows of one kind in one transaction, so that a
	// round of many thousand keys does not hold up other writers.
	lastUsedBatch = 500
	// accountGrain is how precisely an account's last proof is shown
	// [observed in the API: multiples of ten minutes].
	accountGrain = 10 * time.Minute
)

func newLastUsed(db *store.DB) *lastUsed {
	l := &lastUsed{db: db, recent: map[string]struct{}{}}
	for kind := range l.gathered {
		l.gathered[kind] = map[string]time.Time{}
	}
	return l
}

// note tells that a key of an account has proved it.
func (l *lastUsed) note(kind usedKind, key, account string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.Sub(l.lately) >= keyGrain {
		l.recent, l.lately = map[string]struct{}{}, at
	}
	if _, ok := l.recent[key]; ok {
		return
	}
	l.recent[key] = struct{}{}
	l.gathered[kind][key] = at
	l.gathered[usedAccount][account] = at.Truncate(accountGrain)
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
		batch, some := l.take()
		if !some {
			return nil
		}
		err := l.db.Update(ctx, func(tx *store.Tx) error {
			for kind, touch := range touchUsed {
				if err := touch(tx, batch[kind]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			for kind := range batch {
				keep(l.gathered[kind], batch[kind])
			}
			return err
		}
	}
}

// take removes one batch from what was gathered.
func (l *lastUsed) take() (batch [usedKinds]map[string]time.Time, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind := range batch {
		batch[kind] = portion(l.gathered[kind])
		found = found || len(batch[kind]) > 0
	}
	return batch, found
}

func portion(from map[string]time.Time) map[string]time.Time {
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
