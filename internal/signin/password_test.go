package signin_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// town has alice, whose password is "rainy sunday", and bob, who has none.
type town struct {
	*clock
	db        *store.DB
	hasher    *signin.Hasher
	passwords *signin.Passwords
	locked    []string
	mu        sync.Mutex
}

const alicesPassword = "rainy sunday"

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{clock: newClock()}
	w.db = store.New(openEngine(t), store.Options{Now: w.Now})
	t.Cleanup(func() { _ = w.db.Close() })
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.hasher = signin.NewHasher(signin.HasherConfig{Cost: cheap, AtOnce: 1, Waiting: 2000, Now: time.Now})
	w.passwords = &signin.Passwords{DB: w.db, Hasher: w.hasher, Addresses: signin.NewAddresses(w.Now), Key: []byte("key"),
		Locked: func(_ *store.Tx, id string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.locked = append(w.locked, id)
			return nil
		}}
	w.update(t, func(tx *store.Tx) error {
		if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje1", Login: "alice", Email: "alice@example.com"}); err != nil {
			return err
		}
		if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje2", Login: "bob"}); err != nil {
			return err
		}
		return store.SetPassword(tx, &iam.Password{UserID: "aje1", PHC: cheap.PHC(iam.NewSecret(alicesPassword)), ChangedAt: tx.Now()})
	})
	return w
}

// openEngine is SQLite's, or PostgreSQL's where the environment asks for it.
func openEngine(t *testing.T) store.Engine {
	t.Helper()
	var e store.Engine
	var err error
	if os.Getenv("PROPUSK_TEST_ENGINE") == "postgres" {
		e, err = postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(pgtest.Shared(t).Schema(t))})
	} else {
		e, err = sqlite.OpenMemory()
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (w *town) update(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := w.db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

var nextAddress atomic.Int64

// try signs in from an address of its own, unless one is given.
func (w *town) try(t *testing.T, login, password string) (*iam.UserAccount, error) {
	t.Helper()
	n := nextAddress.Add(1)
	return w.passwords.Prove(t.Context(), login, iam.NewSecret(password), fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255))
}

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
	if _, err := w.try(t, "alice@example.com", alicesPassword); waitOf(t, err) == 0 {
		t.Error("the e-mail address is another account")
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
	if err := w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret(alicesPassword), ""); err != nil {
		t.Error(err)
	}
	for range signin.FreeAttempts + 1 {
		err := w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret("x"), "")
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.InvalidArgument || e.Fields[0].Field != "password" {
			t.Errorf("a wrong one: %v", err)
		}
	}
	if err := w.passwords.ProveAgain(t.Context(), "aje1", iam.NewSecret(alicesPassword), ""); waitOf(t, err) == 0 {
		t.Error("a stolen session tries passwords as fast as it likes")
	}
	if err := w.passwords.ProveAgain(t.Context(), "ajenone", iam.NewSecret("x"), ""); iam.KindOf(err) != iam.NotFound {
		t.Errorf("nobody: %v", err)
	}
}

// factors gives alice an app and two recovery codes, and tickets.
type factors struct {
	*town
	*signin.SecondFactors
	secret []byte
	codes  []string
}

