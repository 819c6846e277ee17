package storetest

import (
	"fmt"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

var standingTests = []test{
	{"where a resource and a subject stand", testStanding},
	{"nothing and nobody", testStandingOfNothing},
	{"roles of many on many", testBoundRoles},
	{"long lists", testBoundRolesOfThousands},
}

func testStanding(t *testing.T, f *fixture) {
	f.world(t)
	robot := iam.Subject{ID: robotID, Type: iam.TypeServiceAccount}
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertOrganization(tx, organization("bpf2", "other")),
			store.InsertGroup(tx, &iam.Group{ID: "g2", OrganizationID: orgID, Name: "two", CreatedAt: tx.Now()}),
			store.InsertGroup(tx, &iam.Group{ID: "g1", OrganizationID: orgID, Name: "one", CreatedAt: tx.Now()}),
			second(store.AddGroupMember(tx, "g2", robot)),
			second(store.AddGroupMember(tx, "g1", robot)),
			second(store.AddMember(tx, orgID, robotID)),
			second(store.AddMember(tx, "bpf2", robotID)),
			second(store.AddMember(tx, "bpf2", "somebody")),
			store.BindPolicy(tx, cloudID, store.PolicyBinding{TemplateID: "iam.b"}),
			store.BindPolicy(tx, cloudID, store.PolicyBinding{TemplateID: "iam.a"}),
			store.BindPolicy(tx, orgID, store.PolicyBinding{TemplateID: "iam.c"}),
			store.BindPolicy(tx, "bpf2", store.PolicyBinding{TemplateID: "iam.d"}),
		)
	})
	want := &store.Standing{
		Path: []resource.Ref{
			{Kind: resource.ServiceAccount, ID: robotID}, {Kind: resource.Folder, ID: folderID},
			{Kind: resource.Cloud, ID: cloudID}, {Kind: resource.Organization, ID: orgID},
		},
		Policies:      map[string][]string{cloudID: {"iam.a", "iam.b"}, orgID: {"iam.c"}},
		Groups:        []iam.SubjectID{"g1", "g2"},
		Organizations: []string{orgID, "bpf2"},
	}
	f.view(t, func(tx *store.Tx) (err error) {
		if want.Head, err = tx.Head(); err != nil {
			return err
		}
		got, err := store.StandingOf(tx, robotID, robotID)
		same(t, "standing", want, got)
		return err
	})
}

func testStandingOfNothing(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error { return second(store.DeleteServiceAccount(tx, robotID)) })
	f.view(t, func(tx *store.Tx) error {
		head, err := tx.Head()
		if err != nil {
			return err
		}
		for _, ask := range [][2]string{{"", ""}, {robotID, robotID}, {"none", "nobody"}, {"", robotID}} {
			got, err := store.StandingOf(tx, ask[0], iam.SubjectID(ask[1]))
			if err != nil {
				return err
			}
			same(t, fmt.Sprint(ask), &store.Standing{Head: head}, got)
		}
		got, err := store.StandingOf(tx, orgID, "")
		same(t, "a root", []resource.Ref{{Kind: resource.Organization, ID: orgID}}, got.Path)
		return err
	})
}

func testBoundRoles(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(
			second(store.AddBinding(tx, folderID, bind("viewer", "s1"))),
			second(store.AddBinding(tx, folderID, bind("editor", "s1"))),
			second(store.AddBinding(tx, cloudID, bind("admin", "s2"))),
			second(store.AddBinding(tx, orgID, bind("admin", "stranger"))),
			second(store.AddBinding(tx, robotID, bind("admin", "s1"))),
		)
	})
	f.view(t, func(tx *store.Tx) error {
		head, err := tx.Head()
		if err != nil {
			return err
		}
		got, err := store.BoundRoles(tx, []string{folderID, cloudID, orgID, "none"}, []iam.SubjectID{"s1", "s2", "S1"})
		if err != nil {
			return err
		}
		same(t, "bound", &store.Bound{
			Head: head,
			Roles: map[store.Pair][]iam.RoleID{
				{ResourceID: folderID, Subject: "s1"}: {"editor", "viewer"},
				{ResourceID: cloudID, Subject: "s2"}:  {"admin"},
			},
			Some: map[string]bool{folderID: true, cloudID: true, orgID: true},
		}, got)
		got, err = store.BoundRoles(tx, []string{folderID}, nil)
		same(t, "bound to nobody", &store.Bound{Head: head, Roles: map[store.Pair][]iam.RoleID{}, Some: map[string]bool{folderID: true}}, got)
		return err
	})
}

func testBoundRolesOfThousands(t *testing.T, f *fixture) {
	f.world(t)
	var subjects []iam.SubjectID
	for i := range 3000 {
		subjects = append(subjects, iam.SubjectID(fmt.Sprintf("s%04d", i)))
	}
	f.update(t, func(tx *store.Tx) error {
		return all(
			second(store.AddBinding(tx, folderID, bind("viewer", subjects[0]))),
			second(store.AddBinding(tx, folderID, bind("viewer", subjects[2999]))),
		)
	})
	f.view(t, func(tx *store.Tx) error {
		got, err := store.BoundRoles(tx, []string{robotID, folderID, cloudID, orgID}, subjects)
		if err == nil && len(got.Roles) != 2 {
			t.Errorf("%v", got.Roles)
		}
		return err
	})
}
