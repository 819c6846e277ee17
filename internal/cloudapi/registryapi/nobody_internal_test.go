package registryapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
)

// stall counts what is made.
type stall struct {
	*Nobody
	at   time.Time
	made int
}

func newStall() *stall {
	s := &stall{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s.Nobody = &Nobody{Now: func() time.Time { return s.at }}
	return s
}

func request(audience, name string) mint.RegistryRequest {
	return mint.RegistryRequest{Issuer: "i", Audience: audience, Access: []mint.RegistryAccess{{Type: "repository", Name: name, Actions: []string{"pull"}}}}
}

func (s *stall) asks(r mint.RegistryRequest, address string) (string, error) {
	t, err := s.token(context.Background(), r, address, func() (*mint.IDToken, error) {
		s.made++
		return &mint.IDToken{ID: fmt.Sprint(s.made)}, nil
	})
	if err != nil {
		return "", err
	}
	return t.ID, nil
}

func TestNobodySharesTokens(t *testing.T) {
	s := newStall()
	for _, step := range []struct {
		after    time.Duration
		audience string
		name     string
		want     string
	}{
		{0, "a", "r/x", "1"}, {0, "a", "r/x", "1"}, {59 * time.Second, "a", "r/x", "1"}, {0, "b", "r/x", "2"}, {0, "a", "r/y", "3"},
		{time.Second, "a", "r/x", "4"}, {0, "b", "r/x", "2"}, {-time.Hour, "a", "r/x", "5"},
	} {
		s.at = s.at.Add(step.after)
		if got, err := s.asks(request(step.audience, step.name), "192.0.2.1"); got != step.want || err != nil {
			t.Errorf("%+v: %s, %v", step, got, err)
		}
	}
}

// Names are made up for nothing, so what is made of them is bounded.
func TestNobodyIsBounded(t *testing.T) {
	s := newStall()
	fill := func(address string, n int) {
		for i := range n {
			if _, err := s.asks(request("a", fmt.Sprintf("r/%s/%d", address, i)), address); err != nil {
				t.Fatalf("%s %d: %v", address, i, err)
			}
		}
	}
	refused := func(what, address string) {
		t.Helper()
		var e *iam.Error
		_, err := s.asks(request("a", "r/more"), address)
		if !errors.As(err, &e) || e.Kind != iam.ResourceExhausted || e.RetryAfter != sharedFor {
			t.Errorf("%s: %v", what, err)
		}
	}
	fill("192.0.2.1", freshPerPlace)
	refused("the same address", "192.0.2.1")
	refused("written otherwise", "::ffff:192.0.2.1")
	fill("2001:db8:1:2::3", freshPerPlace)
	refused("another address of one site", "2001:db8:1:9::1")
	if got, err := s.asks(request("a", "r/192.0.2.1/0"), "192.0.2.1"); got != "1" || err != nil {
		t.Errorf("what is made already: %s, %v", got, err)
	}
	for i := 2; i < freshInAll/freshPerPlace; i++ {
		fill(fmt.Sprintf("198.51.100.%d", i), freshPerPlace)
	}
	refused("everybody together", "203.0.113.1")
	if len(s.Nobody.made) != freshInAll {
		t.Errorf("%d are remembered", len(s.Nobody.made))
	}
	s.at = s.at.Add(sharedFor)
	if _, err := s.asks(request("a", "r/more"), "192.0.2.1"); err != nil || len(s.Nobody.made) != 1 {
		t.Errorf("a minute later: %v, %d are remembered", err, len(s.Nobody.made))
	}
}

// Those who ask for one thing together cost one signature; nobody is given what
// could not be recorded, and the next one tries again.
func TestNobodyMakesOneForMany(t *testing.T) {
	s := newStall()
	release, broken := make(chan struct{}), errors.New("the disk is full")
	var wg sync.WaitGroup
	answers := make(chan error, 3)
	entered := make(chan struct{})
	wg.Go(func() {
		_, err := s.token(t.Context(), request("a", "r/x"), "192.0.2.1", func() (*mint.IDToken, error) {
			close(entered)
			<-release
			return &mint.IDToken{ID: "unrecorded"}, broken
		})
		answers <- err
	})
	<-entered
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	never := func() (*mint.IDToken, error) { t.Error("it is made twice"); return nil, nil }
	if _, err := s.token(gone, request("a", "r/x"), "192.0.2.1", never); !errors.Is(err, context.Canceled) {
		t.Errorf("one who has hung up: %v", err)
	}
	began := make(chan struct{})
	wg.Go(func() {
		close(began)
		_, err := s.token(t.Context(), request("a", "r/x"), "192.0.2.2", never)
		answers <- err
	})
	<-began
	time.Sleep(20 * time.Millisecond) // it must wait, and not make one of its own
	close(release)
	wg.Wait()
	for range 2 {
		if err := <-answers; !errors.Is(err, broken) && iam.KindOf(err) != iam.Unavailable {
			t.Error(err)
		}
	}
	if got, err := s.asks(request("a", "r/x"), "192.0.2.1"); got != "1" || err != nil {
		t.Errorf("afterwards: %s, %v", got, err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = s.token(t.Context(), request("a", "r/z"), "192.0.2.1", func() (*mint.IDToken, error) { panic("x") })
	}()
	if got, err := s.asks(request("a", "r/z"), "192.0.2.1"); got != "2" || err != nil {
		t.Errorf("after a panic: %s, %v", got, err)
	}
}
