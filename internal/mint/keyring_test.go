package mint_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

func current(t *testing.T, ring *mint.Keyring, now time.Time) string {
	t.Helper()
	key, err := ring.Current(now)
	if err != nil {
		t.Fatal(err)
	}
	return key.ID
}

func TestFirstStartThenAnother(t *testing.T) {
	c := &clock{start}
	db, box := newDB(t, c.Now), newBox(t)
	var wg sync.WaitGroup
	rings := make([]*mint.Keyring, 4)
	for i := range rings {
		wg.Go(func() { rings[i] = openRing(t, db, box, c.Now) })
	}
	wg.Wait()
	for _, ring := range rings[1:] {
		if ring.Installation() != rings[0].Installation() || ring.Installation() == "" || current(t, ring, start) != current(t, rings[0], start) {
			t.Fatal("nodes that start together must agree")
		}
	}
	if n := len(rings[0].PublicKeys()); n != 1 {
		t.Errorf("%d public keys", n)
	}
	again := openRing(t, db, box, c.Now)
	if again.Installation() != rings[0].Installation() || current(t, again, start) != current(t, rings[0], start) {
		t.Error("a restart must keep everything")
	}
	a, errA := again.RootKey(start)
	b, errB := rings[0].RootKey(start)
	if errA != nil || errB != nil || !a.Equal(b) {
		t.Error("the root must stay")
	}

	if _, err := mint.OpenKeyring(t.Context(), mint.KeyringConfig{DB: db, Box: newBox(t), Now: c.Now}); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("another master key: %v", err)
	}
	other, _ := seal.New(seal.NewMasterKey("m2"))
	if _, err := mint.OpenKeyring(t.Context(), mint.KeyringConfig{DB: db, Box: other, Now: c.Now}); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a master key that is not held: %v", err)
	}
}

func TestRowsAreBoundToTheirPlace(t *testing.T) {
	c := &clock{start}
	db, box := newDB(t, c.Now), newBox(t)
	ring := openRing(t, db, box, c.Now)
	keep := current(t, ring, start)
	for name, forge := range map[string]func(row *store.SigningKey){
		"purpose": func(row *store.SigningKey) { row.ID += "x"; row.Purpose = store.PurposeIAM },
		"public":  func(row *store.SigningKey) { row.ID += "y"; row.Public = make([]byte, 32) },
		"empty":   func(row *store.SigningKey) { row.ID += "z"; row.Sealed = nil },
	} {
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			rows, err := store.ListSigningKeys(tx, store.PurposeFeed)
			if err != nil {
				return err
			}
			row := *rows[0]
			row.SignsFrom = start.Add(-time.Second)
			forge(&row)
			return store.InsertSigningKey(tx, &row)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Reload(t.Context()); err == nil {
			t.Errorf("%s: a forged row was taken", name)
		}
		if current(t, ring, start) != keep || len(ring.PublicKeys()) != 1 {
			t.Errorf("%s: the ring changed", name)
		}
	}
}

func TestRotate(t *testing.T) {
	c := &clock{start}
	db, box := newDB(t, c.Now), newBox(t)
	ring := openRing(t, db, box, c.Now)
	minter := mint.NewMinter(ring, c.Now)
	verifier, _ := token.NewVerifier(token.Config{Local: true, Now: c.Now})
	load := func(keys []token.PublicKey) {
		if err := verifier.Load(token.Snapshot{Installation: ring.Installation(), Keys: keys}); err != nil {
			t.Error(err)
		}
	}
	load(ring.PublicKeys())
	ring.Observe(load)
	first := current(t, ring, c.at)
	early, _, err := minter.Mint(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}

	c.at = start.Add(time.Minute)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(ring.PublicKeys()); n != 2 {
		t.Fatalf("%d keys published, want the old and the new", n)
	}
	begin := c.at.Truncate(time.Microsecond).Add(2 * time.Minute).Truncate(time.Millisecond)
	if current(t, ring, begin.Add(-time.Millisecond)) != first {
		t.Error("the new key signs before it has been published long enough")
	}
	second := current(t, ring, begin)
	if second == first {
		t.Error("the new key does not sign when it may")
	}
	for _, key := range ring.PublicKeys() {
		if key.ID == first && !key.SignsUntil.Equal(c.at.Truncate(time.Microsecond).Add(17*time.Minute)) {
			t.Errorf("the old key signs until %v", key.SignsUntil)
		}
		if key.ID == second && !key.SignsUntil.IsZero() {
			t.Error("the new key has an end")
		}
	}

	c.at = begin
	late, claims, err := minter.Mint(t.Context(), request())
	if err != nil || claims.KeyID != second {
		t.Fatalf("%v, %v", claims, err)
	}
	for _, text := range []string{early, late} {
		if _, err := verifier.Verify(text); err != nil {
			t.Error(err)
		}
	}

	// Once more, after the last token of the first key is gone.
	c.at = start.Add(14 * time.Hour)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range ring.PublicKeys() {
		if key.ID == first {
			t.Error("a key that nobody needs is still published")
		}
	}
	if n := len(ring.PublicKeys()); n != 2 {
		t.Errorf("%d keys", n)
	}
}

