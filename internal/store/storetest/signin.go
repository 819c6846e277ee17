package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var signInTests = []test{
	{"passwords", testPasswords},
	{"attempts", testAttempts},
	{"authenticator apps", testTOTP},
	{"recovery codes", testRecoveryCodes},
	{"sessions", testSessions},
	{"tickets", testTickets},
	{"passkeys", testPasskeys},
	{"recovery codes and passkeys", testRecoveryCodesOfPasskeys},
	{"challenges", testChallenges},
	{"everything goes with the person", testSignInGoes},
}

// people are two of them, aje1 and aje2.
func (f *fixture) people(t *testing.T) {
	t.Helper()
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje1", Login: "alice", CreatedAt: created}),
			store.InsertUserAccount(tx, &iam.UserAccount{ID: "aje2", Login: "bob", CreatedAt: created}))
	})
}

func testPasswords(t *testing.T, f *fixture) {
	f.people(t)
	set := func(phc string, at time.Time) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			return store.SetPassword(tx, &iam.Password{UserID: "aje1", PHC: phc, ChangedAt: at})
		})
	}
	is := func(phc string, at time.Time) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.GetPassword(tx, "aje1")
			same(t, "password", &iam.Password{UserID: "aje1", PHC: phc, ChangedAt: at}, got)
			return err
		})
	}
	f.refuse(t, iam.NotFound, "Password of aje1 not found", func(tx *store.Tx) error { return second(store.GetPassword(tx, "aje1")) })
	set("one", created)
	is("one", created)
	set("two", created.Add(time.Hour))
	is("two", created.Add(time.Hour))
	f.update(t, func(tx *store.Tx) error { return store.RehashPassword(tx, "aje1", "one", "lost") }) // changed meanwhile
	is("two", created.Add(time.Hour))
	f.update(t, func(tx *store.Tx) error { return store.RehashPassword(tx, "aje1", "two", "three") })
	is("three", created.Add(time.Hour)) // the same password: it was not changed
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error {
		return store.SetPassword(tx, &iam.Password{UserID: "ajenone", PHC: "x"})
	})
}

func testAttempts(t *testing.T, f *fixture) {
	hold := func(id string, want store.Attempts) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			got, err := store.HoldAttempts(tx, id)
			same(t, id, want, got)
			return err
		})
	}
	at := func(d time.Duration) time.Time { return start.Add(d).Truncate(time.Microsecond) }
	hold("p/1", store.Attempts{LastAt: at(0)})
	want := store.Attempts{Count: 3, LastAt: at(time.Minute), BlockedUntil: at(time.Hour)}
	f.told(t, nil, func(tx *store.Tx) error { return store.SetAttempts(tx, "p/1", want) })
	hold("p/1", want)
	hold("p/2", store.Attempts{LastAt: at(0)})
	f.update(t, func(tx *store.Tx) error { return store.DeleteAttempts(tx, "p/1") })
	hold("p/1", store.Attempts{LastAt: at(0)})
	f.update(t, func(tx *store.Tx) error { // of those held and forgotten meanwhile none is lost
		return all(store.SetAttempts(tx, "p/3", want), store.SetAttempts(tx, "p/1", store.Attempts{Count: 1, LastAt: at(-time.Hour)}))
	})
	hold("p/3", want)
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteAttemptsBefore(tx, at(0))
		if n != 1 {
			t.Errorf("%d were forgotten", n)
		}
		return err
	})
	hold("p/1", store.Attempts{LastAt: at(0)})
}

