package signin_test

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/signin"
	"github.com/propusk/propusk/internal/store"
)

func TestAdmitLetter(t *testing.T) {
	w := newTown(t)
	about := "reset"
	admit := func(mailbox string, want bool) {
		t.Helper()
		w.update(t, func(tx *store.Tx) error {
			got, err := w.passwords.AdmitLetter(tx, about, mailbox)
			if got != want {
				t.Errorf("%s: %v", mailbox, got)
			}
			return err
		})
	}
	for range 3 {
		admit("a@example.com", true)
	}
	admit("a@example.com", false)
	admit("A+shop@example.com", false) // most likely the same mailbox
	admit("a+@example.com", false)
	admit("b@example.com", true)
	admit("a@example.org", true)
	admit("+a@example.com", true)
	about = "sign_up" // letters of which one can do without keep nobody from others
	admit("a@example.com", true)
	about = "reset"
	w.now = w.now.Add(59 * time.Minute)
	admit("a@example.com", false) // and asking does not make it longer
	w.now = w.now.Add(time.Minute)
	admit("a@example.com", true)
}

func TestFindPerson(t *testing.T) {
	w := newTown(t)
	for text, want := range map[string]string{"alice": "aje1", " alice ": "aje1", "alice@example.com": "aje1", "Alice@Example.COM": "aje1",
		"ALICE": "", "": "", "nobody@example.com": "", "alice\x00": "", "@": ""} {
		w.update(t, func(tx *store.Tx) error {
			u, err := signin.FindPerson(tx, text)
			if want == "" && iam.KindOf(err) != iam.NotFound || want != "" && (err != nil || u.ID != want) {
				t.Errorf("%q: %v, %v", text, u, err)
			}
			return nil
		})
	}
}
