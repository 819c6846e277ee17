package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var definitionTests = []test{
	{"rows", testDefinitions},
	{"one owner for one id", testDefinitionOwner},
	{"bind a role while deleting it", testDeleteBoundRole},
}

func definition(kind store.DefinitionKind, id, organizationID string) *store.Definition {
	return &store.Definition{Kind: kind, ID: id, OrganizationID: organizationID, Body: `{"id":"` + id + `"}`, ModifiedAt: created}
}

func testDefinitions(t *testing.T, f *fixture) {
	told := []store.Change{{Kind: store.ChangeDefinitions}}
	role, scope := definition(store.DefinesRole, "acme.turner", orgID), definition(store.DefinesScope, "acme.turner", "")
	f.told(t, told, func(tx *store.Tx) error {
		return all(store.LockDefinitions(tx), store.PutDefinition(tx, scope), store.PutDefinition(tx, role))
	})
	role.Body, role.ModifiedAt = "{}", created.Add(time.Minute)
	f.told(t, told, func(tx *store.Tx) error { return store.PutDefinition(tx, role) })
	f.view(t, func(tx *store.Tx) error {
		list, err := store.ListDefinitions(tx)
		same(t, "definitions", []*store.Definition{role, scope}, list)
		one, e2 := store.GetDefinition(tx, store.DefinesRole, role.ID)
		same(t, "definition", role, one)
		_, e3 := store.GetDefinition(tx, store.DefinesResourceType, role.ID)
		wantRefusal(t, e3, iam.NotFound, "Resource type acme.turner not found")
		return all(err, e2)
	})
	f.told(t, told, func(tx *store.Tx) error { return store.DeleteDefinition(tx, store.DefinesRole, role.ID) })
	f.refuse(t, iam.NotFound, "Role acme.turner not found", func(tx *store.Tx) error {
		return store.DeleteDefinition(tx, store.DefinesRole, role.ID)
	})
}

func testDefinitionOwner(t *testing.T, f *fixture) {
	f.update(t, func(tx *store.Tx) error {
		return all(store.PutDefinition(tx, definition(store.DefinesRole, "a.own", orgID)),
			store.PutDefinition(tx, definition(store.DefinesRole, "a.all", "")))
	})
	const text = "role %s is already defined elsewhere: an id belongs to everybody or to one organization"
	for id, organizationID := range map[string]string{"a.own": "", "a.all": orgID} {
		f.refuse(t, iam.AlreadyExists, fmt.Sprintf(text, id), func(tx *store.Tx) error {
			return store.PutDefinition(tx, definition(store.DefinesRole, id, organizationID))
		})
	}
}

// testDeleteBoundRole: a role goes only while nobody has it, also when somebody
// is just being given it. The one who gives it has looked before whether it is
// there, and is guarded by what it read.
func testDeleteBoundRole(t *testing.T, f *fixture) {
	f.world(t)
	for round := range 10 {
		role := iam.RoleID(fmt.Sprint("acme.r", round))
		f.update(t, func(tx *store.Tx) error {
			return store.PutDefinition(tx, definition(store.DefinesRole, string(role), ""))
		})
		guarded := store.WithGuard(context.Background(), f.head(t), []store.Change{{Kind: store.ChangeDefinitions}})
		done := make(chan error, 2)
		go func() {
			done <- f.db.Update(context.Background(), func(tx *store.Tx) error {
				if err := all(store.LockDefinitions(tx), store.HoldRoles(tx, role)); err != nil {
					return err
				}
				if n, err := store.CountBindingsOfRole(tx, role); err != nil || n > 0 {
					return err
				}
				return store.DeleteDefinition(tx, store.DefinesRole, string(role))
			})
		}()
		go func() {
			done <- f.db.Update(guarded, func(tx *store.Tx) error { return second(store.AddBinding(tx, cloudID, bind(role, robotID))) })
		}()
		for range 2 {
			if err := <-done; err != nil && !errors.Is(err, store.ErrMoved) {
				t.Fatal(err)
			}
		}
		f.view(t, func(tx *store.Tx) error {
			n, err := store.CountBindingsOfRole(tx, role)
			_, gone := store.GetDefinition(tx, store.DefinesRole, string(role))
			if n > 0 && gone != nil {
				t.Errorf("%s is deleted and bound %d times", role, n)
			}
			if n == 0 && gone == nil {
				t.Errorf("%s: neither deleted nor bound", role)
			}
			return err
		})
	}
}