func testTOTP(t *testing.T, f *fixture) {
	f.people(t)
	begin := func(id, text string) error {
		return f.db.Update(t.Context(), func(tx *store.Tx) error {
			return store.BeginTOTP(tx, &iam.TOTPSecret{UserID: id, Sealed: sealedText(text), CreatedAt: created})
		})
	}
	is := func(want *iam.TOTPSecret) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.GetTOTP(tx, "aje1")
			same(t, "authenticator app", want, got)
			return err
		})
	}
	step := func(n int64, want bool) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			used, err := store.UseTOTPStep(tx, "aje1", n)
			if used != want {
				t.Errorf("step %d: %v", n, used)
			}
			return err
		})
	}
	confirm := func(want bool) {
		t.Helper()
		f.update(t, func(tx *store.Tx) error {
			did, err := store.ConfirmTOTP(tx, "aje1", created.Add(time.Hour))
			if did != want {
				t.Errorf("confirmed: %v", did)
			}
			return err
		})
	}
	confirm(false)
	step(1, false)
	if err := all(begin("aje1", "first"), begin("aje1", "second"), begin("aje2", "other")); err != nil {
		t.Fatal(err)
	}
	is(&iam.TOTPSecret{UserID: "aje1", Sealed: sealedText("second"), CreatedAt: created})
	step(7, true)
	step(7, false)
	step(6, false)
	step(8, true)
	confirm(true)
	confirm(false)
	wantRefusal(t, begin("aje1", "third"), iam.FailedPrecondition, "The account has an authenticator app already: remove it first")
	wantRefusal(t, begin("ajenone", "x"), iam.NotFound, "User account ajenone not found")
	is(&iam.TOTPSecret{UserID: "aje1", Sealed: sealedText("second"), CreatedAt: created, ConfirmedAt: created.Add(time.Hour), LastStep: 8})
	forget := func(by time.Time, want int64) {
		t.Helper()
		f.update(t, func(tx *store.Tx) error {
			n, err := store.DeleteBegunTOTP(tx, by)
			if n != want {
				t.Errorf("begun by %s: %d are forgotten", by, n)
			}
			return err
		})
	}
	forget(created.Add(-time.Second), 0)
	forget(created, 1) // and not the confirmed one
	f.refuse(t, iam.NotFound, "Authenticator app of aje2 not found", func(tx *store.Tx) error { return second(store.GetTOTP(tx, "aje2")) })
	if err := begin("aje2", "other"); err != nil {
		t.Fatal(err)
	}
	is(&iam.TOTPSecret{UserID: "aje1", Sealed: sealedText("second"), CreatedAt: created, ConfirmedAt: created.Add(time.Hour), LastStep: 8})
	f.update(t, func(tx *store.Tx) error {
		had, err := store.DeleteTOTP(tx, "aje1")
		again, e2 := store.DeleteTOTP(tx, "aje1")
		if !had || again {
			t.Errorf("deleted %v, and again %v", had, again)
		}
		return all(err, e2)
	})
	f.view(t, func(tx *store.Tx) error { return second(store.GetTOTP(tx, "aje2")) })
	f.refuse(t, iam.NotFound, "Authenticator app of aje1 not found", func(tx *store.Tx) error { return second(store.GetTOTP(tx, "aje1")) })
}

func testRecoveryCodes(t *testing.T, f *fixture) {
	f.people(t)
	count := func(id string, want int) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			n, err := store.CountRecoveryCodes(tx, id)
			same(t, "codes of "+id, want, n)
			return err
		})
	}
	use := func(id, hash string, want bool) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			used, err := store.UseRecoveryCode(tx, id, hash)
			if used != want {
				t.Errorf("%s of %s: %v", hash, id, used)
			}
			return err
		})
	}
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.SetRecoveryCodes(tx, "aje1", []string{"a", "b", "c"}), store.SetRecoveryCodes(tx, "aje2", []string{"a"}))
	})
	count("aje1", 3)
	use("aje1", "a", true)
	use("aje1", "a", false)
	use("aje1", "d", false)
	count("aje1", 2)
	f.update(t, func(tx *store.Tx) error { return store.SetRecoveryCodes(tx, "aje1", []string{"a"}) })
	use("aje1", "b", false)
	count("aje1", 1)
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteTOTP(tx, "aje1")) }) // with the app, or without one
	count("aje1", 0)
	count("aje2", 1)
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error { return store.SetRecoveryCodes(tx, "ajenone", nil) })
}

func session(id, userID string, seen, end time.Time) *iam.Session {
	return &iam.Session{ID: id, UserID: userID, Lookup: "of " + id, CreatedAt: created, AuthenticatedAt: created, LastSeenAt: seen, ExpiresAt: end,
		SecondFactor: id == "s1", Address: "192.0.2.1", UserAgent: "Netscape"}
}

