package cloudapi_test

import (
	"sync"
	"testing"
	"time"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/token"
)

// whileWriting makes a change that holds the one writer until the call, which
// is permitted by what was before, has come to wait for it.
func (w *world) whileWriting(t *testing.T, change func(tx *store.Tx) error, during func() answer) answer {
	t.Helper()
	if w.database != "" {
		return w.whileCommitting(t, change, during)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	all.Go(func() {
		err := w.Server.Server.DB().Update(t.Context(), func(tx *store.Tx) error {
			once.Do(func() { close(entered) })
			<-release
			return change(tx)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-entered
	var a answer
	all.Go(func() { a = during() })
	time.Sleep(50 * time.Millisecond)
	close(release)
	all.Wait()
	return a
}

// whileCommitting does the same where many write at once: the change has been
// made and comes first when the feed, which is held, lets both go on.
func (w *world) whileCommitting(t *testing.T, change func(tx *store.Tx) error, during func() answer) answer {
	t.Helper()
	release := pgtest.Hold(t, w.database, `SELECT seq FROM feed_head FOR UPDATE`)
	changed := make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	all.Go(func() {
		err := w.Server.Server.DB().Update(t.Context(), func(tx *store.Tx) error {
			defer once.Do(func() { close(changed) })
			return change(tx)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-changed
	time.Sleep(50 * time.Millisecond)
	var a answer
	all.Go(func() { a = during() })
	time.Sleep(50 * time.Millisecond)
	release()
	all.Wait()
	return a
}

// TestPermittedAndOvertaken: a call that was permitted a moment ago is decided
// anew when what permitted it is taken away before it writes.
func TestPermittedAndOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subject := func(id string) iam.Subject { return iam.Subject{ID: iam.SubjectID(id), Type: iam.TypeServiceAccount} }
	unbind := func(resourceID string, role iam.RoleID) func(*store.Tx, *caller) error {
		return func(tx *store.Tx, c *caller) error {
			_, err := store.RemoveBinding(tx, resourceID, iam.AccessBinding{Role: role, Subject: subject(c.id)})
			return err
		}
	}
	target, folder := w.newAccount(t, "target"), w.newFolder(t, "folder")
	create := func(name string) (string, proto.Message) {
		return "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: name}
	}
	grant := func(string) (string, proto.Message) {
		return "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: folder, AccessBindingDeltas: deltas(add("editor", target))}
	}
	for i, c := range []struct {
		what  string
		roles []string
		end   func(*store.Tx, *caller) error
		call  func(name string) (string, proto.Message)
		want  codes.Code
	}{
		{"the binding", []string{"editor"}, unbind(w.home.CloudID, "editor"), create, codes.PermissionDenied},
		{"one of two bindings", []string{"editor", "admin"}, unbind(w.home.CloudID, "editor"), create, codes.OK},
		{"an unrelated binding", []string{"editor"}, func(tx *store.Tx, _ *caller) error {
			_, err := store.AddBinding(tx, folder, iam.AccessBinding{Role: "viewer", Subject: subject(target)})
			return err
		}, create, codes.OK},
		{"the token", []string{"editor"}, func(tx *store.Tx, c *caller) error {
			return revocation.Revoke(tx, token.KindToken, claims(t, c.token).ID)
		}, create, codes.Unauthenticated},
		{"a token that the caller's was made with", []string{"editor"}, func(tx *store.Tx, _ *caller) error {
			return revocation.Revoke(tx, token.KindToken, claims(t, w.owner.token).ID)
		}, create, codes.Unauthenticated},
		{"the account", []string{"editor"}, func(tx *store.Tx, c *caller) error {
			if _, err := store.DeleteServiceAccount(tx, c.id); err != nil {
				return err
			}
			return revocation.Revoke(tx, token.KindSubject, c.id)
		}, create, codes.Unauthenticated},
		{"the cloud", []string{"editor"}, func(tx *store.Tx, _ *caller) error { return store.LockResource(tx, w.home.CloudID) }, create, codes.OK},
		{"the folder", []string{"admin"}, func(tx *store.Tx, _ *caller) error {
			_, err := store.DeleteFolder(tx, folder)
			return err
		}, grant, codes.NotFound},
		{"the role that is handed out", []string{"resource-manager.admin", "editor"}, unbind(w.home.CloudID, "editor"), grant, codes.PermissionDenied},
		{"the right to hand out", []string{"resource-manager.admin", "editor"}, unbind(w.home.CloudID, "resource-manager.admin"), grant, codes.PermissionDenied},
	} {
		w.owner = w.exchange(t, []byte(w.home.KeyFile))
		folder = w.newFolder(t, "folder-"+string(rune('a'+i)))
		robot := w.robot(t, "robot-"+string(rune('a'+i)), c.roles...)
		method, req := c.call("made-" + string(rune('a'+i)))
		end := c.end
		a := w.whileWriting(t, func(tx *store.Tx) error { return end(tx, robot) },
			func() answer { return robot.do(t, method, req, new(operationpb.Operation)) })
		if a.code != c.want {
			t.Errorf("%s: %v %q, want %v", c.what, a.code, a.message, c.want)
		}
	}
}

// The same for taking back a deletion, whose right is asked for by the handler.
func TestCancelIsOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := w.newFolder(t, "waiting")
	robot := w.robot(t, "robot", "editor")
	op := call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: folder}, new(operationpb.Operation))
	a := w.whileWriting(t, func(tx *store.Tx) error {
		_, err := store.RemoveBinding(tx, w.home.CloudID, iam.AccessBinding{Role: "editor", Subject: iam.Subject{ID: iam.SubjectID(robot.id), Type: iam.TypeServiceAccount}})
		return err
	}, func() answer {
		return robot.do(t, "op.Cancel", &operationpb.CancelOperationRequest{OperationId: op.GetId()}, new(operationpb.Operation))
	})
	if a.code != codes.NotFound {
		t.Errorf("cancelled by one who has lost the right meanwhile: %v %s", a.code, a.message)
	}
	if w.operation(t, op.GetId()).GetDone() {
		t.Error("the deletion was taken back")
	}
}

// Somebody who keeps changing what a call rests on gets it refused, not hung.
func TestRightsThatKeepMoving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.robot(t, "robot", "editor")
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.bind(t, "cloud", w.home.CloudID, add("viewer", robot.id))
				w.bind(t, "cloud", w.home.CloudID, remove("viewer", robot.id))
			}
		}
	})
	seen := map[codes.Code]int{}
	for i := range 60 {
		a := robot.do(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "n-" + string(rune('a'+i%26)) + string(rune('a'+i/26))}, new(operationpb.Operation))
		seen[a.code]++
	}
	close(stop)
	all.Wait()
	if seen[codes.OK]+seen[codes.Aborted] != 60 || seen[codes.OK] == 0 {
		t.Errorf("%v, want OK, or ABORTED when it moves too fast", seen)
	}
}
