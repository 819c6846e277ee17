package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/store"
)

// rolebook keeps the checker's catalogue what it must be: what is builtin, what
// stands in the operator's files, and what was imported. A decision that asks
// fresh first is made with the roles of the feed's position or later ones.
type rolebook struct {
	db      *store.DB
	checker *access.Checker
	fixed   access.Definitions // builtin and files: the same until the server stops
	log     *slog.Logger

	heard  atomic.Uint64 // grows when the feed tells of changed definitions
	loaded atomic.Uint64 // what heard was before the catalogue in force was read
	mu     sync.Mutex    // one loads at a time
}

// openRolebook reads the files and what was imported. Definitions that do not
// fit together are an error; lenient goes on without the imported ones, so that
// an operator can take out what does not fit.
func openRolebook(ctx context.Context, db *store.DB, files []string, lenient bool, log *slog.Logger) (*rolebook, error) {
	b := &rolebook{db: db, log: log}
	b.loaded.Store(b.heard.Add(1))
	var err error
	if b.fixed, err = fixedDefinitions(files); err != nil {
		return nil, err
	}
	catalogue, err := access.Compile(b.fixed)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	b.checker = access.NewChecker(catalogue)
	items, err := b.imported(ctx)
	if err != nil {
		return nil, fmt.Errorf("imported roles: %w", err)
	}
	catalogue, err = b.with(items, access.Definitions{})
	switch {
	case err == nil:
		b.checker.SetCatalogue(catalogue)
	case !lenient:
		return nil, fmt.Errorf("imported roles: %w", err)
	default:
		log.WarnContext(ctx, "imported roles do not fit together and are left out", "error", err)
	}
	return b, nil
}

// fixedDefinitions are those of the program and of the operator's files.
func fixedDefinitions(files []string) (access.Definitions, error) {
	all, err := access.BuiltinDefinitions()
	if err != nil {
		return all, fmt.Errorf("roles: %w", err)
	}
	for _, path := range files {
		text, err := readDefinitions(path)
		if err != nil {
			return all, err
		}
		d, err := access.ParseDefinitions(path, text)
		if err != nil {
			return all, fmt.Errorf("roles: %w", err)
		}
		all = all.With(d)
	}
	return all, nil
}

// readDefinitions reads a whole file, but not a device or a database that is
// named by mistake.
func readDefinitions(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, access.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	return text, nil
}

func (b *rolebook) imported(ctx context.Context) (items []access.Item, err error) {
	err = b.db.View(ctx, func(tx *store.Tx) (err error) {
		items, err = importedItems(tx)
		return err
	})
	return items, err
}

// with compiles what does not change together with imported items and more.
func (b *rolebook) with(items []access.Item, more access.Definitions) (*access.Catalogue, error) {
	imported, err := access.JoinItems(items)
	if err != nil {
		return nil, err
	}
	return access.Compile(b.fixed.With(imported).With(more))
}

// notice hears the feed. It runs before the new position can be seen.
func (b *rolebook) notice(entries []store.Entry) {
	if entries == nil { // history was lost or replaced
		b.heard.Add(1)
		return
	}
	for _, e := range entries {
		for _, c := range e.Changes {
			if c.Kind == store.ChangeDefinitions {
				b.heard.Add(1)
				return
			}
		}
	}
}

// fresh makes sure that the catalogue is as new as the feed. It reads the store
// when the feed has told of a change since, and only then; when that fails
// nothing can be decided.
func (b *rolebook) fresh(ctx context.Context) error {
	if b.loaded.Load() == b.heard.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	heard := b.heard.Load()
	if b.loaded.Load() == heard {
		return nil
	}
	items, err := b.imported(ctx)
	if err != nil {
		return err
	}
	catalogue, err := b.with(items, access.Definitions{})
	if err != nil {
		// The node that imported them has other files. Fewer roles are the side
		// on which nobody gets what he must not have.
		b.log.ErrorContext(ctx, "imported roles do not fit this server's files and are left out: give all servers the same files", "error", err)
		if catalogue, err = access.Compile(b.fixed); err != nil {
			return err
		}
	}
	b.checker.SetCatalogue(catalogue)
	b.loaded.Store(heard)
	return nil
}
