package server

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// expiring is a server's part that the expiry of accounts needs, at a time of
// the test's own, with accounts that end at given times.
func expiring(t *testing.T, now *time.Time, ends ...time.Time) *Server {
	t.Helper()
	engine, err := sqlite.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return *now }
	s := &Server{db: store.New(engine, store.Options{Now: clock}), now: clock, log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() { _ = s.db.Close() })
	if err := s.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(t.Context(), func(tx *store.Tx) error {
		for _, err := range []error{
			store.InsertOrganization(tx, &iam.Organization{ID: "bpf", Name: "acme"}),
			store.InsertCloud(tx, &iam.Cloud{ID: "b1gcloud", OrganizationID: "bpf", Name: "c"}),
			store.InsertFolder(tx, &iam.Folder{ID: "b1gfolder", CloudID: "b1gcloud", Name: "f", Status: iam.FolderActive}),
		} {
			if err != nil {
				return err
			}
		}
		for i, end := range ends {
			id := fmt.Sprintf("aje%06d", i)
			if err := store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: id, FolderID: "b1gfolder", Name: id, Status: iam.ServiceAccountActive, ExpiresAt: end}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Server) counts(t *testing.T) (revoked, due int) {
	t.Helper()
	err := s.db.View(t.Context(), func(tx *store.Tx) error {
		rows, err := store.ListRevocations(tx, 0)
		if err != nil {
			return err
		}
		revoked = len(rows)
		left, err := store.ListExpiredServiceAccounts(tx, 1000)
		due = len(left)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return revoked, due
}

// An end at this very moment has come; one a microsecond later has not.
// Accounts whose tokens are long over cost those who verify nothing.
func TestExpiryToTheMicrosecond(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	over := now.Add(-mint.Life - expiryLag)
	s := expiring(t, &now, now, now.Add(time.Microsecond), over, over.Add(time.Microsecond), now.AddDate(-3, 0, 0), time.Time{})
	for range 2 {
		if err := s.expireAccounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		if revoked, due := s.counts(t); revoked != 2 || due != 0 {
			t.Errorf("%d told to verifiers, want 2; %d still due", revoked, due)
		}
	}
	now = now.Add(time.Microsecond)
	if err := s.expireAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if revoked, _ := s.counts(t); revoked != 3 {
		t.Errorf("%d told to verifiers a microsecond later, want 3", revoked)
	}
	now = now.AddDate(-1, 0, 0) // a clock that is set back
	if err := s.expireAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
}
