package cloudapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
)

func (w *world) bindings(t *testing.T, service, id string) (out []string) {
	t.Helper()
	r := call(t, w.owner, service+".ListAccessBindings", &accesspb.ListAccessBindingsRequest{ResourceId: id, PageSize: 1000}, new(accesspb.ListAccessBindingsResponse))
	for _, b := range r.GetAccessBindings() {
		out = append(out, text(b))
	}
	return out
}

func text(b *accesspb.AccessBinding) string {
	return b.GetRoleId() + " " + b.GetSubject().GetType() + ":" + b.GetSubject().GetId()
}

// effects are the deltas that had an effect, "+" and "-".
func effects(t *testing.T, op *operationpb.Operation) (out []string) {
	t.Helper()
	for _, d := range response(t, op, new(accesspb.AccessBindingsOperationResult)).GetEffectiveDeltas() {
		sign := "+"
		if d.GetAction() == accesspb.AccessBindingAction_REMOVE {
			sign = "-"
		}
		out = append(out, sign+text(d.GetAccessBinding()))
	}
	return out
}

func deltas(d ...*accesspb.AccessBindingDelta) []*accesspb.AccessBindingDelta { return d }

func TestBindingsAddUpAndAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder, robot, other := w.newFolder(t, "f"), w.newAccount(t, "robot"), w.newAccount(t, "other")
	update := func(want []string, d ...*accesspb.AccessBindingDelta) {
		t.Helper()
		op := w.owner.operate(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: folder, AccessBindingDeltas: d})
		if got := effects(t, op); !cmp.Equal(got, want) {
			t.Errorf("effective deltas %q, want %q", got, want)
		}
	}
	r := "viewer serviceAccount:" + robot
	update([]string{"+" + r}, add("viewer", robot))
	update(nil, add("viewer", robot))
	update(nil, remove("editor", robot))
	update([]string{"-" + r, "+" + r}, remove("viewer", robot), add("viewer", robot), add("viewer", robot))
	update([]string{"-" + r}, remove("viewer", robot), remove("viewer", robot))
	replace := func(want []string, b ...*accesspb.AccessBinding) {
		t.Helper()
		op := w.owner.operate(t, "folder.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: folder, AccessBindings: b})
		got := effects(t, op)
		slices.Sort(got)
		slices.Sort(want)
		if !cmp.Equal(got, want) {
			t.Errorf("effective deltas of Set %q, want %q", got, want)
		}
	}
	o := "editor serviceAccount:" + other
	replace([]string{"+" + r, "+" + o}, binding("viewer", robot), binding("editor", other), binding("viewer", robot))
	replace(nil, binding("viewer", robot), binding("editor", other))
	replace([]string{"-" + r}, binding("editor", other))
	if got := w.bindings(t, "folder", folder); !cmp.Equal(got, []string{o}) {
		t.Errorf("bindings %q, want %q", got, o)
	}
	replace([]string{"-" + o})
	// The audit line tells what had an effect, those taken away by Set too.
	lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "resourcemanager.SetFolderAccessBindings"})
	if last := lines[len(lines)-1]; !strings.Contains(last.raw, `"action":"REMOVE"`) || !strings.Contains(last.raw, other) {
		t.Errorf("audit line of a Set that took a binding away: %s", last.raw)
	}
	// What failed has changed nothing.
	a := w.owner.refuse(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: folder,
		AccessBindingDeltas: deltas(add("viewer", robot), add("viewer", "ajenever0000000000000"))}, codes.NotFound, "Service account ajenever0000000000000 not found")
	if got := w.bindings(t, "folder", folder); len(got) != 0 {
		t.Errorf("%v has left %q", a.code, got)
	}
}

func TestBindingsWhoAndWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot := w.newAccount(t, "robot")
	var group, alien string
	w.update(t, func(tx *store.Tx) error {
		group, alien = "ajegroup0000000000000", "ajealien0000000000000"
		for id, organization := range map[string]string{group: w.home.OrganizationID, alien: w.OrganizationID} {
			if err := store.InsertGroup(tx, &iam.Group{ID: id, OrganizationID: organization, Name: "g", CreatedAt: tx.Now()}); err != nil {
				return err
			}
		}
		_, err := store.AddGroupMember(tx, group, iam.Subject{ID: iam.SubjectID(robot), Type: iam.TypeServiceAccount})
		return err
	})
	for _, c := range []struct {
		what, role, kind, id string
		code                 codes.Code
		text                 string
	}{
		{"an account", "viewer", "serviceAccount", robot, codes.OK, ""},
		{"an account of another organization", "viewer", "serviceAccount", w.ServiceAccountID, codes.OK, ""},
		{"a person", "viewer", "userAccount", w.AliceID, codes.OK, ""},
		{"a group", "viewer", "group", group, codes.OK, ""},
		{"all who proved who they are", "viewer", "system", "allAuthenticatedUsers", codes.OK, ""},
		{"everybody", "viewer", "system", "allUsers", codes.OK, ""},
		{"all of the organization", "viewer", "system", "group:organization:" + w.home.OrganizationID + ":users", codes.OK, ""},
		{"all of another organization", "viewer", "system", "group:organization:" + w.OrganizationID + ":users", codes.NotFound, "not found"},
		{"a system group that is none", "viewer", "system", "everybody", codes.NotFound, "Subject everybody not found"},
		{"no such account", "viewer", "serviceAccount", "ajenever", codes.NotFound, "Service account ajenever not found"},
		{"an account called a person", "viewer", "userAccount", robot, codes.NotFound, "User account " + robot + " not found"},
		{"a person called an account", "viewer", "serviceAccount", w.AliceID, codes.NotFound, "not found"},
		{"a federated user, of whom there are none", "viewer", "federatedUser", "bfbnever", codes.NotFound, "Federated user bfbnever not found"},
		{"no such group", "viewer", "group", "ajenever", codes.NotFound, "Group ajenever not found"},
		{"no such type", "viewer", "robot", robot, codes.InvalidArgument, "access_binding_deltas[0].access_binding.subject.type"},
		{"no such role", "nonsense", "serviceAccount", robot, codes.NotFound, "Role nonsense not found"},
		{"a role of another kind of resource", "resource-manager.clouds.member", "serviceAccount", robot, codes.InvalidArgument, "access_binding_deltas[0].access_binding.role_id"},
		{"no role", "", "serviceAccount", robot, codes.InvalidArgument, "access_binding_deltas[0].access_binding.role_id"},
		{"no subject", "viewer", "serviceAccount", "", codes.InvalidArgument, "subject.id"},
		{"long role", strings.Repeat("r", 65), "serviceAccount", robot, codes.InvalidArgument, "role_id"},
		{"long subject", "viewer", "serviceAccount", strings.Repeat("s", 101), codes.InvalidArgument, "subject.id"},
	} {
		d := &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor(c.role, c.kind, c.id)}
		req := &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindingDeltas: deltas(d)}
		a := w.owner.do(t, "folder.UpdateAccessBindings", req, new(operationpb.Operation))
		if a.code != c.code || !strings.Contains(a.message, c.text) {
			t.Errorf("%s: %v %q, want %v with %q", c.what, a.code, a.message, c.code, c.text)
		}
	}
	req := &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.FolderID, AccessBindingDeltas: deltas(add("viewer", robot))}
	for _, action := range []accesspb.AccessBindingAction{0, 7, -1} {
		req.AccessBindingDeltas[0].Action = action
		w.owner.refuse(t, "folder.UpdateAccessBindings", req, codes.InvalidArgument, "access_binding_deltas[0].action")
	}
	req.AccessBindingDeltas = nil
	w.owner.refuse(t, "folder.UpdateAccessBindings", req, codes.InvalidArgument, "access_binding_deltas")
	req.AccessBindingDeltas = deltas(&accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD})
	w.owner.refuse(t, "folder.UpdateAccessBindings", req, codes.InvalidArgument, "access_binding_deltas[0].access_binding")
}

