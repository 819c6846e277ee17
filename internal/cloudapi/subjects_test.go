package cloudapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	subjectpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

func organizationContext(id string) *iampb.Resource {
	return &iampb.Resource{Id: id, Type: string(resource.Organization)}
}

func folderContext(id string) *iampb.Resource {
	return &iampb.Resource{Id: id, Type: string(resource.Folder)}
}

func listSubjects(t *testing.T, c *caller, r *iampb.ListSubjectsRequest) (names []string) {
	t.Helper()
	r = proto.CloneOf(r)
	for pages := 0; ; pages++ {
		page := call(t, c, "subject.List", r, new(iampb.ListSubjectsResponse))
		for _, s := range page.GetSubjects() {
			names = append(names, s.GetName())
		}
		if r.GetPageSize() > 0 && len(page.GetSubjects()) > int(r.GetPageSize()) {
			t.Fatalf("a page of %d, wanted %d", len(page.GetSubjects()), r.GetPageSize())
		}
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			break
		}
		if pages > 1000 {
			t.Fatal("pages without end")
		}
	}
	slices.Sort(names)
	return names
}

func TestSubjectsShowWhatTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const group = "ajegroup0000000000000"
	id := w.person(t, "alma", w.home.OrganizationID, w.OrganizationID)
	w.update(t, func(tx *store.Tx) error {
		if err := store.InsertGroup(tx, &iam.Group{ID: group, OrganizationID: w.home.OrganizationID, Name: "devs", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		_, err := store.AddGroupMember(tx, group, iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeUserAccount})
		return err
	})
	public := []*subjectpb.Group{
		{Id: "allUsers", Name: "allUsers", Type: subjectpb.GroupType_PUBLIC_ACCESS},
		{Id: "allAuthenticatedUsers", Name: "allAuthenticatedUsers", Type: subjectpb.GroupType_PUBLIC_ACCESS}}
	all := "group:organization:" + w.home.OrganizationID + ":users"
	want := []*subjectpb.Subject{
		{Sub: id, Type: subjectpb.SubjectType_USER_ACCOUNT, Status: subjectpb.SubjectStatus_ACTIVE, Name: "Person alma",
			Groups: append(slices.Clone(public), &subjectpb.Group{Id: all, Name: all, Type: subjectpb.GroupType_META},
				&subjectpb.Group{Id: group, Name: "devs", Type: subjectpb.GroupType_EXPLICIT}),
			SubjectDetails: &subjectpb.Subject_UserAccount{UserAccount: &subjectpb.UserAccount{PreferredUsername: "alma", Email: "alma@example.org",
				SubjectContainer: &subjectpb.SubjectContainer{ContainerType: subjectpb.ContainerType_PASSPORT}}}},
		{Sub: w.home.ServiceAccountID, Type: subjectpb.SubjectType_SERVICE_ACCOUNT, Status: subjectpb.SubjectStatus_ACTIVE, Name: "owner", Groups: public,
			SubjectDetails: &subjectpb.Subject_ServiceAccount{ServiceAccount: &subjectpb.ServiceAccount{
				Cloud:  &subjectpb.Cloud{Id: w.home.CloudID, Name: "home-cloud"},
				Folder: &subjectpb.Folder{Id: w.home.FolderID, Name: "home-folder"}}}},
		{Sub: group, Type: subjectpb.SubjectType_GROUP, Status: subjectpb.SubjectStatus_ACTIVE, Name: "devs",
			SubjectDetails: &subjectpb.Subject_Group{Group: &subjectpb.Group{Id: group, Name: "devs", Type: subjectpb.GroupType_EXPLICIT}}},
	}
	ids := []string{id, w.home.ServiceAccountID, group}
	got := call(t, w.owner, "subject.BatchGet", &iampb.BatchGetSubjectsRequest{SubjectIds: ids,
		ResourceContext: organizationContext(w.home.OrganizationID)}, new(iampb.BatchGetSubjectsResponse)).GetSubjects()
	times := protocmp.IgnoreFields(&subjectpb.Subject{}, "created_at", "last_authenticated_at")
	if d := cmp.Diff(want, got, protocmp.Transform(), times); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for i, id := range ids {
		one := call(t, w.owner, "subject.Get", &iampb.GetSubjectRequest{SubjectId: id, ResourceContext: organizationContext(w.home.OrganizationID)}, new(iampb.GetSubjectResponse))
		if d := cmp.Diff(got[i], one.GetSubject(), protocmp.Transform(), times); d != "" || one.GetSubject().GetCreatedAt() == nil {
			t.Errorf("Get differs from BatchGet:\n%s", d)
		}
	}
	masked := call(t, w.owner, "subject.BatchGet", &iampb.BatchGetSubjectsRequest{SubjectIds: ids, Filter: `type != SubjectType.GROUP`,
		ResourceContext: organizationContext(w.home.OrganizationID), FieldMask: masked("name", "user_account.email", "service_account.cloud.name")}, new(iampb.BatchGetSubjectsResponse))
	wantMasked := &iampb.BatchGetSubjectsResponse{Subjects: []*subjectpb.Subject{
		{Name: "Person alma", SubjectDetails: &subjectpb.Subject_UserAccount{UserAccount: &subjectpb.UserAccount{Email: "alma@example.org"}}},
		{Name: "owner", SubjectDetails: &subjectpb.Subject_ServiceAccount{ServiceAccount: &subjectpb.ServiceAccount{Cloud: &subjectpb.Cloud{Name: "home-cloud"}}}},
	}}
	if d := cmp.Diff(wantMasked, masked, protocmp.Transform()); d != "" {
		t.Errorf("masked (-want +got):\n%s", d)
	}
}

func TestSubjectsAroundAPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.newFolder(t, "other")
	w.owner.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: other, Name: "robot-elsewhere"})
	w.newAccount(t, "robot-here")
	w.person(t, "member", w.home.OrganizationID)
	guest, hidden := w.person(t, "guest"), w.person(t, "hidden", w.OrganizationID)
	w.bind(t, "folder", w.home.FolderID, addUser("viewer", guest), addUser("editor", guest), add("viewer", w.ServiceAccountID))
	w.bind(t, "folder", w.home.FolderID, &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("viewer", "system", "allAuthenticatedUsers")})
	for _, size := range []int64{0, 1, 2} {
		in := func(c *iampb.Resource, filter string) []string {
			return listSubjects(t, w.owner, &iampb.ListSubjectsRequest{ResourceContext: c, Filter: filter, PageSize: size})
		}
		organization, folder := organizationContext(w.home.OrganizationID), folderContext(w.home.FolderID)
		for _, c := range []struct {
			got  []string
			want string
		}{
			{in(organization, ""), "Person member,owner,robot-elsewhere,robot-here"},
			{in(folder, ""), ",guest,owner,robot-here"},
			{in(folder, `subject.type == SubjectType.USER_ACCOUNT`), "guest"},
			{in(organization, `service_account.folder.id == "`+other+`"`), "robot-elsewhere"},
			{in(organization, `name.startsWith("robot-") && !name.endsWith("here")`), ""},
			{in(organization, `name == "robot-here" || user_account.email == "member@example.org"`), "Person member,robot-here"},
			{in(organization, `groups.exists(g, g.type == GroupType.META)`), "Person member"},
		} {
			if got := strings.Join(c.got, ","); got != c.want {
				t.Errorf("pages of %d: %s, want %s", size, got, c.want)
			}
		}
	}
	w.owner.refuse(t, "subject.Get", &iampb.GetSubjectRequest{SubjectId: hidden, ResourceContext: organizationContext(w.home.OrganizationID)},
		codes.NotFound, "Subject "+hidden+" not found")
}

