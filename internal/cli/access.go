package cli

import (
	"context"
	"flag"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// accessCommands are those about who may do what.
func accessCommands() []command {
	return []command{{noun: "access", verb: "explain", summary: "tell why a subject may do something, or may not", flags: explain}}
}

func explain(f *flag.FlagSet) action {
	var r propuskpb.ExplainRequest
	f.StringVar(&r.SubjectId, "subject", "", "id of a service account or a person, or anonymous; required")
	f.StringVar(&r.Permission, "permission", "", "what is to be done, such as resource-manager.folders.get; required")
	f.StringVar(&r.ResourceId, "resource", "", "id of what it is to be done to; required")
	return func(ctx context.Context, s *session, _ []string) error {
		for _, v := range [...][2]string{{"subject", r.GetSubjectId()}, {"permission", r.GetPermission()}, {"resource", r.GetResourceId()}} {
			if v[1] == "" {
				return misuse("--%s is missing", v[0])
			}
		}
		answer := new(propuskpb.Explanation)
		if err := s.call(ctx, propuskpb.ExplainService_Explain_FullMethodName, &r, answer); err != nil {
			return err
		}
		if s.format != "text" {
			return s.print(ctx, answer)
		}
		return report(s.env.Stdout, answer)
	}
}
