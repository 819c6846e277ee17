package cli

import (
	"context"
	"flag"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cli/output"
)

func operationNode() node {
	return node{word: "operation", aliases: []string{"operations"}, summary: "changes that are under way", below: []node{
		rpc{method: operationpb.OperationService_Get_FullMethodName, subject: &subject{thing: "operation", field: "operation_id"}}.shows("get", "show an operation"),
		leaf(command{verb: "wait", takes: "ID", summary: "wait for the end of an operation and show what it came to", flags: func(f *flag.FlagSet) action {
			id := f.String("id", "", "id of the operation; may stand beside the flags")
			return func(ctx context.Context, s *session, args []string) error {
				operation, err := oneID(*id, args)
				if err != nil {
					return err
				}
				op := new(operationpb.Operation)
				if err := s.call(ctx, operationpb.OperationService_Get_FullMethodName, &operationpb.GetOperationRequest{OperationId: operation}, op); err != nil {
					return err
				}
				return s.finish(ctx, op)
			}
		}}),
	}}
}

// operationTable is operationColumns for lists that are known by their
// descriptors.
func operationTable() []output.Column {
	var out []output.Column
	for _, c := range operationColumns {
		out = append(out, output.Column{Title: c.title, Cell: func(m proto.Message) string {
			op, _ := m.(*operationpb.Operation)
			return c.cell(op)
		}})
	}
	return out
}

func policyTable() []output.Column {
	return []output.Column{{Title: "ACCESS POLICY TEMPLATE ID", Field: "access_policy_template_id"}, {Title: "PARAMETERS", Cell: func(m proto.Message) string {
		b, _ := m.(*accesspb.AccessPolicyBinding)
		return output.Field(b.ProtoReflect(), "parameters")
	}}}
}
