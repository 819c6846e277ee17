package source

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

// What was under way when its basis went is dropped as well.
func TestDropDuringARenewal(t *testing.T) {
	type thing struct{ received, expires time.Time }
	begun, going := make(chan struct{}), make(chan struct{})
	k := &keeper[thing]{name: "thing", share: 0.5, clock: clock{wall: time.Now, mono: uptime}, log: slog.New(slog.DiscardHandler), ctx: t.Context(),
		wake:  make(chan struct{}, 1),
		times: func(v *thing) (*time.Time, *time.Time) { return &v.received, &v.expires },
		make: func(context.Context) (thing, error) {
			close(begun)
			<-going
			return thing{time.Now(), time.Now().Add(time.Hour)}, nil
		}}
	got := make(chan error)
	go func() {
		_, err := k.get(t.Context())
		got <- err
	}()
	<-begun
	k.drop()
	close(going)
	if err := <-got; err == nil {
		t.Error("what was made of the former basis is given")
	}
}
