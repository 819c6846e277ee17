package cloudapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// set puts values into fields of a message by their names.
func set(m proto.Message, pairs ...any) proto.Message {
	r := m.ProtoReflect()
	for i := 0; i < len(pairs); i += 2 {
		r.Set(r.Descriptor().Fields().ByName(protoreflect.Name(pairs[i].(string))), protoreflect.ValueOf(pairs[i+1]))
	}
	return m
}

// names are what the lists that take a filter can be asked for.
var names = map[string]string{"sa.List": "account-3", "folder.List": "folder-3", "cloud.List": "cloud-3",
	"group.List": "Group.3"}

// listing is a List method with two parents that hold at least five rows each.
type listing struct {
	method, field string
	parents       [2]string
}

func (l listing) request(t *testing.T, parent string, pairs ...any) proto.Message {
	m := set(newMessage(t, descriptorOf(t, fullMethod(l.method)).Input()), l.field, parent)
	return set(m, pairs...)
}

// page calls the method and returns what is in the page, as text.
func (l listing) page(t *testing.T, c *caller, parent string, pairs ...any) (rows []string, next string) {
	t.Helper()
	into := newMessage(t, descriptorOf(t, fullMethod(l.method)).Output())
	r := call(t, c, l.method, l.request(t, parent, pairs...), into).ProtoReflect()
	fields := r.Descriptor().Fields()
	list := r.Get(fields.Get(0)).List()
	for i := range list.Len() {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(list.Get(i).Message().Interface())
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, string(text))
	}
	return rows, r.Get(fields.ByName("next_page_token")).String()
}

// listings makes the rows that the lists show.
func listings(t *testing.T, w *world) []listing {
	t.Helper()
	o := w.owner
	clouds := [2]string{w.home.CloudID, o.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "second"})}
	for i := range 5 {
		o.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: fmt.Sprintf("cloud-%d", i)})
	}
	var folders, accounts, keys, apiKeys, accessKeys [2]string
	mask := &fieldmaskpb.FieldMask{Paths: []string{"description"}}
	for p, cloud := range clouds {
		for i := range 5 {
			folders[p] = o.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: cloud, Name: fmt.Sprintf("folder-%d", i)})
			o.operate(t, "cloud.Update", &rmpb.UpdateCloudRequest{CloudId: cloud, UpdateMask: mask, Description: fmt.Sprint(i)})
		}
		for i := range 5 {
			accounts[p] = o.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: folders[p], Name: fmt.Sprintf("account-%d", i)})
			o.operate(t, "folder.Update", &rmpb.UpdateFolderRequest{FolderId: folders[p], UpdateMask: mask, Description: fmt.Sprint(i)})
		}
		for i := range 5 {
			keys[p], apiKeys[p] = w.plantKey(t, accounts[p]), w.plantAPIKey(t, accounts[p])
			accessKeys[p] = w.plantAccessKey(t, accounts[p])
			o.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: accounts[p], UpdateMask: mask, Description: fmt.Sprint(i)})
			role := []string{"viewer", "auditor", "editor", "iam.viewer", "iam.serviceAccounts.user"}[i]
			for service, id := range map[string]string{"sa": accounts[p], "folder": folders[p], "cloud": cloud} {
				w.bind(t, service, id, add(role, w.ServiceAccountID), add(role, w.home.ServiceAccountID))
			}
		}
		for i := range 5 {
			o.operate(t, "key.Update", &iampb.UpdateKeyRequest{KeyId: keys[p], Description: fmt.Sprint(i)})
			o.operate(t, "accessKey.Update", &awspb.UpdateAccessKeyRequest{AccessKeyId: accessKeys[p], Description: fmt.Sprint(i)})
			o.operate(t, "apiKey.Update", &iampb.UpdateApiKeyRequest{ApiKeyId: apiKeys[p], UpdateMask: mask, Description: fmt.Sprint(i)})
		}
	}
	return append(append([]listing{
		{"sa.List", "folder_id", folders}, {"key.List", "service_account_id", accounts},
		{"folder.List", "cloud_id", clouds}, {"cloud.List", "organization_id", [2]string{w.home.OrganizationID, ""}},
		{"sa.ListOperations", "service_account_id", accounts}, {"key.ListOperations", "key_id", keys},
		{"apiKey.List", "service_account_id", accounts}, {"apiKey.ListOperations", "api_key_id", apiKeys},
		{"accessKey.List", "service_account_id", accounts}, {"accessKey.ListOperations", "access_key_id", accessKeys},
		{"cloud.ListOperations", "cloud_id", clouds}, {"folder.ListOperations", "folder_id", folders},
		{"sa.ListAccessBindings", "resource_id", accounts}, {"folder.ListAccessBindings", "resource_id", folders},
		{"cloud.ListAccessBindings", "resource_id", clouds},
	}, groupListings(t, w)...), oauthClientListings(t, w, folders)...)
}

