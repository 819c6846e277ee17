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
	return node{word: "operation", service: true, aliases: []string{"operations"}, summary: "changes that are under way", below: []node{
		rpc{method: operationpb.OperationService_Get_FullMethodName, subject: &subject{thing: "operation", field: "operation_id"}}.gets("show an operation"),
		leaf(command{verb: "wait", takes: "ID [ID…]", summary: "wait for the end of operations and show what they came to", flags: waitFor}),
		rpc{method: operationpb.OperationService_Cancel_FullMethodName, subject: &subject{thing: "operation", field: "operation_id"}}.
			shows("cancel", "take back what an operation is going to do, such as the deletion of a folder"),
	}}
}

func waitFor(f *flag.FlagSet) action {
	about := &subject{thing: "operation", field: "operation_id", many: true}
	q, err := rpc{method: operationpb.OperationService_Get_FullMethodName, subject: about}.declare(f)
	return func(ctx context.Context, s *session, args []string) error {
		if err != nil {
			return err
		}
		return q.each(ctx, s, args, func() error {
			op := new(operationpb.Operation)
			if err := s.call(ctx, q.method, q.message.Interface(), op); err != nil {
				return err
			}
			return s.finish(ctx, op)
		})
	}
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
