package cloudapi_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

// together runs n calls at once and counts their codes.
func together(n int, one func(i int) codes.Code) map[codes.Code]int {
	var mu sync.Mutex
	out := map[codes.Code]int{}
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			code := one(i)
			mu.Lock()
			out[code]++
			mu.Unlock()
		})
	}
	close(start)
	all.Wait()
	return out
}

func TestOneNameAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for round := range 10 {
		name := fmt.Sprintf("contested-%d", round)
		for method, req := range map[string]proto.Message{
			"sa.Create":     &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: name},
			"folder.Create": &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: name},
		} {
			got := together(12, func(int) codes.Code { return w.owner.do(t, method, req, new(operationpb.Operation)).code })
			if got[codes.OK] != 1 || got[codes.AlreadyExists] != 11 {
				t.Errorf("%s: %v, want one OK and 11 ALREADY_EXISTS", method, got)
			}
		}
	}
}

// Many writers at one place must all come through: what they write is not what
// their rights rest on.
func TestManyChangesAtOnePlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids [16]string
	for i := range ids {
		ids[i] = w.newAccount(t, fmt.Sprintf("writer-%d", i))
	}
	for what, one := range map[string]func(i, round int) codes.Code{
		"bindings of a folder": func(i, _ int) codes.Code {
			return w.owner.do(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID,
				AccessBindingDeltas: deltas(add("viewer", ids[i]))}, new(operationpb.Operation)).code
		},
		"a folder's description": func(i, round int) codes.Code {
			return w.owner.do(t, "folder.Update", &rmpb.UpdateFolderRequest{FolderId: w.home.FolderID, UpdateMask: masked("description"),
				Description: fmt.Sprint(i, round)}, new(operationpb.Operation)).code
		},
		"accounts of a folder": func(i, round int) codes.Code {
			return w.owner.do(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: fmt.Sprintf("n-%d-%d", i, round)}, new(operationpb.Operation)).code
		},
		"one account": func(i, round int) codes.Code {
			return w.owner.do(t, "sa.Update", &iampb.UpdateServiceAccountRequest{ServiceAccountId: ids[0], UpdateMask: masked("description"), Description: fmt.Sprint(i, round)}, new(operationpb.Operation)).code
		},
	} {
		got := together(len(ids), func(i int) codes.Code {
			for round := range 8 {
				if code := one(i, round); code != codes.OK {
					return code
				}
			}
			return codes.OK
		})
		if got[codes.OK] != len(ids) {
			t.Errorf("%s: %v, want all OK", what, got)
		}
	}
}

// endings are ways to take away the right to make folders and to hand out the
// role editor, which the robot holds as hold says.
var endings = []struct {
	what string
	hold func(t *testing.T, w *world, robot string)
	end  func(t *testing.T, w *world, robot *caller)
}{
	{"the binding is removed", holdAdmin, func(t *testing.T, w *world, robot *caller) {
		w.bind(t, "cloud", w.home.CloudID, remove("admin", robot.id))
	}},
	{"the token is revoked", holdAdmin, func(t *testing.T, w *world, robot *caller) {
		call(t, w.owner, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: robot.token}, new(iampb.RevokeIamTokenResponse))
	}},
	{"the account is suspended", holdAdmin, func(t *testing.T, w *world, robot *caller) {
		w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: robot.id})
	}},
	{"the account is deleted", holdAdmin, func(t *testing.T, w *world, robot *caller) {
		w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: robot.id})
	}},
	{"it leaves its group", func(t *testing.T, w *world, robot string) {
		w.update(t, func(tx *store.Tx) error {
			_, err := store.AddGroupMember(tx, adminsID, iam.Subject{ID: iam.SubjectID(robot), Type: iam.TypeServiceAccount})
			return err
		})
	}, func(t *testing.T, w *world, robot *caller) {
		w.update(t, func(tx *store.Tx) error {
			_, err := store.RemoveGroupMember(tx, adminsID, iam.SubjectID(robot.id))
			return err
		})
	}},
}

const adminsID = "ajeadmins000000000000"

func holdAdmin(t *testing.T, w *world, robot string) {
	w.bind(t, "cloud", w.home.CloudID, add("admin", robot))
}

