package cloudapi_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	oauthpb "github.com/yandex-cloud/go-genproto/yandex/cloud/oauth"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
)

func addUser(role, id string) *accesspb.AccessBindingDelta {
	return &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor(role, "userAccount", id)}
}

func TestMembersAreListedWithTheirClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made, err := w.Server.Server.AddUser(t.Context(), server.UserAddRequest{Login: "carol", Email: "carol@example.org",
		GivenName: "Carol", FamilyName: "Jones", Organizations: []string{w.home.OrganizationID}})
	if err != nil {
		t.Fatal(err)
	}
	list := func(size int64, token string) *ompb.ListMembersResponse {
		return call(t, w.owner, "user.ListMembers", &ompb.ListMembersRequest{OrganizationId: w.home.OrganizationID, PageSize: size, PageToken: token}, new(ompb.ListMembersResponse))
	}
	want := &ompb.ListMembersResponse{Users: []*ompb.ListMembersResponse_OrganizationUser{{SubjectClaims: &oauthpb.SubjectClaims{
		Sub: made.ID, Name: "Carol Jones", GivenName: "Carol", FamilyName: "Jones", PreferredUsername: "carol",
		Email: "carol@example.org", SubType: oauthpb.SubjectType_USER_ACCOUNT}}}}
	if d := cmp.Diff(want, list(0, ""), protocmp.Transform()); d != "" {
		t.Errorf("members (-want +got):\n%s", d)
	}
	ids := []string{made.ID}
	for _, login := range []string{"d", "e", "f", "g"} {
		ids = append(ids, w.person(t, login, w.home.OrganizationID))
	}
	slices.Sort(ids)
	var got []string
	for token, pages := "", 0; pages == 0 || token != ""; pages++ {
		page := list(2, token)
		if len(page.GetUsers()) > 2 || pages > 3 {
			t.Fatalf("page %d has %d users", pages, len(page.GetUsers()))
		}
		for _, u := range page.GetUsers() {
			got = append(got, u.GetSubjectClaims().GetSub())
		}
		token = page.GetNextPageToken()
	}
	if d := cmp.Diff(ids, got); d != "" {
		t.Errorf("pages (-want +got):\n%s", d)
	}
	w.owner.refuse(t, "user.ListMembers", &ompb.ListMembersRequest{OrganizationId: w.home.OrganizationID, PageToken: "AAAA"}, codes.InvalidArgument, "page_token")
	w.owner.refuse(t, "user.ListMembers", &ompb.ListMembersRequest{}, codes.InvalidArgument, "organization_id")
}

// TestMembershipEnds: with it end bindings and groups in the organization, and
// nothing elsewhere; the person's token gives nothing there any more.
func TestMembershipEnds(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	id := w.person(t, "dave", w.home.OrganizationID, w.OrganizationID)
	w.bind(t, "cloud", w.home.CloudID, addUser("viewer", id))
	w.update(t, func(tx *store.Tx) error {
		for group, organization := range map[string]string{"ajehomegroup000000000": w.home.OrganizationID, "ajedevgroup0000000000": w.OrganizationID} {
			if err := store.InsertGroup(tx, &iam.Group{ID: group, OrganizationID: organization, Name: "devs", CreatedAt: tx.Now()}); err != nil {
				return err
			}
			if _, err := store.AddGroupMember(tx, group, iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}); err != nil {
				return err
			}
		}
		_, err := store.AddBinding(tx, w.CloudID, iam.AccessBinding{Role: "viewer", Subject: iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}})
		return err
	})
	dave := asPerson(id)
	home, dev := &rmpb.GetCloudRequest{CloudId: w.home.CloudID}, &rmpb.GetCloudRequest{CloudId: w.CloudID}
	call(t, dave, "cloud.Get", home, new(rmpb.Cloud))
	op := w.owner.operate(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: w.home.OrganizationID, SubjectId: id})
	done := response(t, op, new(ompb.DeleteMembershipResponse))
	if done.GetSubjectId() != id || done.GetOrganizationId() != w.home.OrganizationID {
		t.Errorf("response %v", done)
	}
	dave.refuse(t, "cloud.Get", home, codes.NotFound, "Cloud "+w.home.CloudID+" not found")
	call(t, dave, "cloud.Get", dev, new(rmpb.Cloud))
	w.update(t, func(tx *store.Tx) error {
		groups, err := store.GroupsOf(tx, iam.SubjectID(id))
		if d := cmp.Diff([]iam.SubjectID{"ajedevgroup0000000000"}, groups); d != "" {
			t.Errorf("groups (-want +got):\n%s", d)
		}
		return err
	})
	for _, what := range []string{id, "ajenever0000000000000", w.AliceID, w.home.ServiceAccountID, w.ServiceAccountID} {
		if what == w.home.ServiceAccountID {
			continue // that is the caller, and so leaving
		}
		w.owner.refuse(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: w.home.OrganizationID, SubjectId: what},
			codes.NotFound, "Subject "+what+" not found")
	}
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "organizationmanager.DeleteMembership"})
	if len(lines) == 0 || lines[0].Details["subject_id"] != id || pathOf(lines[0]) != "/organization-manager.organization:"+w.home.OrganizationID {
		t.Errorf("audit lines %+v", lines)
	}
}

