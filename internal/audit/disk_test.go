package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/iam"
)

var errNoSpace = errors.New("no space left on device")

// slowDisk takes a millisecond for a write to be durable, and fails on demand.
type slowDisk struct {
	audit.File
	full *atomic.Bool
}

func (d slowDisk) WriteAt(p []byte, at int64) (int, error) {
	if d.full.Load() {
		n, _ := d.File.WriteAt(p[:len(p)/2], at)
		return n, errNoSpace
	}
	return d.File.WriteAt(p, at)
}

func (d slowDisk) Sync() error {
	time.Sleep(time.Millisecond)
	if d.full.Load() {
		return errNoSpace
	}
	return d.File.Sync()
}

func TestCallersShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		archive := &memory{}
		cfg := audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive}
		j := open(t, cfg.WithFiles(func(f audit.File) audit.File { return slowDisk{f, &full} }))
		const callers = 100
		start := time.Now()
		var wg sync.WaitGroup
		for _, id := range numbered(0, callers) {
			wg.Go(func() { record(t, j, id) })
		}
		wg.Wait()
		// Two writes, and up to a millisecond in which the second is gathered.
		if took := time.Since(start); took > 3*time.Millisecond {
			t.Errorf("%d callers waited %v for a disk of 1 ms", callers, took)
		}
		if s := j.Stats(); s.Lines != callers || s.Batches > 2 || s.Backlog == 0 {
			t.Errorf("stats %+v", s)
		}
		closeJournal(t, j)
		if got := len(archive.ids()); got != callers {
			t.Errorf("%d lines came into the archive", got)
		}
	})
}

func TestAFullDisk(t *testing.T) {
	for _, mode := range []audit.Mode{audit.Durable, audit.Buffered} {
		t.Run(fmt.Sprint("mode ", mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var full atomic.Bool
				var reports atomic.Int64
				archive := &memory{}
				cfg := audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive, Mode: mode, Report: func(error) { reports.Add(1) }}
				j := open(t, cfg.WithFiles(func(f audit.File) audit.File { return slowDisk{f, &full} }))
				record(t, j, "before")
				time.Sleep(time.Second)

				full.Store(true)
				err := j.Record(&audit.Event{ID: "during"})
				if mode == audit.Buffered {
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					err = j.Record(&audit.Event{ID: "refused"})
				}
				var shown *iam.Error
				if !errors.As(err, &shown) || shown.Kind != iam.Unavailable || shown.RetryAfter == 0 || strings.Contains(shown.Message, "space") {
					t.Fatalf("on a full disk: %v", err)
				}
				synctest.Wait()
				if j.Stats().Failures == 0 || mode == audit.Buffered && reports.Load() == 0 {
					t.Errorf("a failure that nobody sees: %+v, %d reports", j.Stats(), reports.Load())
				}

				full.Store(false)
				time.Sleep(time.Second)
				record(t, j, "after")
				closeJournal(t, j)
				want := []string{"before", "after"}
				if mode == audit.Buffered {
					want = []string{"before", "during", "after"}
				}
				if got := archive.ids(); !slices.Equal(got, want) {
					t.Errorf("in the archive %v, want %v", got, want)
				}
			})
		})
	}
}

func TestBufferedWritesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		j := open(t, audit.Config{Dir: t.TempDir(), Node: "n1", Archive: &memory{}, Mode: audit.Buffered}.WithFiles(
			func(f audit.File) audit.File { return slowDisk{f, &full} }))
		start := time.Now()
		record(t, j, numbered(0, 50)...)
		if took := time.Since(start); took != 0 || j.Stats().Lines != 0 {
			t.Errorf("it took %v, stats %+v", took, j.Stats())
		}
		time.Sleep(102 * time.Millisecond)
		if s := j.Stats(); s.Lines != 50 || s.Batches != 1 {
			t.Errorf("after 102 ms: %+v", s)
		}
		// A burst does not pile up in memory.
		big := audit.Event{Details: audit.Details{audit.Texts("x", slices.Repeat([]string{strings.Repeat("x", 1000)}, 500)...)}}
		for range 10 {
			if err := j.Record(&big); err != nil {
				t.Fatal(err)
			}
		}
		if s := j.Stats(); s.Batches < 3 {
			t.Errorf("5 MB in memory: %+v", s)
		}
		record(t, j, "last")
		closeJournal(t, j)
		if s := j.Stats(); s.Lines != 61 || s.Backlog != 0 {
			t.Errorf("after Close: %+v", s)
		}
	})
}

func TestRunShipsEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		archive := &memory{}
		var reported []error
		j := open(t, audit.Config{Dir: t.TempDir(), Node: "n1", Archive: archive, Report: func(err error) { reported = append(reported, err) }})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go j.Run(ctx)
		record(t, j, "one")
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if got := archive.ids(); len(got) != 1 {
			t.Errorf("after a second: %v", got)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := len(archive.segments); n != 1 {
			t.Errorf("%d segments of a journal that does not grow", n)
		}
		archive.mu.Lock()
		archive.failing = errors.New("the store is away")
		archive.mu.Unlock()
		record(t, j, "two")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(reported) != 2 || j.Stats().ShipFailures != 2 || j.Stats().Backlog == 0 {
			t.Errorf("the store away for two seconds: %v, %+v", reported, j.Stats())
		}
		archive.mu.Lock()
		archive.failing = nil
		archive.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := archive.ids(); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("after healing: %v", got)
		}
		cancel()
		closeJournal(t, j)
	})
}
