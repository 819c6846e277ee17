package mint_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
)

// whole is a time without a fraction of a second, as ID tokens count.
var whole = start.Truncate(time.Second)

func newIDKeys(t *testing.T, db *store.DB, box *seal.Box, now func() time.Time, recorded *[]string) *mint.IDKeys {
	t.Helper()
	k, err := mint.NewIDKeys(mint.IDKeysConfig{DB: db, Box: box, Now: now, Record: func(_ *store.Tx, id string) error {
		if recorded != nil {
			*recorded = append(*recorded, id)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signerOf mints a token and says whose key signed it.
func signerOf(t *testing.T, k *mint.IDKeys) string {
	t.Helper()
	made, err := k.Mint(t.Context(), mint.IDRequest{Issuer: "https://iam.example.com", Subject: "ajerobot", Audience: "them"})
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(made.Text.Reveal(), ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var h struct{ Kid string }
	if err != nil || json.Unmarshal(text, &h) != nil || h.Kid != made.KeyID {
		t.Fatalf("header %s, key %s", text, made.KeyID)
	}
	return h.Kid
}

func idKeyIDs(t *testing.T, k *mint.IDKeys) (ids []string) {
	t.Helper()
	list, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range list {
		ids = append(ids, key.ID)
	}
	return ids
}

func idRows(t *testing.T, db *store.DB) (rows []*store.SigningKey) {
	t.Helper()
	err := db.View(t.Context(), func(tx *store.Tx) (err error) {
		rows, err = store.ListSigningKeys(tx, store.PurposeID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestFirstIDKeyIsMadeOnceWhenNeeded(t *testing.T) {
	c := &clock{whole}
	db, box := newDB(t, c.Now), newBox(t)
	nodes := make([]*mint.IDKeys, 3)
	for i := range nodes {
		nodes[i] = newIDKeys(t, db, box, c.Now, nil)
		if err := nodes[i].RotateDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := nodes[i].Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if ids, rows := idKeyIDs(t, nodes[0]), idRows(t, db); len(ids)+len(rows) != 0 {
		t.Fatalf("before anybody asked for a token: %v, %d rows", ids, len(rows))
	}
	var wg sync.WaitGroup
	signers := make([]string, 12)
	for i := range signers {
		wg.Go(func() { signers[i] = signerOf(t, nodes[i%len(nodes)]) })
	}
	wg.Wait()
	rows := idRows(t, db)
	if len(rows) != 1 {
		t.Fatalf("%d keys of nodes that begin together", len(rows))
	}
	for _, id := range signers {
		if id != rows[0].ID {
			t.Errorf("signed by %s, the key is %s", id, rows[0].ID)
		}
	}
	if other := newIDKeys(t, db, newBox(t), c.Now, nil); errors.Is(errOf(other.JWKS(t.Context())), nil) {
		t.Error("another master key opens the key")
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestIDKeysRotate(t *testing.T) {
	c := &clock{whole}
	db, box := newDB(t, c.Now), newBox(t)
	var recorded []string
	k, elsewhere := newIDKeys(t, db, box, c.Now, &recorded), newIDKeys(t, db, box, c.Now, nil)
	first := signerOf(t, k)
	if signerOf(t, elsewhere) != first || len(recorded) != 0 {
		t.Fatal("nodes disagree")
	}
	c.at = whole.Add(30*24*time.Hour - time.Second)
	if err := k.RotateDue(t.Context()); err != nil || len(recorded) != 0 {
		t.Fatalf("%v: rotated before its time: %v", err, recorded)
	}
	c.at = whole.Add(30 * 24 * time.Hour)
	for _, node := range []*mint.IDKeys{k, elsewhere, k} {
		if err := node.RotateDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if ids := idKeyIDs(t, k); len(ids) != 2 || len(recorded) != 1 || ids[1] != recorded[0] {
		t.Fatalf("%v, recorded %v", ids, recorded)
	}
	at := func(after time.Duration, want string, published int) {
		t.Helper()
		c.at = whole.Add(30*24*time.Hour + after)
		if got := signerOf(t, k); got != want {
			t.Errorf("after %v: signed by %s, want %s", after, got, want)
		}
		if ids := idKeyIDs(t, k); len(ids) != published {
			t.Errorf("after %v: %d keys are published, want %d", after, len(ids), published)
		}
	}
	at(0, first, 2)
	at(24*time.Hour-time.Second, first, 2)
	at(24*time.Hour, recorded[0], 2)
	// The old one may sign until 24 h 15 min on a node that has not heard; its last token ends 1 h later.
	at(25*time.Hour+30*time.Minute-time.Second, recorded[0], 2)
	at(25*time.Hour+30*time.Minute, recorded[0], 1)
	// A node learns by the feed.
	elsewhere.Notice([]store.Entry{{Changes: []store.Change{{Kind: store.ChangeMember}}}})
	elsewhere.Notice([]store.Entry{{Changes: []store.Change{{Kind: store.ChangeSigningKeys}}}})
	if got := signerOf(t, elsewhere); got != recorded[0] {
		t.Errorf("elsewhere: signed by %s", got)
	}
	c.at = c.at.Add(time.Second)
	if err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows := idRows(t, db); len(rows) != 2 || rows[0].ID != recorded[0] {
		t.Errorf("%d rows: the first key is to be forgotten", len(rows))
	}
}

func TestDistrustedIDKey(t *testing.T) {
	c := &clock{whole}
	db, box := newDB(t, c.Now), newBox(t)
	k, elsewhere := newIDKeys(t, db, box, c.Now, nil), newIDKeys(t, db, box, c.Now, nil)
	leaked := signerOf(t, elsewhere)
	records := 0
	record := func(*store.Tx) error { records++; return nil }
	for range 2 { // again is no error, and nothing more
		if err := k.Distrust(t.Context(), leaked, record); err != nil {
			t.Fatal(err)
		}
	}
	ids := idKeyIDs(t, k)
	if len(ids) != 1 || ids[0] == leaked || records != 1 || signerOf(t, k) != ids[0] {
		t.Errorf("%v after a distrust, %d records", ids, records)
	}
	elsewhere.Notice(nil)
	if got := signerOf(t, elsewhere); got != ids[0] {
		t.Errorf("elsewhere: signed by %s", got)
	}
	if err := k.Distrust(t.Context(), "ajenever", record); iam.KindOf(err) != iam.NotFound || records != 1 {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestForgedIDKey(t *testing.T) {
	c := &clock{whole}
	db, box := newDB(t, c.Now), newBox(t)
	signerOf(t, newIDKeys(t, db, box, c.Now, nil))
	honest := *idRows(t, db)[0]
	for what, forge := range map[string]func(k *store.SigningKey){
		"moved to another id":      func(*store.SigningKey) {},
		"a public half of another": func(k *store.SigningKey) { k.Public = append([]byte(nil), k.Public[:len(k.Public)-1]...) },
		"no private half":          func(k *store.SigningKey) { k.Sealed = nil },
	} {
		forged := honest
		forged.ID = "ajeforged"
		forge(&forged)
		if err := db.Update(t.Context(), func(tx *store.Tx) error { return store.InsertSigningKey(tx, &forged) }); err != nil {
			t.Fatal(err)
		}
		if set, err := newIDKeys(t, db, box, c.Now, nil).JWKS(t.Context()); err == nil {
			t.Errorf("%s: published %s", what, set)
		}
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			if err := store.SetSigningKeyWindow(tx, forged.ID, whole, whole.Add(time.Second)); err != nil {
				return err
			}
			_, err := store.DeleteRetiredSigningKeys(tx, store.PurposeID, whole.Add(time.Minute))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestIDTokenEnds(t *testing.T) {
	c := &clock{whole.Add(700 * time.Millisecond)}
	k := newIDKeys(t, newDB(t, c.Now), newBox(t), c.Now, nil)
	for _, r := range []struct{ notAfter, ends time.Time }{
		{time.Time{}, whole.Add(time.Hour)},
		{whole.Add(2 * time.Hour), whole.Add(time.Hour)},
		{whole.Add(20*time.Minute + 900*time.Millisecond), whole.Add(20 * time.Minute)},
		{whole.Add(1900 * time.Millisecond), whole.Add(time.Second)},
		{whole.Add(900 * time.Millisecond), time.Time{}},
		{whole.Add(-time.Hour), time.Time{}},
	} {
		made, err := k.Mint(t.Context(), mint.IDRequest{Issuer: "i", Subject: "s", Audience: "a", NotAfter: r.notAfter})
		if r.ends.IsZero() {
			if iam.KindOf(err) != iam.Unauthenticated {
				t.Errorf("not after %v: %v", r.notAfter, err)
			}
			continue
		}
		if err != nil || !made.ExpiresAt.Equal(r.ends) {
			t.Errorf("not after %v: %v, %v", r.notAfter, made, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Notice(nil)
	if _, err := k.JWKS(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: %v", err)
	}
}
