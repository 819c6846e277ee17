package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// endingTests are about transactions that end in another way than by returning nil.
var endingTests = []test{
	{"failures leave neighbours whole", testIsolation},
	{"panic and goexit", testPanic},
	{"context", testContext},
	{"context ends in the queue", testContextWhileWaiting},
	{"closing", testClose},
}

// testIsolation runs good and bad updates at once; the good ones stay, the bad
// ones leave nothing.
func testIsolation(t *testing.T, f *fixture) {
	f.world(t)
	const n = 64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprintf("i%02d", i)
			err := f.db.Update(context.Background(), func(tx *store.Tx) error {
				if err := store.InsertFolder(tx, folder(id, cloudID, id)); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return errAbandon
				case 2:
					return store.InsertFolder(tx, folder(id+"x", cloudID, "web")) // the name is taken
				}
				return nil
			})
			switch i % 4 {
			case 1:
				if !errors.Is(err, errAbandon) {
					t.Errorf("%s: %v", id, err)
				}
			case 2:
				if iam.KindOf(err) != iam.AlreadyExists {
					t.Errorf("%s: %v", id, err)
				}
			default:
				if err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	f.view(t, func(tx *store.Tx) error {
		for i := range n {
			_, err := store.GetFolder(tx, fmt.Sprintf("i%02d", i))
			if good := i%4 == 0 || i%4 == 3; good != (err == nil) {
				t.Errorf("folder %d: %v", i, err)
			}
		}
		return nil
	})
	same(t, "numbers drawn", iam.Position(1+n/2), f.head(t))
}

func testPanic(t *testing.T, f *fixture) {
	f.world(t)
	const n = 48
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprintf("p%02d", i)
			defer func() {
				if r := recover(); (i%3 == 1) != (r == "boom") {
					t.Errorf("%s: recovered %v", id, r)
				}
			}()
			err := f.db.Update(context.Background(), func(tx *store.Tx) error {
				if err := store.InsertFolder(tx, folder(id, cloudID, id)); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					panic("boom")
				case 2:
					runtime.Goexit()
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	wg.Wait()
	func() {
		defer func() { _ = recover() }()
		_ = f.db.View(context.Background(), func(tx *store.Tx) error { panic("boom") })
	}()
	f.view(t, func(tx *store.Tx) error {
		for i := range n {
			_, err := store.GetFolder(tx, fmt.Sprintf("p%02d", i))
			if (i%3 == 0) != (err == nil) {
				t.Errorf("folder %d: %v", i, err)
			}
		}
		return nil
	})
}

func testContext(t *testing.T, f *fixture) {
	f.world(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ran := false
	if err := f.db.Update(ended, func(tx *store.Tx) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("update under an ended context: %v, ran: %v", err, ran)
	}
	if err := f.db.View(ended, func(tx *store.Tx) error { ran = true; return nil }); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("view under an ended context: %v, ran: %v", err, ran)
	}
}

// testContextWhileWaiting: one update holds the others up while their contexts
// end; each is applied wholly or not at all, as its error says.
func testContextWhileWaiting(t *testing.T, f *fixture) {
	f.world(t)
	var wg sync.WaitGroup
	hold, held := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		err := f.db.Update(context.Background(), func(tx *store.Tx) error { close(held); <-hold; return store.SetSetting(tx, "a", "b") })
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	const n = 20
	outcome := make([]error, n)
	waiting, giveUp := context.WithCancel(context.Background())
	for i := range n {
		wg.Go(func() {
			ctx := waiting
			if i%2 == 0 {
				ctx = context.Background()
			}
			outcome[i] = f.db.Update(ctx, func(tx *store.Tx) error {
				return store.InsertFolder(tx, folder(fmt.Sprintf("w%02d", i), cloudID, fmt.Sprintf("w%02d", i)))
			})
		})
	}
	time.Sleep(10 * time.Millisecond) // let them queue; whether they do changes nothing in what must hold
	giveUp()
	close(hold)
	wg.Wait()
	f.view(t, func(tx *store.Tx) error {
		for i, err := range outcome {
			_, miss := store.GetFolder(tx, fmt.Sprintf("w%02d", i))
			if (err == nil) != (miss == nil) || i%2 == 0 && err != nil {
				t.Errorf("update %d: %v, but %v", i, err, miss)
			}
		}
		return nil
	})
}

func testClose(t *testing.T, f *fixture) {
	f.world(t)
	var wg sync.WaitGroup
	hold, held := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		if err := f.db.Update(context.Background(), func(tx *store.Tx) error {
			close(held)
			<-hold
			return store.SetSetting(tx, "a", "b")
		}); err != nil {
			t.Errorf("an update that was running: %v", err)
		}
	})
	<-held
	wg.Go(func() {
		if err := f.db.Close(); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(10 * time.Millisecond)
	close(hold)
	wg.Wait()
	err := f.db.View(t.Context(), func(tx *store.Tx) error { return nil })
	if iam.KindOf(err) != iam.Unavailable {
		t.Errorf("view after close: %v", err)
	}
	err = f.db.Update(t.Context(), func(tx *store.Tx) error { return nil })
	if iam.KindOf(err) != iam.Unavailable {
		t.Errorf("update after close: %v", err)
	}
}
