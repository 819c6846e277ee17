package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

func TestFolderIsLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder", "with ?odd #name%20")
	first := openFolder(t, dir)
	_, err := sqlite.Open(dir)
	if err == nil {
		t.Fatal("one folder was opened twice")
	}
	if runtime.GOOS != "windows" {
		want := fmt.Sprintf("data folder %s is in use by process %d", dir, os.Getpid())
		if err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	second := openFolder(t, dir)
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		t.Error(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	dir := filepath.Join(t.TempDir(), "data")
	e := openFolder(t, dir)
	defer e.Close()
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.New(e, store.Options{}).Update(t.Context(), func(tx *store.Tx) error {
		return store.SetSetting(tx, "a", "b")
	}); err != nil {
		t.Fatal(err)
	}
	paths := []string{dir}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		paths = append(paths, filepath.Join(dir, f.Name()))
	}
	if len(paths) < 5 { // folder, lock, database, log, index
		t.Errorf("only %v", paths)
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", p, info.Mode())
		}
	}
}

func TestMemoryLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	e := openMemory(t)
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	e := openFolder(t, dir)
	for range 2 { // from version 0, and again
		if err := e.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	db := store.New(e, store.Options{})
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return store.SetSetting(tx, "a", "b") }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	e = openFolder(t, dir)
	defer e.Close()
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.New(e, store.Options{}).View(t.Context(), func(tx *store.Tx) error {
		value, found, err := store.GetSetting(tx, "a")
		if value != "b" || !found {
			t.Errorf("setting after a restart: %q %v", value, found)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateBesideUpdates(t *testing.T) {
	e := openMemory(t)
	db := store.New(e, store.Options{})
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 30 {
				if err := db.Update(context.Background(), func(tx *store.Tx) error {
					return store.SetSetting(tx, fmt.Sprint(w, "/", i), "x")
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		if err := db.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// TestSchemaIsStrict keeps the columns' types what they are declared to be.
func TestSchemaIsStrict(t *testing.T) {
	e := openMemory(t)
	defer e.Close()
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.View(t.Context(), func(c store.Conn) error {
		rows, err := c.Query(`SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var strict int64
			if err := rows.Scan(&name, &strict); err != nil {
				return err
			}
			if strict != 1 {
				t.Errorf("table %s is not STRICT", name)
			}
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
}

func TestPragmas(t *testing.T) {
	e := openFolder(t, t.TempDir())
	defer e.Close()
	read := func(run func(context.Context, func(store.Conn) error) error, want map[string]string) {
		t.Helper()
		err := run(t.Context(), func(c store.Conn) error {
			for pragma, value := range want {
				rows, err := c.Query(`SELECT CAST(` + pragma + ` AS TEXT) FROM pragma_` + pragma)
				if err != nil {
					return err
				}
				var got string
				if !rows.Next() {
					return fmt.Errorf("no %s", pragma)
				}
				if err := rows.Scan(&got); err != nil {
					return err
				}
				if got != value {
					t.Errorf("%s is %s, want %s", pragma, got, value)
				}
				if err := rows.Close(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	read(e.Update, map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "query_only": "0"})
	read(e.View, map[string]string{"journal_mode": "wal", "foreign_keys": "1", "query_only": "1"})
}

func TestForeignFilesAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare []string
		want    string
	}{
		"newer schema":      {[]string{`PRAGMA user_version = 9999`}, "has schema 9999, newer than the "},
		"another program's": {[]string{`PRAGMA application_id = 7`, `CREATE TABLE a (b)`}, "is not a database of Propusk"},
	} {
		t.Run(name, func(t *testing.T) {
			e := openMemory(t)
			defer e.Close()
			if name == "newer schema" {
				if err := e.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Update(t.Context(), func(c store.Conn) error {
				for _, q := range tt.prepare {
					if _, err := c.Exec(q); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if err := e.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
	t.Run("not SQLite at all", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, sqlite.FileName), []byte(strings.Repeat("garbage ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		if e, err := sqlite.Open(dir); err == nil {
			e.Close()
			t.Error("garbage was opened as a database")
		}
	})
}

// TestFullDisk: an update that no longer fits fails as a whole, perhaps with
// others of its group, but never with any that was told otherwise.
func TestFullDisk(t *testing.T) {
	e := openFolder(t, t.TempDir())
	db := store.New(e, store.Options{})
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		t.Helper()
		if err := e.Update(t.Context(), func(c store.Conn) error {
			rows, err := c.Query(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
			if err != nil {
				return err
			}
			rows.Next()
			return rows.Close()
		}); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // at once: SQLite takes the present size
	const n = 8
	outcome := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			outcome[i] = db.Update(context.Background(), func(tx *store.Tx) error {
				value := "small"
				if i%2 == 1 {
					value = strings.Repeat("large", 100_000)
				}
				return store.SetSetting(tx, fmt.Sprint("s", i), value)
			})
		})
	}
	wg.Wait()
	limit(1 << 30)
	if errors.Join(outcome...) == nil {
		t.Error("the disk was never full: the test has tested nothing")
	}
	if err := db.View(t.Context(), func(tx *store.Tx) error {
		for i, err := range outcome {
			_, found, miss := store.GetSetting(tx, fmt.Sprint("s", i))
			if miss != nil || found != (err == nil) {
				t.Errorf("setting %d: found %v (%v), update said %v", i, found, miss, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *store.Tx) error { return store.SetSetting(tx, "after", "x") }); err != nil {
		t.Errorf("after the disk was full: %v", err)
	}
}
