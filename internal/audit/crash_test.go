//go:build unix

package audit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

const childVariable = "PROPUSK_AUDIT_TEST_CHILD"

func TestMain(m *testing.M) {
	switch dir := os.Getenv(childVariable + "_DIR"); os.Getenv(childVariable) {
	case "append":
		appendUntilKilled(dir)
	case "full":
		fillTheDisk(dir)
	default:
		os.Exit(m.Run())
	}
}

func child(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVariable+"="+what, childVariable+"_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

func openAll(ctx context.Context, dir string) (*store.DB, *audit.Journal, error) {
	engine, err := sqlite.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	db := store.New(engine, store.Options{})
	if err := db.Migrate(ctx); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	j, err := audit.Open(ctx, audit.Config{Dir: filepath.Join(dir, "journal"), Node: "n1", Archive: audit.InStore(db), RotateAt: 64 << 10, ShipEvery: 3 * time.Millisecond})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, j, nil
}

// appendUntilKilled appends from eight goroutines, ships at the same time, and
// prints the id of every line that was acknowledged.
func appendUntilKilled(dir string) {
	_, j, err := openAll(context.Background(), dir)
	die(err)
	go j.Run(context.Background())
	var out sync.Mutex
	for range 8 {
		go func() {
			for {
				e := audit.Event{Type: audit.TypeOf("iam.CreateIamToken"), Request: audit.Request{UserAgent: strings.Repeat("agent ", rand.IntN(80))}}
				if err := j.Record(&e); err != nil {
					die(err)
				}
				out.Lock()
				_, err := os.Stdout.WriteString(e.ID + "\n")
				out.Unlock()
				die(err)
			}
		}()
	}
	select {}
}

// A server killed at any moment keeps every line that was acknowledged, in a
// chain that holds, on disk or in the store.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	acknowledged := make(map[string]bool)
	for range rounds {
		cmd := child(t, "append", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ids := bufio.NewScanner(out)
		for n := 0; ids.Scan(); n++ {
			acknowledged[ids.Text()] = true
			if n == 0 {
				time.AfterFunc(time.Duration(rand.IntN(40_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("the child ended by itself: %v", err)
		}
	}

	db, j, err := openAll(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer closeJournal(t, j)
	report, err := audit.Verify(t.Context(), db, j)
	if err != nil || len(report.Problems) > 0 || len(report.Journals) != 1 {
		t.Errorf("after %d kills: %+v, %v", rounds, report, err)
	}
	entries, err := audit.List(t.Context(), db, j, audit.Filter{Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, e := range entries {
		if e.Event == nil || seen[e.Event.ID] {
			t.Fatalf("an entry that cannot be read or comes twice: %s", e.Line)
		}
		seen[e.Event.ID] = true
	}
	for id := range acknowledged {
		if !seen[id] {
			t.Errorf("line %s was acknowledged and is lost", id)
		}
	}
	t.Logf("%d lines acknowledged, %d found, %d batches verified lines", len(acknowledged), len(seen), report.Journals[0].Lines)
	if len(acknowledged) < 10*rounds {
		t.Errorf("only %d lines in %d rounds: the test tests little", len(acknowledged), rounds)
	}
}

// fillTheDisk meets the limit of a file's size, which fails writes as a full
// disk does, half-way through a line.
func fillTheDisk(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	archive := &memory{}
	cfg := audit.Config{Dir: dir, Node: "n1", Archive: archive}
	j, err := audit.Open(context.Background(), cfg)
	die(err)
	var limit syscall.Rlimit
	die(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	small := limit
	small.Cur = 200_001
	die(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))
	good, failed := 0, 0
	var wanted []string
	for i := 0; failed < 20; i++ {
		id := fmt.Sprintf("event%06d", i)
		switch err := j.Record(&audit.Event{ID: id}); {
		case err == nil && failed == 0:
			good++
			wanted = append(wanted, id)
		case errors.Is(err, iam.Unavailable):
			failed++
		default:
			die(fmt.Errorf("line %d after %d failures: %w", i, failed, err))
		}
	}
	die(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	die(j.Record(&audit.Event{ID: "after"}))
	wanted = append(wanted, "after")
	die(j.Close(context.Background()))
	if got := archive.ids(); strings.Join(got, " ") != strings.Join(wanted, " ") || good < 100 {
		die(fmt.Errorf("%d lines written, %d in the archive", len(wanted), len(got)))
	}
	fmt.Println("well")
}

func TestNoRoomForTheFile(t *testing.T) {
	out, err := child(t, "full", t.TempDir()).Output()
	if err != nil || string(out) != "well\n" {
		t.Errorf("%v: %s", err, out)
	}
}