// groupListings makes the rows of the lists of groups and organizations, in two
// organizations that home's owner owns.
func groupListings(t *testing.T, w *world) []listing {
	t.Helper()
	organizations, groups := [2]string{w.home.OrganizationID, w.OrganizationID}, [2]string{}
	var people []string
	w.update(t, func(tx *store.Tx) error {
		_, err := store.AddBinding(tx, w.OrganizationID, iam.AccessBinding{Role: iam.OrganizationOwner,
			Subject: iam.Subject{ID: iam.SubjectID(w.home.ServiceAccountID), Type: iam.TypeServiceAccount}})
		for i := 0; i < 5 && err == nil; i++ {
			people = append(people, fmt.Sprintf("ajeperson-%d", i))
			if err = store.InsertUserAccount(tx, &iam.UserAccount{ID: people[i], Login: people[i], CreatedAt: tx.Now()}); err != nil {
				return err
			}
			for _, organization := range organizations {
				if _, err = store.AddMember(tx, organization, iam.SubjectID(people[i])); err != nil {
					return err
				}
			}
		}
		return err
	})
	for p, organization := range organizations {
		for i := range 5 {
			groups[p] = w.owner.create(t, "group.CreateExternal", &ompb.CreateExternalGroupRequest{OrganizationId: organization,
				Name: fmt.Sprintf("Group.%d", i), SubjectContainerId: organization, ExternalId: fmt.Sprint(i)})
			role := []string{"viewer", "auditor", "editor", "iam.viewer", "organization-manager.viewer"}[i]
			w.bind(t, "org", organization, add(role, w.home.ServiceAccountID))
		}
		w.owner.operate(t, "group.UpdateMembers", &ompb.UpdateGroupMembersRequest{GroupId: groups[p], MemberDeltas: join(people...)})
		for i := range 5 {
			w.owner.operate(t, "group.Update", &ompb.UpdateGroupRequest{GroupId: groups[p], UpdateMask: masked("description"), Description: fmt.Sprint(i)})
		}
	}
	return []listing{
		{"group.List", "organization_id", organizations}, {"group.ListExternal", "subject_container_id", organizations},
		{"group.ListMembers", "group_id", groups}, {"group.ListOperations", "group_id", groups},
		{"org.ListOperations", "organization_id", organizations}, {"org.ListAccessBindings", "resource_id", organizations},
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := listings(t, w)
	tokens := make([]string, len(all)) // of each list's first parent
	for i, l := range all {
		whole, next := l.page(t, w.owner, l.parents[0])
		if len(whole) < 5 || next != "" {
			t.Fatalf("%s: %d rows, next %q", l.method, len(whole), next)
		}
		for _, size := range []int{1, 2, 3, len(whole), 1000} {
			var got []string
			for token := ""; ; {
				rows, next := l.page(t, w.owner, l.parents[0], "page_size", int64(size), "page_token", token)
				if len(rows) == 0 || len(rows) > size {
					t.Errorf("%s: page of %d has %d rows", l.method, size, len(rows))
				}
				if strings.HasSuffix(l.method, "AccessBindings") && len(next) > 100 {
					t.Errorf("%s: page token of %d characters", l.method, len(next))
				}
				got = append(got, rows...)
				if token = next; token == "" {
					break
				}
				tokens[i] = token
			}
			if !slices.Equal(got, whole) {
				t.Errorf("%s: pages of %d are not the whole: %d rows, want %d", l.method, size, len(got), len(whole))
			}
		}
	}
	for i, l := range all {
		for _, size := range []int64{-1, 1001, 1 << 40, -1 << 62} {
			a := w.owner.refuse(t, l.method, l.request(t, l.parents[0], "page_size", size), codes.InvalidArgument, "page_size")
			if !cmp.Equal(a.fields(), []string{"page_size"}) {
				t.Errorf("%s: page_size %d: fields %v", l.method, size, a.fields())
			}
		}
		good := tokens[i]
		bad := map[string]string{
			"truncated": good[:len(good)-1], "longer": good + "A", "half": good[:len(good)/2], "garbage": "garbage", "not base64": "!!" + good[2:],
			"padded": good + "=", "line break": good[:4] + "\n" + good[4:], "flipped": flip(good, 3), "flipped at the end": flip(good, len(good)-2),
			"of another list": tokens[(i+1)%len(all)], "of another service": tokens[(i+3)%len(all)],
		}
		for what, token := range bad {
			if a := w.owner.refuse(t, l.method, l.request(t, l.parents[0], "page_token", token), codes.InvalidArgument, "page_token"); !cmp.Equal(a.fields(), []string{"page_token"}) {
				t.Errorf("%s: token %s: fields %v", l.method, what, a.fields())
			}
		}
		w.owner.refuse(t, l.method, l.request(t, l.parents[1], "page_token", good), codes.InvalidArgument, "page_token")
		if _, filtered := names[l.method]; filtered {
			w.owner.refuse(t, l.method, l.request(t, l.parents[0], "page_token", good, "filter", `name="x"`), codes.InvalidArgument, "page_token")
		}
		long := 2001
		if strings.HasSuffix(l.method, "AccessBindings") {
			long = 101
		}
		w.owner.refuse(t, l.method, l.request(t, l.parents[0], "page_token", strings.Repeat("A", long)), codes.InvalidArgument, "page_token")
	}
	// What clouds a list shows depends on who asks, and so does its token.
	other := w.robot(t, "other", "viewer")
	other.refuse(t, "cloud.List", all[3].request(t, w.home.OrganizationID, "page_token", tokens[3]), codes.InvalidArgument, "page_token")
}

func flip(s string, at int) string {
	b := []byte(s)
	if b[at]++; b[at] == 'Z'+1 || b[at] == 'z'+1 || b[at] == '9'+1 || b[at] == '_'+1 || b[at] == '-'+1 {
		b[at] = 'b'
	}
	return string(b)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := listings(t, w)
	for _, l := range all {
		name, ok := names[l.method]
		if !ok {
			continue
		}
		for _, f := range []string{`name="%s"`, `name = "%s"`, `  name  =  "%s"  `, "name\t=\n\"%s\"", `name ="%s"`} {
			rows, next := l.page(t, w.owner, l.parents[0], "filter", fmt.Sprintf(f, name), "page_size", int64(1))
			if len(rows) != 1 || next != "" || !strings.Contains(rows[0], name) {
				t.Errorf("%s %s: %d rows, next %q", l.method, f, len(rows), next)
			}
		}
		for _, f := range []string{"", "   "} {
			if rows, _ := l.page(t, w.owner, l.parents[0], "filter", f); len(rows) < 5 {
				t.Errorf("%s %q: %d rows, want all", l.method, f, len(rows))
			}
		}
		if rows, next := l.page(t, w.owner, l.parents[0], "filter", `name="nobody"`); len(rows) != 0 || next != "" {
			t.Errorf("%s: %d rows of a name that is not there", l.method, len(rows))
		}
		for _, f := range []string{`name=x`, `name='x'`, `name=`, `name`, `name="x`, `name=""`, `="x"`, `id="x"`, `name != "x"`, `name>"x"`,
			`name IN ("x")`, `name NOT IN ("x")`, `name="x" AND name="y"`, `name="x" OR 1=1`, `name="x"; DROP TABLE clouds`, `name="x\"y"`,
			`(name="x")`, `name="` + strings.Repeat("x", 64) + `"`, "name=\"x\x00\"", strings.Repeat(" ", 1001)} {
			a := w.owner.refuse(t, l.method, l.request(t, l.parents[0], "filter", f), codes.InvalidArgument, "filter")
			if !cmp.Equal(a.fields(), []string{"filter"}) {
				t.Errorf("%s %s: fields %v", l.method, f, a.fields())
			}
		}
	}
}

// A binding makes a cloud a candidate for its list, but only what may be got
// is shown, and a page is never empty because of the rest.
func TestCloudsThatMayNotBeSeenLeaveNoGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := w.robot(t, "reader")
	want := 0
	for i := range 12 {
		id := w.owner.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "many"})
		role := "iam.serviceAccounts.tokenCreator" // gives no right to see the cloud
		if i%4 == 3 {
			role, want = "resource-manager.viewer", want+1
		}
		w.bind(t, "cloud", id, add(role, reader.id))
	}
	for _, organization := range []string{"", w.home.OrganizationID} {
		seen, token := 0, ""
		for {
			r := call(t, reader, "cloud.List", &rmpb.ListCloudsRequest{OrganizationId: organization, PageSize: 1, PageToken: token}, new(rmpb.ListCloudsResponse))
			if len(r.GetClouds()) != 1 {
				t.Errorf("a page of 1 has %d clouds and next %q", len(r.GetClouds()), r.GetNextPageToken())
			}
			seen += len(r.GetClouds())
			if token = r.GetNextPageToken(); token == "" {
				break
			}
		}
		if seen != want {
			t.Errorf("organization %q: %d clouds, want %d", organization, seen, want)
		}
	}
	reader.refuse(t, "cloud.List", &rmpb.ListCloudsRequest{OrganizationId: w.OrganizationID}, codes.NotFound, "Organization "+w.OrganizationID+" not found")
	reader.refuse(t, "cloud.List", &rmpb.ListCloudsRequest{OrganizationId: "bpfnever"}, codes.NotFound, "Organization bpfnever not found")
}

