package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var raceTests = []test{
	{"one name, one winner", testNameRace},
	{"one idempotency key, one winner", testIdempotencyRace},
	{"count then write", testWriteSkew},
	{"read then write", testLostUpdate},
	{"bind while deleting", testBindWhileDeleting},
	{"one first signing key", testFirstSigningKey},
	{"bind a subject while deleting it", testBindDeletedSubject},
	{"guard against a concurrent change", testGuardRace},
}

// together runs fn in n goroutines that start at once and returns how many
// succeeded; other errors than expected are reported.
func together(t *testing.T, n int, expected iam.Kind, fn func(i int) error) int {
	t.Helper()
	var wins atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			switch err := fn(i); {
			case err == nil:
				wins.Add(1)
			case iam.KindOf(err) != expected:
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	close(gate)
	wg.Wait()
	return int(wins.Load())
}

func testNameRace(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error { return store.InsertFolder(tx, folder("b1g2", cloudID, "db")) })
	for round := range 10 {
		name := fmt.Sprintf("name%d", round)
		wins := together(t, 8, iam.AlreadyExists, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				return store.InsertServiceAccount(tx, robot(fmt.Sprintf("r%d.%d", round, i), []string{folderID, "b1g2"}[i%2], name))
			})
		})
		same(t, "accounts with one name", 1, wins)
		wins = together(t, 8, iam.AlreadyExists, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				return store.InsertFolder(tx, folder(fmt.Sprintf("f%d.%d", round, i), cloudID, name))
			})
		})
		same(t, "folders with one name", 1, wins)
	}
}

func testIdempotencyRace(t *testing.T, f *fixture) {
	f.world(t)
	wins := together(t, 16, iam.Aborted, func(i int) error {
		return f.db.Update(context.Background(), func(tx *store.Tx) error {
			existing, claimed, err := store.ClaimIdempotency(tx, "alice", "m", "k", []byte("h"), tx.Now().Add(store.IdempotencyLife))
			if err != nil {
				return err
			}
			if !claimed {
				if existing.OperationID == "" {
					t.Error("a claim is seen before its result")
				}
				return iam.Errorf(iam.Aborted, "claimed by %s", existing.OperationID)
			}
			return store.SetIdempotencyResult(tx, "alice", "m", "k", fmt.Sprint("op", i), "r")
		})
	})
	same(t, "winners", 1, wins)
}

// testWriteSkew: each update counts and adds only while there are fewer than
// five; together they must not add more.
func testWriteSkew(t *testing.T, f *fixture) {
	f.world(t)
	const most = 5
	wins := together(t, 16, iam.ResourceExhausted, func(i int) error {
		return f.db.Update(context.Background(), func(tx *store.Tx) error {
			if err := store.LockResource(tx, folderID); err != nil {
				return err
			}
			there, err := store.ListServiceAccounts(tx, folderID, store.Page{Limit: most + 1})
			if err != nil {
				return err
			}
			if len(there) >= most {
				return iam.Errorf(iam.ResourceExhausted, "full")
			}
			return store.InsertServiceAccount(tx, robot(fmt.Sprint("r", i), folderID, fmt.Sprint("r", i)))
		})
	})
	same(t, "added to the one that was there", most-1, wins)
}

func testLostUpdate(t *testing.T, f *fixture) {
	f.world(t)
	const n = 16
	wins := together(t, n, iam.Aborted, func(i int) error {
		return f.db.Update(context.Background(), func(tx *store.Tx) error {
			if err := store.LockResource(tx, cloudID); err != nil {
				return err
			}
			c, err := store.GetCloud(tx, cloudID)
			if err != nil {
				return err
			}
			c.Description += "x"
			return store.UpdateCloud(tx, c)
		})
	})
	same(t, "updates", n, wins)
	f.view(t, func(tx *store.Tx) error {
		c, err := store.GetCloud(tx, cloudID)
		same(t, "marks", n, len(c.Description))
		return err
	})
}

