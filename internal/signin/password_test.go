package signin_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

func TestProve(t *testing.T) {
	w := newTown(t)
	for _, login := range []string{"alice", "alice@example.com", " alice "} {
		if u, err := w.try(t, login, alicesPassword); err != nil || u.ID != "aje1" {
			t.Errorf("%q: %v, %v", login, u, err)
		}
	}
	var answers []string
	for _, c := range [][2]string{{"alice", "sunny sunday"}, {"alice", ""}, {"bob", "rainy sunday"}, {"nobody", "rainy sunday"}, {"ali\x00ce", "x"}, {"Alice", alicesPassword}} {
		_, err := w.try(t, c[0], c[1])
		if iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("%q: %v", c, err)
		}
		answers = append(answers, fmt.Sprint(err))
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("two answers: %q and %q", a, answers[0])
		}
	}
}

// An unknown login costs the same work, is delayed and locked in the same way,
// and leaves nothing behind by which it could be told what was typed there.
func TestAnUnknownLoginIsLikeAKnownOne(t *testing.T) {
	w := newTown(t)
	computed := 0
	w.hasher.Watch(func(compute func()) { computed++; compute() })
	attempts := func(login string) (out []string) {
		for range 12 {
			before := computed
			_, err := w.try(t, login, "sunny sunday")
			out = append(out, fmt.Sprintf("%v, %d hashes", err, computed-before))
			if wait := waitOf2(err); wait > 0 {
				w.now = w.now.Add(wait)
			}
		}
		return out
	}
	alice, nobody, bob := attempts("alice"), attempts("my secret typed by mistake"), attempts("bob")
	for i := range alice {
		if alice[i] != nobody[i] || alice[i] != bob[i] {
			t.Errorf("attempt %d:\n%s\n%s\n%s", i, alice[i], nobody[i], bob[i])
		}
	}
	var ids []string
	_ = w.db.View(t.Context(), func(tx *store.Tx) (err error) {
		for _, id := range []string{"nobody/my secret typed by mistake", "password/my secret typed by mistake"} {
			_, err = store.GetPassword(tx, id)
			if err == nil {
				ids = append(ids, id)
			}
		}
		return nil
	})
	if len(ids) > 0 {
		t.Errorf("kept as typed: %v", ids)
	}
}

// Who fails at a login, and sees how that changes the answers to an e-mail
// address, must not learn that both are one person's, nor that they are anybody's.
func TestALoginDoesNotTellOfAnAddress(t *testing.T) {
	w := newTown(t)
	attempts := func(logins ...string) (out []string) {
		for range 12 {
			for _, login := range logins {
				_, err := w.try(t, login, "sunny sunday")
				out = append(out, fmt.Sprint(err))
			}
		}
		return out
	}
	for _, c := range [][2][]string{
		{{"alice", "alice@example.com"}, {"nobody", "nobody@example.com"}},
		{{"alice", "bob", "alice@example.com", "nobody"}, {"nobody2", "nobody3", "nobody4", "nobody5"}},
	} {
		known, unknown := attempts(c[0]...), attempts(c[1]...)
		for i := range known {
			if known[i] != unknown[i] {
				t.Errorf("attempt %d at %q: %s; at %q: %s", i, c[0], known[i], c[1], unknown[i])
			}
		}
		w.now = w.now.Add(48 * time.Hour)
	}
	for range 12 {
		_, _ = w.try(t, "alice", "sunny sunday")
		_, _ = w.try(t, "nobody", "sunny sunday")
	}
	// Neither does a success by the one end the delay of the other.
	if _, err := w.try(t, "alice@example.com", alicesPassword); err != nil {
		t.Errorf("by the other name: %v", err)
	}
	if _, err := w.try(t, "alice", alicesPassword); waitOf(t, err) == 0 {
		t.Error("the delay is over")
	}
	w.update(t, func(tx *store.Tx) error { return signin.ForgetAttempts(tx, "aje1") })
	for _, login := range []string{"alice", "alice@example.com"} {
		if _, err := w.try(t, login, alicesPassword); err != nil {
			t.Errorf("%s, after the attempts were forgotten: %v", login, err)
		}
	}
}

// Both names together buy no more than twice the guesses, and no spelling of
// either buys more.
func TestTwoNamesBuyTwiceTheGuesses(t *testing.T) {
	w := newTown(t)
	computed := 0
	w.hasher.Watch(func(compute func()) { computed++; compute() })
	for range 20 {
		for _, login := range []string{"alice", " alice", "alice\t", "alice@example.com", "alice@example.com "} {
			_, _ = w.try(t, login, "sunny sunday")
		}
	}
	if want := 2 * (signin.FreeAttempts + 1); computed != want {
		t.Errorf("%d guesses, want %d", computed, want)
	}
}

func waitOf2(err error) time.Duration {
	var e *iam.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

func TestAttemptsAreSlowedDownAndForgotten(t *testing.T) {
	w := newTown(t)
	tried, began := 0, w.now
	for tried < 20 {
		_, err := w.try(t, "alice", "sunny sunday")
		if iam.KindOf(err) == iam.Unauthenticated {
			tried++
			continue
		}
		w.now = w.now.Add(waitOf(t, err))
	}
	if took := w.now.Sub(began); took < time.Hour {
		t.Errorf("20 guesses take %s", took)
	}
	if len(w.locked) != 1 || w.locked[0] != "aje1" {
		t.Errorf("lockouts: %q", w.locked)
	}
	if _, err := w.try(t, "alice", alicesPassword); waitOf(t, err) == 0 {
		t.Error("the right password jumps the queue")
	}
	w.now = w.now.Add(signin.LongestDelay)
	if _, err := w.try(t, "alice", alicesPassword); err != nil {
		t.Fatalf("after the wait: %v", err)
	}
	for i := range signin.FreeAttempts { // it counts from the beginning
		if _, err := w.try(t, "alice", "sunny sunday"); iam.KindOf(err) != iam.Unauthenticated {
			t.Errorf("attempt %d after a success: %v", i, err)
		}
	}
	w.update(t, func(tx *store.Tx) error { return signin.ForgetAttempts(tx, "aje1") })
	if _, err := w.try(t, "alice", "sunny sunday"); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("after they were forgotten: %v", err)
	}
}

