package postgres_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// TestMigrationRace: nodes that start at once make one schema.
func TestMigrationRace(t *testing.T) {
	s := pgtest.Shared(t)
	for range 3 {
		name := s.Database(t)
		var wg sync.WaitGroup
		for range 8 {
			e := open(t, s.URL(name))
			defer e.Close()
			wg.Go(func() {
				for range 2 { // and again
					if err := e.Migrate(context.Background()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		e := open(t, s.URL(name))
		defer e.Close()
		if err := store.New(e, store.Options{}).Update(t.Context(), makeWorld); err != nil {
			t.Error(err)
		}
	}
}

func TestMigrateBesideUpdates(t *testing.T) {
	dbs, _ := cluster(t, pgtest.Shared(t), 2)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 20 {
				if err := dbs[0].Update(context.Background(), insertAccount(string(rune('a'+w))+string(rune('a'+i)))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		if err := dbs[1].Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestForeignSchemasAreRefused(t *testing.T) {
	s := pgtest.Shared(t)
	for name, tt := range map[string]struct {
		migrate bool
		prepare string
		want    string
	}{
		"newer schema":       {true, `INSERT INTO propusk_migrations VALUES (9999, 'later', now())`, "has schema 9999, newer than the "},
		"another program's":  {false, `CREATE TABLE a (b INT)`, "holds tables that are not Propusk's"},
		"a partitioned one":  {false, `CREATE TABLE a (b INT) PARTITION BY LIST (b)`, "holds tables that are not Propusk's"},
		"no schema":          {false, `DROP SCHEMA public`, "search_path names no schema"},
		"a view is no table": {false, `CREATE VIEW a AS SELECT 1`, ""},
		"an odd name":        {false, `DROP SCHEMA public; CREATE SCHEMA "Odd ""name"; DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET search_path = "Odd ""name"'; END $$`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			database := s.Database(t)
			if tt.migrate {
				e := open(t, s.URL(database))
				if err := e.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				e.Close()
			}
			if err := s.Ask(database, strings.Split(tt.prepare, "; CREATE")[0]); err != nil {
				t.Fatal(err)
			}
			if _, rest, more := strings.Cut(tt.prepare, "; CREATE"); more {
				create, alter, _ := strings.Cut(rest, "; DO")
				if err := s.Ask(database, "CREATE"+create, "DO"+alter); err != nil {
					t.Fatal(err)
				}
			}
			e := open(t, s.URL(database))
			defer e.Close()
			err := e.Migrate(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestEncodingIsChecked(t *testing.T) {
	s := pgtest.Shared(t)
	if err := s.Ask("postgres", `CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Ask("postgres", `DROP DATABASE latin`); err != nil {
			t.Error(err)
		}
	}()
	e, err := postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(s.URL("latin"))})
	if err == nil {
		e.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "ENCODING 'UTF8'") {
		t.Errorf("error %v", err)
	}
}

// TestSchemasAgree: both engines have the same tables, columns, keys and
// indexes, made by steps of the same names.
func TestSchemasAgree(t *testing.T) {
	steps := func(engine string) (names []string) {
		files, err := os.ReadDir("../" + engine + "/migrations")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			names = append(names, f.Name())
		}
		return names
	}
	if d := cmp.Diff(steps("sqlite"), steps("postgres")); d != "" {
		t.Errorf("migrations (-sqlite +postgres):\n%s", d)
	}
	s := pgtest.Shared(t)
	e := open(t, s.URL(s.Database(t)))
	defer e.Close()
	embedded, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer embedded.Close()
	const columnsOfSQLite = `SELECT t.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'bigint' WHEN 'BLOB' THEN 'bytea' ELSE 'text' END ||
			CASE c."notnull" WHEN 1 THEN ' not null' ELSE '' END
		FROM pragma_table_list t JOIN pragma_table_info(t.name) c
		WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1`
	const columns = `SELECT (table_name || '.' || column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END) COLLATE "C"
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'propusk_migrations' ORDER BY 1`
	const indexesOfSQLite = `SELECT t.name || ' ' || i."unique" || ' ' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
		FROM pragma_table_list t JOIN pragma_index_list(t.name) i WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
		UNION ALL SELECT 'feed_head 1 one' ORDER BY 1` // the one row id has no index of its own there
	const indexes = `SELECT (t.relname || ' ' || i.indisunique::int || ' ' ||
			(SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid)) COLLATE "C"
		FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
		WHERE n.nspname = 'public' AND t.relname <> 'propusk_migrations' ORDER BY 1`
	if d := cmp.Diff(list(t, embedded, columnsOfSQLite), list(t, e, columns)); d != "" {
		t.Errorf("columns (-sqlite +postgres):\n%s", d)
	}
	if d := cmp.Diff(list(t, embedded, indexesOfSQLite), list(t, e, indexes)); d != "" {
		t.Errorf("indexes (-sqlite +postgres):\n%s", d)
	}
	const wrong = `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`
	if bad := list(t, e, wrong); len(bad) > 0 {
		t.Errorf("columns that do not compare bytes: %v", bad)
	}
}

// TestUpgradeMakesAddressesOne: what the step does to addresses in capitals is what
// SQLite's does.
func TestUpgradeMakesAddressesOne(t *testing.T) {
	s := pgtest.Shared(t)
	database := s.Database(t)
	e := open(t, s.URL(database))
	defer e.Close()
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	step, err := os.ReadFile("migrations/0009_oauth.sql")
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{`INSERT INTO user_accounts (id, login, email, name) VALUES ('u1', 'a', 'A@x', ''), ('u2', 'b', 'b@x', ''), ('u3', 'c', 'C@X', ''),
		('u4', 'd', 'c@x', ''), ('u5', 'e', 'E@x', ''), ('u6', 'f', 'e@X', ''), ('u7', 'g', '', ''), ('u8', 'h', '', ''), ('u9', 'i', 'Ä@x', ''), ('v1', 'j', 'ä@x', '')`}
	for text := range strings.SplitSeq(string(step), ";") {
		if at := strings.Index(text, "UPDATE user_accounts"); at >= 0 {
			statements = append(statements, text[at:])
		}
	}
	if err := s.Ask(database, statements...); err != nil || len(statements) != 3 {
		t.Fatal(err, len(statements))
	}
	got := list(t, e, `SELECT id || ' ' || email || ' ' || email_verified FROM user_accounts ORDER BY id`)
	want := []string{"u1 a@x 1", "u2 b@x 1", "u3 C@X 0", "u4 c@x 0", "u5 e@x 0", "u6 e@X 0", "u7  1", "u8  1", "u9 Ä@x 1", "v1 ä@x 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("accounts (-want +got):\n%s", d)
	}
}

// list migrates an engine and returns the texts that a query yields.
func list(t *testing.T, e store.Engine, query string) (all []string) {
	t.Helper()
	if err := e.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.View(t.Context(), func(c store.Conn) error {
		rows, err := c.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			all = append(all, s)
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
