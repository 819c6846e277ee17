package iam

import (
	"context"
	"strings"

	subjectpb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

// show is a subject as a place may see it. Whoever is bound there and belongs to
// another organization shows no more than UserAccountService shows strangers:
// anybody can be bound anywhere without being asked.
func (s *SubjectService) show(ctx context.Context, in subjectContext, id iam.SubjectID, d *store.SubjectDetails) *subjectpb.Subject {
	organizationID := in.organization()
	guest := d.User != nil && len(d.Organizations) == 0 || d.Account != nil && d.Account.OrganizationID != organizationID
	if organizationID != "" && guest && id != gate.From(ctx).Caller().ID {
		return guestProto(id, d)
	}
	return s.subjectProto(id, d)
}

func (s *SubjectService) subjectProto(id iam.SubjectID, d *store.SubjectDetails) *subjectpb.Subject {
	out := &subjectpb.Subject{Sub: string(id), Status: subjectpb.SubjectStatus_ACTIVE}
	switch {
	case d.User != nil:
		u := d.User
		out.Type, out.Name = subjectpb.SubjectType_USER_ACCOUNT, u.Name
		out.CreatedAt, out.LastAuthenticatedAt = cloudapi.Time(u.CreatedAt), cloudapi.Time(u.LastAuthenticatedAt)
		out.SubjectDetails = &subjectpb.Subject_UserAccount{UserAccount: &subjectpb.UserAccount{
			GivenName: u.GivenName, FamilyName: u.FamilyName, PreferredUsername: u.Login, Email: u.Email,
			SubjectContainer: &subjectpb.SubjectContainer{ContainerType: subjectpb.ContainerType_PASSPORT},
		}}
	case d.Account != nil:
		a := d.Account
		out.Type, out.Name = subjectpb.SubjectType_SERVICE_ACCOUNT, a.Name
		out.CreatedAt, out.LastAuthenticatedAt = cloudapi.Time(a.CreatedAt), cloudapi.Time(a.LastAuthenticatedAt)
		if a.StatusAt(s.Now()) == iam.ServiceAccountSuspended {
			out.Status = subjectpb.SubjectStatus_SUSPENDED
		}
		details := &subjectpb.ServiceAccount{
			Cloud:  &subjectpb.Cloud{Id: a.CloudID, Name: a.CloudName},
			Folder: &subjectpb.Folder{Id: a.FolderID, Name: a.FolderName},
		}
		if a.ServiceID != "" {
			details.ServiceAgent = &subjectpb.ServiceAgent{ServiceId: a.ServiceID, MicroserviceId: a.MicroserviceID}
		}
		out.SubjectDetails = &subjectpb.Subject_ServiceAccount{ServiceAccount: details}
	case d.Group != nil:
		g := d.Group
		out.Type, out.Name, out.ExternalId = subjectpb.SubjectType_GROUP, g.Name, g.ExternalID
		out.CreatedAt = cloudapi.Time(g.CreatedAt)
		out.SubjectDetails = &subjectpb.Subject_Group{Group: &subjectpb.Group{Id: g.ID, Name: g.Name, Type: subjectpb.GroupType_EXPLICIT}}
		return out // no group is in a group
	}
	out.Groups = groupsProto(d)
	return out
}

// guestProto is as much of a subject as everybody may see.
func guestProto(id iam.SubjectID, d *store.SubjectDetails) *subjectpb.Subject {
	out := &subjectpb.Subject{Sub: string(id), Groups: groupsProto(d)}
	if d.User != nil {
		out.Type, out.Status, out.Name = subjectpb.SubjectType_USER_ACCOUNT, subjectpb.SubjectStatus_ACTIVE, d.User.Login
		out.SubjectDetails = &subjectpb.Subject_UserAccount{UserAccount: &subjectpb.UserAccount{PreferredUsername: d.User.Login}}
		return out
	}
	out.Type = subjectpb.SubjectType_SERVICE_ACCOUNT
	out.SubjectDetails = &subjectpb.Subject_ServiceAccount{ServiceAccount: &subjectpb.ServiceAccount{}}
	return out
}

// groupsProto shows a subject's groups, those among them that nobody made
// [API fact: SubjectDetails].
func groupsProto(d *store.SubjectDetails) []*subjectpb.Group {
	out := []*subjectpb.Group{
		{Id: string(iam.AllUsers), Name: string(iam.AllUsers), Type: subjectpb.GroupType_PUBLIC_ACCESS},
		{Id: string(iam.AllAuthenticatedUsers), Name: string(iam.AllAuthenticatedUsers), Type: subjectpb.GroupType_PUBLIC_ACCESS},
	}
	for _, id := range d.Organizations {
		group := string(iam.OrganizationUsers(id))
		out = append(out, &subjectpb.Group{Id: group, Name: group, Type: subjectpb.GroupType_META})
	}
	for _, g := range d.Groups {
		out = append(out, &subjectpb.Group{Id: g.ID, Name: g.Name, Type: subjectpb.GroupType_EXPLICIT})
	}
	return out
}

// subjectMask keeps the fields of a subject that a field_mask names; the zero
// value keeps all.
type subjectMask map[protoreflect.Name]subjectMask

// maxSubjectPaths is more than a subject has fields.
const maxSubjectPaths = 64

func newSubjectMask(m *fieldmaskpb.FieldMask) (subjectMask, error) {
	if len(m.GetPaths()) == 0 {
		return nil, nil
	}
	if len(m.GetPaths()) > maxSubjectPaths {
		return nil, iam.InvalidField("field_mask", "at most %d paths", maxSubjectPaths)
	}
	out := subjectMask{}
	for _, path := range m.GetPaths() {
		if !out.add((*subjectpb.Subject)(nil).ProtoReflect().Descriptor(), path) {
			return nil, iam.InvalidField("field_mask", "%.100q names no field of a subject", path)
		}
	}
	return out, nil
}

func (m subjectMask) add(md protoreflect.MessageDescriptor, path string) bool {
	name, rest, deeper := strings.Cut(path, ".")
	fd := md.Fields().ByName(protoreflect.Name(name))
	if fd == nil || deeper && (fd.Message() == nil || fd.IsList() || fd.Message().FullName() == timestampName) {
		return false
	}
	below, there := m[fd.Name()]
	if !deeper {
		m[fd.Name()] = nil // the whole field
		return true
	}
	whole := there && below == nil
	if below == nil {
		below = subjectMask{}
	}
	if !below.add(fd.Message(), rest) {
		return false
	}
	if !whole {
		m[fd.Name()] = below
	}
	return true
}

var timestampName = (*timestamppb.Timestamp)(nil).ProtoReflect().Descriptor().FullName()

func (m subjectMask) cut(s *subjectpb.Subject) *subjectpb.Subject {
	m.clear(s.ProtoReflect())
	return s
}

func (m subjectMask) clear(msg protoreflect.Message) {
	if m == nil {
		return
	}
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		below, kept := m[fd.Name()]
		switch {
		case !kept:
			msg.Clear(fd)
		case below != nil:
			below.clear(v.Message())
		}
		return true
	})
}