// However many come at once, from however many addresses, few guesses are made:
// an attempt counts before it is judged.
func TestManyAtOnceBuyNoMoreGuesses(t *testing.T) {
	w := newTown(t)
	var computed atomic.Int64
	w.hasher.Watch(func(compute func()) { computed.Add(1); compute() })
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { _, _ = w.try(t, "alice", fmt.Sprint("guess ", i)) })
	}
	wg.Wait()
	if n := computed.Load(); n != signin.FreeAttempts+1 {
		t.Errorf("%d guesses", n)
	}
}

func TestAStalePasswordIsHashedAnew(t *testing.T) {
	w := newTown(t)
	old := signin.Parameters{MemoryKiB: 32, Passes: 1, Lanes: 1}
	w.update(t, func(tx *store.Tx) error {
		return store.SetPassword(tx, &iam.Password{UserID: "aje2", PHC: old.PHC(iam.NewSecret("windy monday")), ChangedAt: tx.Now()})
	})
	kept := func() (p *iam.Password) {
		if err := w.db.View(t.Context(), func(tx *store.Tx) (err error) { p, err = store.GetPassword(tx, "aje2"); return err }); err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := kept()
	if _, err := w.try(t, "bob", "rainy monday"); err == nil || kept().PHC != before.PHC {
		t.Errorf("a wrong password: %v, kept as %s", err, kept().PHC)
	}
	for range 2 {
		if _, err := w.try(t, "bob", "windy monday"); err != nil {
			t.Fatal(err)
		}
	}
	if p := kept(); !strings.Contains(p.PHC, "$m=64,") || !p.ChangedAt.Equal(before.ChangedAt) {
		t.Errorf("kept as %s, changed %s", p.PHC, p.ChangedAt)
	}
}

func TestProveAgain(t *testing.T) {
	w := newTown(t)
	if err := w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret(alicesPassword)); err != nil {
		t.Error(err)
	}
	for range signin.FreeAttempts + 1 {
		err := w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret("x"))
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.InvalidArgument || e.Fields[0].Field != "password" {
			t.Errorf("a wrong one: %v", err)
		}
	}
	if err := w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret(alicesPassword)); waitOf(t, err) == 0 {
		t.Error("a stolen session tries passwords as fast as it likes")
	}
	if err := w.passwords.ProveAgain(t.Context(), "ajenone", iam.NewSecret("x")); iam.KindOf(err) != iam.NotFound {
		t.Errorf("nobody: %v", err)
	}
}

// Strangers, who may fail at anybody's login, do not keep a person who is signed
// in from changing his password; and what he does there buys no sign-ins.
func TestProveAgainIsCountedApart(t *testing.T) {
	w := newTown(t)
	again := func(password string) error {
		return w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret(password))
	}
	lock := func() {
		for range 2 * signin.FreeAttempts {
			_, _ = w.try(t, "alice", "sunny sunday")
			_, _ = w.try(t, "alice@example.com", "sunny sunday")
		}
	}
	waits := func() (n int) {
		for _, login := range []string{"alice", "alice@example.com"} {
			if _, err := w.try(t, login, alicesPassword); err != nil && waitOf(t, err) > 0 {
				n++
			}
		}
		return n
	}
	lock()
	if err := again(alicesPassword); err != nil {
		t.Errorf("while strangers try: %v", err)
	}
	if n := waits(); n != 2 {
		t.Errorf("the password shown again has ended the delay of %d names", 2-n)
	}
	w.update(t, func(tx *store.Tx) error { return signin.ForgetAttempts(tx, "aje1") })
	w.locked = nil
	for w.locked == nil {
		_ = again("sunny sunday")
		w.now = w.now.Add(time.Minute)
		if w.now.Year() > 2026 {
			t.Fatal("whoever guesses in a stolen session is never locked out")
		}
	}
	if n := waits(); n != 0 {
		t.Errorf("a stolen session has delayed %d names", n)
	}
	w.now = w.now.Add(-time.Minute)
	if err := again(alicesPassword); waitOf(t, err) == 0 {
		t.Error("a sign-in has ended the delay")
	}
	w.update(t, func(tx *store.Tx) error { return signin.ForgetAttempts(tx, "aje1") })
	if err := again(alicesPassword); err != nil {
		t.Errorf("after the attempts were forgotten: %v", err)
	}
}

// An e-mail address in capitals is the same one, and is counted as the same one
// whether or not somebody has it: else the count would tell.
func TestProveByEmailInCapitals(t *testing.T) {
	w := newTown(t)
	u, err := w.passwords.Prove(t.Context(), "ALICE@Example.com", iam.NewSecret(alicesPassword), "192.0.2.1")
	if err != nil || u.ID != "aje1" {
		t.Fatalf("%v, %v", u, err)
	}
	for _, who := range []string{"alice@example.com", "nobody@example.com"} {
		var last error
		for i := range 6 {
			text := who
			if i%2 == 1 {
				text = strings.ToUpper(who)
			}
			_, last = w.passwords.Prove(t.Context(), text, iam.NewSecret("wrong"), fmt.Sprint("192.0.2.", i))
		}
		if iam.KindOf(last) != iam.ResourceExhausted {
			t.Errorf("the sixth attempt at %s: %v", who, last)
		}
	}
}
