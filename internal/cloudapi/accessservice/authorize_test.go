package accessservice_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

const (
	folder = "resource-manager.folder"
	cloud  = "resource-manager.cloud"
	org    = "organization-manager.organization"
	db     = "ydb.database"
	gizmo  = "iam.gizmo"
)

// robot is the subject of w.token.
func (w *world) robot() iam.Subject {
	return iam.Subject{ID: iam.SubjectID(w.ServiceAccountID), Type: iam.TypeServiceAccount}
}

func TestResourcePaths(t *testing.T) {
	w := newWorld(t)
	w.bind(t, w.FolderID, "ydb.viewer", w.robot())
	above := []string{folder, w.FolderID, cloud, w.CloudID, org, w.OrganizationID}
	whole := func(first ...string) string { return text(append(first, above...)...) }
	for _, c := range []struct {
		name string
		on   []string
		code codes.Code
		want string // the whole path, or the error's text
	}{
		{"registered", []string{db, w.database}, codes.OK, whole(db, w.database)},
		{"with what stands above", []string{db, w.database, folder, w.FolderID, cloud, w.CloudID}, codes.OK, whole(db, w.database)},
		{"one left out", []string{db, w.database, cloud, w.CloudID}, codes.OK, whole(db, w.database)},
		{"up to the organization", append([]string{db, w.database}, above...), codes.OK, whole(db, w.database)},
		{"as YDB sends it", []string{db, w.database, folder, w.FolderID, cloud, w.CloudID, gizmo, w.gizmo}, codes.OK,
			whole(db, w.database) + ", " + text(gizmo, w.gizmo)},
		{"beside a cluster that is not registered", []string{db, w.database, folder, w.FolderID, gizmo, "another"}, codes.OK,
			whole(db, w.database) + ", " + text(gizmo, "another")},
		{"on the caller's word", []string{db, "unregistered", folder, w.FolderID}, codes.OK, whole(db, "unregistered")},
		{"several on his word", []string{"container-registry.repository", "r", "container-registry.registry", "c", folder, w.FolderID}, codes.OK,
			whole("container-registry.repository", "r", "container-registry.registry", "c")},
		{"a folder", []string{folder, w.FolderID}, codes.OK, text(above...)},
		{"a service account", []string{"iam.serviceAccount", w.ServiceAccountID, folder, w.FolderID}, codes.OK, whole("iam.serviceAccount", w.ServiceAccountID)},

		{"another folder", []string{db, w.database, folder, w.otherFolder}, codes.InvalidArgument,
			"resource_path[1]: resource-manager.folder " + w.otherFolder + " does not stand above ydb.database " + w.database},
		{"another cloud", []string{db, w.database, folder, w.FolderID, cloud, w.far.CloudID}, codes.InvalidArgument, "resource_path[2]: resource-manager.cloud " +
			w.far.CloudID + " does not stand above resource-manager.folder " + w.FolderID},
		{"out of order", []string{db, w.database, cloud, w.CloudID, folder, w.FolderID}, codes.InvalidArgument, ""},
		{"the same again", []string{folder, w.FolderID, folder, w.FolderID}, codes.InvalidArgument, ""},
		{"an id of another type", []string{"storage.bucket", w.database}, codes.InvalidArgument, "resource_path[0]: its id is that of another type of resource"},
		{"a cluster's id of another type", []string{folder, w.FolderID, gizmo, w.database}, codes.InvalidArgument, "resource_path[1]: its id is that of another type of resource"},
		{"a type that nobody registered", []string{"mail.box", "b", folder, w.FolderID}, codes.InvalidArgument,
			`resource_path[0]: resources of type "mail.box" are not registered`},
		{"below what it never stands below", []string{db, "x", cloud, w.CloudID}, codes.InvalidArgument,
			`resource_path[1]: a resource of type "ydb.database" does not stand below one of type "resource-manager.cloud"`},
		{"a cluster in the middle", []string{db, w.database, gizmo, w.gizmo, folder, w.FolderID}, codes.InvalidArgument, ""},

		{"unknown", []string{db, "unregistered"}, codes.PermissionDenied, "Permission to [ydb.database unregistered] denied"},
		{"an unknown folder", []string{folder, "b1gnone"}, codes.PermissionDenied, "Permission to [resource-manager.folder b1gnone] denied"},
		{"in an unknown folder", []string{db, "x", folder, "b1gnone"}, codes.PermissionDenied, "Permission to [ydb.database x, resource-manager.folder b1gnone] denied"},
		{"an unknown account in a known folder", []string{"iam.serviceAccount", "aje0", folder, w.FolderID}, codes.PermissionDenied, ""},
		{"elsewhere", []string{folder, w.far.FolderID}, codes.PermissionDenied, "Permission to [resource-manager.folder " + w.far.FolderID + "] denied"},
		{"where he has nothing", []string{db, "x", folder, w.otherFolder}, codes.PermissionDenied,
			"Permission to [ydb.database x, resource-manager.folder " + w.otherFolder + "] denied"},
		{"a cluster alone", []string{gizmo, w.gizmo}, codes.PermissionDenied, ""},
	} {
		for _, pkg := range []string{v1, v2} {
			out, err := w.authorize(t, pkg, withToken(w.token, "ydb.tables.select", c.on...))
			if err != nil {
				expect(t, c.name, err, c.code, c.want)
				continue
			}
			if got := show(out.GetResourcePath()); c.code != codes.OK || got != c.want {
				t.Errorf("%s: allowed on [%s], want %s [%s]", c.name, got, c.code, c.want)
			}
			if out.GetSubject().GetServiceAccount().GetId() != w.ServiceAccountID || out.GetSubject().GetServiceAccount().GetFolderId() != w.FolderID {
				t.Errorf("%s: subject %v", c.name, out.GetSubject())
			}
		}
	}
}

