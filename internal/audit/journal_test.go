package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// memory is an archive of its own kind: a node's segments in memory.
type memory struct {
	mu       sync.Mutex
	segments []*store.AuditSegment
	at       *store.AuditCheckpoint
	failing  error
}

func (m *memory) Checkpoint(context.Context, string) (*store.AuditCheckpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at, m.failing
}

func (m *memory) Import(_ context.Context, segments []*store.AuditSegment, at *store.AuditCheckpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing == nil {
		m.segments, m.at = append(m.segments, segments...), at
	}
	return m.failing
}

// ids are the event ids of all lines in the archive, in order.
func (m *memory) ids() (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.segments {
		run, err := audit.Unpack(s)
		if err != nil {
			return []string{err.Error()}
		}
		for line := range strings.Lines(string(run)) {
			if id, ok := strings.CutPrefix(line, `{"event_id":"`); ok {
				id, _, _ = strings.Cut(id, `"`)
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func open(t *testing.T, cfg audit.Config) *audit.Journal {
	t.Helper()
	j, err := audit.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func closeJournal(t *testing.T, j *audit.Journal) {
	t.Helper()
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func record(t *testing.T, j *audit.Journal, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := j.Record(&audit.Event{ID: id, Type: audit.TypeOf("iam.CreateIamToken"), Status: audit.Done}); err != nil {
			t.Fatal(err)
		}
	}
}

func numbered(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprintf("event%04d", i))
	}
	return ids
}

func newestFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files of the journal: %v, %v", files, err)
	}
	slices.Sort(files)
	return files[len(files)-1]
}

// abandon leaves a journal as a crash would: nothing is shipped, the zeros
// ahead stay, the lock goes.
func abandon(t *testing.T, cfg audit.Config) audit.Config {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = dir
	return cfg
}

func TestLinesSurviveACrash(t *testing.T) {
	archive := &memory{}
	cfg := audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive, RotateAt: 4096}
	var want []string
	for round := range 5 {
		j := open(t, cfg)
		ids := numbered(round*20, round*20+20)
		record(t, j, ids[:7]...)
		if round%2 == 0 {
			if err := j.Ship(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		record(t, j, ids[7:]...)
		want = append(want, ids...)
		cfg = abandon(t, cfg)
		crashed := &memory{segments: slices.Clone(archive.segments), at: archive.at}
		closeJournal(t, j)
		archive, cfg.Archive = crashed, crashed
	}
	closeJournal(t, open(t, cfg))
	if got := archive.ids(); !slices.Equal(got, want) {
		t.Errorf("%d lines came into the archive, want %d:\n%v", len(got), len(want), got)
	}
	files, _ := filepath.Glob(filepath.Join(cfg.Dir, "*.journal"))
	if len(files) != 1 {
		t.Errorf("after shipping %d files are left: %v", len(files), files)
	}
}

func TestOneProcessHasTheJournal(t *testing.T) {
	cfg := audit.Config{Dir: t.TempDir(), Node: "n1", Archive: &memory{}}
	j := open(t, cfg)
	if _, err := audit.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("opened twice: %v", err)
	}
	closeJournal(t, j)
	closeJournal(t, j)
	if err := j.Record(&audit.Event{}); !errors.Is(err, iam.Unavailable) {
		t.Errorf("after Close: %v", err)
	}
	closeJournal(t, open(t, cfg))
	cfg.Node = "a/b"
	if _, err := audit.Open(t.Context(), cfg); err == nil {
		t.Error("a node of any name was taken")
	}
}

func TestAppendTakesOnlyEventLines(t *testing.T) {
	j := open(t, audit.Config{Dir: t.TempDir(), Node: "n1", Archive: &memory{}})
	defer closeJournal(t, j)
	good := string(tokenEvent().AppendJSON(nil))
	for _, line := range []string{"", "{", "x", good + "\n", strings.Replace(good, "iam", "i\nm", 1), `{"chain":"` + strings.Repeat("0", 64) + `"}`, `{"event_id":"no time"}`,
		`{"event_id":"` + strings.Repeat("x", audit.MaxEventSize) + good[1:]} {
		if err := j.Append([]byte(line)); err == nil {
			t.Errorf("appended %.80q", line)
		}
	}
	if err := j.Append([]byte(good)); err != nil {
		t.Error(err)
	}
}
