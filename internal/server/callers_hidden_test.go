package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// nosy is a service that calls with a token and may ask about its own
// organization alone.
type nosy struct {
	*serving
	conn  *grpc.ClientConn
	token string
}

func newNosy(t *testing.T, types ...string) *nosy {
	t.Helper()
	h := serveHouse(t, server.Config{AccessCallers: []server.AccessCaller{{Name: "ydb", ServiceAccount: "home", Types: types}}}, nil)
	conn, err := grpc.NewClient(h.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &nosy{serving: h, conn: conn, token: h.tokenOf(t, h.home.KeyFile)}
	n.bind(t, h.home.OrganizationID, "iam.accessService.user", h.home.ServiceAccountID)
	return n
}

func (n *nosy) update(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := n.DB().Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (n *nosy) bind(t *testing.T, on string, role iam.RoleID, account string) {
	t.Helper()
	n.update(t, func(tx *store.Tx) error {
		_, err := store.AddBinding(tx, on, iam.AccessBinding{Role: role, Subject: iam.Subject{ID: iam.SubjectID(account), Type: iam.TypeServiceAccount}})
		return err
	})
}

// asks returns the answer as text: the code, the message, the whole path.
func (n *nosy) asks(t *testing.T, about, permission string, pairs ...string) (string, *accesspb.AuthorizeResponse) {
	t.Helper()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+n.token), 10*time.Second)
	defer cancel()
	r := &accesspb.AuthorizeRequest{Permission: permission, Identity: &accesspb.AuthorizeRequest_Subject{Subject: &accesspb.Subject{
		Type: &accesspb.Subject_ServiceAccount_{ServiceAccount: &accesspb.Subject_ServiceAccount{Id: about}}}}}
	for i := 0; i < len(pairs); i += 2 {
		r.ResourcePath = append(r.ResourcePath, &accesspb.Resource{Type: pairs[i], Id: pairs[i+1]})
	}
	out, err := accesspb.NewAccessServiceClient(n.conn).Authorize(ctx, r)
	s := status.Convert(err)
	text := s.Code().String() + " " + s.Message()
	for _, r := range out.GetResourcePath() {
		text += ", " + r.GetType() + " " + r.GetId()
	}
	return text, out
}

// Wherever a service that may not ask about an organization puts the id of
// something in it, the answer is the one for an id that there is not.
func TestWhatIsHiddenLooksUnknown(t *testing.T) {
	const database, gizmo, cloudType = "ydb.database", "iam.gizmo", "resource-manager.cloud"
	n := newNosy(t, database, folderType, cloudType, "storage.bucket", gizmo)
	n.update(t, func(tx *store.Tx) error {
		r := iam.RegisteredResource{ID: "hidden-database", Type: database, ParentID: n.far.FolderID, Name: "db", CreatedAt: tx.Now()}
		return store.InsertRegistered(tx, &r)
	})
	// What is bound there gives nothing here.
	n.bind(t, "hidden-database", "ydb.admin", n.far.ServiceAccountID)
	mine := n.home.FolderID
	const id = "ID"
	for name, path := range map[string][]string{
		"alone":                             {database, id},
		"a folder":                          {folderType, id},
		"called something else":             {"storage.bucket", id},
		"on our folder":                     {database, id, folderType, mine},
		"another kind on our folder":        {"storage.bucket", id, folderType, mine},
		"a folder on our folder":            {folderType, id, folderType, mine},
		"above our folder":                  {folderType, mine, cloudType, id},
		"above what is unknown":             {database, "unregistered", folderType, id},
		"above what does not stand there":   {database, "unregistered", "storage.bucket", "x", folderType, id},
		"above a type nobody knows":         {database, "unregistered", "mail.box", "x", folderType, id},
		"below what does not stand there":   {database, id, cloudType, n.home.CloudID},
		"as another service's root":         {folderType, mine, gizmo, id},
		"as a root above what is unknown":   {database, "unregistered", gizmo, id},
		"as a root above an unknown folder": {database, "unregistered", folderType, "b1gnone", gizmo, id},
	} {
		// One may do it here, the other where the hidden things are.
		for _, about := range []string{n.home.ServiceAccountID, n.far.ServiceAccountID} {
			ask := func(with string) string {
				var pairs []string
				for _, p := range path {
					pairs = append(pairs, strings.ReplaceAll(p, id, with))
				}
				text, _ := n.asks(t, about, "ydb.databases.list", pairs...)
				return strings.ReplaceAll(text, with, id)
			}
			want := ask("neverheardof")
			for _, hidden := range []string{n.far.FolderID, n.far.CloudID, n.far.ServiceAccountID, n.far.OrganizationID, "hidden-database"} {
				if got := ask(hidden); got != want {
					t.Errorf("%s, %s, %s:\n %s, unknown is\n %s", name, about, hidden, got, want)
				}
			}
		}
	}
}

// A service may name accounts of other organizations, which may have rights in
// its own; where an account stands and whether it is suspended stays hidden.
func TestAccountsElsewhereTellNothingOfThemselves(t *testing.T) {
	n := newNosy(t, folderType)
	suspended := "ajefarsuspended00000"
	n.update(t, func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: suspended, FolderID: n.far.FolderID, Name: "suspended",
			Status: iam.ServiceAccountSuspended, CreatedAt: tx.Now()})
	})
	n.bind(t, n.home.FolderID, "viewer", n.far.ServiceAccountID)
	text, out := n.asks(t, n.far.ServiceAccountID, "resource-manager.folders.get", folderType, n.home.FolderID)
	if !strings.HasPrefix(text, "OK") || out.GetSubject().GetServiceAccount().GetFolderId() != "" {
		t.Errorf("an account of another organization: %s, subject %v", text, out.GetSubject())
	}
	unknown, _ := n.asks(t, "ajenone", "resource-manager.folders.get", folderType, n.home.FolderID)
	if got, _ := n.asks(t, suspended, "resource-manager.folders.get", folderType, n.home.FolderID); got != strings.ReplaceAll(unknown, "ajenone", suspended) {
		t.Errorf("a suspended one: %s, an unknown one: %s", got, unknown)
	}
	n.bind(t, n.far.OrganizationID, "iam.accessService.user", n.home.ServiceAccountID)
	if _, out = n.asks(t, n.far.ServiceAccountID, "resource-manager.folders.get", folderType, n.home.FolderID); out.GetSubject().GetServiceAccount().GetFolderId() != n.far.FolderID {
		t.Errorf("where the service may ask, the subject is %v", out.GetSubject())
	}
}

// Bindings on a root of another service count for services that may ask about
// its type.
func TestRootsCountForThoseWhoMayAskAboutThem(t *testing.T) {
	for _, types := range [][]string{{folderType}, {folderType, "iam.gizmo"}} {
		n := newNosy(t, types...)
		n.update(t, func(tx *store.Tx) error {
			return store.InsertRegistered(tx, &iam.RegisteredResource{ID: "cluster", Type: "iam.gizmo", Name: "cluster", CreatedAt: tx.Now()})
		})
		n.bind(t, "cluster", "ydb.admin", n.far.ServiceAccountID)
		want := "PermissionDenied"
		if len(types) > 1 {
			want = "OK"
		}
		if got, _ := n.asks(t, n.far.ServiceAccountID, "ydb.clusters.manage", folderType, n.home.FolderID, "iam.gizmo", "cluster"); !strings.HasPrefix(got, want) {
			t.Errorf("registered for %v: %s, want %s", types, got, want)
		}
	}
}
