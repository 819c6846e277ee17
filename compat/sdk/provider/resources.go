package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// thing is a resource of the provider: how each request about it is made.
type thing struct {
	service protoreflect.FullName
	idField protoreflect.Name
	empty   func() proto.Message
	create  func(parent, name string) proto.Message
	get     func(id string) proto.Message
	update  func(id, name string, paths ...string) proto.Message
	remove  func(id string) proto.Message
}

var firstLabels = map[string]string{"stage": "test"}

const (
	firstText  = "as created"
	secondText = "as changed"
)

var cloud = thing{
	service: "yandex.cloud.resourcemanager.v1.CloudService", idField: "cloud_id",
	empty: func() proto.Message { return &resourcemanager.Cloud{} },
	create: func(parent, name string) proto.Message {
		return &resourcemanager.CreateCloudRequest{OrganizationId: parent, Name: name, Description: firstText, Labels: firstLabels}
	},
	get: func(id string) proto.Message { return &resourcemanager.GetCloudRequest{CloudId: id} },
	update: func(id, name string, paths ...string) proto.Message {
		return &resourcemanager.UpdateCloudRequest{CloudId: id, Name: name, Description: secondText, UpdateMask: mask(paths)}
	},
	remove: func(id string) proto.Message {
		return &resourcemanager.DeleteCloudRequest{CloudId: id, DeleteAfter: timestamppb.Now()}
	},
}

var folder = thing{
	service: "yandex.cloud.resourcemanager.v1.FolderService", idField: "folder_id",
	empty: func() proto.Message { return &resourcemanager.Folder{} },
	create: func(parent, name string) proto.Message {
		return &resourcemanager.CreateFolderRequest{CloudId: parent, Name: name, Description: firstText, Labels: firstLabels}
	},
	get: func(id string) proto.Message { return &resourcemanager.GetFolderRequest{FolderId: id} },
	update: func(id, name string, paths ...string) proto.Message {
		return &resourcemanager.UpdateFolderRequest{FolderId: id, Name: name, Description: secondText, UpdateMask: mask(paths)}
	},
	remove: func(id string) proto.Message {
		return &resourcemanager.DeleteFolderRequest{FolderId: id, DeleteAfter: timestamppb.Now()}
	},
}

var account = thing{
	service: "yandex.cloud.iam.v1.ServiceAccountService", idField: "service_account_id",
	empty: func() proto.Message { return &iam.ServiceAccount{} },
	create: func(parent, name string) proto.Message {
		return &iam.CreateServiceAccountRequest{FolderId: parent, Name: name, Description: firstText, Labels: firstLabels}
	},
	get: func(id string) proto.Message { return &iam.GetServiceAccountRequest{ServiceAccountId: id} },
	update: func(id, name string, paths ...string) proto.Message {
		return &iam.UpdateServiceAccountRequest{ServiceAccountId: id, Name: name, Description: secondText, UpdateMask: mask(paths)}
	},
	remove: func(id string) proto.Message { return &iam.DeleteServiceAccountRequest{ServiceAccountId: id} },
}

var group = thing{
	service: "yandex.cloud.organizationmanager.v1.GroupService", idField: "group_id",
	empty: func() proto.Message { return &organizationmanager.Group{} },
	create: func(parent, name string) proto.Message {
		return &organizationmanager.CreateGroupRequest{OrganizationId: parent, Name: name, Description: firstText, Labels: firstLabels}
	},
	get: func(id string) proto.Message { return &organizationmanager.GetGroupRequest{GroupId: id} },
	update: func(id, name string, paths ...string) proto.Message {
		return &organizationmanager.UpdateGroupRequest{GroupId: id, Name: name, Description: secondText, UpdateMask: mask(paths)}
	},
	remove: func(id string) proto.Message { return &organizationmanager.DeleteGroupRequest{GroupId: id} },
}

