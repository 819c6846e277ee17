package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// applicationID marks a file as Propusk's ("PRPK"), so that no other program's
// database is taken for an old one of ours.
const applicationID = 0x5052504b

type migration struct {
	version int64
	name    string
	script  string
}

// migrations returns the embedded steps, NNNN_name.sql, numbered from 1
// without gaps.
func migrations() ([]migration, error) {
	entries, err := fs.ReadDir(migrationFiles, "migrations") // sorted by name
	if err != nil {
		return nil, err
	}
	var all []migration
	for i, entry := range entries {
		digits, _, _ := strings.Cut(entry.Name(), "_")
		version, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || version != int64(i+1) {
			return nil, fmt.Errorf("migration %s: number %d expected", entry.Name(), i+1)
		}
		script, err := migrationFiles.ReadFile("migrations/" + entry.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, migration{version: version, name: entry.Name(), script: string(script)})
	}
	return all, nil
}

// Migrate implements store.Engine: each step is one transaction, and the
// version stands in the file's header.
func (e *Engine) Migrate(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.inFlight.Done()
	if err := e.turns.take(ctx); err != nil {
		return err
	}
	defer e.turns.release()
	if e.group != nil {
		e.finish(e.group, nil) // the turn was handed on in the middle of a group
	}

	steps, err := migrations()
	if err != nil {
		return err
	}
	c, err := e.connectWriter()
	if err != nil {
		return err
	}
	err = migrate(ctx, c, e.path, steps)
	return errors.Join(err, c.close())
}

func migrate(ctx context.Context, c *conn, path string, steps []migration) error {
	version, err := c.number(`PRAGMA user_version`)
	if err != nil {
		return err
	}
	owner, err := c.number(`PRAGMA application_id`)
	if err != nil {
		return err
	}
	tables, err := c.number(`SELECT count(*) FROM sqlite_schema`)
	if err != nil {
		return err
	}
	if owner != applicationID && (version != 0 || tables != 0) {
		return fmt.Errorf("%s is not a database of Propusk", path)
	}
	if version > int64(len(steps)) {
		return fmt.Errorf("%s has schema %d, newer than the %d that this program knows: use a newer propusk", path, version, len(steps))
	}
	for _, step := range steps[version:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.step(step); err != nil {
			return fmt.Errorf("migration %s: %w", step.name, err)
		}
	}
	return nil
}

func (c *conn) step(m migration) error {
	if _, err := c.Exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, script := range []string{
		m.script,
		fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
		fmt.Sprintf(`PRAGMA user_version = %d`, m.version),
		`COMMIT`,
	} {
		if err := c.script(script); err != nil {
			_, undo := c.Exec(`ROLLBACK`)
			return errors.Join(err, undo)
		}
	}
	return nil
}