func TestAThousandBindings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := w.newFolder(t, "crowded")
	ids := make([]string, 1001)
	w.update(t, func(tx *store.Tx) error {
		for i := range ids {
			ids[i] = fmt.Sprintf("ajecrowd%013d", i)
			err := store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: ids[i], FolderID: folder, Name: fmt.Sprintf("a-%d", i), Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
			if err != nil {
				return err
			}
		}
		return nil
	})
	var d []*accesspb.AccessBindingDelta
	var b []*accesspb.AccessBinding
	for _, id := range ids {
		d, b = append(d, add("viewer", id)), append(b, binding("editor", id))
	}
	w.owner.refuse(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: folder, AccessBindingDeltas: d}, codes.InvalidArgument, "access_binding_deltas")
	w.owner.refuse(t, "folder.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: folder, AccessBindings: b}, codes.InvalidArgument, "access_bindings")
	if got := effects(t, w.owner.operate(t, "folder.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: folder, AccessBindingDeltas: d[:1000]})); len(got) != 1000 {
		t.Errorf("%d of 1000 deltas had an effect", len(got))
	}
	if got := effects(t, w.owner.operate(t, "folder.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: folder, AccessBindings: b[:1000]})); len(got) != 2000 {
		t.Errorf("%d deltas of a Set that replaces 1000 by 1000", len(got))
	}
	if got := w.bindings(t, "folder", folder); len(got) != 1000 {
		t.Errorf("%d bindings", len(got))
	}
}

// TestGrantorsGiveWhatTheyHold: a role is handed out by who holds all that is
// in it; ownership by owners alone. Taking away needs no more than the right
// to change bindings.
func TestGrantorsGiveWhatTheyHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	robot, admin := w.newAccount(t, "robot"), w.robot(t, "admin", "admin")
	narrow, cloudOwner := w.robot(t, "narrow", "resource-manager.admin"), w.robot(t, "cloud-owner", "resource-manager.clouds.owner")
	const owner = "resource-manager.clouds.owner"
	for _, c := range []struct {
		by    *caller
		delta *accesspb.AccessBindingDelta
		may   bool
	}{
		{admin, add("editor", robot), true}, {admin, add("admin", robot), true}, {admin, add("iam.serviceAccounts.tokenCreator", robot), true},
		{admin, add(owner, robot), false}, {admin, remove(owner, cloudOwner.id), false}, {admin, remove("admin", robot), true},
		{admin, remove("editor", robot), true}, {admin, remove("iam.serviceAccounts.tokenCreator", robot), true},
		{narrow, add("resource-manager.editor", robot), true}, {narrow, add("resource-manager.auditor", robot), true},
		{narrow, add("viewer", robot), false}, {narrow, add("editor", robot), false}, {narrow, add("admin", narrow.id), false},
		{narrow, add("iam.serviceAccounts.tokenCreator", narrow.id), false}, {narrow, add(owner, narrow.id), false},
		{narrow, remove("resource-manager.editor", robot), true}, {narrow, remove("resource-manager.auditor", robot), true},
		{narrow, remove("admin", admin.id), true},
		{cloudOwner, add(owner, robot), true}, {cloudOwner, remove(owner, robot), true}, {cloudOwner, add("admin", admin.id), true},
		{w.owner, add(owner, robot), true}, {w.owner, remove(owner, robot), true},
	} {
		req := &accesspb.UpdateAccessBindingsRequest{ResourceId: w.home.CloudID, AccessBindingDeltas: deltas(c.delta)}
		want, text := codes.OK, ""
		if !c.may {
			done := "granted"
			if c.delta.GetAccessBinding().GetRoleId() == owner {
				done = "granted or revoked"
			}
			want, text = codes.PermissionDenied, "Role "+c.delta.GetAccessBinding().GetRoleId()+" can be "+done+" only by"
		}
		a := c.by.do(t, "cloud.UpdateAccessBindings", req, new(operationpb.Operation))
		if a.code != want || !strings.Contains(a.message, text) {
			t.Errorf("%s: %v %q, want %v", c.delta, a.code, a.message, want)
		}
	}
	// Set by one who may not hand out the owner's role: it may stay, not go.
	now := call(t, w.owner, "cloud.ListAccessBindings", &accesspb.ListAccessBindingsRequest{ResourceId: w.home.CloudID}, new(accesspb.ListAccessBindingsResponse)).GetAccessBindings()
	admin.operate(t, "cloud.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: w.home.CloudID, AccessBindings: now})
	rest := slices.DeleteFunc(slices.Clone(now), func(b *accesspb.AccessBinding) bool { return b.GetRoleId() == owner })
	admin.refuse(t, "cloud.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: w.home.CloudID, AccessBindings: rest}, codes.PermissionDenied, owner)
}

func TestACloudKeepsAnOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const owner = "resource-manager.clouds.owner"
	cloud, robot := w.home.CloudID, w.newAccount(t, "robot")
	last := &accesspb.UpdateAccessBindingsRequest{ResourceId: cloud, AccessBindingDeltas: deltas(remove(owner, w.home.ServiceAccountID))}
	w.owner.refuse(t, "cloud.UpdateAccessBindings", last, codes.FailedPrecondition, "at least one "+owner)
	w.owner.refuse(t, "cloud.SetAccessBindings", &accesspb.SetAccessBindingsRequest{ResourceId: cloud}, codes.FailedPrecondition, "at least one "+owner)
	w.owner.refuse(t, "cloud.UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{ResourceId: cloud,
		AccessBindingDeltas: deltas(remove(owner, w.home.ServiceAccountID), add("viewer", robot))}, codes.FailedPrecondition, "at least one "+owner)
	// Handed over in one call, whatever the order.
	w.bind(t, "cloud", cloud, remove(owner, w.home.ServiceAccountID), add(owner, robot))
	w.bind(t, "cloud", cloud, add(owner, w.home.ServiceAccountID), remove(owner, robot))
	// Who creates a cloud owns it.
	made := w.owner.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: "made"})
	if got := w.bindings(t, "cloud", made); !cmp.Equal(got, []string{owner + " serviceAccount:" + w.home.ServiceAccountID}) {
		t.Errorf("a new cloud has bindings %q", got)
	}
	// An account that is the last owner stays as long as the cloud does.
	w.bind(t, "cloud", made, add(owner, robot), remove(owner, w.home.ServiceAccountID))
	gone := &iampb.DeleteServiceAccountRequest{ServiceAccountId: robot}
	w.owner.refuse(t, "sa.Delete", gone, codes.FailedPrecondition, "Cloud "+made+" must keep at least one "+owner)
	w.owner.operate(t, "cloud.Delete", &rmpb.DeleteCloudRequest{CloudId: made, DeleteAfter: timestamppb.New(past)})
	w.owner.operate(t, "sa.Delete", gone)
}

