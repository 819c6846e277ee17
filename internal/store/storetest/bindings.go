package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var bindingTests = []test{
	{"add, remove, roles", testBindings},
	{"listing", testListBindings},
	{"any in an organization", testHasBindingIn},
	{"visible clouds", testVisibleClouds},
}

func testBindings(t *testing.T, f *fixture) {
	f.world(t)
	told := []store.Change{{Kind: store.ChangeBinding, Key: folderID + "/" + robotID}}
	change := func(fn func(*store.Tx, string, iam.AccessBinding) (bool, error), role iam.RoleID, want bool) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			did, err := fn(tx, folderID, bind(role, robotID))
			same(t, "did", want, did)
			return err
		}
	}
	f.told(t, told, change(store.AddBinding, "viewer", true))
	f.told(t, told, change(store.AddBinding, "editor", true))
	f.told(t, nil, change(store.AddBinding, "viewer", false))
	roles := func(want ...iam.RoleID) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.RolesOf(tx, folderID, robotID)
			same(t, "roles", want, got)
			return err
		})
	}
	roles("editor", "viewer")
	f.told(t, told, change(store.RemoveBinding, "viewer", true))
	f.told(t, nil, change(store.RemoveBinding, "viewer", false))
	roles("editor")
	f.refuse(t, iam.NotFound, "Resource none not found", func(tx *store.Tx) error {
		return second(store.AddBinding(tx, "none", bind("viewer", robotID)))
	})
}

func testListBindings(t *testing.T, f *fixture) {
	f.world(t)
	var want []iam.AccessBinding
	f.update(t, func(tx *store.Tx) error {
		for s := range 20 {
			for r := range 5 {
				b := bind(iam.RoleID(fmt.Sprintf("role%d", r)), iam.SubjectID(fmt.Sprintf("subject%02d", s)))
				want = append(want, b)
				if err := second(store.AddBinding(tx, cloudID, b)); err != nil {
					return err
				}
			}
		}
		return second(store.AddBinding(tx, folderID, bind("viewer", "subject00")))
	})
	for _, size := range []int{1, 7, 100, 1000} {
		var got []iam.AccessBinding
		f.view(t, func(tx *store.Tx) error {
			after := iam.AccessBinding{}
			for {
				page, err := store.ListBindings(tx, cloudID, after, size)
				if err != nil || len(page) == 0 {
					return err
				}
				got, after = append(got, page...), page[len(page)-1]
			}
		})
		same(t, fmt.Sprintf("bindings by %d", size), want, got)
	}
}

func testHasBindingIn(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertOrganization(tx, organization("bpf2", "other")),
			second(store.AddBinding(tx, folderID, bind("viewer", "s1"))),
			second(store.AddBinding(tx, "bpf2", bind("viewer", "s2"))),
		)
	})
	for _, tt := range []struct {
		organization string
		subjects     []iam.SubjectID
		want         bool
	}{
		{orgID, []iam.SubjectID{"s1"}, true},
		{orgID, []iam.SubjectID{"x", "y", "s1"}, true},
		{orgID, []iam.SubjectID{"s2", "x"}, false},
		{"bpf2", []iam.SubjectID{"s1", "s2"}, true},
		{"bpf2", []iam.SubjectID{"S2"}, false},
		{orgID, nil, false},
	} {
		f.view(t, func(tx *store.Tx) error {
			got, err := store.HasBindingIn(tx, tt.organization, tt.subjects)
			same(t, fmt.Sprint(tt), tt.want, got)
			in, e2 := store.OrganizationsBoundIn(tx, tt.subjects)
			same(t, fmt.Sprint("the list ", tt), tt.want, slices.Contains(in, tt.organization))
			return all(err, e2)
		})
	}
}

func testVisibleClouds(t *testing.T, f *fixture) {
	f.world(t)
	f.update(t, func(tx *store.Tx) error {
		return all(
			store.InsertCloud(tx, cloud("b1gc2", orgID, "stage")),
			store.InsertOrganization(tx, organization("bpf2", "other")),
			store.InsertCloud(tx, cloud("b1gc3", "bpf2", "prod")),
			store.InsertCloud(tx, cloud("b1gc4", "bpf2", "far")),
			second(store.AddBinding(tx, orgID, bind("viewer", "boss"))),
			second(store.AddBinding(tx, cloudID, bind("viewer", "dev"))),
			second(store.AddBinding(tx, "b1gc3", bind("viewer", "dev"))),
			second(store.AddBinding(tx, folderID, bind("viewer", "guest"))),
			second(store.AddBinding(tx, "b1gc4", bind("viewer", iam.AllAuthenticatedUsers))),
		)
	})
	for _, tt := range []struct {
		name         string
		subjects     []iam.SubjectID
		organization string
		page         store.Page
		want         []string
	}{
		{"by the organization", []iam.SubjectID{"boss"}, "", store.Page{Limit: 9}, []string{cloudID, "b1gc2"}},
		{"by the cloud", []iam.SubjectID{"dev"}, "", store.Page{Limit: 9}, []string{cloudID, "b1gc3"}},
		{"in one organization", []iam.SubjectID{"dev"}, "bpf2", store.Page{Limit: 9}, []string{"b1gc3"}},
		{"by name", []iam.SubjectID{"dev", "boss"}, "", store.Page{Limit: 9, Name: "stage"}, []string{"b1gc2"}},
		{"a binding below is not enough", []iam.SubjectID{"guest"}, "", store.Page{Limit: 9}, nil},
		{"several subjects", []iam.SubjectID{"dev", "boss", iam.AllAuthenticatedUsers}, "", store.Page{Limit: 9}, []string{cloudID, "b1gc2", "b1gc3", "b1gc4"}},
		{"second page", []iam.SubjectID{"dev", "boss"}, "", store.Page{Limit: 1, After: cloudID}, []string{"b1gc2"}},
		{"no subjects", nil, "", store.Page{Limit: 9}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.view(t, func(tx *store.Tx) error {
				got, err := store.ListVisibleClouds(tx, tt.subjects, tt.organization, tt.page)
				var ids []string
				for _, c := range got {
					ids = append(ids, c.ID)
				}
				same(t, "clouds", tt.want, ids)
				return err
			})
		})
	}
}
