package cloudapi_test

import (
	"fmt"
	"testing"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

func init() {
	services["org"] = "yandex.cloud.organizationmanager.v1.OrganizationService"
	services["group"] = "yandex.cloud.organizationmanager.v1.GroupService"
	areaRows = append(areaRows, organizationRows)
}

// newGroup plants a group of home; external groups are of home's own container.
func (w *world) newGroup(t *testing.T, name, externalID string) (id string) {
	t.Helper()
	g := &iam.Group{ID: resource.NewID(resource.PrefixIAM), OrganizationID: w.home.OrganizationID, Name: name}
	if g.ExternalID = externalID; externalID != "" {
		g.SubjectContainerID = w.home.OrganizationID
	}
	w.update(t, func(tx *store.Tx) error {
		g.CreatedAt = tx.Now()
		return store.InsertGroup(tx, g)
	})
	return g.ID
}

// organizationRows are organizations and groups. Roles on a cloud below mean
// nothing there.
func organizationRows(w *world) []row {
	organization := w.home.OrganizationID
	name := func(n int) string { return fmt.Sprintf("Group.%d", n) }
	ofGroup := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, n int) proto.Message { return build(w.newGroup(t, name(n), "")) }
	}
	mask := &fieldmaskpb.FieldMask{Paths: []string{"description"}}
	list := func(id string) proto.Message { return &accesspb.ListAccessBindingsRequest{ResourceId: id} }
	update := func(id string) proto.Message {
		return &accesspb.UpdateAccessBindingsRequest{ResourceId: id, AccessBindingDeltas: deltas(add("auditor", w.home.ServiceAccountID))}
	}
	return []row{
		{"org.Get", "UNDDDD+", fixed(&ompb.GetOrganizationRequest{OrganizationId: organization})},
		{"org.List", "U++++++", fixed(&ompb.ListOrganizationsRequest{})},
		{"org.Update", "UNDDDD+", fixed(&ompb.UpdateOrganizationRequest{OrganizationId: organization, UpdateMask: mask})},
		{"org.ListOperations", "UNDDDD+", fixed(&ompb.ListOrganizationOperationsRequest{OrganizationId: organization})},
		{"org.ListAccessBindings", "UNDDDD+", fixed(list(organization))},
		{"org.SetAccessBindings", "UNDDDD+", func(t *testing.T, w *world, _ int) proto.Message {
			now := call(t, w.owner, "org.ListAccessBindings", list(organization), new(accesspb.ListAccessBindingsResponse))
			return &accesspb.SetAccessBindingsRequest{ResourceId: organization, AccessBindings: now.GetAccessBindings()}
		}},
		{"org.UpdateAccessBindings", "UNDDDD+", fixed(update(organization))},

		{"group.Get", "UNDDDD+", ofGroup(func(id string) proto.Message { return &ompb.GetGroupRequest{GroupId: id} })},
		{"group.ResolveExternal", "UNDDDD+", func(t *testing.T, w *world, n int) proto.Message {
			w.newGroup(t, name(n), name(n))
			return &ompb.ResolveExternalGroupRequest{SubjectContainerId: organization, ExternalId: name(n)}
		}},
		{"group.List", "UNDDDD+", fixed(&ompb.ListGroupsRequest{OrganizationId: organization})},
		{"group.ListExternal", "UNDDDD+", fixed(&ompb.ListExternalGroupsRequest{SubjectContainerId: organization})},
		{"group.Create", "UNDDDD+", func(_ *testing.T, _ *world, n int) proto.Message {
			return &ompb.CreateGroupRequest{OrganizationId: organization, Name: name(n)}
		}},
		{"group.CreateExternal", "UNDDDD+", func(_ *testing.T, _ *world, n int) proto.Message {
			return &ompb.CreateExternalGroupRequest{OrganizationId: organization, Name: name(n), SubjectContainerId: organization, ExternalId: name(n), MakeEditor: true}
		}},
		{"group.Update", "UNDDDD+", ofGroup(func(id string) proto.Message { return &ompb.UpdateGroupRequest{GroupId: id, UpdateMask: mask} })},
		{"group.ConvertToExternal", "UNDDDD+", func(t *testing.T, w *world, n int) proto.Message {
			return &ompb.ConvertToExternalGroupRequest{GroupId: w.newGroup(t, name(n), ""), SubjectContainerId: organization, ExternalId: name(n)}
		}},
		{"group.ConvertAllToBasic", "UNDDDD+", fixed(&ompb.ConvertAllToBasicGroupsRequest{SubjectContainerId: organization})},
		{"group.Delete", "UNDDDD+", ofGroup(func(id string) proto.Message { return &ompb.DeleteGroupRequest{GroupId: id} })},
		{"group.ListOperations", "UNDDDD+", ofGroup(func(id string) proto.Message { return &ompb.ListGroupOperationsRequest{GroupId: id} })},
		{"group.ListMembers", "UNDDDD+", ofGroup(func(id string) proto.Message { return &ompb.ListGroupMembersRequest{GroupId: id} })},
		{"group.UpdateMembers", "UNDDDD+", ofGroup(func(id string) proto.Message {
			return &ompb.UpdateGroupMembersRequest{GroupId: id, MemberDeltas: []*ompb.MemberDelta{{Action: ompb.MemberDelta_ADD, SubjectId: w.home.ServiceAccountID}}}
		})},
		{"group.ListEffective", "UNDDDD+", fixed(&ompb.ListEffectiveRequest{OrganizationId: organization, SubjectId: w.home.ServiceAccountID})},
		{"group.ListAccessBindings", "UNDDDD+", ofGroup(list)},
		{"group.SetAccessBindings", "UNDDDD+", ofGroup(func(id string) proto.Message { return &accesspb.SetAccessBindingsRequest{ResourceId: id} })},
		{"group.UpdateAccessBindings", "UNDDDD+", ofGroup(update)},
	}
}