// renewed: a person proves himself again in one of his sessions, s1, which stays
// one of them under another cookie; every other try changes nothing.
func (f *fixture) renewed(t *testing.T, s1, s2, expired *iam.Session) {
	t.Helper()
	now := start.Truncate(time.Microsecond)
	again := *s1
	again.Lookup, again.AuthenticatedAt, again.LastSeenAt, again.ExpiresAt = "of s1 anew", now, now.Add(time.Second), now.Add(2*time.Hour)
	again.SecondFactor, again.Address, again.UserAgent, again.Methods = false, "192.0.2.2", "Later", []string{"pwd", "otp"}
	renew := func(former, userID string, seenSince time.Time, want bool) {
		t.Helper()
		got := again
		got.ID, got.CreatedAt, got.UserID = "fresh", now, userID
		f.told(t, nil, func(tx *store.Tx) error {
			did, err := store.RenewSession(tx, former, &got, seenSince)
			same(t, "renewed by "+former, want, did)
			return err
		})
		if want {
			same(t, "the session", &again, &got)
		}
	}
	renew("of nothing", "aje1", created, false)
	renew("of s1", "aje2", created, false)                   // another's
	renew(expired.Lookup, expired.UserID, created, false)    // expired
	renew("of s1", "aje1", now.Add(time.Microsecond), false) // not seen since
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error {
		_, err := store.RenewSession(tx, "of s1", &iam.Session{UserID: "ajenone"}, created)
		return err
	})
	renew("of s1", "aje1", now, true)
	renew("of s1", "aje1", now, false)
	f.view(t, func(tx *store.Tx) error {
		one, err := store.FindSession(tx, "of s1 anew")
		same(t, "by its other cookie", &again, one)
		two, e2 := store.GetSession(tx, "s2")
		same(t, "the person's other session", s2, two)
		return all(err, e2)
	})
	f.refuse(t, iam.NotFound, "Session of this cookie not found", func(tx *store.Tx) error { return second(store.FindSession(tx, "of s1")) })
}

func testSessions(t *testing.T, f *fixture) {
	f.people(t)
	now := start.Truncate(time.Microsecond)
	later := now.Add(time.Hour)
	s1, s2, s3 := session("s1", "aje1", now, later), session("s2", "aje1", now.Add(-time.Minute), later), session("s3", "aje2", now, now)
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.InsertSession(tx, s1), store.InsertSession(tx, s2), store.InsertSession(tx, s3))
	})
	list := func(p store.Page, want ...*iam.Session) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListSessions(tx, "aje1", now.Add(-time.Minute), p)
			same(t, "sessions", want, got)
			return err
		})
	}
	list(store.Page{Limit: 9}, s1, s2)
	list(store.Page{Limit: 1}, s1)
	list(store.Page{Limit: 9, After: "s1"}, s2)
	f.view(t, func(tx *store.Tx) error {
		got, err := store.FindSession(tx, "of s2")
		same(t, "by cookie", s2, got)
		one, e2 := store.GetSession(tx, "s1")
		same(t, "by id", s1, one)
		return all(err, e2)
	})
	s2.LastSeenAt = now
	f.told(t, nil, func(tx *store.Tx) error { return store.TouchSessions(tx, map[string]time.Time{"s2": now, "gone": now}) })
	list(store.Page{Limit: 9, After: "s1"}, s2)
	f.renewed(t, s1, s2, s3)
	f.refuse(t, iam.NotFound, "Session s1 not found", func(tx *store.Tx) error { return store.DeleteSession(tx, "aje2", "s1") }) // another's
	f.refuse(t, iam.NotFound, "Session of this cookie not found", func(tx *store.Tx) error { return second(store.FindSession(tx, "s2")) })
	f.refuse(t, iam.AlreadyExists, "Session s1 already exists", func(tx *store.Tx) error { return store.InsertSession(tx, s1) })
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error {
		return store.InsertSession(tx, session("s9", "ajenone", now, later))
	})
	f.update(t, func(tx *store.Tx) error {
		gone, err := store.DeleteSessions(tx, "aje1", "s2")
		same(t, "ended", []string{"s1"}, gone)
		return all(err, store.DeleteSession(tx, "aje1", "s2"))
	})
	list(store.Page{Limit: 9})
	f.update(t, func(tx *store.Tx) error {
		idle := session("s4", "aje1", now.Add(-2*time.Minute), later)
		return all(store.InsertSession(tx, idle), store.InsertSession(tx, session("s5", "aje1", now, later)))
	})
	list(store.Page{Limit: 9}, session("s5", "aje1", now, later)) // not the idle one
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteOldSessions(tx, now)
		if n != 2 { // s3 has expired, s4 was idle
			t.Errorf("%d were forgotten", n)
		}
		return err
	})
	list(store.Page{Limit: 9}, session("s5", "aje1", now, later))
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertSession(tx, session("s6", "aje1", now.Add(time.Second), later)), store.InsertSession(tx, session("s4", "aje1", now.Add(-time.Second), later)),
			store.InsertSession(tx, session("s7", "aje2", created, later)))
	})
	f.update(t, func(tx *store.Tx) error {
		gone, err := store.DeleteSessionsBeyond(tx, "aje1", 2)
		same(t, "too many", []string{"s4"}, gone)
		none, e2 := store.DeleteSessionsBeyond(tx, "aje1", 2)
		same(t, "no more", []string(nil), none)
		return all(err, e2)
	})
	list(store.Page{Limit: 9}, session("s5", "aje1", now, later), session("s6", "aje1", now.Add(time.Second), later))
	f.refuse(t, iam.NotFound, "Session s4 not found", func(tx *store.Tx) error { return second(store.GetSession(tx, "s4")) })
}