func TestEffectOfAPageTokenAcrossDeletions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 6 {
		w.newAccount(t, fmt.Sprintf("row-%d", i))
	}
	l := listing{method: "sa.List", field: "folder_id"}
	first := call(t, w.owner, "sa.List", l.request(t, w.home.FolderID, "page_size", int64(3)), new(iampb.ListServiceAccountsResponse))
	last := first.GetServiceAccounts()[2].GetId()
	if last == w.home.ServiceAccountID {
		last = first.GetServiceAccounts()[1].GetId()
	}
	w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: last})
	rest, next := l.page(t, w.owner, w.home.FolderID, "page_token", first.GetNextPageToken())
	if len(rest) != 4 || next != "" { // six rows and the owner, less the first three
		t.Errorf("after a row of the first page is gone: %d rows, next %q, want the other 4", len(rest), next)
	}
	w.bind(t, "folder", w.home.FolderID, add("viewer", w.home.ServiceAccountID), add("auditor", w.ServiceAccountID), add("viewer", w.ServiceAccountID))
	b := listing{method: "folder.ListAccessBindings", field: "resource_id"}
	page := call(t, w.owner, b.method, b.request(t, w.home.FolderID, "page_size", int64(1)), new(accesspb.ListAccessBindingsResponse))
	gone := page.GetAccessBindings()[0]
	w.bind(t, "folder", w.home.FolderID, remove(gone.GetRoleId(), gone.GetSubject().GetId()))
	if rows, _ := b.page(t, w.owner, w.home.FolderID, "page_token", page.GetNextPageToken()); len(rows) != 2 {
		t.Errorf("after the first binding is gone: %d rows, want 2", len(rows))
	}
}