func newFactors(t *testing.T) *factors {
	w := newTown(t)
	box, err := seal.New(seal.NewMasterKey("test"))
	if err != nil {
		t.Fatal(err)
	}
	f := &factors{town: w, secret: signin.NewTOTPSecret(), SecondFactors: &signin.SecondFactors{
		DB: w.db, Addresses: w.passwords.Addresses, Open: box.Open, Locked: w.passwords.Locked, Now: w.Now}}
	sealed, err := box.Seal(store.TOTPPlace("aje1"), f.secret)
	if err != nil {
		t.Fatal(err)
	}
	codes, hashes := signin.NewRecoveryCodes("aje1")
	f.codes = codes
	w.update(t, func(tx *store.Tx) error {
		if err := store.BeginTOTP(tx, &iam.TOTPSecret{UserID: "aje1", Sealed: sealed, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if _, err := store.ConfirmTOTP(tx, "aje1", tx.Now()); err != nil {
			return err
		}
		return store.SetRecoveryCodes(tx, "aje1", hashes)
	})
	return f
}

func (f *factors) ticket(t *testing.T) string {
	text, lookup := signin.NewTicket()
	f.update(t, func(tx *store.Tx) error {
		return store.InsertTicket(tx, &iam.Ticket{Lookup: lookup, Purpose: iam.TicketSecondFactor, UserID: "aje1",
			Tries: signin.TicketTries, ExpiresAt: tx.Now().Add(signin.TicketLife)})
	})
	return text.Reveal()
}

func (f *factors) code() string { return signin.TOTPCode(f.secret, f.now.Unix()/30) }

func (f *factors) show(t *testing.T, ticket string, code signin.Code) error {
	t.Helper()
	id, err := f.Prove(t.Context(), ticket, code, "")
	if err == nil && id != "aje1" {
		t.Errorf("it is %s", id)
	}
	return err
}

func reason(err error) string {
	var e *iam.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return fmt.Sprint(err)
}

func TestSecondFactor(t *testing.T) {
	f := newFactors(t)
	first, second := f.ticket(t), f.ticket(t)
	code := f.code()
	if err := f.show(t, first, signin.Code{TOTP: code}); err != nil {
		t.Fatal(err)
	}
	if r := reason(f.show(t, first, signin.Code{Recovery: f.codes[0]})); r != "ticket_expired" {
		t.Errorf("a ticket twice: %s", r)
	}
	if r := reason(f.show(t, second, signin.Code{TOTP: code})); r != "code_wrong" {
		t.Errorf("a code twice: %s", r)
	}
	if r := reason(f.show(t, second, signin.Code{TOTP: signin.TOTPCode(f.secret, f.now.Unix()/30-1)})); r != "code_wrong" {
		t.Errorf("the code before one that was used: %s", r)
	}
	f.now = f.now.Add(30 * time.Second)
	if err := f.show(t, second, signin.Code{TOTP: f.code()}); err != nil {
		t.Errorf("the next code: %v", err)
	}
	if err := f.show(t, f.ticket(t), signin.Code{Recovery: strings.ToUpper(f.codes[1])}); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	if r := reason(f.show(t, f.ticket(t), signin.Code{Recovery: f.codes[1]})); r != "code_wrong" {
		t.Errorf("a recovery code twice: %s", r)
	}
	for _, none := range []signin.Code{{}, {Recovery: ""}, {TOTP: " "}} {
		if r := reason(f.show(t, f.ticket(t), none)); r != "code_wrong" {
			t.Errorf("%+v: %s", none, r)
		}
		f.update(t, func(tx *store.Tx) error { return signin.ForgetAttempts(tx, "aje1") })
	}
}

func TestTicketsEnd(t *testing.T) {
	f := newFactors(t)
	ticket := f.ticket(t)
	f.now = f.now.Add(signin.TicketLife)
	if r := reason(f.show(t, ticket, signin.Code{TOTP: f.code()})); r != "ticket_expired" {
		t.Errorf("an old ticket: %s", r)
	}
	for _, none := range []string{"", "x", strings.Repeat("A", 43)} {
		if r := reason(f.show(t, none, signin.Code{TOTP: f.code()})); r != "ticket_expired" {
			t.Errorf("%q: %s", none, r)
		}
	}
	ticket = f.ticket(t)
	f.update(t, func(tx *store.Tx) error { _, err := store.DeleteTOTP(tx, "aje1"); return err })
	if r := reason(f.show(t, ticket, signin.Code{TOTP: f.code()})); r != "ticket_expired" {
		t.Errorf("the app was removed: %s", r)
	}
}

// A new ticket, which the right password gives at any time, buys no more guesses.
func TestCodesCannotBeGuessed(t *testing.T) {
	f := newFactors(t)
	began, tried := f.now, 0
	ticket := f.ticket(t)
	var ends []string
	for tried < 20 {
		err := f.show(t, ticket, signin.Code{TOTP: "000000"})
		switch r := reason(err); r {
		case "code_wrong":
			tried++
		case "ticket_spent":
			tried++
			ends = append(ends, r)
			ticket = f.ticket(t)
		case "ticket_expired": // during a wait: nothing was judged
			ticket = f.ticket(t)
		default:
			f.now = f.now.Add(waitOf(t, err))
		}
	}
	if took := f.now.Sub(began); took < time.Hour {
		t.Errorf("20 guesses take %s", took)
	}
	if len(ends) == 0 || ends[0] != "ticket_spent" {
		t.Errorf("tickets end by %q", ends)
	}
	if len(f.locked) == 0 || f.locked[0] != "aje1" {
		t.Errorf("lockouts: %q", f.locked)
	}
}
