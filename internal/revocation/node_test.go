package revocation_test

import (
	"context"
	"crypto/ed25519"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
	"github.com/propusk/propusk/token"
)

const installation = "ajeinstallation"

// ring is a keyring of one root, one feed key and some token keys.
type ring struct {
	root, feed ed25519.PrivateKey
	observe    func([]token.PublicKey)

	mu     sync.Mutex
	stored []token.PublicKey // what the store would have
	read   []token.PublicKey
	fail   error
	signed int
}

func newRing(t testing.TB) (*ring, ed25519.PrivateKey) {
	t.Helper()
	var keys [3]ed25519.PrivateKey
	for i := range keys {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = key
	}
	first := token.PublicKey{ID: "ajefirst", Key: keys[2].Public().(ed25519.PublicKey), SignsFrom: time.Unix(0, 0)}
	return &ring{root: keys[0], feed: keys[1], stored: []token.PublicKey{first}}, keys[2]
}

func (r *ring) Installation() string { return installation }

func (r *ring) PublicKeys() []token.PublicKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}

func (r *ring) Reload(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.read = append([]token.PublicKey(nil), r.stored...)
	if r.observe != nil {
		r.observe(r.read)
	}
	return nil
}

func (r *ring) FeedSigner(now time.Time) (token.FeedSigner, error) {
	r.mu.Lock()
	r.signed++
	r.mu.Unlock()
	cert, err := token.SignCertificate(token.Certificate{
		Installation: installation, Key: r.feed.Public().(ed25519.PublicKey), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}, r.root)
	return token.FeedSigner{Certificate: cert, Key: r.feed}, err
}

// node is a server's memory around a list.
type node struct {
	db       *store.DB
	replica  *replica.Replica
	list     *revocation.List
	verifier *token.Verifier
	ring     *ring
	key      ed25519.PrivateKey
	away     atomic.Bool // Notice is not called
}

func newNode(t testing.TB) *node {
	t.Helper()
	engine, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{db: store.New(engine, store.Options{})}
	t.Cleanup(func() { _ = n.db.Close() })
	if err := n.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.ring, n.key = newRing(t)
	n.replica = replica.New(replica.Config{DB: n.db})
	if n.verifier, err = token.NewVerifier(token.Config{Local: true}); err != nil {
		t.Fatal(err)
	}
	n.list, err = revocation.NewList(revocation.Config{
		DB: n.db, Keys: n.ring, Verifier: n.verifier, CatchUp: n.replica.CatchUp, Now: time.Now,
		Report: func(err error) { t.Log(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.ring.observe = n.list.KeysChanged
	n.replica.OnApply(func(entries []store.Entry) {
		if !n.away.Load() {
			n.list.Notice(entries)
		}
	})
	if err := n.replica.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.list.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) mint(t testing.TB, id string, position iam.Position) string {
	t.Helper()
	now := time.Now()
	text, err := token.Sign(&token.Claims{
		ID: id, KeyID: "ajefirst", Installation: installation, IssuedAt: now, ExpiresAt: now.Add(12 * time.Hour), Position: uint64(position),
		SubjectType: token.SubjectUserAccount, SubjectID: "ajeperson",
		DependsOn: []token.Dependency{{Kind: token.KindToken, ID: id}, {Kind: token.KindSubject, ID: "ajeperson"}},
	}, n.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (n *node) revoke(t testing.TB, kind token.Kind, id string) {
	t.Helper()
	err := n.db.Update(context.Background(), func(tx *store.Tx) error { return revocation.Revoke(tx, kind, id) })
	if err != nil {
		t.Fatal(err)
	}
}

// change makes an entry of the feed that ends nothing.
func (n *node) change(t testing.TB, login string) {
	t.Helper()
	err := n.db.Update(context.Background(), func(tx *store.Tx) error {
		return store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje" + login, Login: login})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (n *node) trust() token.Trust {
	return token.Trust{Root: n.ring.root.Public().(ed25519.PublicKey), Now: time.Now()}
}

func (n *node) page(t testing.TB, after *iam.Position, wait time.Duration) *token.RevocationPage {
	t.Helper()
	body, err := n.list.Page(context.Background(), after, wait)
	if err != nil {
		t.Error(err)
		return &token.RevocationPage{}
	}
	page, err := token.OpenRevocations(body, n.trust())
	if err != nil {
		t.Error(err)
		return &token.RevocationPage{}
	}
	return page
}

func at(p iam.Position) *iam.Position { return &p }
