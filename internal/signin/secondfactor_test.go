package signin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

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
