package sqlite

import (
	"context"
	"slices"
	"sync"
)

// turns is a fair lock that can be handed on: who holds it can give it to the
// next in line and learn whether there was one. The zero value is free.
type turns struct {
	mu    sync.Mutex
	taken bool
	line  []chan struct{}
}

// take waits for the turn. On an error the turn is not taken.
func (t *turns) take(ctx context.Context) error {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	ticket := make(chan struct{})
	t.line = append(t.line, ticket)
	t.mu.Unlock()

	select {
	case <-ticket:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.line, ticket); i >= 0 {
		t.line = slices.Delete(t.line, i, i+1)
		return ctx.Err()
	}
	return nil // the turn came at the same moment: it must be used and handed on
}

// pass gives the turn to the next in line; false, with the turn kept, when
// nobody waits.
func (t *turns) pass() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) == 0 {
		return false
	}
	next := t.line[0]
	t.line = t.line[1:]
	close(next)
	return true
}

// release gives the turn to the next in line, or to whoever comes.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) == 0 {
		t.taken = false
		return
	}
	next := t.line[0]
	t.line = t.line[1:]
	close(next)
}
