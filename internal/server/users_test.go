package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/propusktest"
)

func TestUserAddChecksWhatItIsGiven(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		field   string
		request server.UserAddRequest
	}{
		{"login", server.UserAddRequest{}},
		{"login", server.UserAddRequest{Login: "a@b"}},
		{"login", server.UserAddRequest{Login: "-a"}},
		{"login", server.UserAddRequest{Login: "a."}},
		{"login", server.UserAddRequest{Login: "a b"}},
		{"login", server.UserAddRequest{Login: "алиса"}},
		{"login", server.UserAddRequest{Login: "a\n"}},
		{"login", server.UserAddRequest{Login: long}},
		{"login", server.UserAddRequest{Login: s.AliceID}},
		{"email", server.UserAddRequest{Login: "a", Email: "a"}},
		{"email", server.UserAddRequest{Login: "a", Email: "a@"}},
		{"email", server.UserAddRequest{Login: "a", Email: "a b@c"}},
		{"email", server.UserAddRequest{Login: "a", Email: "a@b@c"}},
		{"email", server.UserAddRequest{Login: "a", Email: "a@b\n"}},
		{"email", server.UserAddRequest{Login: "a", Email: "a@" + long}},
		{"name", server.UserAddRequest{Login: "a", Name: strings.Repeat("x", 257)}},
		{"name", server.UserAddRequest{Login: "a", Name: "a\x1b[2J"}},
		{"name", server.UserAddRequest{Login: "a", Name: "a\u009b2J"}}, // the same to a terminal
		{"given_name", server.UserAddRequest{Login: "a", GivenName: "\xff"}},
		{"family_name", server.UserAddRequest{Login: "a", FamilyName: "a\nb"}},
	} {
		_, err := s.Server.AddUser(t.Context(), c.request)
		if iam.KindOf(err) != iam.InvalidArgument || !strings.Contains(err.Error(), c.field+": ") {
			t.Errorf("%+v: %v, want INVALID_ARGUMENT about %s", c.request, err, c.field)
		}
	}
	got, err := s.Server.ListUsers(t.Context(), server.UserListRequest{})
	if err != nil || len(got.Users) != 2 { // alice and bob
		t.Errorf("%d people, %v", len(got.Users), err)
	}
}

// A person who cannot be made whole is not made at all.
func TestUserAddIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	_, err := s.Server.AddUser(t.Context(), server.UserAddRequest{Login: "carol", Organizations: []string{s.OrganizationID, "bpfnone"}})
	if iam.KindOf(err) != iam.NotFound {
		t.Fatalf("an unknown organization: %v", err)
	}
	carol, err := s.Server.AddUser(t.Context(), server.UserAddRequest{Login: "carol", Organizations: []string{s.OrganizationID, s.OrganizationID}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Server.JoinUser(t.Context(), server.UserJoinRequest{User: carol.ID, Organization: s.OrganizationID})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(carol, again); d != "" || len(carol.Organizations) != 1 {
		t.Errorf("joining twice changes something:\n%s", d)
	}
	for _, r := range []server.UserJoinRequest{{User: "nobody", Organization: s.OrganizationID}, {User: "carol", Organization: s.CloudID}, {User: "carol"}} {
		if _, err := s.Server.JoinUser(t.Context(), r); iam.KindOf(err) != iam.NotFound {
			t.Errorf("%+v: %v, want NOT_FOUND", r, err)
		}
	}
}

// One mailbox is one person, however it is written.
func TestUserAddKnowsAddressesInCapitals(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	carol, err := s.Server.AddUser(t.Context(), server.UserAddRequest{Login: "carol", Email: "Carol@Example.com"})
	if err != nil || carol.Email != "carol@example.com" {
		t.Fatalf("%+v, %v", carol, err)
	}
	if _, err := s.Server.AddUser(t.Context(), server.UserAddRequest{Login: "dave", Email: "CAROL@example.com"}); iam.KindOf(err) != iam.AlreadyExists {
		t.Errorf("a second person with the address: %v", err)
	}
	if _, err := s.Server.InviteUser(t.Context(), server.UserInviteRequest{Email: "CAROL@example.com", Expires: time.Hour}); iam.KindOf(err) != iam.AlreadyExists {
		t.Errorf("an invitation of who is there: %v", err)
	}
	got, err := s.Server.JoinUser(t.Context(), server.UserJoinRequest{User: "CAROL@EXAMPLE.COM", Organization: s.OrganizationID})
	if err != nil || got.ID != carol.ID {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUserListGoesOn(t *testing.T) {
	t.Parallel()
	s := propusktest.New(t)
	first, err := s.Server.ListUsers(t.Context(), server.UserListRequest{Organization: s.OrganizationID, Limit: 1})
	if err != nil || len(first.Users) != 1 || !first.More {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := s.Server.ListUsers(t.Context(), server.UserListRequest{Organization: s.OrganizationID, Limit: 1, After: first.Users[0].ID})
	if err != nil || len(second.Users) != 1 || second.More || second.Users[0].ID == first.Users[0].ID {
		t.Fatalf("%+v, %v", second, err)
	}
	all, err := s.Server.ListUsers(t.Context(), server.UserListRequest{})
	for _, u := range all.Users {
		if d := cmp.Diff([]string{s.OrganizationID}, u.Organizations); d != "" || err != nil {
			t.Errorf("%s is in (-want +got):\n%s%v", u.Login, d, err)
		}
	}
	if none, err := s.Server.ListUsers(t.Context(), server.UserListRequest{After: "z"}); err != nil || len(none.Users) != 0 {
		t.Errorf("after the last: %+v, %v", none, err)
	}
	for _, r := range []server.UserListRequest{{Limit: -1}, {Limit: 1001}} {
		if _, err := s.Server.ListUsers(t.Context(), r); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, err := s.Server.ListUsers(t.Context(), server.UserListRequest{Organization: "bpfnone"}); iam.KindOf(err) != iam.NotFound {
		t.Errorf("an unknown organization: %v", err)
	}
}
