package server

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/cloudapi/signinapi"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

// A password waits in a queue to be judged. What happens to its owner while it
// waits ends the sign-in as it ends sessions: nobody comes in by what was right
// when it was read.
func TestASignInThatIsOvertaken(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	alice := h.userID(t, "alice")
	var meanwhile atomic.Pointer[func()]
	h.passwords.Hasher = signin.NewHasher(signin.HasherConfig{Cost: signin.Recommended, AtOnce: 2, Waiting: 8, Now: func() time.Time {
		if act := meanwhile.Swap(nil); act != nil { // the hash has been read and is about to be compared
			(*act)()
		}
		return time.Now()
	}})
	first := h.password("alice")
	set := func(password string) func() {
		return func() {
			if err := h.db.Update(context.Background(), func(tx *store.Tx) error {
				_, err := signinapi.SetPassword(tx, alice, devCost.PHC(iam.NewSecret(password)), "")
				return err
			}); err != nil {
				t.Error(err)
			}
		}
	}
	overtaken := func(password string, act func()) error {
		meanwhile.Store(&act)
		r, err := h.start(t, "alice", password)
		if meanwhile.Load() != nil {
			t.Fatal("nothing was judged")
		}
		if err == nil {
			t.Errorf("signed in: %v", r.GetSession().GetExpiresAt().AsTime())
		}
		return err
	}
	refused(t, "by another password", overtaken(first, set("rainy sunday")), iam.Unauthenticated, "password_wrong")
	refused(t, "by a suspension", overtaken("rainy sunday", func() {
		must2(h.SuspendUser(context.Background(), UserSuspendRequest{User: alice}))(t)
	}), iam.FailedPrecondition, "account_suspended")
	must2(h.ReactivateUser(t.Context(), UserSuspendRequest{User: alice}))(t)
	cookie := h.signIn(t, "alice", "rainy sunday")
	if s := h.sessions(t, cookie); len(s) != 1 {
		t.Errorf("%d sessions", len(s))
	}

	// Whoever holds a stolen session and the old password does not set the next one.
	overtake := set("sunny monday")
	meanwhile.Store(&overtake)
	refused(t, "changing it", h.changePassword(t, cookie, "rainy sunday", "windy tuesday"), iam.Unauthenticated, "session_ended")
	h.signIn(t, "alice", "sunny monday")
}
