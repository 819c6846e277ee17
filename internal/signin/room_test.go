package signin_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
)

// roomy has 64 places, of which a quarter is for people who are signed in, and a
// quarter is the most for one network.
func roomy() *signin.Hasher {
	return signin.NewHasher(signin.HasherConfig{Cost: cheap, AtOnce: 4, Waiting: 60, Now: time.Now})
}

// fill enters until it is sent away, and tells how often it was let in.
func fill(t *testing.T, enter func(i int) (*signin.Place, error)) (places []*signin.Place) {
	t.Helper()
	for i := range 1000 {
		p, err := enter(i)
		if err != nil {
			if iam.KindOf(err) != iam.Unavailable || waitOf2(err) <= 0 {
				t.Errorf("sent away with %v", err)
			}
			return places
		}
		places = append(places, p)
	}
	t.Fatal("the queue has no end")
	return nil
}

// Whoever fills the queue from one network leaves room for all others, and
// strangers from everywhere leave room for those who are signed in.
func TestOneNetworkDoesNotFillTheQueue(t *testing.T) {
	for name, from := range map[string]func(i int) string{
		"an address":          func(int) string { return "192.0.2.1" },
		"in two spellings":    func(i int) string { return []string{"192.0.2.1", "::ffff:192.0.2.1"}[i%2] },
		"a network of IPv6":   func(i int) string { return fmt.Sprintf("2001:db8:7:%x::%x", i, i) },
		"what is no address":  func(i int) string { return fmt.Sprint("proxy", i) },
		"an address, a zone":  func(i int) string { return fmt.Sprintf("fe80::1%%eth%d", i) },
		"an address of IPv6":  func(int) string { return "2001:db8:7::1" },
		"without any address": func(int) string { return "" },
	} {
		h := roomy()
		held := fill(t, func(i int) (*signin.Place, error) { return h.EnterFrom(from(i)) })
		if len(held) != 16 {
			t.Errorf("%s holds %d places of 64", name, len(held))
		}
		for _, other := range []string{"192.0.2.2", "2001:db8:8::1"} {
			if _, err := h.EnterFrom(other); err != nil {
				t.Errorf("%s: somebody at %s: %v", name, other, err)
			}
		}
		held[3].Leave()
		held[3].Leave()
		if again := fill(t, func(i int) (*signin.Place, error) { return h.EnterFrom(from(i)) }); len(again) != 1 {
			t.Errorf("%s: for one place given back there are %d", name, len(again))
		}
	}
}

func TestStrangersLeaveRoomForThoseWhoAreSignedIn(t *testing.T) {
	h := roomy()
	strangers := fill(t, func(i int) (*signin.Place, error) { return h.EnterFrom(fmt.Sprintf("10.0.0.%d", i)) })
	if len(strangers) != 48 {
		t.Fatalf("strangers hold %d places of 64", len(strangers))
	}
	if mine := fill(t, func(int) (*signin.Place, error) { return h.EnterAs("aje1") }); len(mine) != 2 {
		t.Errorf("one person holds %d", len(mine))
	}
	others := fill(t, func(i int) (*signin.Place, error) { return h.EnterAs(fmt.Sprint("other", i)) })
	if len(others) != 14 {
		t.Errorf("the others hold %d", len(others))
	}
	for _, p := range append(others, strangers...) {
		p.Leave()
	}
	if _, err := h.EnterAs("aje1"); err == nil {
		t.Error("a person's third place, in an empty queue")
	}
	if n := len(fill(t, func(i int) (*signin.Place, error) { return h.EnterFrom(fmt.Sprintf("10.0.0.%d", i)) })); n != 48 {
		t.Errorf("after all have left, strangers hold %d", n)
	}
}

// A queue of one place still lets strangers in.
func TestASmallQueue(t *testing.T) {
	h := signin.NewHasher(signin.HasherConfig{Cost: cheap, AtOnce: 1, Now: time.Now})
	p, err := h.EnterFrom("192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.EnterAs("aje1"); err == nil {
		t.Error("two in one place")
	}
	p.Leave()
	if n := h.Holders(); n != 0 {
		t.Errorf("%d holders of nothing are remembered", n)
	}
}

// Every way to a hash takes a place of its own kind.
func TestWhoTakesWhichPlaces(t *testing.T) {
	w := newTown(t)
	w.passwords.Hasher = roomy()
	busy := func(err error) bool { return iam.KindOf(err) == iam.Unavailable }
	again := func() error { return w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret(alicesPassword)) }
	hash := func() error {
		_, err := w.passwords.Hash(t.Context(), "aje1", iam.NewSecret("x"))
		return err
	}
	fill(t, func(int) (*signin.Place, error) { return w.passwords.Hasher.EnterFrom("10.9.0.1") })
	if _, err := w.passwords.Prove(t.Context(), "alice", iam.NewSecret(alicesPassword), "10.9.0.1"); !busy(err) {
		t.Errorf("signing in from a network that has its share: %v", err)
	}
	if _, err := w.try(t, "alice", alicesPassword); err != nil {
		t.Errorf("from another: %v", err)
	}
	fill(t, func(i int) (*signin.Place, error) { return w.passwords.Hasher.EnterFrom(fmt.Sprintf("10.9.1.%d", i)) })
	if _, err := w.try(t, "alice", alicesPassword); !busy(err) {
		t.Errorf("signing in when strangers have their share: %v", err)
	}
	if err := again(); err != nil {
		t.Errorf("who is signed in: %v", err)
	}
	if err := hash(); err != nil {
		t.Errorf("his new password: %v", err)
	}
	fill(t, func(int) (*signin.Place, error) { return w.passwords.Hasher.EnterAs("aje1") })
	if err := again(); !busy(err) {
		t.Errorf("a third time at once: %v", err)
	}
	if err := hash(); !busy(err) {
		t.Errorf("a third new password at once: %v", err)
	}
	if _, err := w.passwords.HashForOperator(t.Context(), iam.NewSecret("x")); err != nil {
		t.Errorf("the operator: %v", err)
	}
}

// What strangers do at an address does not keep a person who is signed in there
// from changing his password.
func TestNoAddressCountsForThoseWhoAreSignedIn(t *testing.T) {
	w := newTown(t)
	for i := range signin.FreeFromAddress + 2 {
		_, _ = w.passwords.Prove(t.Context(), fmt.Sprint("nobody", i), iam.NewSecret("x"), "")
	}
	if _, err := w.passwords.Prove(t.Context(), "alice", iam.NewSecret(alicesPassword), ""); waitOf(t, err) == 0 {
		t.Error("the address does not wait")
	}
	if err := w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret(alicesPassword)); err != nil {
		t.Error(err)
	}
}
