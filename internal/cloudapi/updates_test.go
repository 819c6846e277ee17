package cloudapi_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/propusktest"
)

// atOnce makes changes at the same moment, all of which must be done.
func (w *world) atOnce(t *testing.T, method string, requests ...proto.Message) {
	t.Helper()
	var wg sync.WaitGroup
	for _, r := range requests {
		wg.Go(func() {
			if a := w.owner.do(t, method, r, new(operationpb.Operation)); a.code != codes.OK {
				t.Errorf("%v: %v %s", r, a.code, a.message)
			}
		})
	}
	wg.Wait()
}

// An update of one field does not bring back what another one, at the same
// time, has changed: scopes that were taken from a key stay taken.
func TestUpdatesOfAnAPIKeyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, propusktest.OnPostgres(pgtest.Shared(t).Schema(t)))
	made := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: w.newAccount(t, "keyed")}).GetApiKey()
	const wide, narrow = "yc.ydb.tables.manage", "yc.postbox.send"
	for round := range 30 {
		w.owner.operate(t, "apiKey.Update", &iampb.UpdateApiKeyRequest{ApiKeyId: made.GetId(), UpdateMask: masked("scopes"), Scopes: []string{narrow, wide}})
		description := fmt.Sprint("round ", round)
		w.atOnce(t, "apiKey.Update",
			&iampb.UpdateApiKeyRequest{ApiKeyId: made.GetId(), UpdateMask: masked("scopes"), Scopes: []string{narrow}},
			&iampb.UpdateApiKeyRequest{ApiKeyId: made.GetId(), UpdateMask: masked("description"), Description: description})
		if k := w.getAPIKey(t, made.GetId()); !cmp.Equal(k.GetScopes(), []string{narrow}) || k.GetDescription() != description {
			t.Fatalf("round %d: %v, want the narrow scope and the description", round, k)
		}
	}
}

// The same of accounts: an end that was brought forward is not moved back.
func TestUpdatesOfAnAccountAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, propusktest.OnPostgres(pgtest.Shared(t).Schema(t)))
	id := w.newAccount(t, "ending")
	soon, late := timestamppb.New(time.Now().Add(time.Hour).Truncate(time.Second)), timestamppb.New(time.Now().Add(48*time.Hour))
	for round := range 30 {
		w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: id, UpdateMask: masked("expires_at"), ExpiresAt: late})
		description := fmt.Sprint("round ", round)
		w.atOnce(t, "sa.Update",
			&iampb.UpdateServiceAccountRequest{ServiceAccountId: id, UpdateMask: masked("expires_at"), ExpiresAt: soon},
			&iampb.UpdateServiceAccountRequest{ServiceAccountId: id, UpdateMask: masked("description"), Description: description})
		a := call(t, w.owner, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: id}, new(iampb.ServiceAccount))
		if !a.GetExpiresAt().AsTime().Equal(soon.AsTime()) || a.GetDescription() != description {
			t.Fatalf("round %d: %v, want the earlier end and the description", round, a)
		}
	}
}

// The same of folders and clouds: a name does not come back, and a planned
// deletion stays shown.
func TestUpdatesOfContainersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, propusktest.OnPostgres(pgtest.Shared(t).Schema(t)))
	folder := w.newFolder(t, "first")
	for round := range 30 {
		name, description := fmt.Sprint("name-", round), fmt.Sprint("round ", round)
		w.atOnce(t, "folder.Update",
			&rmpb.UpdateFolderRequest{FolderId: folder, UpdateMask: masked("name"), Name: name},
			&rmpb.UpdateFolderRequest{FolderId: folder, UpdateMask: masked("description"), Description: description})
		f := call(t, w.owner, "folder.Get", &rmpb.GetFolderRequest{FolderId: folder}, new(rmpb.Folder))
		if f.GetName() != name || f.GetDescription() != description {
			t.Fatalf("round %d: %v, want both changes", round, f)
		}
		w.atOnce(t, "cloud.Update",
			&rmpb.UpdateCloudRequest{CloudId: w.home.CloudID, UpdateMask: masked("name"), Name: name},
			&rmpb.UpdateCloudRequest{CloudId: w.home.CloudID, UpdateMask: masked("description"), Description: description})
		c := call(t, w.owner, "cloud.Get", &rmpb.GetCloudRequest{CloudId: w.home.CloudID}, new(rmpb.Cloud))
		if c.GetName() != name || c.GetDescription() != description {
			t.Fatalf("round %d: %v, want both changes", round, c)
		}
	}
	for round := range 10 {
		id := w.newFolder(t, fmt.Sprint("doomed-", round))
		var wg sync.WaitGroup
		wg.Go(func() {
			if a := w.owner.do(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: id}, new(operationpb.Operation)); a.code != codes.OK {
				t.Error(a.message)
			}
		})
		wg.Go(func() {
			r := &rmpb.UpdateFolderRequest{FolderId: id, UpdateMask: masked("description"), Description: "x"}
			if a := w.owner.do(t, "folder.Update", r, new(operationpb.Operation)); a.code != codes.OK {
				t.Error(a.message)
			}
		})
		wg.Wait()
		f := call(t, w.owner, "folder.Get", &rmpb.GetFolderRequest{FolderId: id}, new(rmpb.Folder))
		if f.GetStatus() != rmpb.Folder_PENDING_DELETION || f.GetDescription() != "x" {
			t.Fatalf("round %d: %v, want it pending and described", round, f)
		}
	}
}
