package metadata

import (
	"log/slog"
	"net"
	"testing"
	"time"
)

// other is an interface of this machine that is not lo.
func other(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 {
			return i.Name
		}
	}
	t.Fatal("this machine has no interface but lo")
	return ""
}

// An interface that was deleted and made anew is listened at again: what was
// bound to the former one hears nothing.
func TestInterfaceMadeAnew(t *testing.T) {
	bound, err := bindLasting(t.Context(), "127.0.0.1:0", "lo", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l := bound.(*lasting)
	l.end() // the test looks by itself
	address := l.Addr().String()
	accepted := make(chan error)
	go func() {
		for {
			c, err := l.Accept()
			if err == nil {
				c.Close()
			}
			accepted <- err
			if err != nil {
				return
			}
		}
	}()
	reached := func() bool {
		c, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		return <-accepted == nil
	}
	if !reached() {
		t.Fatal("nobody is served at first")
	}
	index := 0
	l.index = func(string) (int, error) { return index, nil }
	for i, c := range []struct {
		name string
		want bool
	}{{other(t), false}, {"lo", true}} { // a socket at the one does not hear the other
		index, l.from = -1-i, c.name
		if err := l.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l.Addr().String() != address || reached() != c.want {
			t.Errorf("it does not listen at %s now", c.name)
		}
	}
	l.index = func(string) (int, error) { return 0, net.ErrClosed }
	if err := l.look(t.Context()); err != nil || !reached() {
		t.Errorf("an interface that is gone for a while ends the listener: %v", err)
	}
	l.Close()
	if err := <-accepted; err == nil {
		t.Error("it is not closed")
	}
	index = -9
	l.index = func(string) (int, error) { return index, nil }
	if err := l.look(t.Context()); err != nil || reached() {
		t.Errorf("what is closed listens again: %v", err)
	}
}