func text(pairs ...string) string { return show(path(pairs...)) }

func show(p []*pb.Resource) string {
	var all []string
	for _, r := range p {
		all = append(all, r.GetType()+" "+r.GetId())
	}
	return strings.Join(all, ", ")
}

func TestBindingsOnWhatOthersRegistered(t *testing.T) {
	w := newWorld(t)
	on := []string{db, w.database, folder, w.FolderID, cloud, w.CloudID, gizmo, w.gizmo}
	_, err := w.authorize(t, v2, withToken(w.token, "ydb.clusters.manage", on...))
	expect(t, "before", err, codes.PermissionDenied, "")
	w.bind(t, w.gizmo, "ydb.admin", w.robot())
	if _, err = w.authorize(t, v2, withToken(w.token, "ydb.clusters.manage", on...)); err != nil {
		t.Errorf("bound on the cluster: %v", err)
	}
	if _, err = w.authorize(t, v2, withToken(w.token, "ydb.clusters.manage", gizmo, w.gizmo)); err != nil {
		t.Errorf("the cluster itself: %v", err)
	}
	_, err = w.authorize(t, v2, withToken(w.token, "ydb.clusters.manage", on[:6]...))
	expect(t, "without the cluster in the path", err, codes.PermissionDenied, "")
	bob := iam.Subject{ID: iam.SubjectID(w.BobID), Type: iam.TypeUserAccount}
	w.bind(t, w.database, "ydb.viewer", bob)
	if _, err = w.authorize(t, v1, as(person(w.BobID), "ydb.tables.select", db, w.database)); err != nil {
		t.Errorf("bound on the database: %v", err)
	}
	_, err = w.authorize(t, v1, as(person(w.BobID), "ydb.tables.select", db, "next-to-it", folder, w.FolderID))
	expect(t, "another database of the folder", err, codes.PermissionDenied, "")
}

func TestSubjectsNamed(t *testing.T) {
	w := newWorld(t)
	system := func(id iam.SubjectID) iam.Subject { return iam.Subject{ID: id, Type: iam.TypeSystem} }
	w.bind(t, w.bucket, "storage.viewer", system(iam.AllUsers))
	w.bind(t, w.database, "ydb.viewer", system(iam.AllUsers))
	bucket, database := []string{"storage.bucket", w.bucket}, []string{db, w.database}
	shut, _ := w.NewPerson(t, "shut-out")
	w.update(t, func(tx *store.Tx) error {
		_, err := store.SetUserAccountStatus(tx, shut, iam.UserAccountSuspended, "")
		return err
	})
	for _, c := range []struct {
		name       string
		who        *pb.Subject
		permission string
		on         []string
		code       codes.Code
		text       string
	}{
		{"anonymous on a public bucket", anonymous(), "storage.objects.get", bucket, codes.OK, ""},
		{"anonymous, what is not public", anonymous(), "storage.objects.put", bucket, codes.PermissionDenied, ""},
		{"anonymous on a database", anonymous(), "ydb.tables.select", database, codes.PermissionDenied, ""},
		{"an account on a public database", account(w.ServiceAccountID), "ydb.tables.select", database, codes.OK, ""},
		{"a person", person(w.BobID), "ydb.tables.select", database, codes.OK, ""},
		{"an account of another organization", account(w.far.ServiceAccountID), "ydb.tables.select", database, codes.OK, ""},
		{"an account that is not there", account("ajenone"), "ydb.tables.select", database, codes.Unauthenticated, "Service account ajenone not found"},
		{"a person who is not there", person("ajenone"), "ydb.tables.select", database, codes.Unauthenticated, "User account ajenone not found"},
		{"a suspended person", person(shut), "ydb.tables.select", database, codes.Unauthenticated, "User account " + shut + " not found"},
		{"an account called a person", person(w.ServiceAccountID), "ydb.tables.select", database, codes.Unauthenticated, ""},
		{"a suspended account", account(w.suspended), "ydb.tables.select", database, codes.Unauthenticated, "The service account " + w.suspended + " is suspended"},
		{"a group as a person", person("allUsers"), "ydb.tables.select", database, codes.Unauthenticated, ""},
		{"without an id", account(""), "ydb.tables.select", database, codes.InvalidArgument, ""},
		{"without a type", &pb.Subject{}, "ydb.tables.select", database, codes.InvalidArgument, ""},
	} {
		out, err := w.authorize(t, v1, as(c.who, c.permission, c.on...))
		expect(t, c.name, err, c.code, c.text)
		if err != nil {
			continue
		}
		want := c.who
		if a := out.GetSubject().GetServiceAccount(); a != nil && a.GetFolderId() != "" {
			want = proto.Clone(c.who).(*pb.Subject)
			want.GetServiceAccount().FolderId = a.GetFolderId()
		}
		if !proto.Equal(out.GetSubject(), want) {
			t.Errorf("%s: subject %v", c.name, out.GetSubject())
		}
	}
}

