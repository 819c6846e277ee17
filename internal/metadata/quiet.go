package metadata

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

const (
	quietEvery = time.Minute
	quietLines = 5 // of one outcome in quietEvery
)

// quietLog writes a line for each of the first few refusals of a kind in a
// minute and then only counts: whoever is refused does not choose how much disk
// that takes.
type quietLog struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[string]*quietKind
}

type quietKind struct {
	since   time.Time
	written int
	held    int
}

// refused logs a request that was turned away.
func (q *quietLog) refused(r *http.Request, listener string, client netip.Addr, a *answer) {
	q.write(r.Context(), a.outcome, "request refused", func() []any {
		return []any{"listener", listener, "reason", a.outcome, "status", a.status, "client", client.String(),
			"method", clip(r.Method), "path", iam.Conceal(clip(r.URL.Path)), "host", iam.Conceal(clip(r.Host))}
	})
}

// closed logs a connection that was closed at once.
func (q *quietLog) closed(listener string, client netip.Addr, reason string) {
	q.write(context.Background(), reason, "connection refused", func() []any {
		return []any{"listener", listener, "reason", reason, "client", client.String()}
	})
}

// notAccepted logs that connections cannot be taken, such as for want of file
// descriptors.
func (q *quietLog) notAccepted(listener string, err error) {
	q.write(context.Background(), "accept_failed", "no connection can be taken", func() []any {
		return []any{"listener", listener, "error", err.Error()}
	})
}

// failed logs why a source gave nothing. Its errors hold no secrets.
func (q *quietLog) failed(r *http.Request, listener string, err error) {
	q.write(r.Context(), "source", "no credentials", func() []any {
		return []any{"listener", listener, "error", iam.Conceal(err.Error())}
	})
}

func (q *quietLog) write(ctx context.Context, kind, message string, of func() []any) {
	if q.log == nil {
		return
	}
	held, ok := q.pass(kind)
	if !ok {
		return
	}
	args := of()
	if held > 0 {
		args = append(args, "not_logged_before", held)
	}
	q.log.WarnContext(ctx, message, args...)
}

// pass tells whether a line may be written, and how many were not since the last.
func (q *quietLog) pass(kind string) (held int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.kinds == nil {
		q.kinds = map[string]*quietKind{}
	}
	k := q.kinds[kind]
	now := q.now()
	if k == nil {
		k = &quietKind{since: now}
		q.kinds[kind] = k
	}
	if now.Sub(k.since) >= quietEvery {
		k.since, k.written = now, 0
	}
	if k.written >= quietLines {
		k.held++
		return 0, false
	}
	k.written++
	held, k.held = k.held, 0
	return held, true
}

// clip keeps what a client chose short and on one line.
func clip(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.ToValidUTF8(s, "?")
}
