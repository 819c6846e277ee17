package accessservice_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
	pb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

const (
	v1 = "/yandex.cloud.priv.servicecontrol.v1.AccessService/"
	v2 = "/yandex.cloud.priv.accessservice.v2.AccessService/"
)

// world is a server with a second organization, a registered database, bucket
// and cluster, and a connection to its access listener.
type world struct {
	*propusktest.Server
	conn grpc.ClientConnInterface

	far                     server.BootstrapResult // the other organization, whose owner is a stranger here
	database, bucket, gizmo string
	otherFolder, suspended  string
	token, adminToken       string
}

func newWorld(t testing.TB, options ...propusktest.Option) *world {
	t.Helper()
	w := &world{Server: propusktest.New(t, options...)}
	ctx := context.Background()
	far, err := w.Server.Server.Bootstrap(ctx, server.BootstrapRequest{Organization: "far", Cloud: "far-cloud", Folder: "far-folder", Account: "far-owner"})
	if err != nil {
		t.Fatal(err)
	}
	w.far = *far
	w.database, w.bucket, w.gizmo = "db00000000000000001", "bucket-of-ours", "ydb-cluster"
	w.otherFolder, w.suspended = "b1gotherfolder000000", "ajesuspended00000000"
	w.update(t, func(tx *store.Tx) error {
		if err := store.InsertFolder(tx, &iam.Folder{ID: w.otherFolder, CloudID: w.CloudID, Name: "other", Status: iam.FolderActive, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		if err := store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: w.suspended, FolderID: w.FolderID, Name: "suspended",
			Status: iam.ServiceAccountSuspended, CreatedAt: tx.Now()}); err != nil {
			return err
		}
		for _, r := range []iam.RegisteredResource{
			{ID: w.database, Type: "ydb.database", ParentID: w.FolderID, Name: "db"},
			{ID: w.bucket, Type: "storage.bucket", ParentID: w.FolderID, Name: "bucket"},
			{ID: w.gizmo, Type: "iam.gizmo", Name: "cluster"},
		} {
			r.CreatedAt = tx.Now()
			if err := store.InsertRegistered(tx, &r); err != nil {
				return err
			}
		}
		return nil
	})
	w.conn = dial(t, w.Server.Server.AccessAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	w.token, w.adminToken = w.Token(t), w.AdminToken(t)
	return w
}

func dial(t testing.TB, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (w *world) update(t testing.TB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := w.Server.Server.DB().Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// bind gives a role; it is in force when bind returns.
func (w *world) bind(t testing.TB, on string, role iam.RoleID, to iam.Subject) {
	t.Helper()
	w.update(t, func(tx *store.Tx) error {
		_, err := store.AddBinding(tx, on, iam.AccessBinding{Role: role, Subject: to})
		return err
	})
}

// call invokes a method of either package: their messages are the same bytes.
func call(t testing.TB, conn grpc.ClientConnInterface, method string, in, out proto.Message) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return conn.Invoke(ctx, method, in, out)
}

// authorize asks through a package whether a request is allowed.
func (w *world) authorize(t testing.TB, pkg string, r *pb.AuthorizeRequest) (*pb.AuthorizeResponse, error) {
	t.Helper()
	out := &pb.AuthorizeResponse{}
	return out, call(t, w.conn, pkg+"Authorize", r, out)
}

func path(pairs ...string) []*pb.Resource {
	var out []*pb.Resource
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, &pb.Resource{Type: pairs[i], Id: pairs[i+1]})
	}
	return out
}

func withToken(token, permission string, on ...string) *pb.AuthorizeRequest {
	return &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_IamToken{IamToken: token}, Permission: permission, ResourcePath: path(on...)}
}

func account(id string) *pb.Subject {
	return &pb.Subject{Type: &pb.Subject_ServiceAccount_{ServiceAccount: &pb.Subject_ServiceAccount{Id: id}}}
}

func person(id string) *pb.Subject {
	return &pb.Subject{Type: &pb.Subject_UserAccount_{UserAccount: &pb.Subject_UserAccount{Id: id}}}
}

func anonymous() *pb.Subject {
	return &pb.Subject{Type: &pb.Subject_AnonymousAccount_{AnonymousAccount: &pb.Subject_AnonymousAccount{}}}
}

func as(s *pb.Subject, permission string, on ...string) *pb.AuthorizeRequest {
	return &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_Subject{Subject: s}, Permission: permission, ResourcePath: path(on...)}
}

// expect fails unless an error has a code, and a text when one is given.
func expect(t testing.TB, what string, err error, code codes.Code, text string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code || text != "" && s.Message() != text {
		t.Errorf("%s: got %s %q, want %s %q", what, s.Code(), s.Message(), code, text)
	}
}
