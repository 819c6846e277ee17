package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
)

// cluster is some nodes on one database, with an organization o, cloud c and
// folder f in it.
func cluster(t testing.TB, s *pgtest.Server, nodes int) (dbs []*store.DB, database string) {
	t.Helper()
	database = s.Database(t)
	for range nodes {
		db := store.New(open(t, s.URL(database)), store.Options{})
		t.Cleanup(func() { _ = db.Close() })
		dbs = append(dbs, db)
	}
	if err := dbs[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := dbs[0].Update(t.Context(), makeWorld); err != nil {
		t.Fatal(err)
	}
	return dbs, database
}

func makeWorld(tx *store.Tx) error {
	now := tx.Now()
	if err := store.InsertOrganization(tx, &iam.Organization{ID: "o", CreatedAt: now}); err != nil {
		return err
	}
	if err := store.InsertCloud(tx, &iam.Cloud{ID: "c", OrganizationID: "o", CreatedAt: now}); err != nil {
		return err
	}
	return insertFolder("f")(tx)
}

func insertFolder(id string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		return store.InsertFolder(tx, &iam.Folder{ID: id, CloudID: "c", Name: id, Status: iam.FolderActive, CreatedAt: tx.Now()})
	}
}

func insertAccount(id string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: id, FolderID: "f", Name: id, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
	}
}

// TestCommitOrder: writers on two nodes; a third that follows the feed never
// passes over a number, and finds each change there when it reads of it.
func TestCommitOrder(t *testing.T) {
	dbs, _ := cluster(t, pgtest.Shared(t), 3)
	const writers, each = 8, 30
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				// Settings have no common parent to be locked, so only the feed
				// stands between these.
				id := fmt.Sprintf("%d.%d", w, i)
				if err := dbs[w%2].Update(context.Background(), func(tx *store.Tx) error {
					store.InsertRevocation(tx, 1, id, tx.Now().Add(time.Hour))
					if err := store.SetSetting(tx, id, id); err != nil {
						return err
					}
					_, err := store.AddMember(tx, "o", iam.SubjectID(id))
					return err
				}); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	at := iam.Position(1)
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		if err := dbs[2].View(t.Context(), func(tx *store.Tx) error {
			entries, err := store.ReadChanges(tx, at, 1000)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if e.Seq != at+1 {
					t.Fatalf("entry %d after %d", e.Seq, at)
				}
				at = e.Seq
				for _, c := range e.Changes {
					if c.Kind != store.ChangeMember {
						continue
					}
					if _, found, err := store.GetSetting(tx, c.Key); err != nil || !found {
						t.Fatalf("entry %d tells of %s, which is not there (%v)", e.Seq, c.Key, err)
					}
				}
			}
			head, err := tx.Head()
			if head != at {
				t.Errorf("head %d, entries up to %d", head, at)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if at != 1+writers*each {
		t.Errorf("%d entries, want %d", at-1, writers*each)
	}
}

// cutter stands between a node and the server and cuts the line at a COMMIT:
// before the server hears it, or before the node hears the answer.
type cutter struct {
	server string
	at     atomic.Int64 // 0 lets all through, 1 cuts before, 2 after
}

func (c *cutter) listen(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(client)
		}
	}()
	return l.Addr().String()
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var deaf atomic.Bool
	go func() {
		_, _ = io.Copy(writerUnless{client, &deaf}, server)
		_ = client.Close()
	}()
	buffer := make([]byte, 1<<16)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		commits := bytes.Contains(buffer[:n], []byte("COMMIT\x00"))
		if commits && c.at.Load() == 1 {
			return
		}
		if commits && c.at.Load() == 2 {
			deaf.Store(true)
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// writerUnless closes the line instead of writing once it is told to be deaf.
type writerUnless struct {
	net.Conn
	deaf *atomic.Bool
}

func (w writerUnless) Write(p []byte) (int, error) {
	if w.deaf.Load() {
		return 0, io.ErrClosedPipe
	}
	return w.Conn.Write(p)
}

// TestLostCommit: a commit whose answer does not come is neither a success nor
// a failure, and is not tried again.
func TestLostCommit(t *testing.T) {
	s := pgtest.Shared(t)
	dbs, database := cluster(t, s, 1)
	c := &cutter{server: "127.0.0.1:" + strconv.Itoa(s.Port)}
	cut := store.New(open(t, s.URLAt(c.listen(t), database)), store.Options{})
	defer cut.Close()
	for at, committed := range map[int64]bool{1: false, 2: true} {
		c.at.Store(at)
		name, runs := fmt.Sprint("cut", at), 0
		err := cut.Update(t.Context(), func(tx *store.Tx) error { runs++; return store.SetSetting(tx, name, "x") })
		if !errors.Is(err, postgres.ErrOutcomeUnknown) || iam.KindOf(err) != iam.Unavailable || runs != 1 {
			t.Errorf("cut at %d: %v after %d runs", at, err, runs)
		}
		if got := hasSetting(t, dbs[0], name); got != committed {
			t.Errorf("cut at %d: the change is there: %v", at, got)
		}
		c.at.Store(0)
		if err := cut.Update(t.Context(), func(tx *store.Tx) error { return store.SetSetting(tx, name, "y") }); err != nil {
			t.Errorf("after the cut: %v", err)
		}
	}
}

func hasSetting(t *testing.T, db *store.DB, name string) (found bool) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *store.Tx) (err error) {
		_, found, err = store.GetSetting(tx, name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestStandbyDoesNotAnswer: when the operator cuts short the wait for a
// standby, the server calls the commit a success; the engine does not.
func TestStandbyDoesNotAnswer(t *testing.T) {
	s := pgtest.Shared(t)
	dbs, database := cluster(t, s, 1)
	set := func(statement string) {
		t.Helper()
		if err := s.Ask("postgres", statement, `SELECT pg_reload_conf()`); err != nil {
			t.Fatal(err)
		}
	}
	set(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	defer set(`ALTER SYSTEM RESET synchronous_standby_names`)
	time.Sleep(200 * time.Millisecond) // the reload is not answered for
	outcome := make(chan error)
	go func() {
		outcome <- dbs[0].Update(context.Background(), func(tx *store.Tx) error { return store.SetSetting(tx, "a", "b") })
	}()
	for {
		select {
		case err := <-outcome:
			if !errors.Is(err, postgres.ErrOutcomeUnknown) {
				t.Errorf("error %v", err)
			}
			return
		case <-time.After(50 * time.Millisecond):
			if err := s.Ask("postgres", `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
				WHERE wait_event = 'SyncRep' AND datname = '`+database+`'`); err != nil {
				t.Fatal(err)
			}
		}
	}
}