func TestDistrust(t *testing.T) {
	c := &clock{start}
	db, box := newDB(t, c.Now), newBox(t)
	ring := openRing(t, db, box, c.Now)
	first := current(t, ring, c.at)
	type ended struct {
		kind token.Kind
		id   string
	}
	var got []ended
	end := func(_ *store.Tx, kind token.Kind, id string) error { got = append(got, ended{kind, id}); return nil }
	if err := ring.Distrust(t.Context(), first, end); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != (ended{token.KindSigningKey, first}) {
		t.Errorf("revoked %v", got)
	}
	keys := ring.PublicKeys()
	if len(keys) != 1 || keys[0].ID == first || current(t, ring, c.at) != keys[0].ID {
		t.Errorf("keys %v", keys)
	}
	if err := ring.Distrust(t.Context(), first, end); err != nil || len(got) != 1 || len(ring.PublicKeys()) != 1 {
		t.Errorf("a second time: %v", err)
	}
	if err := ring.Distrust(t.Context(), "ajenobody", end); iam.KindOf(err) != iam.NotFound {
		t.Errorf("unknown key: %v", err)
	}
	var root string
	_ = db.View(t.Context(), func(tx *store.Tx) error {
		rows, err := store.ListSigningKeys(tx, store.PurposeRoot)
		root = rows[0].ID
		return err
	})
	if err := ring.Distrust(t.Context(), root, end); iam.KindOf(err) != iam.FailedPrecondition {
		t.Errorf("the root: %v", err)
	}
	failing := errors.New("no")
	if err := ring.Distrust(t.Context(), keys[0].ID, func(*store.Tx, token.Kind, string) error { return failing }); !errors.Is(err, failing) {
		t.Errorf("%v", err)
	}
	if current(t, ring, c.at) != keys[0].ID {
		t.Error("a distrust that failed left traces")
	}
}

func TestFeedSigner(t *testing.T) {
	c := &clock{start}
	ring := openRing(t, newDB(t, c.Now), newBox(t), c.Now)
	root, err := ring.RootKey(start)
	if err != nil {
		t.Fatal(err)
	}
	one, err := ring.FeedSigner(start)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := token.VerifyCertificate(one.Certificate, root, start, 0)
	if err != nil || cert.Installation != ring.Installation() || !cert.NotAfter.Equal(start.Add(7*24*time.Hour).Truncate(time.Millisecond)) {
		t.Errorf("%+v, %v", cert, err)
	}
	if again, _ := ring.FeedSigner(start.Add(time.Hour)); again.Certificate.Body != one.Certificate.Body {
		t.Error("certified anew though fresh")
	}
	if later, _ := ring.FeedSigner(start.Add(25 * time.Hour)); later.Certificate.Body == one.Certificate.Body {
		t.Error("not certified anew")
	}
}

func TestRunRotatesOnSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, box := newDB(t, time.Now), newBox(t)
		var failures []error
		ring, err := mint.OpenKeyring(t.Context(), mint.KeyringConfig{
			DB: db, Box: box, Now: time.Now, RotateEvery: 48 * time.Hour, Report: func(err error) { failures = append(failures, err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		other := openRing(t, db, box, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { ring.Run(ctx); close(done) }()

		first := current(t, ring, time.Now())
		time.Sleep(47 * time.Hour)
		synctest.Wait()
		if len(ring.PublicKeys()) != 1 {
			t.Error("rotated early")
		}
		time.Sleep(2*time.Hour + time.Second)
		synctest.Wait()
		if len(ring.PublicKeys()) != 2 {
			t.Errorf("%d keys after the time", len(ring.PublicKeys()))
		}
		time.Sleep(3 * time.Minute)
		if second := current(t, ring, time.Now()); second == first {
			t.Error("the new key does not sign")
		}
		time.Sleep(12 * time.Hour)
		synctest.Wait()
		if n := len(ring.PublicKeys()); n != 2 {
			t.Errorf("%d keys: rotated more than once", n)
		}

		// Another node hears of it through the feed.
		if len(other.PublicKeys()) != 1 {
			t.Fatal("the other node knows already")
		}
		otherDone := make(chan struct{})
		go func() { other.Run(ctx); close(otherDone) }()
		other.Notice([]store.Entry{{Seq: 1, Changes: []store.Change{{Kind: store.ChangeKey, Key: "x"}}}})
		other.Notice([]store.Entry{{Seq: 2, Changes: []store.Change{{Kind: store.ChangeSigningKeys}}}})
		synctest.Wait()
		if len(other.PublicKeys()) != 2 {
			t.Error("the other node did not read the keys anew")
		}
		cancel()
		<-done
		<-otherDone
		if len(failures) > 0 {
			t.Error(failures)
		}
	})
}

func TestKeyringConfig(t *testing.T) {
	c := &clock{start}
	db, box := newDB(t, c.Now), newBox(t)
	for name, config := range map[string]mint.KeyringConfig{
		"nothing":         {},
		"negative":        {DB: db, Box: box, Now: c.Now, Overlap: -1},
		"faster than led": {DB: db, Box: box, Now: c.Now, RotateEvery: time.Second},
	} {
		if _, err := mint.OpenKeyring(t.Context(), config); err == nil || !strings.Contains(err.Error(), "mint: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
