package server_test

import (
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// A service that is remembered with its token is forgotten with the change that
// ends its right to ask, not a while later.
func TestAServiceIsRememberedNoLongerThanItMayAsk(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, n *nosy){
		"its token is revoked": func(t *testing.T, n *nosy) {
			conn, err := grpc.NewClient(n.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+n.token)
			if _, err := iampb.NewIamTokenServiceClient(conn).Revoke(ctx, &iampb.RevokeIamTokenRequest{IamToken: n.token}); err != nil {
				t.Fatal(err)
			}
		},
		"its account is suspended": func(t *testing.T, n *nosy) {
			n.update(t, func(tx *store.Tx) error {
				return store.SetServiceAccountStatus(tx, n.home.ServiceAccountID, iam.ServiceAccountSuspended, "a test")
			})
		},
		"its account expires": func(t *testing.T, n *nosy) {
			until := time.Now().Add(600 * time.Millisecond)
			n.update(t, func(tx *store.Tx) error {
				a, err := store.GetServiceAccount(tx, n.home.ServiceAccountID)
				if err != nil {
					return err
				}
				a.ExpiresAt = until
				return store.UpdateServiceAccount(tx, a)
			})
			for time.Until(until) > 50*time.Millisecond {
				if got, _ := n.asks(t, n.home.ServiceAccountID, "resource-manager.folders.get", folderType, n.home.FolderID); !strings.HasPrefix(got, "OK") && time.Now().Before(until) {
					t.Fatalf("before it expires: %s", got)
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Until(until) + 5*time.Millisecond)
		},
		"its role is taken away": func(t *testing.T, n *nosy) {
			n.update(t, func(tx *store.Tx) error {
				all, err := store.ListBindings(tx, n.home.OrganizationID, iam.AccessBinding{}, 100)
				if err != nil {
					return err
				}
				if err := store.InsertUserAccount(tx, &iam.UserAccount{ID: "ajeheir", Login: "heir", CreatedAt: tx.Now()}); err != nil {
					return err
				}
				for _, b := range all {
					heir := iam.AccessBinding{Role: b.Role, Subject: iam.Subject{ID: "ajeheir", Type: iam.TypeUserAccount}}
					if _, err := store.AddBinding(tx, n.home.OrganizationID, heir); err != nil {
						return err
					}
					if _, err := store.RemoveBinding(tx, n.home.OrganizationID, b); err != nil {
						return err
					}
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNosy(t, folderType)
			ask := func() string {
				// About somebody else, whom the change does not concern.
				got, _ := n.asks(t, n.far.ServiceAccountID, "resource-manager.folders.get", folderType, n.home.FolderID)
				return got
			}
			n.bind(t, n.home.FolderID, "viewer", n.far.ServiceAccountID)
			for range 3 {
				if got := ask(); !strings.HasPrefix(got, "OK") {
					t.Fatalf("before: %s", got)
				}
			}
			end(t, n)
			if got := ask(); strings.HasPrefix(got, "OK") {
				t.Errorf("after: %s", got)
			}
		})
	}
}
