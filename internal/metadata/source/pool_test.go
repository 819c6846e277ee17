package source_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/metadata/source"
)

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worlds := map[string]*world{}
		p := source.NewPool(source.PoolOptions{Most: 3, New: func(key string) (*source.Renewer, error) {
			if key == "bad" {
				return nil, iam.Errorf(iam.InvalidArgument, "no")
			}
			w := &world{}
			worlds[key] = w
			return source.NewRenewer(w, nil, source.Policy{})
		}})
		defer p.Close()
		ask := func(key string) {
			t.Helper()
			r, err := p.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			ask("a")
			time.Sleep(time.Minute)
		}
		first := worlds["a"]
		if asked, _, _ := first.counts(); asked > 15 {
			t.Errorf("asked %d times for one account in 100 min", asked)
		}
		if _, err := p.Get("bad"); !errors.Is(err, iam.InvalidArgument) || p.Live() != 1 {
			t.Errorf("%v with %d accounts", err, p.Live())
		}
		time.Sleep(2 * time.Hour)
		if p.Live() != 0 || len(p.Statuses()) != 0 {
			t.Errorf("%d accounts that nobody asked for in two hours", p.Live())
		}
		before, _, _ := first.counts()
		time.Sleep(48 * time.Hour)
		if asked, _, _ := first.counts(); asked != before {
			t.Errorf("a dropped account was renewed %d times", asked-before)
		}
		ask("a")
		if worlds["a"] == first {
			t.Error("a dropped account came back as it was")
		}
		for i := range 10 {
			time.Sleep(time.Second)
			ask("a")
			ask(fmt.Sprintf("n%d", i))
		}
		if st := p.Statuses(); p.Live() != 3 || len(st) != 3 {
			t.Errorf("%d accounts, want the most there may be", p.Live())
		}
		kept := worlds["a"]
		if ask("a"); worlds["a"] != kept {
			t.Error("the account that is asked for most was dropped for others")
		}
	})
}

func TestPoolIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := source.NewPool(source.PoolOptions{New: func(string) (*source.Renewer, error) { return source.NewRenewer(w, nil, source.Policy{}) }})
		if _, err := p.Get("a"); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if _, err := p.Get("a"); !errors.Is(err, iam.Unavailable) {
			t.Errorf("got %v, want UNAVAILABLE", err)
		}
		time.Sleep(48 * time.Hour)
		if asked, _, _ := w.counts(); asked > 1 {
			t.Errorf("asked %d times after Close", asked)
		}
	})
}
