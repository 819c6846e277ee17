package publish_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/publish"
	"github.com/propusk/propusk/token"
)

// documents have no news: a page comes when the wait is over.
type documents struct{ asked chan time.Duration }

func (documents) KeySet(context.Context) ([]byte, error) { return nil, nil }
func (documents) JWKS(context.Context) ([]byte, error)   { return nil, nil }
func (d documents) Page(ctx context.Context, _ *iam.Position, wait time.Duration) ([]byte, error) {
	d.asked <- wait
	if wait > 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []byte(`{}`), nil
}

// nothing is what the gate wants of rooms that an open endpoint does not use.
type nothing struct{ gate.Decider }

func (nothing) Issued(context.Context, *gate.Call) error  { return nil }
func (nothing) Failed(context.Context, *gate.Call, error) {}

func newDoor(t *testing.T, d publish.Documents, most int) *http.ServeMux {
	t.Helper()
	registrar := &gate.Registrar{}
	publish.Register(registrar)
	g, err := gate.New(gate.Config{
		Rules: publish.Rules, Services: registrar, Access: nothing{}, Recorder: nothing{}, Stats: gate.NewStats(), Now: time.Now,
		Prover:  gate.Prover{Header: func(context.Context, string) (*credential.Identity, error) { return nil, iam.Unauthenticated }},
		Granted: func(iam.Permission) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	(&publish.Door{Gate: g, Documents: d, MaxWaiting: most}).Mount(mux)
	return mux
}

// Anybody may wait for revocations; so no more wait than there is room for, and
// those beyond that are answered at once.
func TestWaitersAreBounded(t *testing.T) {
	const most = 3
	d := documents{asked: make(chan time.Duration)}
	mux := newDoor(t, d, most)
	ctx, leave := context.WithCancel(t.Context())
	get := func() int {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, token.RevocationsPath+"?after=1&wait=30", nil)
		mux.ServeHTTP(w, r)
		return w.Code
	}
	var waiting sync.WaitGroup
	for range most {
		waiting.Go(func() { get() })
		if wait := <-d.asked; wait != 30*time.Second {
			t.Errorf("a reader with room was let wait %v", wait)
		}
	}
	for range 2 {
		answered := make(chan int)
		go func() { answered <- get() }()
		if wait := <-d.asked; wait != 0 {
			t.Errorf("a reader beyond the bound was let wait %v", wait)
		}
		if code := <-answered; code != http.StatusOK {
			t.Errorf("a reader beyond the bound was answered %d", code)
		}
	}
	leave()
	waiting.Wait()
	ctx, leave = context.WithCancel(t.Context())
	waiting.Go(func() { get() })
	if wait := <-d.asked; wait != 30*time.Second {
		t.Errorf("when the others had gone a reader was let wait %v", wait)
	}
	leave()
	waiting.Wait()
}
