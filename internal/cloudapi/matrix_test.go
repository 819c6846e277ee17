package cloudapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	api "github.com/yandex-cloud/go-genproto/yandex/cloud/api"
	endpointpb "github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/server"
)

// Columns of the table: who calls. stranger belongs to another organization,
// member to this one without a role; the others hold the primitive role of
// their name on the cloud, the owner is the organization's.
var columns = []string{"nobody", "stranger", "member", "viewer", "editor", "admin", "owner"}

// What a row expects, a letter for each column.
var letters = map[rune]codes.Code{
	'+': codes.OK, 'U': codes.Unauthenticated, 'N': codes.NotFound, 'D': codes.PermissionDenied, 'I': codes.InvalidArgument,
}

// row is one method: what each caller gets, and a request that is good for one
// call. n is fresh for each.
type row struct {
	method, expect string
	request        func(t *testing.T, w *world, n int) proto.Message
}

func fixed(m proto.Message) func(*testing.T, *world, int) proto.Message {
	return func(*testing.T, *world, int) proto.Message { return m }
}

// areaRows are the rows that stand in files of their own, one for each area.
var areaRows []func(w *world) []row

// rows must have every method that is built.
func rows(w *world) []row {
	all := coreRows(w)
	for _, of := range areaRows {
		all = append(all, of(w)...)
	}
	return all
}

