package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/audit"
)

func TestRefusalsAreAggregatedAboveARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []*audit.Event
		written := func() []*audit.Event {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(events)
		}
		r := audit.NewRefusals(audit.RefusalsConfig{Record: func(e *audit.Event) error {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
			return nil
		}})
		refuse := func(n int, reason, address string) {
			for range n {
				if err := r.Record(&audit.Event{Type: "refused", Request: audit.Request{RemoteAddress: address}}, reason); err != nil {
					t.Fatal(err)
				}
			}
		}
		refuse(15, "expired", "192.0.2.1")
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		refuse(20, "expired", "192.0.2.1") // a new second
		if len(written()) != 35 || r.Counted() != 0 {
			t.Fatalf("%d written below the rate, %d counted", len(written()), r.Counted())
		}
		refuse(7, "badSignature", "192.0.2.1")
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		refuse(30, "unknownKey", "192.0.2.2")
		for i := range 1000 {
			refuse(1, fmt.Sprint("odd", i), fmt.Sprint("198.51.100.", i))
		}
		if len(written()) != 35 {
			t.Fatalf("%d written within a second", len(written()))
		}
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		if len(written()) != 36 || r.Counted() != 1037 {
			t.Fatalf("%d written, %d counted", len(written()), r.Counted())
		}
		told := written()[35]
		want := []string{"other 746", "unknownKey 30", "badSignature 7", "odd0 1", "odd1 1"}
		var got []string
		for _, d := range told.Details {
			if d.Name == "reasons" {
				for _, item := range d.Items {
					fields := audit.Details(item.Fields)
					got = append(got, fields.Get("reason")+" "+fields.Get("count"))
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || told.Type != audit.TypeRefusedCalls || told.Details.Get("count") != "1037" {
			t.Errorf("told %s\n%s", told.AppendJSON(nil), diff)
		}
		refuse(20, "expired", "192.0.2.1")
		if len(written()) != 56 {
			t.Errorf("%d written: the next second begins anew", len(written()))
		}
		refuse(3, "expired", "192.0.2.1")
		r.Close()
		if len(written()) != 57 || written()[56].Details.Get("count") != "3" {
			t.Errorf("Close left something untold")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(written()) != 57 {
			t.Errorf("the timer tells of nothing")
		}
	})
}

func TestARefusalThatCannotBeWritten(t *testing.T) {
	full := errors.New("full")
	var reported error
	r := audit.NewRefusals(audit.RefusalsConfig{PerSecond: 1, Record: func(*audit.Event) error { return full }, Report: func(err error) { reported = err }})
	if err := r.Record(&audit.Event{}, "expired"); err != full {
		t.Errorf("got %v", err)
	}
	if err := r.Record(&audit.Event{}, "expired"); err != nil {
		t.Errorf("counting failed: %v", err)
	}
	r.Close()
	if reported != full {
		t.Errorf("reported %v", reported)
	}
}
