package cloudapi_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/server"
)

// TestNoTokenSurvives: tokens that are being made while what they rest on ends
// are dead when the call that ended it has returned, even those that reach
// their callers later.
func TestNoTokenSurvives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type mortal struct {
		folder, id string
		key        *iampb.CreateKeyResponse
	}
	for what, end := range map[string]func(m mortal){
		"the account is suspended": func(m mortal) {
			w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: m.id})
		},
		"the account is deleted": func(m mortal) {
			w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: m.id})
		},
		"the key is deleted": func(m mortal) {
			w.owner.operate(t, "key.Delete", &iampb.DeleteKeyRequest{KeyId: m.key.GetKey().GetId()})
		},
		"the folder is deleted": func(m mortal) {
			w.owner.operate(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: m.folder, DeleteAfter: timestamppb.New(past)})
		},
		"the account's end is moved nearer": func(m mortal) {
			w.owner.operate(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: m.id, UpdateMask: masked("expires_at"), ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))})
		},
	} {
		m := mortal{folder: w.newFolder(t, fmt.Sprintf("f-%d", len(what)))}
		m.id, m.key = w.keyed(t, m.folder, fmt.Sprintf("a-%d", len(what)))
		var mu sync.Mutex
		var made []string
		stop := make(chan struct{})
		var all sync.WaitGroup
		exchange := &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: w.jwt(t, keyFileOf(t, m.key))}}
		nobody := w.withToken(t, "")
		for worker := range 4 {
			all.Go(func() {
				for {
					r := new(iampb.CreateIamTokenResponse)
					var a answer
					if worker%2 == 0 || what == "the key is deleted" {
						a = nobody.do(t, "token.Create", exchange, r)
					} else {
						a = w.owner.do(t, "token.CreateForServiceAccount", impersonation(m.id), r)
					}
					mu.Lock()
					if a.code == codes.OK && r.GetIamToken() != "" {
						made = append(made, w.secret(r.GetIamToken()))
					}
					mu.Unlock()
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		count := func() int { mu.Lock(); defer mu.Unlock(); return len(made) }
		for deadline := time.Now().Add(10 * time.Second); count() < 8; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d tokens were made before", what, count())
			}
		}
		ended := time.Now().Add(time.Hour) // tokens made by the new rule end with the account
		end(m)
		time.Sleep(20 * time.Millisecond)
		close(stop)
		all.Wait()
		for i, text := range made {
			r := w.Get(t, text, "/resource-manager/v1/clouds")
			if live := r.Code == 200; live && (what != "the account's end is moved nearer" || claims(t, text).ExpiresAt.After(ended.Add(time.Minute))) {
				t.Errorf("%s: token %d of %d lives on until %v", what, i, len(made), claims(t, text).ExpiresAt)
				break
			}
		}
	}
}

// TestImpatientClients gives up calls at any moment: each change is there with
// its audit line and its operation, or not at all.
func TestImpatientClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := w.newFolder(t, "folder")
	longest := 3 * time.Millisecond
	if w.database != "" {
		longest = 30 * time.Millisecond // a change there takes so much longer
	}
	together(8, func(worker int) codes.Code {
		for i := range 25 {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(longest))
			req := &iampb.CreateServiceAccountRequest{FolderId: folder, Name: fmt.Sprintf("a-%d-%d", worker, i)}
			_ = w.owner.conn.Invoke(ctx, fullMethod("sa.Create"), req, new(operationpb.Operation))
			cancel()
		}
		return codes.OK
	})
	// What nobody waits for any more may still be under way: the accounts are
	// those between two looks at the audit log that see the same.
	var l *iampb.ListServiceAccountsResponse
	before, told := map[string]int(nil), w.madeAccounts(t)
	for ok := false; !ok; ok = maps.Equal(before, told) {
		before = told
		l = call(t, w.owner, "sa.List", &iampb.ListServiceAccountsRequest{FolderId: folder, PageSize: 1000}, new(iampb.ListServiceAccountsResponse))
		told = w.madeAccounts(t)
	}
	for _, a := range l.GetServiceAccounts() {
		ops := call(t, w.owner, "sa.ListOperations", &iampb.ListServiceAccountOperationsRequest{ServiceAccountId: a.GetId()}, new(iampb.ListServiceAccountOperationsResponse))
		if told[a.GetId()] != 1 || len(ops.GetOperations()) != 1 {
			t.Errorf("%s: %d audit lines, %d operations, want one of each", a.GetName(), told[a.GetId()], len(ops.GetOperations()))
		}
		delete(told, a.GetId())
	}
	delete(told, w.home.ServiceAccountID)
	if len(told) > 0 || len(l.GetServiceAccounts()) == 0 || len(l.GetServiceAccounts()) == 200 {
		t.Errorf("%d of 200 accounts, and audit lines of %v that are not there", len(l.GetServiceAccounts()), told)
	}
}

// madeAccounts counts the audit lines of each account that was made.
func (w *world) madeAccounts(t *testing.T) map[string]int {
	t.Helper()
	made := map[string]int{}
	for _, line := range w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.CreateServiceAccount"}) {
		if id, _ := line.Details["service_account_id"].(string); line.Status == "DONE" {
			made[id]++
		}
	}
	return made
}
