package revocation

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

const (
	freshFor     = time.Second     // how long a reading of the store is published as the present
	answerWithin = 5 * time.Second // how long a reader that is ahead of this node waits for it
	maxDocuments = 64              // pages kept for one state: readers share few cursors
)

// state is one reading of the store, and the documents made from it.
type state struct {
	publication token.Publication
	live        []live // ascending by seq
	keysAt      uint64 // newest entry that changed the keys, so far as known
	read        time.Time

	mu        sync.Mutex
	documents map[string][]byte
}

// hasNews tells whether a reader with this cursor should be answered at once.
func (s *state) hasNews(after uint64) bool {
	n := len(s.live)
	return s.keysAt > after || n > 0 && s.live[n-1].Seq > after
}

// document makes each document once.
func (s *state) document(name string, build func() ([]byte, error)) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.documents[name]; ok {
		return d, nil
	}
	d, err := build()
	if err == nil && len(s.documents) < maxDocuments {
		s.documents[name] = d
	}
	return d, err
}

// KeySet is the body served at token.KeySetPath.
func (l *List) KeySet(ctx context.Context) ([]byte, error) {
	s, err := l.fresh(ctx)
	if err != nil {
		return nil, err
	}
	return l.sign(s, "keys", func(s *state, f token.FeedSigner) ([]byte, error) { return s.publication.KeySetDocument(f) })
}

// JWKS is the body served at token.JWKSPath.
func (l *List) JWKS(ctx context.Context) ([]byte, error) {
	s, err := l.fresh(ctx)
	if err != nil {
		return nil, err
	}
	return s.document("jwks", func() ([]byte, error) { return token.JWKS(s.publication.Keys) })
}

func (l *List) sign(s *state, name string, build func(*state, token.FeedSigner) ([]byte, error)) ([]byte, error) {
	return s.document(name, func() ([]byte, error) {
		signer, err := l.config.Keys.FeedSigner(l.config.Now())
		if err != nil {
			return nil, err
		}
		return build(s, signer)
	})
}

// Page is the body served at token.RevocationsPath: what follows a reader's
// cursor, or everything when it has none. When there is nothing that the reader
// does not know it waits, at most so long and never longer than token.MaxWait,
// and then says that. It fails with UNAVAILABLE when this node is behind the
// reader and stays so.
func (l *List) Page(ctx context.Context, after *iam.Position, wait time.Duration) ([]byte, error) {
	if after == nil {
		return l.snapshot(ctx)
	}
	return l.pageAfter(ctx, uint64(*after), wait)
}

func (l *List) snapshot(ctx context.Context) ([]byte, error) {
	s, err := l.fresh(ctx)
	if err != nil {
		return nil, err
	}
	return l.sign(s, "snapshot", func(s *state, f token.FeedSigner) ([]byte, error) {
		return s.publication.RevocationSnapshot(f, entries(s.live))
	})
}

func (l *List) pageAfter(ctx context.Context, after uint64, wait time.Duration) ([]byte, error) {
	timer := time.NewTimer(min(max(wait, 0), token.MaxWait))
	defer timer.Stop()
	behind := time.NewTimer(answerWithin)
	defer behind.Stop()
	expired := wait <= 0
	for {
		woken := *l.woken.Load() // before the look, so that nothing slips in between
		s, err := l.fresh(ctx)
		if err != nil {
			return nil, err
		}
		reached := s.publication.Position >= after
		if reached && (expired || s.hasNews(after)) {
			return l.page(s, after)
		}
		again := (<-chan time.Time)(nil)
		if !reached { // other nodes' changes arrive without waking anyone when they revoke nothing
			again = time.After(freshFor / 4)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-woken:
		case <-timer.C:
			expired = true
		case <-again:
		case <-behind.C:
			if !reached {
				e := iam.Errorf(iam.Unavailable, "This node has not yet seen change %d", after)
				e.RetryAfter = freshFor
				return nil, e
			}
		}
	}
}

func (l *List) page(s *state, after uint64) ([]byte, error) {
	return l.sign(s, fmt.Sprintf("after %d", after), func(s *state, f token.FeedSigner) ([]byte, error) {
		// Only what lies behind the cursor is handed on: most readers are at the end.
		from := sort.Search(len(s.live), func(i int) bool { return s.live[i].Seq > after })
		return s.publication.RevocationsAfter(f, entries(s.live[from:]), after)
	})
}

// fresh is a state that was read less than a second ago and holds all that
// Notice has told. While the store is away it is the last one, which says when
// it was confirmed; UNAVAILABLE when there is none.
func (l *List) fresh(ctx context.Context) (*state, error) {
	if s := l.published.Load(); l.isFresh(s) {
		return s, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	old := l.published.Load()
	if l.isFresh(old) {
		return old, nil
	}
	s, err := l.read(ctx, old)
	switch {
	case err == nil:
		l.published.Store(s)
		return s, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case old != nil:
		l.config.Report(err)
		return old, nil
	default:
		return nil, iam.Wrap(err, iam.Unavailable, "The revocation feed is not available")
	}
}

func (l *List) isFresh(s *state) bool {
	if s == nil || s.publication.Position < l.dirty.Load() {
		return false
	}
	age := l.config.Now().Sub(s.read)
	return age >= 0 && age < freshFor
}

// read looks at the store: at all of it the first time and when its history was
// replaced, later at what is new.
func (l *List) read(ctx context.Context, old *state) (*state, error) {
	now := l.config.Now() // before the look: what it finds is at least so new
	var after uint64
	if old != nil {
		after = old.publication.Position
	}
	var rows []store.Revocation
	var head iam.Position
	err := l.config.DB.View(ctx, func(tx *store.Tx) (err error) {
		if head, err = tx.Head(); err != nil {
			return err
		}
		if uint64(head) < after {
			after, old = 0, nil
		}
		rows, err = store.ListRevocations(tx, iam.Position(after))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	// Only then is every change of the keys up to head known, and read below.
	if err := l.config.CatchUp(ctx, head); err != nil {
		return nil, fmt.Errorf("catch up with change %d: %w", head, err)
	}
	keysAt := l.keys.Load()
	if old == nil || keysAt > old.keysAt {
		if err := l.config.Keys.Reload(ctx); err != nil {
			return nil, err
		}
	}
	var list []live
	if old != nil {
		list = alive(old.live, now)
	}
	if added := fromRows(rows); len(added) > 0 {
		list = append(list[:len(list):len(list)], added...)
	}
	return &state{
		publication: token.Publication{
			Installation: l.config.Keys.Installation(), Position: uint64(head),
			ConfirmedAt: now, Keys: l.config.Keys.PublicKeys(),
		},
		live: list, keysAt: keysAt, read: now, documents: make(map[string][]byte),
	}, nil
}

// alive drops what has expired; the list is copied only when something has.
func alive(list []live, now time.Time) []live {
	for i := range list {
		if list[i].expires.After(now) {
			continue
		}
		kept := append([]live(nil), list[:i]...)
		for _, l := range list[i+1:] {
			if l.expires.After(now) {
				kept = append(kept, l)
			}
		}
		return kept
	}
	return list
}