func TestOneLeavesAlone(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	id := w.person(t, "erin", w.home.OrganizationID)
	erin := asPerson(id)
	leave := &ompb.DeleteMembershipRequest{OrganizationId: w.home.OrganizationID}
	// A member leaves without any right, and an equal call is answered alike.
	first := erin.operate(t, "user.DeleteMembership", leave, "idempotency-key", "k1")
	again := erin.operate(t, "user.DeleteMembership", leave, "idempotency-key", "k1")
	if first.GetId() != again.GetId() {
		t.Errorf("replayed as %s, was %s", again.GetId(), first.GetId())
	}
	meta := new(ompb.DeleteMembershipMetadata)
	if err := first.GetMetadata().UnmarshalTo(meta); err != nil || meta.GetSubjectId() != id {
		t.Errorf("metadata %v, %v", meta, err)
	}
	gone := erin.refuse(t, "user.DeleteMembership", leave, codes.NotFound, "Organization "+w.home.OrganizationID+" not found")
	for _, other := range []string{w.OrganizationID, "bpfnever0000000000000", w.home.CloudID} {
		a := erin.refuse(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: other}, codes.NotFound, "Organization "+other+" not found")
		if len(a.details) != len(gone.details) {
			t.Errorf("%s can be told apart: %v", other, a.details)
		}
	}
	// A service account belongs to the organization it stands in, and cannot leave it.
	w.owner.refuse(t, "user.DeleteMembership", leave, codes.NotFound, "Subject "+w.home.ServiceAccountID+" not found")
}

func TestLastOwnerStays(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	// In dev's organization alice is the one owner.
	alice := asPerson(w.AliceID)
	leave := &ompb.DeleteMembershipRequest{OrganizationId: w.OrganizationID}
	alice.refuse(t, "user.DeleteMembership", leave, codes.FailedPrecondition, "must keep at least one")
	if _, err := w.Server.Server.RemoveUser(t.Context(), server.UserRemoveRequest{User: "alice"}); iam.KindOf(err) != iam.FailedPrecondition {
		t.Errorf("the last owner is deleted: %v", err)
	}
	call(t, alice, "cloud.Get", &rmpb.GetCloudRequest{CloudId: w.CloudID}, new(rmpb.Cloud))
	bob := iam.Subject{ID: iam.SubjectID(w.BobID), Type: iam.TypeUserAccount}
	w.update(t, func(tx *store.Tx) error {
		if _, err := store.AddBinding(tx, w.CloudID, iam.AccessBinding{Role: "resource-manager.clouds.owner", Subject: bob}); err != nil {
			return err
		}
		_, err := store.AddBinding(tx, w.OrganizationID, iam.AccessBinding{Role: "organization-manager.organizations.owner", Subject: bob})
		return err
	})
	alice.operate(t, "user.DeleteMembership", leave)
	asPerson(w.BobID).refuse(t, "user.DeleteMembership", leave, codes.FailedPrecondition, "owner")
}

// TestOwnersCannotAllLeave: of owners who leave at the same moment one stays.
func TestOwnersCannotAllLeave(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	const owners = 4
	people := make([]*caller, owners)
	for i := range people {
		id := w.person(t, fmt.Sprintf("owner-%d", i), w.OrganizationID)
		w.update(t, func(tx *store.Tx) error {
			_, err := store.AddBinding(tx, w.OrganizationID, iam.AccessBinding{Role: iam.OrganizationOwner,
				Subject: iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount}})
			return err
		})
		people[i] = asPerson(id)
	}
	w.update(t, func(tx *store.Tx) error { // alice is no owner of the organization any more
		_, err := store.RemoveBinding(tx, w.OrganizationID, iam.AccessBinding{Role: iam.OrganizationOwner,
			Subject: iam.Subject{ID: iam.SubjectID(w.AliceID), Type: iam.TypeUserAccount}})
		return err
	})
	got := together(owners, func(i int) codes.Code {
		return people[i].do(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: w.OrganizationID}, new(operationpb.Operation)).code
	})
	if got[codes.OK] != owners-1 || got[codes.FailedPrecondition] != 1 {
		t.Errorf("%d owners leave at once: %v", owners, got)
	}
}

