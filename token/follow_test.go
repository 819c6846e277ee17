package token_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/token"
)

// following is a verifier that follows a feed until the test ends.
type following struct {
	*token.Verifier
	mu     sync.Mutex
	errors []error
}

// follow starts a verifier over a feed in a synctest bubble, where time is not
// real, and waits until nothing moves.
func follow(t *testing.T, f http.RoundTripper, c token.Config) *following {
	t.Helper()
	fo := &following{}
	c.BaseURL, c.Root = "https://iam.example.com", public(rootKey())
	c.HTTPClient = &http.Client{Transport: f}
	c.Report = func(err error) {
		fo.mu.Lock()
		defer fo.mu.Unlock()
		if err != nil {
			fo.errors = append(fo.errors, err)
		}
	}
	v, err := token.NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	fo.Verifier = v
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Follow(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v", err)
		}
	})
	synctest.Wait()
	return fo
}

func (fo *following) want(t *testing.T, s string, want error) {
	t.Helper()
	if _, err := fo.Verify(s); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// complaint tells whether a failure was reported that says word.
func (fo *following) complaint(word string) bool {
	fo.mu.Lock()
	defer fo.mu.Unlock()
	return slices.ContainsFunc(fo.errors, func(err error) bool { return strings.Contains(err.Error(), word) })
}

func TestFollowSeesARevocationWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, time.Now)
		s, c := tokenNow(t, time.Now(), 1)
		other, _ := tokenNow(t, time.Now(), 2)
		v := follow(t, f, token.Config{})
		v.want(t, s, nil)
		time.Sleep(5 * time.Minute) // many long polls, each ended by time
		v.want(t, s, nil)
		f.revoke(token.KindToken, c.ID)
		time.Sleep(time.Second)
		v.want(t, s, token.ErrRevoked)
		v.want(t, other, nil)
		f.revoke(token.KindSubject, c.SubjectID)
		time.Sleep(time.Second)
		v.want(t, other, token.ErrRevoked)
		if v.complaint("") {
			t.Errorf("failures: %v", v.errors)
		}
		if polls := len(f.requests()); polls > 25 {
			t.Errorf("%d requests in five minutes", polls)
		}
		if !slices.Contains(f.requests(), "after=5000&wait=20") {
			t.Errorf("asked %q", f.requests())
		}
	})
}

func TestFollowOverSockets(t *testing.T) {
	f := newFeed(t, time.Now)
	server := httptest.NewServer(f)
	defer server.Close()
	reported := make(chan error, 1000)
	v, err := token.NewVerifier(token.Config{BaseURL: server.URL + "/", Root: public(rootKey()), Report: func(err error) { reported <- err }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Follow(ctx) }()
	<-v.Ready()
	s, c := tokenNow(t, time.Now(), 1)
	if _, err := v.Verify(s); err != nil {
		t.Fatal(err)
	}
	if err := v.Follow(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("a second Follow: %v", err)
	}
	f.revoke(token.KindToken, c.ID)
	for v.Status().Position < 5001 {
		if err := <-reported; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Verify(s); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow ended with %v", err)
	}
}

// TestFreshness cuts the verifier off, then the node that it talks to.
func TestFreshness(t *testing.T) {
	for name, cut := range map[string]func(*feed){
		"the server is gone": func(f *feed) {
			f.override = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		},
		"the server is cut off": func(f *feed) { f.frozen = true },
		"the server answers nothing": func(f *feed) {
			f.override = func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFeed(t, time.Now)
				s, c := tokenNow(t, time.Now(), 1)
				v := follow(t, recoverer{f}, token.Config{})
				lax := follow(t, recoverer{f}, token.Config{MaxStaleness: token.NeverStale})
				time.Sleep(100 * time.Second)
				v.want(t, s, nil)
				f.change(func() { cut(f) })
				time.Sleep(30 * time.Second)
				v.want(t, s, nil)
				time.Sleep(61 * time.Second)
				v.want(t, s, token.ErrStale)
				lax.want(t, s, nil)
				if v.Status().Ready {
					t.Error("it says that it is ready")
				}
				f.change(func() { f.override, f.frozen = nil, false })
				f.revoke(token.KindToken, c.ID)
				time.Sleep(45 * time.Second)
				v.want(t, s, token.ErrRevoked)
				lax.want(t, s, token.ErrRevoked)
			})
		})
	}
}

// recoverer turns a handler's panic into a broken connection.
type recoverer struct{ f *feed }

func (r recoverer) RoundTrip(request *http.Request) (response *http.Response, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("connection reset")
		}
	}()
	return r.f.RoundTrip(request)
}

func TestFollowStartsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, time.Now)
		f.override = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == token.KeySetPath {
				http.Error(w, "not yet", http.StatusServiceUnavailable)
				return true
			}
			return false
		}
		s, _ := tokenNow(t, time.Now(), 1)
		v := follow(t, f, token.Config{MaxStaleness: token.NeverStale})
		time.Sleep(time.Minute)
		v.want(t, s, token.ErrStale) // revocations alone are no snapshot
		f.change(func() { f.override = nil })
		time.Sleep(10 * time.Second)
		v.want(t, s, nil)
	})
}

func TestFollowRotatesKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, time.Now)
		v := follow(t, f, token.Config{})
		old, _ := tokenNow(t, time.Now(), 1)
		v.want(t, old, nil)
		time.Sleep(time.Minute)
		c := sample()
		c.KeyID, c.IssuedAt, c.ExpiresAt = "sik2", time.Now(), time.Now().Add(time.Hour)
		s := mustSign(t, c, seedKey(2))
		v.want(t, s, token.ErrUnknownKey)
		f.change(func() {
			f.pub.Position++
			f.pub.Keys[0].SignsUntil = time.Now().Add(-time.Second)
			f.pub.Keys = append(f.pub.Keys, token.PublicKey{ID: "sik2", Key: public(seedKey(2)), SignsFrom: time.Now()})
		})
		time.Sleep(time.Second)
		v.want(t, s, nil)
		v.want(t, old, nil)
		late, _ := tokenNow(t, time.Now(), 3)
		v.want(t, late, token.ErrUnknownKey) // the retired key must not have signed now
		f.change(func() { f.pub.Position++; f.pub.Keys = f.pub.Keys[1:] })
		time.Sleep(time.Second)
		v.want(t, old, token.ErrUnknownKey)
	})
}

// TestFollowBeginsAnew gives a follower a snapshot that it did not ask for.
func TestFollowBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, time.Now)
		a, ca := tokenNow(t, time.Now(), 1)
		b, cb := tokenNow(t, time.Now(), 2)
		f.revoke(token.KindToken, ca.ID)
		v := follow(t, f, token.Config{})
		v.want(t, a, token.ErrRevoked)
		f.change(func() {
			f.live = []token.Revocation{{Kind: token.KindToken, Hash: token.HashID(token.KindToken, cb.ID), Seq: 6000}}
			f.pub.Position = 6000
			f.override = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != token.RevocationsPath {
					return false
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				body, err := f.confirm().RevocationSnapshot(f.signer, f.live)
				if err != nil {
					t.Error(err)
				}
				w.Write(body)
				return true
			}
		})
		time.Sleep(21 * time.Second)
		v.want(t, a, nil)
		v.want(t, b, token.ErrRevoked)
		if before := v.Status().Position; before != 6000 {
			t.Errorf("position %d", before)
		}
	})
}

// TestFollowReadsEveryPage begins with more than one page can hold.
func TestFollowReadsEveryPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, time.Now)
		_, c := tokenNow(t, time.Now(), 1)
		c.Position = 1
		s := mustSign(t, c, seedKey(1))
		for i := range token.MaxPageEntries + 10 {
			f.live = append(f.live, token.Revocation{Kind: token.KindToken, Hash: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, Seq: uint64(i/4 + 1)})
		}
		f.live = append(f.live, token.Revocation{Kind: token.KindToken, Hash: token.HashID(token.KindToken, c.ID), Seq: 100_000})
		f.pub.Position = 100_000
		v := follow(t, f, token.Config{})
		v.want(t, s, token.ErrRevoked)
		if got := v.Status().Revocations; got != token.MaxPageEntries+11 {
			t.Errorf("%d revocations", got)
		}
		if !slices.Equal(f.requests()[:2], []string{"", "after=50000"}) {
			t.Errorf("asked %q", f.requests())
		}
	})
}

func TestFollowIsNotForLocal(t *testing.T) {
	if localVerifier(t, token.Config{}).Follow(t.Context()) == nil {
		t.Error("a Local verifier follows")
	}
	v, err := token.NewVerifier(token.Config{BaseURL: "https://iam.example.com", Root: public(rootKey())})
	if err != nil {
		t.Fatal(err)
	}
	if v.Load(emptySnapshot()) == nil || v.Advance(1, nil) == nil || v.SetKeys(nil) == nil {
		t.Error("a follower is fed by its owner")
	}
}

// TestFollowTwice goes on where the first Follow ended.
func TestFollowTwice(t *testing.T) {
	f := newFeed(t, time.Now)
	server := httptest.NewServer(f)
	defer server.Close()
	var stop func()
	v, err := token.NewVerifier(token.Config{BaseURL: server.URL, Root: public(rootKey()), Report: func(err error) {
		if err != nil {
			t.Error(err)
		}
		stop()
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stop = cancel
		if err := v.Follow(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		f.revoke(token.KindCloud, "c")
	}
	if got := v.Status(); got.Position != 5001 || got.Revocations != 1 {
		t.Errorf("status %+v", got)
	}
}
