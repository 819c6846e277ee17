package cli

import (
	"context"
	"flag"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// labelNodes are the two commands that change some labels of a thing and let the
// others be. get and update are methods of its service.
func labelNodes(get, update string, about *subject) []node {
	return []node{
		leaf(command{verb: "add-labels", takes: "NAME|ID", summary: "give it labels, beside those that it has", changes: true, example: "ID --labels team=storage,stage=test", flags: func(f *flag.FlagSet) action {
			var more labels
			f.Var(&more, "labels", "what to add; required")
			return relabel(f, get, update, about, func() bool { return len(more) > 0 }, func(all protoreflect.Map) {
				for key, text := range more {
					all.Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(text))
				}
			})
		}}),
		leaf(command{verb: "remove-labels", takes: "NAME|ID", summary: "take labels from it", changes: true, example: "ID --labels team,stage", flags: func(f *flag.FlagSet) action {
			keys := f.String("labels", "", "their keys, with commas; required")
			return relabel(f, get, update, about, func() bool { return *keys != "" }, func(all protoreflect.Map) {
				for key := range strings.SplitSeq(*keys, ",") {
					key, _, _ = strings.Cut(strings.TrimSpace(key), "=")
					all.Clear(protoreflect.ValueOfString(key).MapKey())
				}
			})
		}}),
	}
}

func relabel(f *flag.FlagSet, get, update string, about *subject, said func() bool, edit func(protoreflect.Map)) action {
	q, err := rpc{method: get, subject: about}.declare(f)
	return func(ctx context.Context, s *session, args []string) error {
		if err != nil {
			return err
		}
		if !said() {
			return misuse("--labels is missing")
		}
		subjects, err := q.subjects(s, args)
		if err != nil {
			return err
		}
		return s.subject(ctx, about, subjects[0], func(id string) error {
			was, err := s.get(ctx, get, about.field, id)
			if err != nil {
				return err
			}
			in, _, err := types(update)
			if err != nil {
				return err
			}
			request := in.New()
			fields := request.Descriptor().Fields()
			marks := request.NewField(fields.ByName("labels"))
			was.Get(was.Descriptor().Fields().ByName("labels")).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				marks.Map().Set(k, v)
				return true
			})
			edit(marks.Map())
			request.Set(fields.ByName("labels"), marks)
			request.Set(fields.ByName(protoreflect.Name(about.field)), protoreflect.ValueOfString(id))
			request.Set(fields.ByName("name"), was.Get(was.Descriptor().Fields().ByName("name"))) // some methods refuse a request without
			setMask(request, fields.ByName("update_mask"), []string{"labels"})
			return s.change(ctx, update, request.Interface())
		})
	}
}
