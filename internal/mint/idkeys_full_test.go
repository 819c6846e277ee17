package mint_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// full is an engine that has no room for a change, and remembers the public
// keys that somebody tried to add.
type full struct {
	store.Engine
	lifted bool
	tried  []string
}

var errFull = errors.New("no space left on device")

func (f *full) Update(ctx context.Context, fn func(store.Conn) error) error {
	if f.lifted {
		return f.Engine.Update(ctx, fn)
	}
	return f.Engine.Update(ctx, func(c store.Conn) error {
		if err := fn(c); err != nil {
			return err
		}
		rows, err := c.Query(`SELECT public FROM signing_keys`)
		if err != nil {
			return err
		}
		for rows.Next() {
			var public []byte
			if err := rows.Scan(&public); err != nil {
				return err
			}
			f.tried = append(f.tried, string(public))
		}
		return errors.Join(rows.Err(), rows.Close(), errFull)
	})
}

// Anybody may ask for the key set. While the store takes no changes, each who
// does must not cost the making of another key.
func TestFirstIDKeyIsGeneratedOnce(t *testing.T) {
	engine, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{whole}
	e := &full{Engine: engine, lifted: true}
	db := store.New(e, store.Options{Now: c.Now})
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.lifted = false
	k := newIDKeys(t, db, newBox(t), c.Now, nil)
	for range 4 {
		if _, err := k.JWKS(t.Context()); !errors.Is(err, errFull) {
			t.Fatal(err)
		}
	}
	if len(e.tried) != 4 || len(slices.Compact(e.tried)) != 1 {
		t.Errorf("%d keys were made for %d requests", len(slices.Compact(e.tried)), len(e.tried))
	}
	e.lifted = true
	signerOf(t, k)
	if rows := idRows(t, db); len(rows) != 1 || string(rows[0].Public) != e.tried[0] {
		t.Error("the key that had no room is not the one that signs")
	}
}