func TestBadQuestions(t *testing.T) {
	w := newWorld(t)
	long := path(folder, w.FolderID)
	for len(long) < 129 {
		long = append(long, long[0])
	}
	for _, c := range []struct {
		name string
		r    *pb.AuthorizeRequest
		code codes.Code
		text string
	}{
		{"unknown permission", withToken(w.token, "ydb.tables.paint", folder, w.FolderID), codes.InvalidArgument, "permission: Permission ydb.tables.paint does not exist"},
		{"unknown permission on an unknown resource", withToken(w.token, "x.y.z", folder, "none"), codes.InvalidArgument, ""},
		{"no permission", withToken(w.token, "", folder, w.FolderID), codes.InvalidArgument, ""},
		{"long permission", withToken(w.token, strings.Repeat("a", 129), folder, w.FolderID), codes.InvalidArgument, ""},
		{"no path", withToken(w.token, "ydb.tables.select"), codes.InvalidArgument, "Validation failed:\n  - resource_path: must have between 1 and 128 elements"},
		{"long path", &pb.AuthorizeRequest{Permission: "ydb.tables.select", ResourcePath: long}, codes.InvalidArgument, ""},
		{"long id", withToken(w.token, "ydb.tables.select", folder, strings.Repeat("a", 51)), codes.InvalidArgument, ""},
		{"no id", withToken(w.token, "ydb.tables.select", folder, ""), codes.InvalidArgument, ""},
		{"long type", withToken(w.token, "ydb.tables.select", strings.Repeat("a", 65), "x"), codes.InvalidArgument, ""},
		{"nobody", &pb.AuthorizeRequest{Permission: "ydb.tables.select", ResourcePath: path(folder, w.FolderID)}, codes.Unauthenticated, ""},
		{"a bad token", withToken("t1.x.y", "ydb.tables.select", folder, w.FolderID), codes.Unauthenticated, ""},
		{"an API key", &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_ApiKey{ApiKey: "AQVN"}, Permission: "ydb.tables.select",
			ResourcePath: path(folder, w.FolderID)}, codes.Unauthenticated, ""},
		{"a signature", &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_Signature{Signature: &pb.AccessKeySignature{}}, Permission: "ydb.tables.select",
			ResourcePath: path(folder, w.FolderID)}, codes.Unauthenticated, ""},
	} {
		for _, pkg := range []string{v1, v2} {
			_, err := w.authorize(t, pkg, c.r)
			expect(t, c.name, err, c.code, c.text)
		}
	}
}

// A revocation counts with the answer to the call that made it.
func TestAGrantAndItsEnd(t *testing.T) {
	w := newWorld(t)
	ask := func() error {
		_, err := w.authorize(t, v1, as(person(w.BobID), "ydb.tables.select", db, w.database))
		return err
	}
	expect(t, "before", ask(), codes.PermissionDenied, "")
	change := func(action string) {
		r := w.Do(t, "POST", w.adminToken, "/resource-manager/v1/folders/"+w.FolderID+":updateAccessBindings", map[string]any{
			"accessBindingDeltas": []any{map[string]any{"action": action, "accessBinding": map[string]any{
				"roleId": "ydb.viewer", "subject": map[string]string{"id": w.BobID, "type": "userAccount"}}}}})
		if r.Code != 200 {
			t.Fatalf("%s: %d %s", action, r.Code, r.Body)
		}
	}
	for range 5 {
		change("ADD")
		expect(t, "granted", ask(), codes.OK, "")
		change("REMOVE")
		expect(t, "taken away", ask(), codes.PermissionDenied, "")
	}
}
