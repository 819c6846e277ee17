package audit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/audit"
)

func openGathering(t *testing.T) *audit.Journal {
	t.Helper()
	j, err := audit.Open(t.Context(), audit.Config{Dir: t.TempDir(), Node: "n1", Archive: &memory{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return j
}

// appendRound has a number of callers append a line each, at one time.
func appendRound(t *testing.T, j *audit.Journal, callers int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			e := &audit.Event{Type: audit.TypeOf("iam.CreateIamToken"), Time: time.Now(), Details: audit.Details{audit.Text("n", fmt.Sprint(i))}}
			if err := j.Record(e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestCallersShareWrites(t *testing.T) {
	j := openGathering(t)
	appendRound(t, j, 16) // from here on the journal knows that callers come in crowds
	before := j.Stats()
	const rounds, callers = 50, 16
	for range rounds {
		appendRound(t, j, callers)
	}
	after := j.Stats()
	lines, writes := after.Lines-before.Lines, after.Batches-before.Batches
	if lines != rounds*callers {
		t.Fatalf("%d lines are counted, want %d", lines, rounds*callers)
	}
	if writes > lines/2 {
		t.Errorf("%d lines took %d writes: callers do not share them", lines, writes)
	}
}

// A caller who is alone after a crowd waits once at most, then never.
func TestLoneCallerIsNotHeldUp(t *testing.T) {
	j := openGathering(t)
	appendRound(t, j, 16)
	for range 20 {
		appendRound(t, j, 1)
	}
	before := j.Stats()
	appendRound(t, j, 1)
	if after := j.Stats(); after.Batches != before.Batches+1 {
		t.Errorf("one line took %d writes", after.Batches-before.Batches)
	}
}
