package mail_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mail"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// town is a store with a clock that is moved by hand.
type town struct {
	db  *store.DB
	box *seal.Box
	mu  sync.Mutex
	now time.Time
}

func openTown(t *testing.T) *town {
	t.Helper()
	w := &town{now: monday}
	engine, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	w.db = store.New(engine, store.Options{Now: w.clock})
	t.Cleanup(func() { _ = w.db.Close() })
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.box, err = seal.New(seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *town) clock() time.Time        { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
func (w *town) advance(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// node is an outbox, what it has sent and what it has complained of.
type node struct {
	*mail.Outbox
	mu    sync.Mutex
	sent  []string
	said  []string
	fails error
}

func (w *town) node() *node {
	n := &node{}
	n.Outbox = &mail.Outbox{DB: w.db, Box: w.box,
		Send: func(_ context.Context, l *mail.Letter) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.fails == nil {
				n.sent = append(n.sent, l.Text)
			}
			return n.fails
		},
		Answer: func(ctx context.Context, id string, a *mail.Ask) error {
			return w.db.Update(ctx, func(tx *store.Tx) error {
				_, err := store.DeleteMail(tx, id)
				n.sent = append(n.sent, "asked by "+a.Who)
				return err
			})
		},
		Failed: func(err error) { n.mu.Lock(); n.said = append(n.said, err.Error()); n.mu.Unlock() },
	}
	return n
}

func (w *town) post(t *testing.T, o *mail.Outbox, worth time.Duration, e mail.Envelope) *iam.OutgoingMail {
	t.Helper()
	m, err := o.Pack(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.Update(t.Context(), func(tx *store.Tx) error { return mail.Post(tx, m, worth) }); err != nil {
		t.Fatal(err)
	}
	return m
}

func (n *node) run(t *testing.T, sent, said int) {
	t.Helper()
	if err := n.RunDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(n.sent) != sent || len(n.said) != said {
		t.Fatalf("sent %q, said %q; want %d and %d", n.sent, n.said, sent, said)
	}
}

func (w *town) waiting(t *testing.T) (n int) {
	t.Helper()
	err := w.db.View(t.Context(), func(tx *store.Tx) (err error) { n, err = store.CountMail(tx, 99); return err })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOutboxTriesAgain(t *testing.T) {
	w := openTown(t)
	n := w.node()
	counters := n.Collectors()
	m := w.post(t, n.Outbox, 24*time.Hour, mail.Envelope{Letter: letter})
	if strings.Contains(string(m.Sealed), "SECRET") || strings.Contains(string(m.Sealed), "bob@") {
		t.Error("a letter lies open")
	}
	n.fails = &mail.SendError{Step: "sender", Code: 451, Err: errors.New("451 <bob@example.com> SECRET later")}
	n.run(t, 0, 1)
	n.run(t, 0, 1) // not at once
	w.advance(59 * time.Second)
	n.run(t, 0, 1)
	w.advance(time.Second)
	n.run(t, 0, 2)
	w.advance(time.Minute)
	n.run(t, 0, 2) // the delay grows
	w.advance(time.Minute)
	n.run(t, 0, 3)
	n.fails = nil
	w.advance(4 * time.Minute)
	n.run(t, 1, 3)
	n.run(t, 1, 3)
	if w.waiting(t) != 0 || n.sent[0] != letter.Text {
		t.Errorf("%d wait; sent %q", w.waiting(t), n.sent)
	}
	for _, line := range n.said {
		if strings.Contains(line, "SECRET") || strings.Contains(line, "bob@") || !strings.Contains(line, "451") {
			t.Errorf("the log reads %q", line)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(counters...)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "propusk_mail_total" {
		t.Fatalf("%v, %v", families, err)
	}
	for _, metric := range families[0].GetMetric() {
		want := map[string]float64{"failed": 3, "given_up": 0, "sent": 1}[metric.GetLabel()[0].GetValue()]
		if got := metric.GetCounter().GetValue(); got != want {
			t.Errorf("%v, want %v", metric, want)
		}
	}
}

func TestOutboxGivesUp(t *testing.T) {
	w := openTown(t)
	n := w.node()
	w.post(t, n.Outbox, time.Hour, mail.Envelope{Letter: letter})
	n.fails = &mail.SendError{Step: "recipient", Code: 550, Permanent: true, Err: errors.New("550 who?")}
	n.run(t, 0, 1)
	if w.waiting(t) != 0 {
		t.Error("a letter to nobody waits")
	}
	n.fails = &mail.SendError{Step: "connect", Err: errors.New("refused")}
	w.post(t, n.Outbox, time.Hour, mail.Envelope{Letter: letter})
	n.run(t, 0, 2)
	w.advance(time.Hour) // its link is worth nothing now
	n.fails = nil
	n.run(t, 0, 3)
	if w.waiting(t) != 0 {
		t.Error("a letter waits whose link has ended")
	}
}

// A message that does not open, or is none, harms no other.
func TestOutboxGoesOn(t *testing.T) {
	w := openTown(t)
	n := w.node()
	err := w.db.Update(t.Context(), func(tx *store.Tx) error {
		return store.InsertMail(tx, &iam.OutgoingMail{ID: "a", Sealed: []byte("nonsense"), CreatedAt: monday, NextAt: monday, ExpiresAt: monday.Add(time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.post(t, n.Outbox, time.Hour, mail.Envelope{Letter: letter})
	w.post(t, n.Outbox, time.Hour, mail.Envelope{Ask: &mail.Ask{Kind: mail.Reset, Who: "bob"}})
	n.run(t, 2, 1)
	if w.waiting(t) != 1 {
		t.Errorf("%d wait", w.waiting(t))
	}
}

// Of many nodes one sends a letter.
func TestOutboxOfManyNodes(t *testing.T) {
	w := openTown(t)
	nodes := []*node{w.node(), w.node(), w.node(), w.node()}
	const letters = 30
	for range letters {
		w.post(t, nodes[0].Outbox, time.Hour, mail.Envelope{Letter: letter})
	}
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			if err := n.RunDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sent := 0
	for _, n := range nodes {
		sent += len(n.sent)
	}
	if sent != letters || w.waiting(t) != 0 {
		t.Errorf("%d letters were sent, %d wait", sent, w.waiting(t))
	}
}

// Strangers who fill the queue leave room for what others cause.
func TestOutboxIsBounded(t *testing.T) {
	w := openTown(t)
	n := w.node()
	fill := func(rows int) {
		t.Helper()
		err := w.db.Update(t.Context(), func(tx *store.Tx) error {
			for range rows {
				m := &iam.OutgoingMail{ID: resource.NewID(resource.PrefixIAM), CreatedAt: monday, NextAt: monday, ExpiresAt: monday.Add(time.Hour)}
				if err := store.InsertMail(tx, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	post := func(post func(*store.Tx, *iam.OutgoingMail, time.Duration) error, want iam.Kind) {
		t.Helper()
		m, err := n.Pack(mail.Envelope{Letter: letter})
		if err != nil {
			t.Fatal(err)
		}
		err = w.db.Update(t.Context(), func(tx *store.Tx) error { return post(tx, m, time.Hour) })
		if want == 0 && err != nil || want != 0 && iam.KindOf(err) != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	fill(7499)
	post(mail.PostAsk, 0)
	post(mail.PostAsk, iam.Unavailable)
	post(mail.Post, 0)
	fill(2498)
	post(mail.Post, 0)
	post(mail.Post, iam.Unavailable)
}
