package server_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// serving is a server as `serve` starts it, with an organization and a service.
type serving struct {
	*server.Server
	home server.BootstrapResult
	far  server.BootstrapResult
}

func serveHouse(t *testing.T, c server.Config, before func(*server.Server, *serving)) *serving {
	t.Helper()
	c.HTTPListen, c.GRPCListen, c.DebugListen, c.AccessListen = "127.0.0.1:0", "127.0.0.1:0", server.Off, "127.0.0.1:0"
	if c.Data == "" {
		c.Data = t.TempDir()
	}
	h := &serving{}
	quiet, err := server.New(t.Context(), c, server.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, into := range map[string]*server.BootstrapResult{"home": &h.home, "far": &h.far} {
		r, err := quiet.Bootstrap(t.Context(), server.BootstrapRequest{Organization: name, Cloud: name + "-cloud", Folder: name + "-folder", Account: name + "-owner"})
		if err != nil {
			t.Fatal(err)
		}
		*into = *r
	}
	if err := quiet.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range c.AccessCallers {
		if c.AccessCallers[i].ServiceAccount == "home" {
			c.AccessCallers[i].ServiceAccount = h.home.ServiceAccountID
		}
	}
	s, err := server.New(t.Context(), c, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.Server = s
	if before != nil {
		before(s, h)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

// authorize asks on a fresh connection whether the home owner may see a folder.
func (h *serving) authorize(t *testing.T, with credentials.TransportCredentials, token, kind, id string) error {
	t.Helper()
	conn, err := grpc.NewClient(h.AccessAddr(), grpc.WithTransportCredentials(with))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return h.ask(t, conn, token, kind, id)
}

func (h *serving) ask(t *testing.T, conn *grpc.ClientConn, token, kind, id string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	_, err := accesspb.NewAccessServiceClient(conn).Authorize(ctx, &accesspb.AuthorizeRequest{
		Identity: &accesspb.AuthorizeRequest_Subject{Subject: &accesspb.Subject{Type: &accesspb.Subject_ServiceAccount_{
			ServiceAccount: &accesspb.Subject_ServiceAccount{Id: h.home.ServiceAccountID}}}},
		Permission: "resource-manager.folders.get", ResourcePath: []*accesspb.Resource{{Type: kind, Id: id}}})
	return err
}

func code(t *testing.T, what string, err error, want codes.Code, text string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != want || !strings.Contains(s.Message(), text) {
		t.Errorf("%s: got %s %q, want %s with %q", what, s.Code(), s.Message(), want, text)
	}
}

const folderType = "resource-manager.folder"

func TestServicesProveThemselvesByToken(t *testing.T) {
	h := serveHouse(t, server.Config{AccessCallers: []server.AccessCaller{{Name: "ydb", ServiceAccount: "home", Types: []string{folderType}}}}, nil)
	mine, far := h.tokenOf(t, h.home.KeyFile), h.tokenOf(t, h.far.KeyFile)
	plain := insecure.NewCredentials()
	ask := func(token, kind, id string) error { return h.authorize(t, plain, token, kind, id) }
	bind := func(on string, role iam.RoleID, add bool) {
		t.Helper()
		b := iam.AccessBinding{Role: role, Subject: iam.Subject{ID: iam.SubjectID(h.home.ServiceAccountID), Type: iam.TypeServiceAccount}}
		err := h.DB().Update(t.Context(), func(tx *store.Tx) (err error) {
			if add {
				_, err = store.AddBinding(tx, on, b)
			} else {
				_, err = store.RemoveBinding(tx, on, b)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	code(t, "no proof", ask("", folderType, h.home.FolderID), codes.Unauthenticated, "must show a certificate")
	code(t, "garbage", ask("t1.x.y", folderType, h.home.FolderID), codes.Unauthenticated, "The token is invalid")
	code(t, "an account that is no service", ask(far, folderType, h.home.FolderID), codes.PermissionDenied, "is not registered as a service")
	bind(h.home.OrganizationID, "iam.accessService.user", true)
	code(t, "its own organization", ask(mine, folderType, h.home.FolderID), codes.OK, "")
	code(t, "another type", ask(mine, "resource-manager.cloud", h.home.CloudID), codes.PermissionDenied, "is not registered to ask about")

	// Elsewhere it learns nothing, not even that the subject may.
	bind(h.far.FolderID, "viewer", true)
	code(t, "another organization", ask(mine, folderType, h.far.FolderID), codes.PermissionDenied, "Permission to [resource-manager.folder "+h.far.FolderID+"] denied")
	bind(h.far.OrganizationID, "iam.accessService.user", true)
	code(t, "where it has the role", ask(mine, folderType, h.far.FolderID), codes.OK, "")
	bind(h.far.OrganizationID, "iam.accessService.user", false)
	code(t, "where it had the role", ask(mine, folderType, h.far.FolderID), codes.PermissionDenied, "")
}

func (h *serving) tokenOf(t *testing.T, key string) string {
	t.Helper()
	f, err := keyfile.Parse([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := keyfile.SignJWT(f, keyfile.PublicAudience, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(h.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out, err := iampb.NewIamTokenServiceClient(conn).Create(t.Context(), &iampb.CreateIamTokenRequest{
		Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt.Reveal()}})
	if err != nil {
		t.Fatal(err)
	}
	return out.GetIamToken()
}

// Without the role a registered account gets no further than the door.
func TestARegisteredAccountNeedsTheRole(t *testing.T) {
	h := serveHouse(t, server.Config{AccessCallers: []server.AccessCaller{{Name: "ydb", ServiceAccount: "home", Types: []string{folderType}}}},
		func(s *server.Server, h *serving) {
			// Somebody else owns the organization from now on.
			err := s.DB().Update(t.Context(), func(tx *store.Tx) error {
				all, err := store.ListBindings(tx, h.home.OrganizationID, iam.AccessBinding{}, 100)
				if err != nil {
					return err
				}
				if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "ajeheir", Login: "heir", CreatedAt: tx.Now()}); err != nil {
					return err
				}
				for _, b := range all {
					heir := iam.AccessBinding{Role: b.Role, Subject: iam.Subject{ID: "ajeheir", Type: iam.TypeUserAccount}}
					if _, err := store.AddBinding(tx, h.home.OrganizationID, heir); err != nil {
						return err
					}
					if _, err := store.RemoveBinding(tx, h.home.OrganizationID, b); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	err := h.authorize(t, insecure.NewCredentials(), h.tokenOf(t, h.home.KeyFile), folderType, h.home.FolderID)
	code(t, "without the role", err, codes.PermissionDenied, "Permission to [organization-manager.organization "+h.home.OrganizationID+"] denied")
}

func TestAccessListenerIsNeverOpen(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := writePair(t, folder, "iam.example.com", time.Now().Add(time.Hour))
	types := []string{"ydb.database"}
	for name, c := range map[string]server.Config{
		"off loopback without TLS":    {AccessListen: "0.0.0.0:4286"},
		"behind a proxy without TLS":  {AccessListen: "0.0.0.0:4286", BehindProxy: "envoy"},
		"no port":                     {AccessListen: "127.0.0.1"},
		"an authority without TLS":    {AccessClientCA: "ca.pem"},
		"a certificate, no authority": {AccessCallers: []server.AccessCaller{{Name: "ydb", Certificate: "ydb", Types: types}}},
		"no proof":                    {AccessCallers: []server.AccessCaller{{Name: "ydb", Types: types}}},
		"two proofs":                  {AccessCallers: []server.AccessCaller{{Name: "ydb", Certificate: "y", ServiceAccount: "aje", Types: types}}, AccessClientCA: "c", TLSCert: certFile, TLSKey: keyFile},
		"no types":                    {AccessCallers: []server.AccessCaller{{Name: "ydb", ServiceAccount: "aje"}}},
		"no type":                     {AccessCallers: []server.AccessCaller{{Name: "ydb", ServiceAccount: "aje", Types: []string{"*"}}}},
		"no name":                     {AccessCallers: []server.AccessCaller{{ServiceAccount: "aje", Types: types}}},
		"one account twice": {AccessCallers: []server.AccessCaller{
			{Name: "a", ServiceAccount: "aje", Types: types}, {Name: "b", ServiceAccount: "aje", Types: types}}},
	} {
		c.Data = folder
		c.SetDefaults()
		if err := c.Check(false); err == nil || !strings.Contains(err.Error(), "access-") {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := server.Config{Data: folder, AccessListen: "0.0.0.0:4286", TLSCert: certFile, TLSKey: keyFile}
	good.SetDefaults()
	if err := good.Check(false); err != nil {
		t.Error(err)
	}
	dev := server.Config{Data: folder, AccessListen: "0.0.0.0:4286", BehindProxy: "x"}
	dev.SetDefaults()
	if err := dev.Check(true); err == nil {
		t.Error("dev, where everyone is believed, may be reached from other machines")
	}
	name := server.Config{AccessListen: net.JoinHostPort("0.0.0.0", "0")}
	if d, err := server.OpenAccessDoor(t.Context(), &name, server.AccessTLS{}); err == nil {
		d.Close()
		t.Error("plaintext is spoken off loopback")
	}
}