func coreRows(w *world) []row {
	cloud, folder := w.home.CloudID, w.home.FolderID
	account := func(t *testing.T, w *world, n int) string { return w.newAccount(t, fmt.Sprintf("target-%d", n)) }
	name := func(n int) string { return fmt.Sprintf("made-%d", n) }
	type world3 = func(*testing.T, *world, int) proto.Message
	of := func(build func(id string) proto.Message) world3 {
		return func(t *testing.T, w *world, n int) proto.Message { return build(account(t, w, n)) }
	}
	ofKey := func(build func(id string) proto.Message) world3 {
		return func(t *testing.T, w *world, n int) proto.Message { return build(w.plantKey(t, account(t, w, n))) }
	}
	ofFolder := func(build func(id string) proto.Message) world3 {
		return func(t *testing.T, w *world, n int) proto.Message { return build(w.newFolder(t, name(n))) }
	}
	mask := &fieldmaskpb.FieldMask{Paths: []string{"description"}}
	list := func(id string) proto.Message { return &accesspb.ListAccessBindingsRequest{ResourceId: id} }
	set := func(id string) proto.Message { return &accesspb.SetAccessBindingsRequest{ResourceId: id} }
	update := func(id string) proto.Message {
		return &accesspb.UpdateAccessBindingsRequest{ResourceId: id, AccessBindingDeltas: []*accesspb.AccessBindingDelta{add("viewer", w.home.ServiceAccountID)}}
	}
	return []row{
		{"endpoint.Get", "+++++++", fixed(&endpointpb.GetApiEndpointRequest{ApiEndpointId: "iam"})},
		//lint:ignore SA1019 clients send it [client fact: discovery]
		{"endpoint.List", "+++++++", fixed(&endpointpb.ListApiEndpointsRequest{PageSize: 100})},

		{"token.Create", "+++++++", func(t *testing.T, w *world, _ int) proto.Message { return jwtRequest(t, w) }},
		{"token.CreateForServiceAccount", "UNDDD++", of(func(id string) proto.Message {
			return &iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}
		})},
		{"token.Revoke", "U++++++", func(t *testing.T, w *world, n int) proto.Message {
			return &iampb.RevokeIamTokenRequest{IamToken: w.impersonate(t, w.owner, account(t, w, n)).token}
		}},

		{"sa.Get", "UND++++", of(func(id string) proto.Message { return &iampb.GetServiceAccountRequest{ServiceAccountId: id} })},
		{"sa.List", "UND++++", fixed(&iampb.ListServiceAccountsRequest{FolderId: folder})},
		{"sa.Create", "UNDD+++", func(_ *testing.T, _ *world, n int) proto.Message {
			return &iampb.CreateServiceAccountRequest{FolderId: folder, Name: name(n)}
		}},
		{"sa.Update", "UNDD+++", of(func(id string) proto.Message {
			return &iampb.UpdateServiceAccountRequest{ServiceAccountId: id, UpdateMask: mask}
		})},
		{"sa.Delete", "UNDD+++", of(func(id string) proto.Message { return &iampb.DeleteServiceAccountRequest{ServiceAccountId: id} })},
		{"sa.ListOperations", "UND++++", of(func(id string) proto.Message {
			return &iampb.ListServiceAccountOperationsRequest{ServiceAccountId: id}
		})},
		{"sa.Suspend", "UNDD+++", of(func(id string) proto.Message { return &iampb.SuspendServiceAccountRequest{ServiceAccountId: id} })},
		{"sa.Reactivate", "UNDD+++", of(func(id string) proto.Message {
			return &iampb.ReactivateServiceAccountRequest{ServiceAccountId: id}
		})},
		{"sa.ListAccessBindings", "UND++++", of(list)},
		{"sa.SetAccessBindings", "UNDDD++", of(set)},
		{"sa.UpdateAccessBindings", "UNDDD++", of(update)},

		{"key.Get", "UND++++", ofKey(func(id string) proto.Message { return &iampb.GetKeyRequest{KeyId: id} })},
		{"key.List", "UND++++", of(func(id string) proto.Message { return &iampb.ListKeysRequest{ServiceAccountId: id} })},
		{"key.Create", "UNDD+++", of(func(id string) proto.Message { return &iampb.CreateKeyRequest{ServiceAccountId: id} })},
		{"key.Update", "UNDD+++", ofKey(func(id string) proto.Message { return &iampb.UpdateKeyRequest{KeyId: id, UpdateMask: mask} })},
		{"key.Delete", "UNDD+++", ofKey(func(id string) proto.Message { return &iampb.DeleteKeyRequest{KeyId: id} })},
		{"key.ListOperations", "UND++++", ofKey(func(id string) proto.Message { return &iampb.ListKeyOperationsRequest{KeyId: id} })},

		{"cloud.Get", "UND++++", fixed(&rmpb.GetCloudRequest{CloudId: cloud})},
		{"cloud.List", "U++++++", fixed(&rmpb.ListCloudsRequest{})},
		{"cloud.Create", "UNDDDD+", func(_ *testing.T, _ *world, n int) proto.Message {
			return &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: name(n)}
		}},
		{"cloud.Update", "UNDD+++", fixed(&rmpb.UpdateCloudRequest{CloudId: cloud, UpdateMask: mask})},
		{"cloud.Delete", "UNDDDD+", func(t *testing.T, w *world, n int) proto.Message {
			id := cloud // nobody but the owner gets further than the question
			if n%len(columns) == len(columns)-1 {
				id = w.owner.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: name(n)})
			}
			return &rmpb.DeleteCloudRequest{CloudId: id, DeleteAfter: timestamppb.New(past)}
		}},
		{"cloud.ListOperations", "UND++++", fixed(&rmpb.ListCloudOperationsRequest{CloudId: cloud})},
		{"cloud.ListAccessBindings", "UND++++", fixed(list(cloud))},
		{"cloud.SetAccessBindings", "UNDDD++", func(t *testing.T, w *world, _ int) proto.Message {
			now := call(t, w.owner, "cloud.ListAccessBindings", list(cloud), new(accesspb.ListAccessBindingsResponse))
			return &accesspb.SetAccessBindingsRequest{ResourceId: cloud, AccessBindings: now.GetAccessBindings()}
		}},
		{"cloud.UpdateAccessBindings", "UNDDD++", fixed(update(cloud))},

		{"folder.Get", "UND++++", fixed(&rmpb.GetFolderRequest{FolderId: folder})},
		{"folder.List", "UND++++", fixed(&rmpb.ListFoldersRequest{CloudId: cloud})},
		{"folder.Create", "UNDD+++", func(_ *testing.T, _ *world, n int) proto.Message {
			return &rmpb.CreateFolderRequest{CloudId: cloud, Name: name(n)}
		}},
		{"folder.Update", "UNDD+++", fixed(&rmpb.UpdateFolderRequest{FolderId: folder, UpdateMask: mask})},
		{"folder.Delete", "UNDD+++", ofFolder(func(id string) proto.Message {
			return &rmpb.DeleteFolderRequest{FolderId: id, DeleteAfter: timestamppb.New(past)}
		})},
		{"folder.ListOperations", "UND++++", fixed(&rmpb.ListFolderOperationsRequest{FolderId: folder})},
		{"folder.ListAccessBindings", "UND++++", fixed(list(folder))},
		{"folder.SetAccessBindings", "UNDDD++", ofFolder(set)},
		{"folder.UpdateAccessBindings", "UNDDD++", ofFolder(update)},

		// An operation is shown to its creator and to who may list it; the rest
		// learn nothing.
		{"op.Get", "UNN++++", func(t *testing.T, w *world, n int) proto.Message {
			return &operationpb.GetOperationRequest{OperationId: newFolderOperation(t, w, n).GetId()}
		}},
		{"op.Cancel", "UNN++++", func(t *testing.T, w *world, n int) proto.Message {
			return &operationpb.CancelOperationRequest{OperationId: newFolderOperation(t, w, n).GetId()}
		}},
	}
}

func newFolderOperation(t *testing.T, w *world, n int) *operationpb.Operation {
	return w.owner.operate(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: fmt.Sprintf("operated-%d", n)})
}

