package source_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
	"github.com/propusk/propusk/internal/metadata/source"
)

const tokenLife = 12 * time.Hour

// world is an IAM of which the test decides how it answers.
type world struct {
	mu     sync.Mutex
	err    error         // of tokens
	keyErr error         // of access keys
	dead   string        // a token that has been ended
	takes  time.Duration // to answer
	hangs  bool          // until its caller gives up
	life   time.Duration // of tokens; 0: tokenLife
	made   int
	asked  int
	keys   int
	log    strings.Builder

	wallAhead time.Duration // by which the wall clock was set, or for which the machine slept
}

func (w *world) set(f func(w *world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.wallAhead)
}

func mono() time.Duration { return time.Since(epoch) }

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of a bubble's clock

func (w *world) Make(ctx context.Context) (iamclient.Token, error) {
	w.mu.Lock()
	w.asked++
	takes, hangs, err, life := w.takes, w.hangs, w.err, w.life
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return iamclient.Token{}, ctx.Err()
	}
	time.Sleep(takes)
	if err != nil {
		return iamclient.Token{}, err
	}
	if life == 0 {
		life = tokenLife
	}
	w.mu.Lock()
	w.made++
	n := w.made
	w.mu.Unlock()
	now := w.now()
	return iamclient.Token{Text: iam.NewSecret(fmt.Sprintf("t1.token-%d", n)), ReceivedAt: now, ExpiresAt: now.Add(life)}, nil
}

func (w *world) ServiceAccountID() string { return "ajeaccount" }

func (w *world) key(_ context.Context, bearer iam.Secret, r iamclient.EphemeralRequest) (iamclient.AccessKey, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.keyErr != nil:
		return iamclient.AccessKey{}, w.keyErr
	case bearer.Reveal() == w.dead:
		return iamclient.AccessKey{}, refusal(iam.Unauthenticated)
	}
	w.keys++
	now := time.Now().Add(w.wallAhead)
	return iamclient.AccessKey{ID: fmt.Sprintf("key-%d", w.keys), Secret: iam.NewSecret("YC"), SessionToken: iam.NewSecret("s1.x"),
		ReceivedAt: now, ExpiresAt: now.Add(r.Life)}, nil
}

func (w *world) counts() (asked, made, keys int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked, w.made, w.keys
}

// Write takes the log's lines.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *world) logged(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.log.String(), text)
}

// refusal is IAM's own.
func refusal(kind iam.Kind) error {
	return &iamclient.Refusal{Failure: iam.Errorf(kind, "The service account ajeaccount has been deleted"), RequestID: "req-1"}
}

func away() error {
	return &iamclient.Refusal{Failure: iam.Errorf(iam.Unavailable, "connection refused")}
}

// inBubble runs a test of a renewer on a clock of its own.
func inBubble(t *testing.T, p source.Policy, test func(t *testing.T, w *world, r *source.Renewer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p.Now, p.Log = w.now, slog.New(slog.NewTextHandler(w, nil))
		r, err := source.NewRenewerAt(w, w.key, p, mono)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		synctest.Wait()
		test(t, w, r)
	})
}

// tokenOf asks for a token as a patient program does.
func tokenOf(t *testing.T, w *world, r *source.Renewer) (text string, left time.Duration, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	got, err := r.Token(ctx)
	if err != nil {
		return "", 0, err
	}
	return got.Text.Reveal(), got.ExpiresAt.Sub(w.now()), nil
}

// fragileWorld is an origin whose file may be broken.
type fragileWorld struct {
	*world
	broken atomic.Bool
}

func (f *fragileWorld) Broken() error {
	if f.broken.Load() {
		return errors.New("not a key file")
	}
	return nil
}

func (f *fragileWorld) as(ctx context.Context, _ iam.Secret, _ string) (iamclient.Token, error) {
	return f.Make(ctx)
}
