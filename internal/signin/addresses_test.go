package signin_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
)

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// waitOf is how long a refusal says to wait; 0 for none.
func waitOf(t *testing.T, err error) time.Duration {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != iam.ResourceExhausted || e.RetryAfter <= 0 {
		t.Fatalf("refused with %v", err)
	}
	return e.RetryAfter
}

func TestDelaysGrow(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 0, 4: 0, 5: time.Second, 6: 2 * time.Second, 10: 32 * time.Second, 14: 512 * time.Second,
		15: signin.LongestDelay, 30: signin.LongestDelay, 1000000: signin.LongestDelay} {
		if got := signin.DelayAfter(n, signin.FreeAttempts, signin.LongestDelay); got != want {
			t.Errorf("after %d attempts: %s, want %s", n, got, want)
		}
	}
}

func TestAnAddressIsSlowedDown(t *testing.T) {
	c := newClock()
	a := signin.NewAddresses(c.Now)
	for i := range signin.FreeFromAddress {
		if err := a.Enter("192.0.2.1"); err != nil {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	for range 3 { // the first is admitted and starts the delay
		_ = a.Enter("192.0.2.1")
	}
	if wait := waitOf(t, a.Enter("192.0.2.1")); wait != 2*time.Second {
		t.Errorf("waits %s", wait)
	}
	if err := a.Enter("192.0.2.2"); err != nil {
		t.Errorf("a neighbour: %v", err)
	}
	if waitOf(t, a.Enter("::ffff:192.0.2.1")) == 0 {
		t.Error("the same address in another spelling is another one")
	}
	c.now = c.now.Add(2 * time.Second)
	if err := a.Enter("192.0.2.1"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	c.now = c.now.Add(2 * time.Hour)
	for i := range signin.FreeFromAddress {
		if err := a.Enter("192.0.2.1"); err != nil {
			t.Fatalf("the next day, attempt %d: %v", i, err)
		}
	}
}

// People who sign in one after the other at one address are no attack, and who
// has a password buys nothing with it.
func TestSuccessesAreTakenBack(t *testing.T) {
	a := signin.NewAddresses(newClock().Now)
	for i := range 10 * signin.FreeFromAddress {
		if err := a.Enter("2001:db8::1"); err != nil {
			t.Fatalf("person %d: %v", i, err)
		}
		a.Forgive("2001:db8::1")
	}
	refused := false
	for range 2 * (signin.FreeFromAddress + 2) { // every other one fails
		refused = refused || a.Enter("2001:db8::2") != nil || a.Enter("2001:db8::3") != nil // one subscriber's network
		a.Forgive("2001:db8::4")
	}
	if !refused {
		t.Error("an own password buys attempts at others'")
	}
}

func TestAddressesAreBounded(t *testing.T) {
	a := signin.NewAddresses(newClock().Now)
	for i := range signin.MostAddresses + 100 {
		if err := a.Enter(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.Remembered(); n != signin.MostAddresses {
		t.Errorf("%d are remembered", n)
	}
}

// A site has 65,536 networks of one subscriber's size, and does not buy as many
// times the attempts with them, nor makes the server forget who failed elsewhere.
func TestASiteIsSlowedDownAsAWhole(t *testing.T) {
	c := newClock()
	a := signin.NewAddresses(c.Now)
	for range signin.FreeFromAddress + 1 {
		if err := a.Enter("192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	admitted := 0
	for i := range 20000 {
		if a.Enter(fmt.Sprintf("2001:db8:7:%x::1", i)) == nil {
			admitted++
		}
	}
	if admitted != signin.FreeFromSite+1 {
		t.Errorf("%d attempts from one site", admitted)
	}
	if waitOf(t, a.Enter("192.0.2.1")) == 0 {
		t.Error("another address was forgotten")
	}
	if err := a.Enter("2001:db8:8::1"); err != nil {
		t.Errorf("the next site: %v", err)
	}
	c.now = c.now.Add(time.Second)
	if err := a.Enter("2001:db8:7::1"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	for i := range 10 * signin.FreeFromSite { // people who sign in
		address := fmt.Sprintf("2001:db8:9:%x::1", i)
		if err := a.Enter(address); err != nil {
			t.Fatalf("person %d: %v", i, err)
		}
		a.Forgive(address)
	}
}
