package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/store"
)

// What happens to the files between a stop and the next start.
func TestDamage(t *testing.T) {
	const lost = true
	edit := func(old, new string) func(*testing.T, string, *memory) {
		return func(t *testing.T, path string, _ *memory) {
			b, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(b), old) {
				t.Fatalf("nothing to replace in %s, %v", path, err)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cutLast := func(bytes int64) func(*testing.T, string, *memory) {
		return func(t *testing.T, path string, _ *memory) {
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()-bytes)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	appendText := func(text string) func(*testing.T, string, *memory) {
		return func(t *testing.T, path string, _ *memory) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString(text)
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	emptied := func(t *testing.T, path string, _ *memory) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	chain := `{"chain":"` + strings.Repeat("0", 64) + `"}` + "\n"
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string, archive *memory)
		lost   bool
		left   int // lines of the 10 not shipped that are left
	}{
		"none":                        {func(*testing.T, string, *memory) {}, !lost, 10},
		"torn: half a line":           {appendText(`{"event_id":"half`), !lost, 10},
		"torn: a line, no chain":      {appendText(`{"event_id":"whole"}` + "\n"), !lost, 10},
		"torn: half a chain line":     {appendText(`{"event_id":"whole"}` + "\n" + chain[:30]), !lost, 10},
		"torn: zeros inside":          {appendText(`{"event_id":"who` + strings.Repeat("\x00", 512) + "\n" + chain), !lost, 10},
		"torn: zeros at the end":      {appendText(`{"event_id":"who` + strings.Repeat("\x00", 512)), !lost, 10},
		"zeros":                       {appendText(strings.Repeat("\x00", 4096)), !lost, 10},
		"torn: the last batch":        {cutLast(30), !lost, 9},
		"a batch that does not chain": {appendText(`{"event_id":"forged"}` + "\n" + chain), lost, 0},
		"a letter, not shipped":       {edit("event0015", "event0x15"), lost, 0},
		"a letter, the last line":     {edit("event0019", "event0x19"), lost, 0},
		"a letter, shipped":           {edit("event0005", "event0x05"), !lost, 10},
		"lines swapped":               {edit("event0013", "event0012"), lost, 0},
		"a zero in a line":            {edit("event0015", "event\x00015"), lost, 0},
		"cut before the checkpoint":   {cutLast(11 * 330), lost, 0},
		"the file is gone":            {emptied, lost, 0},
		"the header":                  {edit(`"node":"n1"`, `"node":"n2"`), lost, 0},
		"the header's spelling":       {edit(`{"journal":1`, `{"journal": 1`), lost, 0},
		"the header's version":        {edit(`{"journal":1`, `{"journal":2`), lost, 0},
		"another journal": {func(_ *testing.T, _ string, m *memory) {
			m.at = &store.AuditCheckpoint{Node: "n1", Incarnation: "log0000000000000other", Head: m.at.Head}
		}, lost, 0},
		"the store has seen more": {func(_ *testing.T, _ string, m *memory) {
			m.at = &store.AuditCheckpoint{Node: "n1", Incarnation: m.at.Incarnation, Offset: m.at.Offset + 1_000_000, Head: m.at.Head}
		}, lost, 0},
		"the store knows nothing": {func(_ *testing.T, _ string, m *memory) { m.at, m.segments = nil, nil }, !lost, 20},
	} {
		t.Run(name, func(t *testing.T) {
			archive := &memory{}
			cfg := audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive}
			j := open(t, cfg)
			record(t, j, numbered(0, 10)...)
			if err := j.Ship(t.Context()); err != nil {
				t.Fatal(err)
			}
			archive.failing = errors.New("the store is away")
			record(t, j, numbered(10, 20)...)
			closeJournal(t, j)
			archive.failing = nil
			c.damage(t, newestFile(t, cfg.Dir), archive)
			before := len(archive.ids())

			j, err := audit.Open(t.Context(), cfg)
			if c.lost {
				refusedThenAccepted(t, cfg, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			closeJournal(t, j)
			if got := len(archive.ids()) - before; got != c.left {
				t.Errorf("%d lines were left, want %d: %v", got, c.left, archive.ids())
			}
		})
	}
}

// refusedThenAccepted checks that a loss stops the start, names a file, changes
// nothing, and that accepting it keeps the files and leaves a line.
func refusedThenAccepted(t *testing.T, cfg audit.Config, err error) {
	t.Helper()
	if !errors.Is(err, audit.ErrLoss) || !strings.Contains(err.Error(), cfg.Dir) {
		t.Fatalf("got %v, want a loss that names the file", err)
	}
	if _, err := audit.Open(t.Context(), cfg); !errors.Is(err, audit.ErrLoss) {
		t.Fatalf("the second start: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(cfg.Dir, "*.journal"))
	cfg.AcceptLoss = true
	j := open(t, cfg)
	record(t, j, "goes-on")
	closeJournal(t, j)
	kept, _ := filepath.Glob(filepath.Join(cfg.Dir, "lost-*", "*.journal"))
	if len(kept) != len(files) {
		t.Errorf("%d of %d old files are kept", len(kept), len(files))
	}
	archive := cfg.Archive.(*memory)
	run, err := audit.Unpack(archive.segments[len(archive.segments)-1])
	if err != nil {
		t.Fatal(err)
	}
	if last := string(run); !strings.Contains(last, audit.TypeLossAccepted) || !strings.Contains(last, "goes-on") {
		t.Errorf("the new journal says nothing of the loss: %s", run)
	}
	cfg.AcceptLoss = false
	closeJournal(t, open(t, cfg))
}

func TestAMissingFileIsALoss(t *testing.T) {
	archive := &memory{}
	cfg := audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive, RotateAt: 1000}
	j := open(t, cfg)
	archive.failing = errors.New("the store is away")
	record(t, j, numbered(0, 40)...)
	closeJournal(t, j)
	archive.failing = nil
	files, _ := filepath.Glob(filepath.Join(cfg.Dir, "*.journal"))
	if len(files) < 6 {
		t.Fatalf("only %d files", len(files))
	}
	for i := range files[:len(files)-1] {
		copied := abandon(t, cfg)
		if err := os.Remove(filepath.Join(copied.Dir, filepath.Base(files[i]))); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.Open(t.Context(), copied); !errors.Is(err, audit.ErrLoss) {
			t.Errorf("without file %d of %d: %v", i, len(files), err)
		}
	}
}

func TestTheDiskChangesUnderARunningJournal(t *testing.T) {
	archive := &memory{}
	cfg := audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive}
	j := open(t, cfg)
	record(t, j, numbered(0, 10)...)
	path := newestFile(t, cfg.Dir)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("X"), int64(strings.Index(string(b), "event0004"))); err != nil {
		t.Fatal(err)
	}
	if err := j.Ship(t.Context()); !errors.Is(err, audit.ErrLoss) || !j.Stats().Broken {
		t.Errorf("shipping changed lines: %v", err)
	}
	if err := j.Ship(t.Context()); err != nil || !j.Stats().Broken {
		t.Errorf("the alarm is raised again: %v", err)
	}
	record(t, j, "still-written")
	if got := archive.ids(); !slices.Equal(got, numbered(0, 4)) {
		t.Errorf("shipped %v, want what lies before the change", got)
	}
	closeJournal(t, j)
}

// Whatever a file holds, Open takes it as a journal that goes on, or refuses it.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	j, err := audit.Open(f.Context(), audit.Config{Dir: dir, Node: "n1", Archive: &memory{}})
	if err != nil {
		f.Fatal(err)
	}
	for range 3 {
		if err := j.Record(&audit.Event{}); err != nil {
			f.Fatal(err)
		}
	}
	if err := j.Close(f.Context()); err != nil {
		f.Fatal(err)
	}
	name := "00000000000000000000.journal"
	whole, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range []int{0, 1, 100, 200, 400, len(whole) - 1, len(whole)} {
		f.Add(whole[:min(n, len(whole))])
	}
	f.Add(append(slices.Clone(whole), make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		archive := &memory{}
		cfg := audit.Config{Dir: dir, Node: "n1", Archive: archive}
		j, err := audit.Open(t.Context(), cfg)
		if err != nil {
			if !errors.Is(err, audit.ErrLoss) {
				t.Fatal(err)
			}
			return
		}
		record(t, j, "goes-on")
		closeJournal(t, j)
		if got := archive.ids(); len(got) == 0 || got[len(got)-1] != "goes-on" {
			t.Fatalf("after going on: %v", got)
		}
	})
}