func mask(paths []string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

// resources takes one of each kind, one below the other, through its life.
func (p *provider) resources(ctx context.Context) error {
	organization := os.Getenv("ORGANIZATION_ID")
	made := map[string]string{} // service to id
	for _, t := range []struct {
		thing
		below func() string
	}{
		{cloud, func() string { return organization }},
		{folder, func() string { return made[string(cloud.service)] }},
		{account, func() string { return made[string(folder.service)] }},
		{group, func() string { return organization }},
	} {
		id, err := p.begin(ctx, t.thing, t.below())
		if err != nil {
			return fmt.Errorf("%s: %w", t.service, err)
		}
		made[string(t.service)] = id
		if err := p.access(ctx, t.service, id); err != nil {
			return fmt.Errorf("%s: %w", t.service, err)
		}
	}
	if err := p.access(ctx, "yandex.cloud.organizationmanager.v1.OrganizationService", organization); err != nil {
		return fmt.Errorf("organization: %w", err)
	}
	for _, t := range []thing{account, folder, cloud, group} {
		if err := p.end(ctx, t, made[string(t.service)]); err != nil {
			return fmt.Errorf("%s: %w", t.service, err)
		}
	}
	return nil
}

// begin creates a thing, reads it back twice, and changes it field by field.
func (p *provider) begin(ctx context.Context, t thing, parent string) (string, error) {
	op, created, err := p.operate(ctx, t.service.Append("Create"), t.create(parent, p.name))
	if err != nil {
		return "", fmt.Errorf("create: %w", err)
	}
	id := text(created, "id")
	if got := text(op.Metadata(), t.idField); id == "" || got != id {
		return "", fmt.Errorf("created %q, the operation's metadata say %q", id, got)
	}
	want := map[protoreflect.Name]string{"name": p.name, "description": firstText}
	if err := p.reads(ctx, t, id, created, want); err != nil {
		return "", fmt.Errorf("after create: %w", err)
	}
	renamed := p.name + "-2"
	for _, change := range []struct {
		paths []string
		want  map[protoreflect.Name]string
	}{
		{[]string{"description"}, map[protoreflect.Name]string{"name": p.name, "description": secondText}},
		{[]string{"description"}, map[protoreflect.Name]string{"name": p.name, "description": secondText}}, // changes nothing
		{[]string{"name", "labels"}, map[protoreflect.Name]string{"name": renamed, "description": secondText}},
	} {
		_, updated, err := p.operate(ctx, t.service.Append("Update"), t.update(id, renamed, change.paths...))
		if err != nil {
			return "", fmt.Errorf("update %v: %w", change.paths, err)
		}
		if err := p.reads(ctx, t, id, updated, change.want); err != nil {
			return "", fmt.Errorf("after update %v: %w", change.paths, err)
		}
	}
	return id, nil
}

// reads gets a thing twice: it must be what the operation answered with, the
// same both times, with these texts.
func (p *provider) reads(ctx context.Context, t thing, id string, answered proto.Message, want map[protoreflect.Name]string) error {
	for range 2 {
		got := t.empty()
		if err := p.call(ctx, t.service.Append("Get"), t.get(id), got); err != nil {
			return fmt.Errorf("get: %w", err)
		}
		if !proto.Equal(got, answered) {
			return fmt.Errorf("get gives %v, the operation answered %v", got, answered)
		}
		for field, value := range want {
			if text(got, field) != value {
				return fmt.Errorf("%s is %q, want %q", field, text(got, field), value)
			}
		}
		if f := got.ProtoReflect().Descriptor().Fields().ByName("created_at"); !got.ProtoReflect().Has(f) {
			return fmt.Errorf("no created_at in %v", got)
		}
		if f := got.ProtoReflect().Descriptor().Fields().ByName("status"); f != nil {
			if s := f.Enum().Values().ByNumber(got.ProtoReflect().Get(f).Enum()).Name(); s != "ACTIVE" {
				return fmt.Errorf("status is %s", s)
			}
		}
	}
	return nil
}

// end deletes a thing at once. Gone means NOT_FOUND to the provider.
func (p *provider) end(ctx context.Context, t thing, id string) error {
	if _, _, err := p.operate(ctx, t.service.Append("Delete"), t.remove(id)); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return p.gone(ctx, t, id)
}

func (p *provider) gone(ctx context.Context, t thing, id string) error {
	err := p.call(ctx, t.service.Append("Get"), t.get(id), t.empty())
	if status.Code(err) != codes.NotFound {
		return fmt.Errorf("deleted %s answers %v, want NotFound", id, err)
	}
	return nil
}

// text reads a string field by name.
func text(m proto.Message, field protoreflect.Name) string {
	f := m.ProtoReflect().Descriptor().Fields().ByName(field)
	if f == nil {
		return fmt.Sprintf("(%s has no field %s)", strings.TrimPrefix(string(m.ProtoReflect().Descriptor().FullName()), "yandex.cloud."), field)
	}
	return m.ProtoReflect().Get(f).String()
}