func testTickets(t *testing.T, f *fixture) {
	f.people(t)
	end := start.Add(time.Minute).Truncate(time.Microsecond)
	want := &iam.Ticket{Lookup: "l1", Purpose: iam.TicketSecondFactor, UserID: "aje1", Tries: 2, ExpiresAt: end}
	reset := &iam.Ticket{Lookup: "l2", Purpose: iam.TicketPasswordReset, UserID: "aje1", Tries: 1, ExpiresAt: end}
	f.told(t, nil, func(tx *store.Tx) error { return all(store.InsertTicket(tx, want), store.InsertTicket(tx, reset)) })
	gone := func(purpose iam.TicketPurpose, lookup string) {
		t.Helper()
		f.refuse(t, iam.NotFound, "Ticket of this text not found", func(tx *store.Tx) error { return second(store.FindTicket(tx, purpose, lookup)) })
		f.refuse(t, iam.NotFound, "Ticket of this text not found", func(tx *store.Tx) error { return second(store.TryTicket(tx, purpose, lookup)) })
	}
	f.view(t, func(tx *store.Tx) error {
		got, err := store.FindTicket(tx, iam.TicketSecondFactor, "l1")
		same(t, "ticket", want, got)
		return err
	})
	gone(iam.TicketPasswordReset, "l1") // no ticket stands for another purpose
	gone(iam.TicketSecondFactor, "l2")
	gone(iam.TicketSecondFactor, "l3")
	for left := 1; left >= 0; left-- {
		f.told(t, nil, func(tx *store.Tx) error {
			got, err := store.TryTicket(tx, iam.TicketSecondFactor, "l1")
			if err == nil && got.Tries != left {
				t.Errorf("%d tries are left", got.Tries)
			}
			return err
		})
	}
	gone(iam.TicketSecondFactor, "l1")
	f.update(t, func(tx *store.Tx) error { return store.DeleteTicket(tx, "l1") })
	f.refuse(t, iam.NotFound, "Ticket of this text not found", func(tx *store.Tx) error { return store.DeleteTicket(tx, "l1") })
	f.advance(time.Minute)
	gone(iam.TicketPasswordReset, "l2")
	want.Lookup, want.ExpiresAt = "l4", end.Add(time.Hour)
	f.update(t, func(tx *store.Tx) error { return store.InsertTicket(tx, want) })
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteExpiredTickets(tx, end.Add(time.Second))
		if n != 1 {
			t.Errorf("%d were forgotten", n)
		}
		return err
	})
	f.update(t, func(tx *store.Tx) error { return store.DeleteTickets(tx, "aje1", iam.TicketPasswordReset) }) // not this one
	f.view(t, func(tx *store.Tx) error { return second(store.FindTicket(tx, iam.TicketSecondFactor, "l4")) })
	f.update(t, func(tx *store.Tx) error { return store.DeleteTickets(tx, "aje1", iam.TicketSecondFactor) })
	gone(iam.TicketSecondFactor, "l4")
}

func testSignInGoes(t *testing.T, f *fixture) {
	f.people(t)
	later := start.Add(time.Hour)
	f.update(t, func(tx *store.Tx) error {
		return all(store.SetPassword(tx, &iam.Password{UserID: "aje1", PHC: "x", ChangedAt: created}),
			store.BeginTOTP(tx, &iam.TOTPSecret{UserID: "aje1", Sealed: sealedText("x"), CreatedAt: created}),
			store.SetRecoveryCodes(tx, "aje1", []string{"a"}), store.InsertSession(tx, session("s1", "aje1", created, later)),
			store.InsertTicket(tx, &iam.Ticket{Lookup: "l", Purpose: iam.TicketPasswordReset, UserID: "aje1", Tries: 1, ExpiresAt: later}),
			store.InsertPasskey(tx, passkeyOf("p1", "aje1")), store.InsertChallenge(tx, &iam.Challenge{Lookup: "c", Purpose: iam.ChallengePasskey, UserID: "aje1", ExpiresAt: later}))
	})
	f.update(t, func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje1") }) // foreign keys would refuse it
	f.refuse(t, iam.NotFound, "Session of this cookie not found", func(tx *store.Tx) error { return second(store.FindSession(tx, "of s1")) })
	f.update(t, func(tx *store.Tx) error { // nobody's challenge is in the way
		return store.InsertChallenge(tx, &iam.Challenge{Lookup: "c", Purpose: iam.ChallengePasskey, ExpiresAt: later})
	})
}