func TestPeopleAreLookedUp(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	id := w.person(t, "frank", w.home.OrganizationID)
	near, stranger := w.owner, w.exchange(t, w.Key)
	for _, c := range []struct {
		by    *caller
		email string
	}{{near, "frank@example.org"}, {asPerson(id), "frank@example.org"}, {w.robot(t, "member"), "frank@example.org"}, {stranger, ""}} {
		want := &iampb.UserAccount{Id: id, UserAccount: &iampb.UserAccount_YandexPassportUserAccount{
			YandexPassportUserAccount: &iampb.YandexPassportUserAccount{Login: "frank", DefaultEmail: c.email}}}
		got := []*iampb.UserAccount{
			call(t, c.by, "account.Get", &iampb.GetUserAccountRequest{UserAccountId: id}, new(iampb.UserAccount)),
			call(t, c.by, "passport.GetByLogin", &iampb.GetUserAccountByLoginRequest{Login: "frank"}, new(iampb.UserAccount)),
			call(t, c.by, "passport.GetByLogin", &iampb.GetUserAccountByLoginRequest{Login: "frank@example.org"}, new(iampb.UserAccount)),
		}
		for _, g := range got {
			if d := cmp.Diff(want, g, protocmp.Transform()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}
	}
	r := w.Get(t, stranger.token, "/iam/v1/yandexPassportUserAccounts:byLogin?login="+url.QueryEscape("frank@example.org"))
	if r.Code != 200 || !strings.Contains(string(r.Body), `"login"`) || strings.Contains(string(r.Body), "frank@example.org") {
		t.Errorf("REST: %d %s", r.Code, r.Body)
	}
	found := new(iampb.UserAccount)
	call(t, near, "passport.GetByLogin", &iampb.GetUserAccountByLoginRequest{Login: "FRANK@example.org"}, found)
	if found.GetId() != id {
		t.Errorf("an address in capitals leads to %v", found)
	}
	for _, login := range []string{"Frank", "fran", "frank@example.com", "nobody", "%", "frank ", "'"} {
		near.refuse(t, "passport.GetByLogin", &iampb.GetUserAccountByLoginRequest{Login: login}, codes.NotFound, "User account "+login+" not found")
	}
	near.refuse(t, "passport.GetByLogin", &iampb.GetUserAccountByLoginRequest{}, codes.InvalidArgument, "login")
	near.refuse(t, "passport.GetByLogin", &iampb.GetUserAccountByLoginRequest{Login: strings.Repeat("x", 101)}, codes.InvalidArgument, "login")
	for _, id := range []string{"ajenever0000000000000", w.home.ServiceAccountID, w.home.CloudID} {
		near.refuse(t, "account.Get", &iampb.GetUserAccountRequest{UserAccountId: id}, codes.NotFound, "User account "+id+" not found")
	}
	near.refuse(t, "account.Get", &iampb.GetUserAccountRequest{}, codes.InvalidArgument, "user_account_id")
}

// TestDeletedPersonsTokensEnd: the operator deletes a person, and every token
// of his ends with the answer.
func TestDeletedPersonsTokensEnd(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	id := w.person(t, "grace", w.home.OrganizationID)
	w.bind(t, "folder", w.home.FolderID, addUser("viewer", id))
	grace := asPerson(id)
	call(t, grace, "folder.Get", &rmpb.GetFolderRequest{FolderId: w.home.FolderID}, new(rmpb.Folder))
	if _, err := w.Server.Server.RemoveUser(t.Context(), server.UserRemoveRequest{User: "grace@example.org"}); err != nil {
		t.Fatal(err)
	}
	grace.refuse(t, "folder.Get", &rmpb.GetFolderRequest{FolderId: w.home.FolderID}, codes.Unauthenticated, "revoked")
	bindings := call(t, w.owner, "folder.ListAccessBindings", &accesspb.ListAccessBindingsRequest{ResourceId: w.home.FolderID}, new(accesspb.ListAccessBindingsResponse))
	if len(bindings.GetAccessBindings()) != 0 {
		t.Errorf("left behind: %v", bindings)
	}
	w.owner.refuse(t, "account.Get", &iampb.GetUserAccountRequest{UserAccountId: id}, codes.NotFound, "User account "+id+" not found")
}
