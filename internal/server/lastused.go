package server

import (
	"context"
	"hash/maphash"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// lastUsed gathers when keys were last used and accounts last proved
// themselves, and writes it in batches, never on a request's path: at most one
// transaction a second, and what is not yet written when the server stops. A
// crash loses what was gathered since the last write of it, which is at most
// keyGrain and a sweep old.
//
// It remembers the keys that were used lately: as many as exist and were proved
// since, so nobody fills it with made-up ids.
type lastUsed struct {
	save  func(context.Context, usedBatch) error // in one transaction
	now   func() time.Time
	log   *slog.Logger
	seed  maphash.Seed
	parts [usedParts]usedPart

	writing chan struct{} // taken for one transaction at a time
	swept   time.Time     // of the one who has taken it
}

// usedParts spreads the load of many cores; a power of two.
const usedParts = 32

type usedPart struct {
	mu    sync.Mutex
	known map[usedID]*usedTime
	due   []usedID // those whose time is to be written next
	_     [64]byte // a cache line of its own
}

type usedID struct {
	kind usedKind
	id   string
}

// usedTime is when something was last used, in microseconds.
type usedTime struct {
	at        int64 // the last use
	written   int64 // what the store holds of it as far as this node wrote it; 0: nothing
	writtenAt int64 // when it did
	due       bool  // stands in due
}

// usedBatch is what is written together.
type usedBatch [usedKinds]map[string]time.Time

// usedKind is a kind of what is used; the order is that of the writes.
type usedKind int

const (
	usedAuthorizedKey usedKind = iota
	usedAPIKey
	usedAccessKey
	usedOAuthToken
	usedClientSecret
	usedSession
	usedAccount
	usedPerson
	usedKinds
)

var touchUsed = [usedKinds]func(*store.Tx, map[string]time.Time) error{
	usedAuthorizedKey: store.TouchKeys, usedAPIKey: store.TouchAPIKeys, usedAccessKey: store.TouchAccessKeys,
	usedOAuthToken: store.TouchOAuthTokens, usedClientSecret: store.TouchOAuthClientSecrets, usedSession: store.TouchSessions,
	usedAccount: store.TouchServiceAccounts, usedPerson: store.TouchUserAccounts,
}

const (
	writeLastUsed = time.Second
	// keyGrain is how long a key in constant use is not written again. Its last
	// use is kept meanwhile.
	keyGrain = 5 * time.Minute
	// sweepUsed is how often what was used again within its grain is looked for.
	sweepUsed = time.Minute
	// lastUsedBatch is how many rows a transaction has, so that thousands of keys
	// do not hold up other writers; when more than drainUsed such batches wait,
	// they grow instead of falling behind.
	lastUsedBatch = 500
	drainUsed     = 60
	// lastBatch is the same for the last writes of a server that stops, when
	// there are no other writers and less time.
	lastBatch = 5000
	// lastWrites is what the last writes may take even when calls in progress
	// have used up the time to stop.
	lastWrites = 2 * time.Second
	// accountGrain is how precisely an account's last proof is shown
	// [observed in the API: multiples of ten minutes].
	accountGrain = 10 * time.Minute
)

func newLastUsed(db *store.DB, now func() time.Time, log *slog.Logger) *lastUsed {
	l := &lastUsed{now: now, log: log, seed: maphash.MakeSeed(), writing: make(chan struct{}, 1)}
	l.save = func(ctx context.Context, batch usedBatch) error {
		return db.Update(ctx, func(tx *store.Tx) error {
			for kind, touch := range touchUsed {
				if err := touch(tx, batch[kind]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range l.parts {
		l.parts[i].known = map[usedID]*usedTime{}
	}
	return l
}

// note tells that a key of an account has proved it, or an OAuth token or a
// session a person, or the secret of an OAuth client that client, which is no
// account.
func (l *lastUsed) note(kind usedKind, key, account string, at time.Time) {
	us := at.UnixMicro()
	before := l.see(usedID{kind, key}, us)
	if account == "" {
		return
	}
	grain := accountGrain.Microseconds()
	if bucket := us - us%grain; before < bucket { // else this use is in what was noted with the last one
		of := usedAccount
		if kind == usedOAuthToken || kind == usedSession {
			of = usedPerson
		}
		l.see(usedID{of, account}, bucket)
	}
}

// see notes a use and returns the one before that this node remembers.
func (l *lastUsed) see(id usedID, us int64) (before int64) {
	p := &l.parts[maphash.String(l.seed, id.id)%usedParts]
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.known[id]
	if u == nil {
		u = &usedTime{}
		id.id = strings.Clone(id.id) // not the request that it came with
		p.known[id] = u
	}
	before = u.at
	if us <= before {
		return before
	}
	u.at = us
	if !u.due && us-u.writtenAt >= keyGrain.Microseconds() {
		u.due = true
		p.due = append(p.due, id)
	}
	return before
}

// component writes now and then what was gathered, and the rest at the end,
// when the doors are closed.
func (l *lastUsed) component() Component {
	return Component{
		Name: "last use",
		Run: func(ctx context.Context) error {
			t := time.NewTimer(writeLastUsed)
			defer t.Stop()
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-t.C:
					_ = l.write(ctx) // kept, and tried again with the next batch
					t.Reset(writeLastUsed)
				}
			}
		},
		Stop: l.finish,
	}
}

// finish writes everything that is not written, in as much of the time to stop
// as is left. It never fails: a stamp is no reason to fail a shutdown. What was
// not written is logged.
func (l *lastUsed) finish(ctx context.Context) error {
	if until, ok := ctx.Deadline(); ok && time.Until(until) < lastWrites {
		var cancel func()
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
		defer cancel()
	}
	if err := l.writeAll(ctx); err != nil {
		l.log.Warn("when keys were last used could not be written at the end", "keys and accounts", l.unwritten(), "error", err)
	}
	return nil
}

func (l *lastUsed) writeAll(ctx context.Context) error {
	select {
	case l.writing <- struct{}{}:
	case <-ctx.Done(): // the write before hangs
		return ctx.Err()
	}
	defer func() { <-l.writing }()
	l.sweep(math.MaxInt64)
	for {
		if n, err := l.writeSome(ctx, lastBatch); err != nil || n == 0 {
			return err
		}
	}
}

// write does one transaction, if anything is due.
func (l *lastUsed) write(ctx context.Context) error {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	if now := l.now(); now.Sub(l.swept) >= sweepUsed || now.Before(l.swept) {
		l.swept = now
		l.sweep(now.Add(-keyGrain).UnixMicro())
	}
	_, err := l.writeSome(ctx, max(lastUsedBatch, l.waiting()/drainUsed))
	return err
}

// sweep looks at what was last written before a time: it makes due what was
// used again since, and forgets what was not.
func (l *lastUsed) sweep(before int64) {
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.Lock()
		for id, u := range p.known {
			switch {
			case u.due || u.writtenAt > before:
				// It waits already, or has time.
			case u.at > u.written:
				u.due = true
				p.due = append(p.due, id)
			default:
				delete(p.known, id)
			}
		}
		p.mu.Unlock()
	}
}

// unwritten is how many last uses the store does not hold.
func (l *lastUsed) unwritten() (n int) {
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.Lock()
		for _, u := range p.known {
			if u.at > u.written {
				n++
			}
		}
		p.mu.Unlock()
	}
	return n
}

func (l *lastUsed) waiting() (n int) {
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.Lock()
		n += len(p.due)
		p.mu.Unlock()
	}
	return n
}

// writeSome writes at most so many of what is due in one transaction and
// returns how many. What could not be written stays due.
func (l *lastUsed) writeSome(ctx context.Context, most int) (int, error) {
	batch, n := l.take(most)
	if n == 0 {
		return 0, nil
	}
	err := l.save(ctx, batch)
	l.settle(batch, err == nil)
	return n, err
}

// take removes from what is due, evenly enough.
func (l *lastUsed) take(most int) (batch usedBatch, n int) {
	for kind := range batch {
		batch[kind] = map[string]time.Time{}
	}
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.Lock()
		some := min(len(p.due), most-n)
		for _, id := range p.due[len(p.due)-some:] {
			batch[id.kind][id.id] = time.UnixMicro(p.known[id].at)
		}
		p.due = p.due[:len(p.due)-some]
		if len(p.due) == 0 {
			p.due = nil // a rush's memory goes with it
		}
		p.mu.Unlock()
		n += some
	}
	return batch, n
}

// settle notes that a batch was written, or makes it due again.
func (l *lastUsed) settle(batch usedBatch, written bool) {
	now := l.now().UnixMicro()
	for kind, times := range batch {
		for id, at := range times {
			key := usedID{usedKind(kind), id}
			p := &l.parts[maphash.String(l.seed, id)%usedParts]
			p.mu.Lock()
			u := p.known[key]
			if written {
				u.written, u.writtenAt, u.due = at.UnixMicro(), now, false
			} else {
				p.due = append(p.due, key)
			}
			p.mu.Unlock()
		}
	}
}