func testBindWhileDeleting(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 10 {
		id := fmt.Sprint("b", round)
		f.update(t, func(tx *store.Tx) error { return store.InsertFolder(tx, folder(id, cloudID, id)) })
		together(t, 6, iam.NotFound, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				switch i {
				case 0:
					return second(store.DeleteFolder(tx, id))
				case 1:
					return store.InsertServiceAccount(tx, robot("in"+id, id, "in"+id))
				default:
					return second(store.AddBinding(tx, id, bind("viewer", iam.SubjectID(fmt.Sprint("s", i)))))
				}
			})
		})
		f.view(t, func(tx *store.Tx) error {
			left, err := store.ListBindings(tx, id, iam.AccessBinding{}, 9)
			same(t, "bindings on a deleted folder", 0, len(left))
			_, miss := store.GetServiceAccount(tx, "in"+id)
			wantRefusal(t, miss, iam.NotFound, "Service account in"+id+" not found")
			return err
		})
	}
}

// testFirstSigningKey: nodes that start together make one key.
func testFirstSigningKey(t *testing.T, f *fixture) {
	wins := together(t, 8, iam.AlreadyExists, func(i int) error {
		return f.db.Update(context.Background(), func(tx *store.Tx) error {
			if err := store.LockSigningKeys(tx); err != nil {
				return err
			}
			if there, err := store.ListSigningKeys(tx, store.PurposeRoot); err != nil || len(there) > 0 {
				return all(err, iam.AlreadyExists)
			}
			return store.InsertSigningKey(tx, &store.SigningKey{ID: fmt.Sprint("k", i), Purpose: store.PurposeRoot, CreatedAt: created, SignsFrom: created})
		})
	})
	same(t, "keys", 1, wins)
}

// testBindDeletedSubject: an account is deleted while others, who have seen it,
// give it a role, a membership and a place in a group. Nothing of that stays.
func testBindDeletedSubject(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return store.InsertGroup(tx, &iam.Group{ID: "g", OrganizationID: orgID, Name: "g", CreatedAt: created})
	})
	for round := range 10 {
		id := fmt.Sprint("d", round)
		subject := iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount}
		f.update(t, func(tx *store.Tx) error { return store.InsertServiceAccount(tx, robot(id, folderID, id)) })
		together(t, 4, iam.NotFound, func(i int) error {
			return f.db.Update(context.Background(), func(tx *store.Tx) error {
				if i == 0 {
					return second(store.DeleteServiceAccount(tx, id))
				}
				if _, err := store.GetServiceAccount(tx, id); err != nil {
					return err
				}
				switch i {
				case 1:
					return second(store.AddBinding(tx, cloudID, bind("viewer", subject.ID)))
				case 2:
					return second(store.AddGroupMember(tx, "g", subject))
				default:
					return second(store.AddMember(tx, orgID, subject.ID))
				}
			})
		})
		f.view(t, func(tx *store.Tx) error {
			roles, err := store.RolesOf(tx, cloudID, subject.ID)
			same(t, "roles of a deleted account", 0, len(roles))
			groups, e2 := store.GroupsOf(tx, subject.ID)
			same(t, "groups of a deleted account", 0, len(groups))
			organizations, e3 := store.OrganizationsOf(tx, subject.ID)
			same(t, "organizations of a deleted account", 0, len(organizations))
			return all(err, e2, e3)
		})
	}
}

// testGuardRace: a permission is withdrawn while others act on it. Whatever
// they did stands before the withdrawal in the feed.
func testGuardRace(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 10 {
		subject := iam.SubjectID(fmt.Sprint("s", round))
		f.update(t, func(tx *store.Tx) error { return second(store.AddBinding(tx, cloudID, bind("editor", subject))) })
		watched := store.Change{Kind: store.ChangeBinding, Key: store.BindingKey(cloudID, subject)}
		position := f.head(t)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.db.Update(context.Background(), func(tx *store.Tx) error {
				return second(store.RemoveBinding(tx, cloudID, bind("editor", subject)))
			}); err != nil {
				t.Error(err)
			}
		})
		for i := range 6 {
			wg.Go(func() {
				id := fmt.Sprintf("g%d.%d", round, i)
				err := f.db.Update(store.WithGuard(context.Background(), position, []store.Change{watched}), func(tx *store.Tx) error {
					return store.InsertFolder(tx, folder(id, cloudID, id))
				})
				if err != nil && !errors.Is(err, store.ErrMoved) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		withdrawn := false
		for _, c := range f.changes(t, position) {
			if withdrawn {
				t.Errorf("round %d: %v after the permission was withdrawn", round, c)
			}
			withdrawn = withdrawn || c == watched
		}
		same(t, "withdrawn", true, withdrawn)
	}
}
