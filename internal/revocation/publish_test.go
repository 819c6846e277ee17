package revocation_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/token"
)

func TestPages(t *testing.T) {
	n := newNode(t)
	n.revoke(t, token.KindToken, "ajeone")
	n.change(t, "alice")
	n.revoke(t, token.KindFolder, "b1gfolder")

	all := n.page(t, nil, time.Minute)
	if !all.Snapshot || len(all.Entries) != 2 || all.Through != 3 || all.Head.Position != 3 {
		t.Fatalf("snapshot %+v", all)
	}
	want := token.Revocation{Kind: token.KindFolder, Hash: token.HashID(token.KindFolder, "b1gfolder"), Seq: 3}
	if all.Entries[1] != want {
		t.Errorf("%+v, want %+v", all.Entries[1], want)
	}
	rest := n.page(t, at(1), time.Minute)
	if rest.Snapshot || len(rest.Entries) != 1 || rest.Entries[0] != want || rest.After != 1 {
		t.Errorf("after 1: %+v", rest)
	}
	if none := n.page(t, at(3), 0); len(none.Entries) != 0 || none.Through != 3 {
		t.Errorf("after 3: %+v", none)
	}
	body, err := n.list.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set, err := token.OpenKeySet(body, n.trust())
	if err != nil || len(set.Keys) != 1 || set.Head.KeySetHash != all.Head.KeySetHash {
		t.Errorf("key set %+v, %v", set, err)
	}
	if body, err = n.list.JWKS(t.Context()); err != nil || len(body) < 100 {
		t.Errorf("JWKS %s, %v", body, err)
	}
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.revoke(t, token.KindToken, "ajeone")
		poll := func(after iam.Position, wait time.Duration) (<-chan *token.RevocationPage, time.Time) {
			c := make(chan *token.RevocationPage, 1)
			go func() { c <- n.page(t, &after, wait) }()
			synctest.Wait()
			return c, time.Now()
		}
		waiting := func(c <-chan *token.RevocationPage) bool {
			synctest.Wait()
			return len(c) == 0
		}

		c, began := poll(1, 20*time.Second)
		n.change(t, "alice") // ends nothing: nobody is woken for it
		time.Sleep(time.Second)
		if !waiting(c) {
			t.Fatal("answered though nothing was ended")
		}
		n.revoke(t, token.KindToken, "ajetwo")
		if p := <-c; len(p.Entries) != 1 || p.Through != 3 || time.Since(began) != time.Second {
			t.Errorf("after %v: %+v", time.Since(began), p)
		}

		c, began = poll(3, 20*time.Second)
		p := <-c
		if time.Since(began) != 20*time.Second || len(p.Entries) != 0 || time.Since(p.Head.ConfirmedAt) > time.Second {
			t.Errorf("after %v: %+v", time.Since(began), p)
		}

		c, began = poll(3, time.Hour)
		<-c
		if time.Since(began) != token.MaxWait {
			t.Errorf("waited %v", time.Since(began))
		}

		// A new signing key is news too.
		c, _ = poll(3, 20*time.Second)
		old := p.Head.KeySetHash
		n.ring.mu.Lock()
		n.ring.stored = append(n.ring.stored, token.PublicKey{ID: "ajesecond", Key: n.ring.feed.Public().(ed25519.PublicKey), SignsFrom: time.Unix(1, 0)})
		n.ring.mu.Unlock()
		err := n.db.Update(t.Context(), func(tx *store.Tx) error {
			return store.InsertSigningKey(tx, &store.SigningKey{ID: "ajesecond", Purpose: store.PurposeIAM, Public: []byte{1}, Sealed: []byte{1}, CreatedAt: tx.Now(), SignsFrom: tx.Now()})
		})
		if err != nil {
			t.Fatal(err)
		}
		if p := <-c; p.Head.KeySetHash == old || p.Through != 4 {
			t.Errorf("%+v", p)
		}

		// A reader that is ahead of this node is answered when it has caught up.
		c, _ = poll(5, 20*time.Second)
		time.Sleep(2 * time.Second)
		n.revoke(t, token.KindToken, "ajethree")
		time.Sleep(20 * time.Second)
		if p := <-c; p.After != 5 || p.Through != 5 {
			t.Errorf("%+v", p)
		}
		_, err = n.list.Page(t.Context(), at(99), 20*time.Second)
		if iam.KindOf(err) != iam.Unavailable {
			t.Errorf("far ahead: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.list.Page(ctx, at(5), time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("a reader that left: %v", err)
		}
	})
}

func TestSignsAboutOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.revoke(t, token.KindToken, "ajeone")
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				for range 50 {
					n.page(t, at(1), 0)
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		group.Wait()
		if n.ring.signed > 6 {
			t.Errorf("%d signatures in 5 s", n.ring.signed)
		}
	})
}

func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.revoke(t, token.KindToken, "ajeone")
		confirmed := n.page(t, nil, 0).Head.ConfirmedAt
		time.Sleep(time.Minute)
		_ = n.db.Close()
		p := n.page(t, nil, 0)
		if !p.Head.ConfirmedAt.Equal(confirmed) || len(p.Entries) != 1 {
			t.Errorf("confirmed %v, was %v: a head must not claim more than was seen", p.Head.ConfirmedAt, confirmed)
		}
	})
}

func TestVerifierFollows(t *testing.T) {
	n := newNode(t)
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, body []byte, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(body)
	}
	mux.HandleFunc(token.KeySetPath, func(w http.ResponseWriter, r *http.Request) {
		body, err := n.list.KeySet(r.Context())
		answer(w, body, err)
	})
	mux.HandleFunc(token.RevocationsPath, func(w http.ResponseWriter, r *http.Request) {
		var after *iam.Position
		if s := r.URL.Query().Get("after"); s != "" {
			p, _ := strconv.ParseUint(s, 10, 64)
			after = at(iam.Position(p))
		}
		wait, _ := strconv.Atoi(r.URL.Query().Get("wait"))
		body, err := n.list.Page(r.Context(), after, time.Duration(wait)*time.Second)
		answer(w, body, err)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	v, err := token.NewVerifier(token.Config{BaseURL: server.URL, Root: n.trust().Root})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = v.Follow(ctx); close(done) }()
	<-v.Ready()
	text := n.mint(t, "ajeone", n.replica.Position())
	if _, err := v.Verify(text); err != nil {
		t.Fatal(err)
	}
	n.revoke(t, token.KindToken, "ajeone")
	revoked := time.Now()
	for {
		_, err := v.Verify(text)
		if errors.Is(err, token.ErrRevoked) {
			break
		}
		if err != nil || time.Since(revoked) > 5*time.Second {
			t.Fatalf("after %v: %v", time.Since(revoked), err)
		}
		time.Sleep(time.Millisecond)
	}
	t.Logf("seen by the verifier after %v", time.Since(revoked))
	cancel()
	<-done
}