// TestSubjectListIsBounded: a filter that drops all ends a page early, with a
// token to go on, and the pages together see everything.
func TestSubjectListIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.update(t, func(tx *store.Tx) error {
		for i := range 2_600 {
			id := fmt.Sprintf("aje%017d", i)
			if err := store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: id, FolderID: w.home.FolderID, Name: fmt.Sprintf("robot-%d", i),
				Status: iam.ServiceAccountActive, CreatedAt: tx.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
	r := &iampb.ListSubjectsRequest{ResourceContext: folderContext(w.home.FolderID), Filter: `name == "robot-2599"`}
	first := call(t, w.owner, "subject.List", r, new(iampb.ListSubjectsResponse))
	if len(first.GetSubjects()) != 0 || first.GetNextPageToken() == "" {
		t.Fatalf("first page: %d subjects, token %q", len(first.GetSubjects()), first.GetNextPageToken())
	}
	if got := listSubjects(t, w.owner, r); !slices.Equal(got, []string{"robot-2599"}) {
		t.Errorf("all pages: %v", got)
	}
	if got := listSubjects(t, w.owner, &iampb.ListSubjectsRequest{ResourceContext: folderContext(w.home.FolderID), PageSize: 1000}); len(got) != 2_601 {
		t.Errorf("%d subjects without a filter, want 2601", len(got))
	}
	// The token belongs to its filter and its place.
	r.PageToken, r.Filter = first.GetNextPageToken(), `true`
	w.owner.refuse(t, "subject.List", r, codes.InvalidArgument, "page_token")
}

func TestWhoMaySeeSubjects(t *testing.T) {
	t.Parallel()
	w, asPerson := newWorldOfPeople(t)
	id := w.person(t, "heidi", w.home.OrganizationID)
	account := w.newAccount(t, "account")
	member, stranger, heidi := w.robot(t, "member"), w.exchange(t, w.Key), asPerson(id)
	organization := organizationContext(w.home.OrganizationID)
	// Oneself, always.
	for _, in := range []*iampb.Resource{nil, organization} {
		s := call(t, heidi, "subject.Get", &iampb.GetSubjectRequest{SubjectId: id, ResourceContext: in}, new(iampb.GetSubjectResponse)).GetSubject()
		if s.GetSub() != id || len(s.GetGroups()) != 3 {
			t.Errorf("oneself in %v: %v", in, s)
		}
	}
	call(t, member, "subject.Get", &iampb.GetSubjectRequest{SubjectId: member.id}, new(iampb.GetSubjectResponse))
	for _, c := range []struct {
		by      *caller
		subject string
		in      *iampb.Resource
		code    codes.Code
		text    string
	}{
		{heidi, account, nil, codes.NotFound, "Subject " + account + " not found"},
		{heidi, account, organization, codes.PermissionDenied, "denied"},
		{heidi, id, organizationContext(w.OrganizationID), codes.NotFound, "Organization " + w.OrganizationID + " not found"},
		{heidi, id, organizationContext("bpfnever0000000000000"), codes.NotFound, "Organization bpfnever0000000000000 not found"},
		{heidi, id, organizationContext(w.home.CloudID), codes.NotFound, "Organization " + w.home.CloudID + " not found"},
		{heidi, id, folderContext(w.FolderID), codes.NotFound, "Folder " + w.FolderID + " not found"},
		{member, id, nil, codes.NotFound, "Subject " + id + " not found"},
		{member, id, organization, codes.PermissionDenied, "denied"},
		{stranger, id, nil, codes.NotFound, "Subject " + id + " not found"},
		{stranger, account, nil, codes.NotFound, "Subject " + account + " not found"},
		{stranger, "ajenever0000000000000", nil, codes.NotFound, "Subject ajenever0000000000000 not found"},
		{stranger, id, organization, codes.NotFound, "Organization " + w.home.OrganizationID + " not found"},
		{stranger, id, organizationContext(w.OrganizationID), codes.PermissionDenied, "denied"},
		{w.owner, w.ServiceAccountID, organization, codes.NotFound, "Subject " + w.ServiceAccountID + " not found"},
		{w.owner, w.ServiceAccountID, nil, codes.NotFound, "Subject " + w.ServiceAccountID + " not found"},
		{w.owner, "allUsers", organization, codes.NotFound, "Subject allUsers not found"},
		{w.owner, w.home.CloudID, nil, codes.NotFound, "Subject " + w.home.CloudID + " not found"},
	} {
		a := c.by.refuse(t, "subject.Get", &iampb.GetSubjectRequest{SubjectId: c.subject, ResourceContext: c.in}, c.code, c.text)
		b := c.by.refuse(t, "subject.BatchGet", &iampb.BatchGetSubjectsRequest{SubjectIds: []string{c.subject}, ResourceContext: c.in}, c.code, "")
		if a.message != b.message {
			t.Errorf("Get says %q, BatchGet %q", a.message, b.message)
		}
	}
	for _, in := range []*iampb.Resource{organization, organizationContext("bpfnever0000000000000"), folderContext(w.home.FolderID)} {
		stranger.refuse(t, "subject.List", &iampb.ListSubjectsRequest{ResourceContext: in}, codes.NotFound, " "+in.GetId()+" not found")
	}
	heidi.refuse(t, "subject.List", &iampb.ListSubjectsRequest{ResourceContext: organization}, codes.PermissionDenied, "denied")
}

func TestBadSubjectRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	organization := organizationContext(w.home.OrganizationID)
	for _, r := range []struct {
		request *iampb.ListSubjectsRequest
		field   string
	}{
		{&iampb.ListSubjectsRequest{}, "resource_context"},
		{&iampb.ListSubjectsRequest{ResourceContext: &iampb.Resource{Id: w.home.CloudID, Type: "resource-manager.cloud"}}, "resource_context.type"},
		{&iampb.ListSubjectsRequest{ResourceContext: &iampb.Resource{Id: w.home.CloudID, Type: "Folder"}}, "resource_context.type"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, PageSize: 1001}, "page_size"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, PageSize: -1}, "page_size"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, PageToken: "x"}, "page_token"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, Filter: strings.Repeat("a", 10_001)}, "filter"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, Filter: `name = "x"`}, "filter"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, Filter: `1 / 0 == 1`}, "filter"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, Filter: `groups[77].name == "x"`}, "filter"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, FieldMask: masked("nothing")}, "field_mask"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, FieldMask: masked("groups.name")}, "field_mask"},
		{&iampb.ListSubjectsRequest{ResourceContext: organization, FieldMask: masked("name.x")}, "field_mask"},
	} {
		a := w.owner.refuse(t, "subject.List", r.request, codes.InvalidArgument, "")
		if !slices.ContainsFunc(a.fields(), func(f string) bool { return strings.HasPrefix(f, r.field) }) {
			t.Errorf("%v: fields %v, want %s", r.request, a.fields(), r.field)
		}
	}
	w.owner.refuse(t, "subject.BatchGet", &iampb.BatchGetSubjectsRequest{}, codes.InvalidArgument, "subject_ids")
	w.owner.refuse(t, "subject.BatchGet", &iampb.BatchGetSubjectsRequest{SubjectIds: make([]string, 1001)}, codes.InvalidArgument, "subject_ids")
	w.owner.refuse(t, "subject.Get", &iampb.GetSubjectRequest{}, codes.InvalidArgument, "subject_id")
	r := w.Get(t, w.owner.token, "/iam/v1/subjects?resourceContext.id="+w.home.FolderID+"&resourceContext.type=resource-manager.folder&fieldMask=sub,name&filter=name%3D%3D%22owner%22")
	if r.Code != http.StatusOK || !strings.Contains(string(r.Body), w.home.ServiceAccountID) || strings.Contains(string(r.Body), "ACTIVE") {
		t.Errorf("REST: %d %s", r.Code, r.Body)
	}
}
