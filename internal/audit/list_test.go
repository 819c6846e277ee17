package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

func openStore(t *testing.T, now func() time.Time) *store.DB {
	t.Helper()
	engine, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	return migrated(t, store.New(engine, store.Options{Now: now}))
}

func openStoreIn(t testing.TB, dir string) *store.DB {
	t.Helper()
	engine, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return migrated(t, store.New(engine, store.Options{}))
}

func migrated(t testing.TB, db *store.DB) *store.DB {
	t.Helper()
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// at is an event at so many seconds after noon; its id says what it is.
func at(seconds int, id string) *audit.Event {
	e := tokenEvent()
	e.ID, e.Time = id, noon.Add(time.Duration(seconds)*time.Second)
	return e
}

func insert(t *testing.T, db *store.DB, events ...*audit.Event) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		for _, e := range events {
			if err := audit.Insert(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ids(entries []audit.Entry) (ids []string) {
	for _, e := range entries {
		ids = append(ids, e.Event.ID)
	}
	return ids
}

func TestListMergesAllThatThereIs(t *testing.T) {
	now := func() time.Time { return noon.Add(time.Hour) }
	db := openStore(t, now)
	other := open(t, audit.Config{Dir: t.TempDir(), Node: "n2", Archive: audit.InStore(db), Now: now})
	own := open(t, audit.Config{Dir: t.TempDir(), Node: "n1", Archive: audit.InStore(db), Now: now})
	defer closeJournal(t, own)
	write := func(j *audit.Journal, events ...*audit.Event) {
		for _, e := range events {
			if err := j.Record(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	created := at(30, "changed-30")
	created.Type = audit.TypeOf("iam.CreateServiceAccount")
	created.Authentication.SubjectID = "aje0000000000000admin"
	created.Resource.Path = append(created.Resource.Path, audit.Place{Type: "iam.serviceAccount", ID: "aje0000000000000thing"})
	write(own, at(10, "own-10"), at(40, "own-40"))
	write(other, at(20, "other-20"), at(50, "other-50"))
	closeJournal(t, other)
	insert(t, db, created, at(-90*24*3600, "changed-long-ago"))
	if err := own.Ship(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(own, at(35, "tail-35"), at(60, "tail-60"))

	all := []string{"changed-long-ago", "own-10", "other-20", "changed-30", "tail-35", "own-40", "other-50", "tail-60"}
	newest := slices.Clone(all)
	slices.Reverse(newest)
	for name, c := range map[string]struct {
		filter audit.Filter
		want   []string
	}{
		"all":             {audit.Filter{}, newest},
		"oldest first":    {audit.Filter{OldestFirst: true}, all},
		"newest three":    {audit.Filter{Limit: 3}, newest[:3]},
		"oldest three":    {audit.Filter{Limit: 3, OldestFirst: true}, all[:3]},
		"since":           {audit.Filter{Since: noon.Add(35 * time.Second), OldestFirst: true}, all[4:]},
		"until":           {audit.Filter{Until: noon.Add(35 * time.Second), OldestFirst: true}, all[:4]},
		"since and until": {audit.Filter{Since: noon.Add(20 * time.Second), Until: noon.Add(50 * time.Second), OldestFirst: true}, all[2:6]},
		"type":            {audit.Filter{Type: audit.TypeOf("iam.CreateServiceAccount")}, []string{"changed-30"}},
		"subject":         {audit.Filter{Subject: "aje00000000000account", Limit: 2}, []string{"tail-60", "other-50"}},
		"resource":        {audit.Filter{ResourceID: "aje0000000000000thing"}, []string{"changed-30"}},
		"nothing":         {audit.Filter{Subject: "aje00000000000nobody"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := audit.List(t.Context(), db, own, c.filter)
			if err != nil || !slices.Equal(ids(got), c.want) {
				t.Errorf("got  %v, %v\nwant %v", ids(got), err, c.want)
			}
		})
	}
	got, err := audit.List(t.Context(), db, nil, audit.Filter{OldestFirst: true})
	if err != nil || len(got) != 6 {
		t.Errorf("without the node's own journal: %v, %v", ids(got), err)
	}
	if report, err := audit.Verify(t.Context(), db, own); err != nil || len(report.Problems) > 0 || len(report.Journals) != 2 {
		t.Errorf("verified: %+v, %v", report, err)
	}
}

func TestListOfManyIsInOrder(t *testing.T) {
	db := openStore(t, nil)
	j := open(t, audit.Config{Dir: t.TempDir(), Node: "n1", Archive: audit.InStore(db), Mode: audit.Buffered})
	const n = 5000
	for i := range n {
		seconds := i * 7919 % n // any order of times
		e := at(seconds, fmt.Sprintf("%06d", seconds))
		if i%3 == 0 {
			insert(t, db, e)
		} else if err := j.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, j)
	for _, oldest := range []bool{true, false} {
		got, err := audit.List(t.Context(), db, nil, audit.Filter{Limit: 777, OldestFirst: oldest})
		if err != nil || len(got) != 777 {
			t.Fatalf("%d entries, %v", len(got), err)
		}
		for i, e := range got {
			want := i
			if !oldest {
				want = n - 1 - i
			}
			if e.Event.ID != fmt.Sprintf("%06d", want) {
				t.Fatalf("oldest first %v: entry %d is %s", oldest, i, e.Event.ID)
			}
		}
	}
}

func TestInsertIsPartOfTheChange(t *testing.T) {
	db := openStore(t, func() time.Time { return noon })
	event := &audit.Event{Type: audit.TypeOf("resourcemanager.CreateFolder"), Status: audit.Done}
	undone := errors.New("undone")
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if err := audit.Insert(tx, event); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if event.ID != "" || !event.Time.IsZero() {
		t.Error("Insert changed the event it was given")
	}
	insert(t, db, event)
	got, err := audit.List(t.Context(), db, nil, audit.Filter{})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if e := got[0].Event; len(e.ID) != 20 || e.Source != "resourcemanager" || !e.Time.Equal(noon) {
		t.Errorf("filled in: %+v", e)
	}
}

// What somebody does to the store behind the server's back.
func TestVerifyFindsChangesInTheStore(t *testing.T) {
	journal := func(t *testing.T) (segments []*store.AuditSegment, at *store.AuditCheckpoint) {
		archive := &memory{}
		j := open(t, audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive})
		for i := range 5 {
			record(t, j, numbered(i*4, i*4+4)...)
			if err := j.Ship(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		closeJournal(t, j)
		return archive.segments, archive.at
	}
	cut := func(s *store.AuditSegment, change func(lines []string) []string) {
		run, err := audit.Unpack(s)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Join(change(strings.SplitAfter(string(run), "\n")), "")
		s.Data, s.Length = audit.Pack([]byte(changed)), int64(len(changed))
	}
	for name, c := range map[string]struct {
		change func(s []*store.AuditSegment, at *store.AuditCheckpoint) []*store.AuditSegment
		want   string // part of the first problem; "" none
	}{
		"nothing":    {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment { return s }, ""},
		"pruned":     {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment { return s[2:] }, ""},
		"all pruned": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment { return nil }, ""},
		"one is missing": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			return slices.Delete(s, 2, 3)
		}, "missing"},
		"the last is cut": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment { return s[:4] }, "the store ends here"},
		"a letter": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			cut(s[3], func(l []string) []string { l[2] = strings.Replace(l[2], "event0013", "event0x13", 1); return l })
			return s
		}, "the chain breaks"},
		"a line is missing": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			cut(s[1], func(l []string) []string { return l[1:] })
			return s
		}, "the chain breaks"},
		"a batch is missing": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			cut(s[1], func(l []string) []string { return l[2:] })
			return s
		}, "the chain breaks"},
		"the end of one is missing": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			cut(s[4], func(l []string) []string { return l[:4] })
			return s
		}, "a segment of the store ends in"},
		"bytes that do not unpack": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			s[1].Data = s[1].Data[:len(s[1].Data)/2]
			return s
		}, "unexpected EOF"},
		"a length that is not true": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			cut(s[1], func(l []string) []string { return l[:4] })
			s[1].Length = s[2].Offset - s[1].Offset
			return s
		}, "bytes instead of"},
		"lines moved": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			cut(s[1], func(l []string) []string { l[0], l[2] = l[2], l[0]; return l })
			return s
		}, "the chain breaks"},
		"a clock that went back": {func(s []*store.AuditSegment, _ *store.AuditCheckpoint) []*store.AuditSegment {
			s[3].FirstTime, s[2].FirstTime = s[2].FirstTime, s[3].FirstTime
			return s
		}, ""},
		"another head": {func(s []*store.AuditSegment, at *store.AuditCheckpoint) []*store.AuditSegment {
			at.Head[0]++
			return s
		}, "its checkpoint is at"},
	} {
		t.Run(name, func(t *testing.T) {
			segments, at := journal(t)
			db := openStore(t, nil)
			if err := audit.InStore(db).Import(t.Context(), c.change(segments, at), at); err != nil {
				t.Fatal(err)
			}
			report, err := audit.Verify(t.Context(), db, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && len(report.Problems) == 0 {
				return
			}
			if c.want == "" || len(report.Problems) == 0 || !strings.Contains(report.Problems[0].String(), c.want) {
				t.Errorf("found %v, want %q", report.Problems, c.want)
			}
		})
	}
}

func TestImportTwiceIsOnce(t *testing.T) {
	archive := &memory{}
	j := open(t, audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive})
	record(t, j, numbered(0, 9)...)
	closeJournal(t, j)
	db := openStore(t, nil)
	for range 3 {
		if err := audit.InStore(db).Import(context.Background(), archive.segments, archive.at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := audit.List(t.Context(), db, nil, audit.Filter{})
	if err != nil || len(got) != 9 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}
