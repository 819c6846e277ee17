package server

import (
	"encoding/base32"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// beginApp is the secret of a new authenticator app of alice.
func (h *hall) beginApp(t *testing.T, cookie string) []byte {
	t.Helper()
	r, err := asked[*propuskpb.BeginTotpResponse](t, h, propuskpb.AccountService_BeginTotp_FullMethodName,
		&propuskpb.BeginTotpRequest{Session: cookie, Password: h.password("alice"), Client: here})
	secret := must(t, r, err).GetSecret()
	return must2(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret))(t)
}

func (h *hall) confirmApp(t *testing.T, cookie, code string) error {
	t.Helper()
	_, err := asked[*propuskpb.ConfirmTotpResponse](t, h, propuskpb.AccountService_ConfirmTotp_FullMethodName,
		&propuskpb.ConfirmTotpRequest{Session: cookie, Code: code, Client: here})
	return err
}

// wrongCode is one that the app shows at no time near.
func wrongCode(secret []byte, now time.Time) string {
	for _, code := range []string{"000000", "111111", "222222", "333333", "444444", "555555"} {
		near := false
		for d := -3; d <= 3; d++ {
			near = near || totpAt(secret, now.Add(time.Duration(d)*30*time.Second)) == code
		}
		if !near {
			return code
		}
	}
	panic("six codes of seven steps")
}

// Codes that would confirm an app are counted before they are judged, as those
// of a sign-in are, and beginning anew buys no more of them.
func TestCodesThatConfirmAreCounted(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	secret, tried, waited := h.beginApp(t, cookie), 0, time.Duration(0)
	for tried < 10 {
		err := h.confirmApp(t, cookie, wrongCode(secret, h.clock()))
		var e *iam.Error
		switch {
		case errors.As(err, &e) && e.Kind == iam.ResourceExhausted:
			waited += e.RetryAfter
			h.advance(e.RetryAfter)
			secret = h.beginApp(t, cookie)
			continue
		case iam.KindOf(err) != iam.InvalidArgument:
			t.Fatalf("attempt %d: %v", tried, err)
		}
		if tried++; tried > 200 {
			t.Fatal("never slowed down")
		}
	}
	if waited < 30*time.Second {
		t.Errorf("ten guesses wait %s", waited)
	}
	refused(t, "the right code too soon", h.confirmApp(t, cookie, totpAt(secret, h.clock())), iam.ResourceExhausted, "too_many_attempts")
	if !strings.Contains(h.events(t), "LockSignIn") {
		t.Error("no audit line of the lockout")
	}
	h.alice(t) // it delays no sign-in
	h.advance(5 * time.Minute)
	if err := h.confirmApp(t, cookie, totpAt(secret, h.clock())); err != nil {
		t.Fatalf("after the wait: %v", err)
	}
	h.advance(time.Minute)
	r := must2(h.start(t, "alice", h.password("alice")))(t)
	if _, err := asked[*propuskpb.SignInResponse](t, h, propuskpb.SignInService_FinishSecondFactor_FullMethodName, &propuskpb.FinishSecondFactorRequest{
		Ticket: r.GetSecondFactor().GetTicket(), Client: here, Proof: &propuskpb.FinishSecondFactorRequest_Code{Code: totpAt(secret, h.clock())}}); err != nil {
		t.Errorf("the first sign-in with the app: %v", err)
	}
}

// A person who makes a second factor wants it asked for: whoever has come in by
// the password alone is out, with the tokens that he has made.
func TestAnAppEndsOtherSessions(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	mine, other, bobs := h.alice(t), h.alice(t), h.signIn(t, "bob", h.password("bob"))
	kept, lost := h.iamToken(t, mine), h.iamToken(t, other)
	secret := h.beginApp(t, mine)
	if err := h.confirmApp(t, mine, wrongCode(secret, h.clock())); err == nil {
		t.Fatal("a wrong code confirms")
	}
	if _, err := h.account(t, other); err != nil {
		t.Fatalf("an app that is not confirmed has ended a session: %v", err)
	}
	if err := h.confirmApp(t, mine, totpAt(secret, h.clock())); err != nil {
		t.Fatal(err)
	}
	for name, cookie := range map[string]string{"her own session": mine, "bob's": bobs} {
		if _, err := h.account(t, cookie); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := h.account(t, other)
	refused(t, "another session", err, iam.Unauthenticated, "session_ended")
	if _, err := h.revoked.Verify(lost); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("the token of another session: %v", err)
	}
	if _, err := h.revoked.Verify(kept); err != nil {
		t.Errorf("the token of her own: %v", err)
	}
}

// Whoever finds a page of yesterday, or comes upon a secret that was shown then,
// makes no factor of it.
func TestABegunAppExpires(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie := h.alice(t)
	secret := h.beginApp(t, cookie)
	h.advance(signin.ConfirmLife)
	refused(t, "too late", h.confirmApp(t, cookie, totpAt(secret, h.clock())), iam.FailedPrecondition, "")
	secret = h.beginApp(t, cookie)
	h.advance(signin.ConfirmLife - 10*time.Second)
	if err := h.confirmApp(t, cookie, totpAt(secret, h.clock())); err != nil {
		t.Errorf("in time: %v", err)
	}
	h.advance(2 * signin.ConfirmLife)
	if err := h.db.Update(t.Context(), h.cleanSignIn); err != nil {
		t.Fatal(err)
	}
	if a := must2(h.account(t, cookie))(t); a.GetSecondFactors().GetTotpAddedAt() == nil {
		t.Error("a confirmed app has expired")
	}
	bobs := h.userID(t, "bob")
	if err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		return store.BeginTOTP(tx, &iam.TOTPSecret{UserID: bobs, Sealed: []byte("x"), CreatedAt: tx.Now().Add(-signin.ConfirmLife)})
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.db.Update(t.Context(), h.cleanSignIn); err != nil {
		t.Fatal(err)
	}
	if err := h.db.View(t.Context(), func(tx *store.Tx) error { _, err := store.GetTOTP(tx, bobs); return err }); iam.KindOf(err) != iam.NotFound {
		t.Errorf("an expired secret is kept: %v", err)
	}
}
