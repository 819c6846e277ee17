package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/server"
)

// diary notes what happens to components, in order.
type diary struct{ lines []string }

func (d *diary) note(line string) { d.lines = append(d.lines, line) }

func (d *diary) component(name string) server.Component {
	return server.Component{
		Name:  name,
		Start: func(context.Context) error { d.note("start " + name); return nil },
		Run:   func(ctx context.Context) error { <-ctx.Done(); d.note("end " + name); return ctx.Err() },
		Stop:  func(context.Context) error { d.note("stop " + name); return nil },
	}
}

func (d *diary) expect(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(d.lines, ", "); got != want {
		t.Errorf("it went: %s\nwant:    %s", got, want)
	}
}

func TestGroup(t *testing.T) {
	var d diary
	g := server.NewGroup(time.Second)
	ctx, signal := context.WithCancel(t.Context())
	for _, name := range []string{"store", "replica", "doors"} {
		if err := g.Start(ctx, d.component(name)); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	if err := g.Wait(ctx); err != nil {
		t.Error(err)
	}
	d.expect(t, "start store, start replica, start doors, stop doors, end doors, stop replica, end replica, stop store, end store")
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}

func TestGroupFailsAtStart(t *testing.T) {
	var d diary
	g := server.NewGroup(time.Second)
	if err := g.Start(t.Context(), d.component("store")); err != nil {
		t.Fatal(err)
	}
	no := errors.New("address in use")
	err := g.Start(t.Context(), server.Component{Name: "doors", Start: func(context.Context) error { return no }})
	if !errors.Is(err, no) || err.Error() != "doors: address in use" {
		t.Errorf("error = %v", err)
	}
	d.expect(t, "start store, stop store, end store")
}

func TestGroupFailsLater(t *testing.T) {
	var d diary
	g := server.NewGroup(time.Second)
	broke := errors.New("disk full")
	_ = g.Start(t.Context(), d.component("store"))
	_ = g.Start(t.Context(), server.Component{Name: "once", Run: func(context.Context) error { return nil }})
	_ = g.Start(t.Context(), server.Component{Name: "journal", Run: func(context.Context) error { return broke }, Stop: func(context.Context) error { return errors.New("second") }})
	if err := g.Wait(t.Context()); !errors.Is(err, broke) {
		t.Errorf("error = %v, want the first", err)
	}
	d.expect(t, "start store, stop store, end store")
}

func TestGroupLosesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		g := server.NewGroup(3 * time.Second)
		release := make(chan struct{})
		_ = g.Start(t.Context(), d.component("store"))
		_ = g.Start(t.Context(), server.Component{Name: "stuck", Run: func(context.Context) error { <-release; return nil }})
		_ = g.Start(t.Context(), server.Component{Name: "slow", Stop: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		began := time.Now()
		err := g.Stop()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop slow") {
			t.Errorf("error = %v", err)
		}
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("stopping took %s, want the 3 s allowed and a moment", took)
		}
		d.expect(t, "start store, stop store, end store")
		close(release)
	})
}
