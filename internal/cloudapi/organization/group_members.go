package organization

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/quota"
	"github.com/propusk/propusk/internal/store"
)

// ListMembers pages through the members of a group.
func (s *GroupService) ListMembers(ctx context.Context, r *ompb.ListGroupMembersRequest) (*ompb.ListGroupMembersResponse, error) {
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: r.GetGroupId(), Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	var rows []iam.Subject
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		rows, err = store.ListGroupMembers(tx, r.GetGroupId(), iam.SubjectID(after), size+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ompb.ListGroupMembersResponse{}
	rows, out.NextPageToken = cloudapi.Cut(s.Pages, l, rows, size, func(m iam.Subject) string { return string(m.ID) })
	for _, m := range rows {
		out.Members = append(out.Members, &ompb.GroupMember{SubjectId: string(m.ID), SubjectType: string(m.Type)})
	}
	return out, nil
}

// UpdateMembers adds members to a group and removes them, all or nothing. Adding
// who is in it and removing who is not are no errors. Who is in a group that
// owns something is decided by owners alone.
func (s *GroupService) UpdateMembers(ctx context.Context, r *ompb.UpdateGroupMembersRequest) (*operationpb.Operation, error) {
	detail := audit.Detail{Name: "member_deltas"}
	for i, d := range r.GetMemberDeltas() {
		if a := d.GetAction(); a != ompb.MemberDelta_ADD && a != ompb.MemberDelta_REMOVE {
			return nil, iam.InvalidField(fmt.Sprintf("member_deltas[%d].action", i), "must be ADD or REMOVE")
		}
		detail.Items = append(detail.Items, audit.Object("", audit.Text("action", d.GetAction().String()), audit.Text("subject_id", d.GetSubjectId())))
	}
	gate.From(ctx).NoteDetail(detail)
	refuse, err := cloudapi.OwnersAlone(ctx, s.DB, s.Grants, "", iam.SubjectID(r.GetGroupId()))
	if err != nil {
		return nil, err
	}
	return s.change(ctx, r.GetGroupId(), "Update group members", &ompb.UpdateGroupMembersMetadata{GroupId: r.GetGroupId()},
		func(tx *store.Tx, g *iam.Group) (proto.Message, error) {
			return &emptypb.Empty{}, s.applyMembers(tx, g, r.GetMemberDeltas(), refuse)
		})
}

// applyMembers takes deltas in their order and writes what they come to.
func (s *GroupService) applyMembers(tx *store.Tx, g *iam.Group, deltas []*ompb.MemberDelta, refuse func(*store.Tx) error) error {
	ids := make([]iam.SubjectID, len(deltas))
	for i, d := range deltas {
		ids[i] = iam.SubjectID(d.GetSubjectId())
	}
	before, err := store.GroupMembersAmong(tx, g.ID, ids)
	if err != nil {
		return err
	}
	known, err := store.OrganizationSubjects(tx, g.OrganizationID, fresh(deltas, before))
	if err != nil {
		return err
	}
	now := maps.Clone(before)
	for i, d := range deltas {
		adds := d.GetAction() == ompb.MemberDelta_ADD
		if _, ok := known[ids[i]]; adds && !ok && !now[ids[i]] && !before[ids[i]] {
			return cannotJoin(tx, g, ids[i], fmt.Sprintf("member_deltas[%d].subject_id", i))
		}
		now[ids[i]] = adds
	}
	for id := range now {
		if now[id] != before[id] {
			if err := refuse(tx); err != nil {
				return err
			}
			break
		}
	}
	return s.writeMembers(tx, g, before, now, known)
}

// fresh are those whom deltas add and who are not in the group yet.
func fresh(deltas []*ompb.MemberDelta, before map[iam.SubjectID]bool) (ids []iam.SubjectID) {
	for _, d := range deltas {
		if id := iam.SubjectID(d.GetSubjectId()); d.GetAction() == ompb.MemberDelta_ADD && !before[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s *GroupService) writeMembers(tx *store.Tx, g *iam.Group, before, now map[iam.SubjectID]bool, known map[iam.SubjectID]iam.Subject) error {
	var add []iam.Subject
	var added []string
	var remove []iam.SubjectID
	for _, id := range slices.Sorted(maps.Keys(now)) {
		switch {
		case now[id] && !before[id]:
			add, added = append(add, known[id]), append(added, string(id))
		case !now[id] && before[id]:
			remove = append(remove, id)
		}
	}
	if err := store.RemoveGroupMembers(tx, g.ID, remove); err != nil {
		return err
	}
	if err := s.Quotas.ReserveOf(tx, quota.GroupMembers, g.OrganizationID, g.ID, len(add)); err != nil {
		return err
	}
	if err := s.Quotas.ReserveEach(tx, quota.SubjectGroups, g.OrganizationID, added); err != nil {
		return err
	}
	return store.AddGroupMembers(tx, g.ID, add)
}

// cannotJoin says why an id cannot be in a group.
func cannotJoin(tx *store.Tx, g *iam.Group, id iam.SubjectID, field string) error {
	// A group of another organization is as unknown as anybody from there.
	other, err := store.GetGroup(tx, string(id))
	if err == nil && other.OrganizationID == g.OrganizationID {
		return iam.InvalidField(field, "a group cannot be a member of a group")
	}
	if err == nil || errors.Is(err, iam.NotFound) {
		err = iam.Errorf(iam.NotFound, "Subject %s not found", id)
	}
	return err
}
