package cli

import (
	"context"
	"flag"
	"slices"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/propusk/propusk/internal/cli/output"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// resourceCommands are those on the resources of other services.
func resourceCommands() []command {
	const noun = "resource"
	return slices.Concat([]command{
		{noun: noun, verb: "create", takes: "[NAME]", summary: "register a resource of another service", changes: true, flags: createResource},
		{noun: noun, verb: "get", takes: "ID", summary: "show a resource", flags: getResource},
		{noun: noun, verb: "list", summary: "list what stands right below a folder or a resource", flags: listResources},
		{noun: noun, verb: "update", takes: "ID", summary: "change what is told of a resource", changes: true, flags: updateResource},
		{noun: noun, verb: "delete", takes: "ID…", summary: "remove resources with all below them; their ids are never used again", changes: true, flags: deleteResources},
		{noun: noun, verb: "list-operations", takes: "ID", summary: "list what was done to a resource", flags: listResourceOperations},
	}, bindingCommands(noun, propuskpb.ResourceService_ServiceDesc.ServiceName))
}

// parent is the flags that say what a resource stands below.
type parent struct{ folderID, parentID string }

func (p *parent) declare(f *flag.FlagSet) {
	f.StringVar(&p.folderID, "folder-id", "", "the folder it stands in")
	f.StringVar(&p.parentID, "parent-id", "", "the resource it stands below, or the folder")
}

func (p *parent) resolve() (string, error) {
	if (p.folderID == "") == (p.parentID == "") {
		return "", misuse("name one parent: --folder-id or --parent-id")
	}
	return p.folderID + p.parentID, nil
}

func createResource(f *flag.FlagSet) action {
	var below parent
	var r propuskpb.CreateResourceRequest
	var marks labels
	below.declare(f)
	f.StringVar(&r.Type, "type", "", "a registered type, such as ydb.database; required")
	f.StringVar(&r.Id, "id", "", "the id that the service knows it by; one is made when there is none")
	f.StringVar(&r.Name, "name", "", "its name; may stand beside the flags")
	f.StringVar(&r.Description, "description", "", "its description")
	f.Var(&marks, "labels", "key=value,key=value")
	return func(ctx context.Context, s *session, args []string) (err error) {
		if len(args) > 1 || len(args) == 1 && r.GetName() != "" {
			return misuse("unexpected argument %q", args[len(args)-1])
		}
		if len(args) == 1 {
			r.Name = args[0]
		}
		if r.GetType() == "" {
			return misuse("--type is missing")
		}
		if r.ParentId, err = below.resolve(); err != nil {
			return err
		}
		r.Labels = marks
		return s.change(ctx, propuskpb.ResourceService_Create_FullMethodName, &r)
	}
}

func getResource(f *flag.FlagSet) action {
	id := f.String("id", "", "the resource; may stand beside the flags")
	return func(ctx context.Context, s *session, args []string) error {
		resource, err := oneID(*id, args)
		if err != nil {
			return err
		}
		answer := new(propuskpb.Resource)
		if err := s.call(ctx, propuskpb.ResourceService_Get_FullMethodName, &propuskpb.GetResourceRequest{ResourceId: resource}, answer); err != nil {
			return err
		}
		return s.print(ctx, answer)
	}
}

func listResources(f *flag.FlagSet) action {
	var below parent
	below.declare(f)
	limit, filter := limitFlag(f), f.String("filter", "", `name="…"`)
	return func(ctx context.Context, s *session, _ []string) error {
		parentID, err := below.resolve()
		if err != nil {
			return err
		}
		rows, err := pages(*limit, func(size int64, token string) ([]*propuskpb.Resource, string, error) {
			answer := new(propuskpb.ListResourcesResponse)
			err := s.call(ctx, propuskpb.ResourceService_List_FullMethodName,
				&propuskpb.ListResourcesRequest{ParentId: parentID, PageSize: size, PageToken: token, Filter: *filter}, answer)
			return answer.GetResources(), answer.GetNextPageToken(), err
		})
		if err != nil {
			return err
		}
		return printList(ctx, s, rows, []column[*propuskpb.Resource]{
			{"ID", (*propuskpb.Resource).GetId}, {"TYPE", (*propuskpb.Resource).GetType}, {"NAME", (*propuskpb.Resource).GetName},
			{"CREATED AT", func(r *propuskpb.Resource) string { return output.When(r.GetCreatedAt()) }},
		})
	}
}

func updateResource(f *flag.FlagSet) action {
	var r propuskpb.UpdateResourceRequest
	var marks labels
	id := f.String("id", "", "the resource; may stand beside the flags")
	f.StringVar(&r.Name, "new-name", "", "its new name")
	f.StringVar(&r.Description, "description", "", "its new description")
	f.Var(&marks, "labels", "key=value,key=value in place of all labels; \"\" for none")
	return func(ctx context.Context, s *session, args []string) (err error) {
		if r.ResourceId, err = oneID(*id, args); err != nil {
			return err
		}
		r.UpdateMask, r.Labels = &fieldmaskpb.FieldMask{}, marks
		for _, v := range [...][2]string{{"new-name", "name"}, {"description", "description"}, {"labels", "labels"}} {
			if given(f)[v[0]] {
				r.UpdateMask.Paths = append(r.UpdateMask.Paths, v[1])
			}
		}
		if len(r.UpdateMask.Paths) == 0 {
			return misuse("say what to change: --new-name, --description or --labels")
		}
		return s.change(ctx, propuskpb.ResourceService_Update_FullMethodName, &r)
	}
}

func deleteResources(f *flag.FlagSet) action {
	id := f.String("id", "", "the resource; may stand beside the flags")
	return func(ctx context.Context, s *session, args []string) error {
		if *id != "" {
			args = append(args, *id)
		}
		if len(args) == 0 || slices.Contains(args, "") {
			return misuse("an id is missing")
		}
		for _, resource := range args {
			if err := s.change(ctx, propuskpb.ResourceService_Delete_FullMethodName, &propuskpb.DeleteResourceRequest{ResourceId: resource}); err != nil {
				return err
			}
		}
		return nil
	}
}

func listResourceOperations(f *flag.FlagSet) action {
	id, limit := f.String("id", "", "the resource; may stand beside the flags"), limitFlag(f)
	return func(ctx context.Context, s *session, args []string) error {
		resource, err := oneID(*id, args)
		if err != nil {
			return err
		}
		rows, err := pages(*limit, func(size int64, token string) ([]*operationpb.Operation, string, error) {
			answer := new(propuskpb.ListResourceOperationsResponse)
			err := s.call(ctx, propuskpb.ResourceService_ListOperations_FullMethodName,
				&propuskpb.ListResourceOperationsRequest{ResourceId: resource, PageSize: size, PageToken: token}, answer)
			return answer.GetOperations(), answer.GetNextPageToken(), err
		})
		if err != nil {
			return err
		}
		return printList(ctx, s, rows, operationColumns)
	}
}