// TestEveryMethodForEveryCaller walks through all that is built and looks at
// the code, the text, the shape of the operation and the audit line of each call.
func TestEveryMethodForEveryCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	table := rows(w)
	callers := []*caller{
		w.withToken(t, ""), w.exchange(t, w.Key), w.robot(t, "member"),
		w.robot(t, "viewer", "viewer"), w.robot(t, "editor", "editor"), w.robot(t, "admin", "admin"), w.owner,
	}
	callers[1].id, callers[6].id = w.ServiceAccountID, w.home.ServiceAccountID
	type done struct {
		what string
		rule gate.Rule
		answer
		unproved bool
	}
	var calls []done
	rules := builtRules()
	n := 0
	for _, r := range table {
		rule, ok := rules[fullMethod(r.method)]
		if !ok {
			t.Errorf("%s is in the table and not built", r.method)
			continue
		}
		delete(rules, fullMethod(r.method))
		for i, c := range callers {
			for door, do := range map[string]func(*testing.T, string, proto.Message, proto.Message, ...string) answer{"gRPC": c.do, "REST": c.doREST} {
				if door == "REST" && ruleOf(t, r.method).GetPattern() == nil {
					continue // gRPC alone has it
				}
				req := r.request(t, w, n*len(columns)+i)
				n++
				what := r.method + " by " + columns[i] + " over " + door
				into := newMessage(t, descriptorOf(t, fullMethod(r.method)).Output())
				a := do(t, r.method, req, into)
				if want := letters[rune(r.expect[i])]; a.code != want {
					t.Errorf("%s: %v %q, want %v", what, a.code, a.message, want)
				}
				checkRefusal(t, what, a)
				if op, ok := into.(*operationpb.Operation); ok && a.code == codes.OK {
					checkOperation(t, r.method, op, c.id)
				}
				calls = append(calls, done{what, rule, a, i == 0})
			}
		}
	}
	for m := range rules {
		t.Errorf("%s is built and not in the table", m)
	}
	lines := w.auditByRequest(t)
	for _, d := range calls {
		got := lines[d.requestID]
		want := 1
		switch {
		case d.code == codes.OK && d.rule.Effect == gate.Reads:
			want = 0
		case strings.HasPrefix(d.what, "op.Cancel") && d.code == codes.OK:
			want = 0 // it was done already: nothing has changed
		case (d.unproved && d.code != codes.OK || d.code == codes.NotFound) && len(got) == 0:
			want = 0 // counted instead, above a rate
		}
		if len(got) != want {
			t.Errorf("%s: %v has %d audit lines, want %d", d.what, d.code, len(got), want)
		}
		for _, l := range got {
			if refused := d.code != codes.OK; l.Error.Code != int(d.code) || l.Authorization.Authorized == refused {
				t.Errorf("%s: %v: audit line %s", d.what, d.code, l.raw)
			}
		}
	}
}

// builtRules are the rows of the gRPC methods that do their work on the public
// doors. What calling services ask is tried beside its service, and what is a
// door's own beside the door.
func builtRules() map[string]gate.Rule {
	out := map[string]gate.Rule{}
	for _, r := range server.Rules() {
		if strings.HasPrefix(r.Method, "/") && !r.Missing && r.Proof != gate.Service && r.Door == "" {
			out[r.Method] = r
		}
	}
	return out
}

func checkRefusal(t *testing.T, what string, a answer) {
	t.Helper()
	switch a.code {
	case codes.NotFound:
		if !notFoundText.MatchString(a.message) {
			t.Errorf("%s: %q, want the one text of what is not there", what, a.message)
		}
	case codes.PermissionDenied:
		if !strings.HasPrefix(a.message, "Permission to [") || !strings.HasSuffix(a.message, "] denied") {
			t.Errorf("%s: %q, want the API's text", what, a.message)
		}
	}
}

// checkOperation compares an operation with the (yandex.cloud.api.operation)
// option of its method.
func checkOperation(t *testing.T, method string, op *operationpb.Operation, by string) {
	t.Helper()
	full := fullMethod(method)
	option, _ := proto.GetExtension(descriptorOf(t, full).Options(), api.E_Operation).(*api.Operation)
	if option == nil || method == "op.Cancel" {
		return
	}
	pkg := strings.TrimPrefix(full, "/")
	pkg = pkg[:strings.LastIndexByte(pkg[:strings.LastIndexByte(pkg, '/')], '.')+1]
	spelled := func(s string) []string {
		return []string{"type.googleapis.com/" + s, "type.googleapis.com/" + pkg + s, "type.googleapis.com/yandex.cloud." + s}
	}
	if got := op.GetMetadata().GetTypeUrl(); !slices.Contains(spelled(option.GetMetadata()), got) {
		t.Errorf("%s: metadata %s, the option says %s", method, got, option.GetMetadata())
	}
	if got := op.GetResponse().GetTypeUrl(); !slices.Contains(spelled(option.GetResponse()), got) {
		t.Errorf("%s: response %s, the option says %s", method, got, option.GetResponse())
	}
	if _, err := op.GetMetadata().UnmarshalNew(); err != nil {
		t.Errorf("%s: metadata: %v", method, err)
	}
	if _, err := op.GetResponse().UnmarshalNew(); err != nil {
		t.Errorf("%s: response: %v", method, err)
	}
	if idIn(t, op) == "" || len(op.GetId()) != 20 || op.GetCreatedBy() != by || op.GetDescription() == "" ||
		op.GetCreatedAt() == nil || op.GetModifiedAt() == nil || !op.GetDone() {
		t.Errorf("%s: incomplete operation, created by %s: %v", method, by, op)
	}
}