// TestGroupsGiveRights: a binding to a group holds for its members, and one to
// everybody makes nobody a guest of the organization.
func TestGroupsGiveRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger, robot := w.exchange(t, w.Key), w.robot(t, "robot")
	get := &rmpb.GetFolderRequest{FolderId: w.home.FolderID}
	bindSystem := func(action accesspb.AccessBindingAction, id string) {
		t.Helper()
		w.bind(t, "folder", w.home.FolderID, &accesspb.AccessBindingDelta{Action: action, AccessBinding: bindingFor("viewer", "system", id)})
	}
	expect := func(c *caller, want codes.Code) {
		t.Helper()
		if a := c.do(t, "folder.Get", get, new(rmpb.Folder)); a.code != want {
			t.Errorf("%v %s, want %v", a.code, a.message, want)
		}
	}
	const group = "ajegroup0000000000000"
	w.update(t, func(tx *store.Tx) error {
		if err := store.InsertGroup(tx, &iam.Group{ID: group, OrganizationID: w.home.OrganizationID, Name: "g", CreatedAt: tx.Now()}); err != nil {
			return err
		}
		_, err := store.AddGroupMember(tx, group, iam.Subject{ID: iam.SubjectID(robot.id), Type: iam.TypeServiceAccount})
		return err
	})
	expect(robot, codes.PermissionDenied)
	w.bind(t, "folder", w.home.FolderID, &accesspb.AccessBindingDelta{Action: accesspb.AccessBindingAction_ADD, AccessBinding: bindingFor("viewer", "group", group)})
	expect(robot, codes.OK)
	w.update(t, func(tx *store.Tx) error {
		_, err := store.RemoveGroupMember(tx, group, iam.SubjectID(robot.id))
		return err
	})
	expect(robot, codes.PermissionDenied)
	expect(stranger, codes.NotFound)
	bindSystem(accesspb.AccessBindingAction_ADD, "allAuthenticatedUsers")
	expect(robot, codes.OK)
	expect(stranger, codes.OK)
	stranger.refuse(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: w.home.FolderID, Name: "x"}, codes.NotFound, "not found")
	bindSystem(accesspb.AccessBindingAction_REMOVE, "allAuthenticatedUsers")
	expect(stranger, codes.NotFound)
}