// TestNothingLandsAfterARevocation: once the call that takes a right away has
// returned, nothing that rests on the right comes into being, not even by calls
// that were under way.
func TestNothingLandsAfterARevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.update(t, func(tx *store.Tx) error {
		return store.InsertGroup(tx, &iam.Group{ID: adminsID, OrganizationID: w.home.OrganizationID, Name: "admins", CreatedAt: tx.Now()})
	})
	w.bind(t, "cloud", w.home.CloudID, &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("admin", "group", adminsID)})
	target := w.newAccount(t, "target")
	for i, c := range endings {
		for round := range 2 {
			name := fmt.Sprintf("late-%d-%d", i, round)
			robot := w.robot(t, name)
			c.hold(t, w, robot.id)
			work := func(worker, n int) codes.Code {
				if worker%2 == 0 {
					return robot.do(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: fmt.Sprintf("%s-%d-%d", name, worker, n)}, new(operationpb.Operation)).code
				}
				d := add("editor", target)
				if n%2 == 1 {
					d = remove("editor", target)
				}
				return robot.do(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindingDeltas: deltas(d)}, new(operationpb.Operation)).code
			}
			w.race(t, c.what, robot.id, work, func() { c.end(t, w, robot) })
		}
	}
}

// A grant rests on the roles that the grantor holds, besides the right to grant.
func TestNoGrantLandsAfterItsGroundIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := w.newAccount(t, "target")
	for round := range 3 {
		robot := w.robot(t, fmt.Sprintf("grantor-%d", round), "resource-manager.admin", "editor")
		work := func(_, n int) codes.Code {
			w.owner.do(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindingDeltas: deltas(remove("editor", target))}, new(operationpb.Operation))
			return robot.do(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindingDeltas: deltas(add("editor", target))}, new(operationpb.Operation)).code
		}
		w.race(t, "the role that is handed out is lost", robot.id, work, func() { w.bind(t, "cloud", w.home.CloudID, remove("editor", robot.id)) })
	}
}

// race lets workers work until they are refused, ends their right meanwhile, and
// compares what there is when that has returned with what there is at the end.
func (w *world) race(t *testing.T, what, robot string, work func(worker, n int) codes.Code, end func()) {
	t.Helper()
	var workers sync.WaitGroup
	busy := make(chan struct{}, 100)
	for worker := range 4 {
		workers.Go(func() {
			for n := range 500 {
				if work(worker, n) != codes.OK && n > 0 {
					return
				}
				select {
				case busy <- struct{}{}:
				default:
				}
			}
			t.Errorf("%s: the right has not ended", what)
		})
	}
	for range 12 {
		<-busy
	}
	end()
	atOnce := w.traces(t, robot)
	workers.Wait()
	if later := w.traces(t, robot); later != atOnce {
		t.Errorf("%s: %d changes when that was done, %d in the end", what, atOnce, later)
	}
	if atOnce == 0 {
		t.Errorf("%s: nothing was done before", what)
	}
}

// traces counts the audit lines of what a subject has changed; granting what is
// granted already changes nothing, and needs no ground.
func (w *world) traces(t *testing.T, subject string) (n int) {
	for _, l := range w.audit(t.Context(), t, server.AuditListRequest{Subject: subject}) {
		_, had := l.Details["access_binding_deltas"]
		if l.Status == "DONE" && (had || !strings.HasSuffix(l.EventType, "AccessBindings")) {
			n++
		}
	}
	return n
}

func TestRacesOfPlansAndCancels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for round := range 8 {
		folder := w.newFolder(t, fmt.Sprintf("contested-%d", round))
		got := together(8, func(int) codes.Code {
			return w.owner.do(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder}, new(operationpb.Operation)).code
		})
		if got[codes.OK] != 1 || got[codes.FailedPrecondition] != 7 {
			t.Errorf("planned at once: %v, want one OK", got)
		}
		got = together(6, func(i int) codes.Code {
			if i%2 == 0 {
				return w.owner.do(t, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(past)}, new(operationpb.Operation)).code
			}
			return w.owner.do(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: folder, Name: fmt.Sprintf("r-%d-%d", round, i)}, new(operationpb.Operation)).code
		})
		if got[codes.OK] != 1 || got[codes.OK]+got[codes.NotFound]+got[codes.FailedPrecondition] != 6 {
			t.Errorf("deleted at once, with creations inside: %v", got)
		}
	}
}
