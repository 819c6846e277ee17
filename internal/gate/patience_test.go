package gate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, stop := context.WithCancel(t.Context())
		defer stop()
		c := &Call{}
		p := withPatience(parent, c, time.Second)
		defer p.end()
		if From(p) != c || From(context.WithValue(p, new(int), 1)) != c {
			t.Error("the call is not found through the context")
		}
		if at, ok := p.Deadline(); !ok || time.Until(at) != time.Second {
			t.Errorf("deadline %v, %v", at, ok)
		}
		if p.Err() != nil || p.timer() != nil {
			t.Error("a context that nobody waits for has ended, or has a timer")
		}
		time.Sleep(time.Second)
		if !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("after its time: %v", p.Err())
		}
		select {
		case <-p.Done():
		default:
			t.Error("Done is not closed after its time")
		}
	})
}

func TestPatienceWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := withPatience(t.Context(), &Call{}, time.Second)
		child, stop := context.WithCancel(p) // asks for Done
		defer stop()
		<-child.Done()
		if !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("%v, %v", child.Err(), p.Err())
		}
		p.end()

		parent, cancel := context.WithCancel(t.Context())
		early := withPatience(parent, &Call{}, time.Hour)
		cancel()
		if !errors.Is(early.Err(), context.Canceled) {
			t.Errorf("its parent was cancelled: %v", early.Err())
		}
		<-early.Done()
		early.end()

		over := withPatience(t.Context(), &Call{}, time.Hour)
		done := over.Done()
		over.end()
		<-done
		if !errors.Is(over.Err(), context.Canceled) {
			t.Errorf("after its call: %v", over.Err())
		}
	})
}
