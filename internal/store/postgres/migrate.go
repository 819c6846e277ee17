package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationLock is the advisory lock ("PROPUSK") under which one node of all
// changes the schema.
const migrationLock = 0x50524f5055534b

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

// Migrate implements store.Engine: each step is one transaction under a lock,
// so that any number of nodes may start at once. The steps done stand in the
// table propusk_migrations.
func (e *Engine) Migrate(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.inFlight.Done()
	steps, err := migrations()
	if err != nil {
		return err
	}
	pooled, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	defer pooled.Release()
	for {
		done, err := migrateOnce(ctx, pooled.Conn(), steps)
		switch {
		case done:
			return nil
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case classOf(err, pooled.Conn().IsClosed()) >= failedServer:
			return unavailable(err)
		default:
			return fmt.Errorf("migrate: %w", err)
		}
	}
}

// migrateOnce does the next step; true when there is none.
func migrateOnce(ctx context.Context, pc *pgx.Conn, steps []migration) (done bool, err error) {
	tx, err := pc.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return false, err
	}
	defer func() {
		if undo := tx.Rollback(context.WithoutCancel(ctx)); undo != nil && !errors.Is(undo, pgx.ErrTxClosed) {
			err = errors.Join(err, undo)
		}
	}()
	// Another node's step, and one's own, may take longer than any statement should.
	const prepare = `SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`
	if _, err := tx.Exec(ctx, prepare, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return false, err
	}
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return false, err
	}
	if version > int64(len(steps)) {
		return false, fmt.Errorf("database has schema %d, newer than the %d that this program knows: use a newer propusk", version, len(steps))
	}
	if version == int64(len(steps)) {
		return true, nil
	}
	step := steps[version]
	if _, err := tx.Exec(ctx, step.script, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, fmt.Errorf("%s: %w", step.name, err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO propusk_migrations (version, name, done_at) VALUES ($1, $2, now())`, step.version, step.name); err != nil {
		return false, err
	}
	return false, tx.Commit(ctx)
}

// schemaVersion returns the last step done, and makes the table of steps in an
// empty schema. A schema with somebody else's tables is refused.
func schemaVersion(ctx context.Context, tx pgx.Tx) (version int64, err error) {
	var schema *string
	var ours bool
	var others int64
	err = tx.QueryRow(ctx, `SELECT current_schema()::text, COALESCE(bool_or(c.relname = 'propusk_migrations'), false), count(*)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') -- tables, but not those of extensions
			AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`).
		Scan(&schema, &ours, &others)
	switch {
	case err != nil:
		return 0, err
	case schema == nil:
		return 0, errors.New("search_path names no schema that exists")
	case ours:
		err = tx.QueryRow(ctx, `SELECT COALESCE(max(version), 0) FROM propusk_migrations`).Scan(&version)
		return version, err
	case others > 0:
		return 0, fmt.Errorf("schema %s of the database holds tables that are not Propusk's: give it a database of its own", *schema)
	}
	_, err = tx.Exec(ctx, `CREATE TABLE propusk_migrations (
		version BIGINT NOT NULL PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, done_at TIMESTAMPTZ NOT NULL)`)
	return 0, err
}
