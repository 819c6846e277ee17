package token_test

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

// feed is a server's publishing side, as small as it can be: what it says, and
// long polls over it.
type feed struct {
	mu      sync.Mutex
	now     func() time.Time
	pub     token.Publication
	live    []token.Revocation
	signer  token.FeedSigner
	changed chan struct{}
	frozen  bool // confirmed-at no longer advances: this node is cut off

	asked    []string                                          // queries of the pages served
	override func(w http.ResponseWriter, r *http.Request) bool // answers in the feed's place
}

func rootKey() ed25519.PrivateKey { return seedKey(100) }
func feedKey() ed25519.PrivateKey { return seedKey(101) }

// newFeed speaks for the installation of the samples at position 5000, at the
// time of its clock.
func newFeed(t testing.TB, now func() time.Time) *feed {
	t.Helper()
	certificate, err := token.SignCertificate(token.Certificate{
		Installation: installation, Key: public(feedKey()),
		NotBefore: now().Add(-time.Hour), NotAfter: now().Add(24 * time.Hour),
	}, rootKey())
	if err != nil {
		t.Fatal(err)
	}
	return &feed{
		now:     now,
		changed: make(chan struct{}),
		signer:  token.FeedSigner{Certificate: certificate, Key: feedKey()},
		pub: token.Publication{
			Installation: installation, Position: 5000, ConfirmedAt: now(),
			Keys: []token.PublicKey{{ID: "sik00000000000000001", Key: public(seedKey(1)), SignsFrom: now().Add(-time.Hour)}},
		},
	}
}

// change alters what the feed says and wakes its readers.
func (f *feed) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *feed) revoke(kind token.Kind, id string) {
	f.change(func() {
		f.pub.Position++
		f.live = append(f.live, token.Revocation{Kind: kind, Hash: token.HashID(kind, id), Seq: f.pub.Position})
	})
}

// requests returns the queries of the pages asked for so far.
func (f *feed) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	override := f.override
	f.mu.Unlock()
	if override != nil && override(w, r) {
		return
	}
	var body []byte
	var err error
	switch r.URL.Path {
	case token.KeySetPath:
		body, err = f.keySet()
	case token.RevocationsPath:
		body, err = f.page(r)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// confirm is the node making sure that it knows the end of the feed.
func (f *feed) confirm() *token.Publication {
	if !f.frozen {
		f.pub.ConfirmedAt = f.now()
	}
	return &f.pub
}

func (f *feed) keySet() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.confirm().KeySetDocument(f.signer)
}

func (f *feed) page(r *http.Request) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.URL.RawQuery)
	if !r.URL.Query().Has("after") {
		return f.confirm().RevocationSnapshot(f.signer, f.live)
	}
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		return nil, err
	}
	seconds, _ := strconv.Atoi(r.URL.Query().Get("wait"))
	timeout := time.After(time.Duration(seconds) * time.Second)
	for waiting := seconds > 0; waiting && f.pub.Position <= after; {
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			waiting = false
		case <-r.Context().Done():
			waiting = false
		}
		f.mu.Lock()
	}
	return f.confirm().RevocationsAfter(f.signer, f.live, after)
}

// RoundTrip lets a feed be a client's transport, for tests whose time is not
// real: no socket is involved.
func (f *feed) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response := w.Result()
	response.Request = r
	return response, nil
}

// tokenNow is a sample issued at a moment, with an id of its own.
func tokenNow(t testing.TB, now time.Time, i int) (string, token.Claims) {
	t.Helper()
	c := sample()
	c.ID = fmt.Sprintf("tok%017d", i)
	c.DependsOn[0].ID = c.ID
	c.IssuedAt, c.ExpiresAt = now, now.Add(12*time.Hour)
	return mustSign(t, c, seedKey(1)), c
}
