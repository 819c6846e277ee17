package server

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// twoNodes are a database and what puts a role into it as another node would.
func twoNodes(t *testing.T) (*store.DB, func(id, body string)) {
	t.Helper()
	e, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	db := store.New(e, store.Options{})
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db, func(id, body string) {
		t.Helper()
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			return store.PutDefinition(tx, &store.Definition{Kind: store.DefinesRole, ID: id, Body: body, ModifiedAt: tx.Now()})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

var heardOfRoles = []store.Entry{{Changes: []store.Change{{Kind: store.ChangeKey}, {Kind: store.ChangeDefinitions}}}}

// A node uses what another one imported from the moment it hears of it.
func TestRolebookFollowsTheFeed(t *testing.T) {
	db, put := twoNodes(t)
	b, err := openRolebook(t.Context(), db, nil, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	knows := func(p iam.Permission) bool {
		t.Helper()
		if err := b.fresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return b.checker.Catalogue().Grants("acme.night", p)
	}
	put("acme.night", `{"id":"acme.night","description":"d","permissions":["acme.gizmos.get"]}`)
	b.notice([]store.Entry{{Changes: []store.Change{{Kind: store.ChangeKey}}}})
	if knows("acme.gizmos.get") {
		t.Error("read anew although nothing was told of definitions")
	}
	b.notice(heardOfRoles)
	if !knows("acme.gizmos.get") {
		t.Error("what was imported elsewhere is not used")
	}
	put("acme.night", `{"id":"acme.night","description":"d","permissions":["acme.gizmos.turn"]}`)
	b.notice(nil) // history was lost
	if knows("acme.gizmos.get") || !knows("acme.gizmos.turn") {
		t.Error("what the role held before is still used")
	}
}

// While the store cannot be read, nobody is answered by what may be old.
func TestRolebookRefusesWhatMayBeOld(t *testing.T) {
	db, _ := twoNodes(t)
	b, err := openRolebook(t.Context(), db, nil, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.notice(heardOfRoles)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.fresh(t.Context()); err == nil {
			t.Fatal("a decision goes on with roles that may be old")
		}
	}
}

// Where one node's files and another's import clash, nothing that was imported
// counts; a start is refused, but not to the operator who is to mend it.
func TestRolebookThatDoesNotFit(t *testing.T) {
	db, put := twoNodes(t)
	file := filepath.Join(t.TempDir(), "roles.yaml")
	if err := os.WriteFile(file, []byte("roles:\n- {id: acme.night, description: Mine.}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	b, err := openRolebook(t.Context(), db, []string{file}, false, logger)
	if err != nil {
		t.Fatal(err)
	}
	put("acme.day", `{"id":"acme.day","description":"d"}`)
	put("acme.night", `{"id":"acme.night","description":"d","permissions":["acme.gizmos.get"]}`)
	b.notice(heardOfRoles)
	if err := b.fresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, day := b.checker.Catalogue().Role("acme.day")
	night, err := b.checker.Catalogue().Role("acme.night")
	if !errors.Is(day, iam.NotFound) || err != nil || night.Description != "Mine." {
		t.Errorf("what does not fit is used: %v, %v, %v", day, night, err)
	}
	if !strings.Contains(log.String(), "role acme.night: defined twice") {
		t.Errorf("the log does not say why: %s", log.String())
	}
	if _, err := openRolebook(t.Context(), db, []string{file}, false, logger); err == nil || !strings.Contains(err.Error(), "defined twice") {
		t.Errorf("a start with roles that do not fit: %v", err)
	}
	if _, err := openRolebook(t.Context(), db, []string{file}, true, logger); err != nil {
		t.Errorf("the operator is not let in: %v", err)
	}
	if _, err := openRolebook(t.Context(), db, []string{filepath.Join(t.TempDir(), "none")}, true, logger); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
