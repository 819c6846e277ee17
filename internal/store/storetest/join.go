package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var joinTests = []test{
	{"invitations", testInvitations},
	{"messages that wait", testOutgoingMail},
}

func invitation(id, email string, origin iam.InvitationOrigin, end time.Time) *iam.Invitation {
	return &iam.Invitation{ID: id, Lookup: "of " + id, Origin: origin, Email: email, Name: "A & <b>", Organizations: []string{"bpf1", "bpf2"},
		CreatedAt: created, ExpiresAt: end}
}

func testInvitations(t *testing.T, f *fixture) {
	now := start.Truncate(time.Microsecond)
	i1 := invitation("i1", "a@example.com", iam.InvitedByOperator, now.Add(time.Hour))
	i2 := invitation("i2", "a@example.com", iam.InvitedBySignUp, now.Add(2*time.Hour))
	i3 := invitation("i3", "b@example.com", iam.InvitedBySignUp, now.Add(2*time.Hour))
	i3.Organizations = nil
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.InsertInvitation(tx, i1), store.InsertInvitation(tx, i2), store.InsertInvitation(tx, i3))
	})
	list := func(p store.Page, want ...*iam.Invitation) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListInvitations(tx, p)
			same(t, "invitations", want, got)
			return err
		})
	}
	gone := func(lookup string) {
		t.Helper()
		f.refuse(t, iam.NotFound, "Invitation of this text not found", func(tx *store.Tx) error { return second(store.FindInvitation(tx, lookup)) })
		f.refuse(t, iam.NotFound, "Invitation of this text not found", func(tx *store.Tx) error { return second(store.UseInvitation(tx, lookup)) })
	}
	list(store.Page{Limit: 9}, i1, i2, i3)
	list(store.Page{Limit: 1, After: "i1"}, i2)
	f.view(t, func(tx *store.Tx) error {
		got, err := store.FindInvitation(tx, "of i1")
		same(t, "invitation", i1, got)
		return err
	})
	gone("i1")
	f.refuse(t, iam.AlreadyExists, "Invitation i1 already exists", func(tx *store.Tx) error {
		return store.InsertInvitation(tx, invitation("i1", "c@example.com", iam.InvitedByOperator, now))
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.DeleteInvitationsTo(tx, "a@example.com", iam.InvitedBySignUp) })
	list(store.Page{Limit: 9}, i1, i3)
	f.told(t, nil, func(tx *store.Tx) error {
		got, err := store.UseInvitation(tx, "of i3")
		same(t, "used", i3, got)
		return err
	})
	gone("of i3")
	f.advance(time.Hour) // exactly its end
	gone("of i1")
	list(store.Page{Limit: 9})
	for _, c := range []struct {
		before time.Time
		want   int64
	}{{i1.ExpiresAt, 0}, {i1.ExpiresAt.Add(time.Second), 1}} {
		f.update(t, func(tx *store.Tx) error {
			n, err := store.DeleteExpiredInvitations(tx, c.before)
			if n != c.want {
				t.Errorf("%d are forgotten before %s", n, c.before)
			}
			return err
		})
	}
	f.refuse(t, iam.NotFound, "Invitation i1 not found", func(tx *store.Tx) error { return store.DeleteInvitation(tx, "i1") })
	f.update(t, func(tx *store.Tx) error { return store.InsertInvitation(tx, i1) })
	f.update(t, func(tx *store.Tx) error { return store.DeleteInvitation(tx, "i1") })

	// They end with the account that kept them from being used.
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertInvitation(tx, i1), store.InsertUserAccount(tx, person("aje1", "alice", "A@example.com")), store.DeleteUserAccount(tx, "aje1"))
	})
	f.refuse(t, iam.NotFound, "Invitation i1 not found", func(tx *store.Tx) error { return store.DeleteInvitation(tx, "i1") })
}

func testOutgoingMail(t *testing.T, f *fixture) {
	now := start.Truncate(time.Microsecond)
	message := func(id string, next time.Time) *iam.OutgoingMail {
		return &iam.OutgoingMail{ID: id, Sealed: sealedText(id), CreatedAt: created, NextAt: next, ExpiresAt: now.Add(time.Hour)}
	}
	late, early, later := message("m1", now), message("m2", now.Add(-time.Minute)), message("m3", now.Add(time.Second))
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.InsertMail(tx, late), store.InsertMail(tx, early), store.InsertMail(tx, later))
	})
	f.refuse(t, iam.AlreadyExists, "Message m1 already exists", func(tx *store.Tx) error { return store.InsertMail(tx, late) })
	due := func(limit int, want ...*iam.OutgoingMail) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.ListDueMail(tx, limit)
			same(t, "due", want, got)
			return err
		})
	}
	due(9, early, late)
	due(1, early)
	claim := func(m *iam.OutgoingMail, want bool) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			ours, err := store.ClaimMail(tx, m, now.Add(time.Minute))
			if ours != want {
				t.Errorf("%s is claimed: %v", m.ID, ours)
			}
			return err
		})
	}
	claim(early, true)
	claim(early, false) // another node was quicker
	due(9, late)
	f.advance(time.Minute)
	early.Tries, early.NextAt = 1, now.Add(time.Minute)
	due(9, late, later, early)
	claim(early, true)
	count := func(most, want int) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			n, err := store.CountMail(tx, most)
			same(t, "messages", want, n)
			return err
		})
	}
	count(9, 3)
	count(2, 2)
	row := store.SealedRow{ID: "m1", Place: store.MailPlace("m1"), Sealed: sealedText("m1")}
	f.told(t, nil, func(tx *store.Tx) error {
		rows, err := store.ListSealed(tx, store.SealedMail, "", 1)
		same(t, "sealed", []store.SealedRow{row}, rows)
		moved, e2 := store.Reseal(tx, store.SealedMail, row, []byte("anew"))
		again, e3 := store.Reseal(tx, store.SealedMail, row, []byte("again"))
		if !moved || again {
			t.Errorf("moved %v, and again %v", moved, again)
		}
		return all(err, e2, e3)
	})
	f.told(t, nil, func(tx *store.Tx) error {
		was, err := store.DeleteMail(tx, "m1")
		again, e2 := store.DeleteMail(tx, "m1")
		if !was || again {
			t.Errorf("deleted %v, and again %v", was, again)
		}
		return all(err, e2)
	})
	claim(late, false)
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteExpiredMail(tx, now.Add(2*time.Hour))
		if n != 2 {
			t.Errorf("%d are forgotten", n)
		}
		return err
	})
	count(9, 0)
}
