// Package sqlite is the embedded engine of the store: one SQLite file in a data
// folder that it locks for itself. One writer commits in groups, durably; many
// readers each see a snapshot and never wait for it.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// FileName is the name of the database in its data folder.
const FileName = "propusk.db"

// Engine implements store.Engine.
type Engine struct {
	path     string
	sync     string // value of PRAGMA synchronous
	lock     *os.File
	scratch  string // folder to remove on Close; "" when the data is to stay
	turns    turns
	writer   *conn // used by whoever has the turn; nil after a failure
	group    *group
	readers  readers
	lifeMu   sync.Mutex
	closed   bool
	inFlight sync.WaitGroup
}

var _ store.Engine = (*Engine)(nil)

// Open opens the database in a data folder, both of which it makes when they
// are missing (readable by the owner alone), and holds the folder until Close: a
// folder that another process holds is an error. Commits are synced to disk.
func Open(dir string) (*Engine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	e, err := open(filepath.Join(dir, FileName), "FULL")
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	e.lock = lock
	return e, nil
}

// OpenMemory makes an empty database for tests, with everything that Open's
// has but durability. SQLite gives snapshots beside a writer only with a
// write-ahead log, and that only to files: so this is an unsynced file in a
// temporary folder, removed by Close.
func OpenMemory() (*Engine, error) {
	dir, err := os.MkdirTemp("", "propusk-memory-")
	if err != nil {
		return nil, err
	}
	e, err := open(filepath.Join(dir, FileName), "OFF")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	e.scratch = dir
	return e, nil
}

func open(path, sync string) (*Engine, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	e := &Engine{path: path, sync: sync}
	e.readers.init(maxReaders, func() (*conn, error) { return connect(path, readerPragmas) })
	if e.writer, err = e.connectWriter(); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return e, nil
}

// createPrivate makes an empty file that only its owner may read. SQLite gives
// the log and the index beside it the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return f.Close()
}

// Sizes of caches are in KiB when negative; they are what an idle process keeps.
var readerPragmas = []string{
	"busy_timeout(10000)", "foreign_keys(1)", "query_only(1)", "cache_size(-1024)", "temp_store(2)",
}

func (e *Engine) connectWriter() (*conn, error) {
	return connect(e.path, []string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(" + e.sync + ")", "foreign_keys(1)",
		"cache_size(-4096)", "temp_store(2)", "journal_size_limit(67108864)", "wal_autocheckpoint(1000)",
	})
}

// RowLock implements store.Engine: there is one writer.
func (e *Engine) RowLock() string { return "" }

// IsUnique implements store.Engine.
func (e *Engine) IsUnique(err error) bool {
	var s *sqlite.Error
	if !errors.As(err, &s) {
		return false
	}
	switch s.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return true
	}
	return false
}

// Close implements store.Engine. Closing twice is harmless.
func (e *Engine) Close() error {
	e.lifeMu.Lock()
	if e.closed {
		e.lifeMu.Unlock()
		return nil
	}
	e.closed = true
	e.lifeMu.Unlock()
	e.inFlight.Wait()

	err := e.readers.close()
	if e.writer != nil {
		err = errors.Join(err, e.writer.close())
	}
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	if e.scratch != "" {
		err = errors.Join(err, os.RemoveAll(e.scratch))
	}
	return err
}

// enter counts a transaction in, unless the engine is closed.
func (e *Engine) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.lifeMu.Lock()
	defer e.lifeMu.Unlock()
	if e.closed {
		return iam.Errorf(iam.Unavailable, "The database is closed")
	}
	e.inFlight.Add(1)
	return nil
}
