package cli

import (
	"context"
	"flag"
	"strings"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
)

// who is the flags that name a subject, of which one is given.
type who struct {
	subject               string
	serviceAccountID      string
	userAccountID         string
	allAuthenticatedUsers bool
	allUsers              bool
}

func (w *who) declare(f *flag.FlagSet) {
	f.StringVar(&w.subject, "subject", "", "TYPE:ID, the type being userAccount, serviceAccount, federatedUser, group or system")
	f.StringVar(&w.serviceAccountID, "service-account-id", "", "a service account")
	f.StringVar(&w.userAccountID, "user-account-id", "", "a person")
	f.BoolVar(&w.allAuthenticatedUsers, "all-authenticated-users", false, "everybody who has proved who he is")
	f.BoolVar(&w.allUsers, "all-users", false, "everybody")
}

func (w *who) resolve() (*accesspb.Subject, error) {
	var found []*accesspb.Subject
	if w.subject != "" {
		kind, id, ok := strings.Cut(w.subject, ":")
		if !ok || kind == "" || id == "" {
			return nil, misuse("--subject: %q is not TYPE:ID", w.subject)
		}
		found = append(found, &accesspb.Subject{Type: kind, Id: id})
	}
	if w.serviceAccountID != "" {
		found = append(found, &accesspb.Subject{Type: "serviceAccount", Id: w.serviceAccountID})
	}
	if w.userAccountID != "" {
		found = append(found, &accesspb.Subject{Type: "userAccount", Id: w.userAccountID})
	}
	if w.allAuthenticatedUsers {
		found = append(found, &accesspb.Subject{Type: "system", Id: "allAuthenticatedUsers"})
	}
	if w.allUsers {
		found = append(found, &accesspb.Subject{Type: "system", Id: "allUsers"})
	}
	if len(found) != 1 {
		return nil, misuse("name one subject: --subject, --service-account-id, --user-account-id, --all-authenticated-users or --all-users")
	}
	return found[0], nil
}

// bindingOf reads "role=R,subject=TYPE:ID" and the like.
func bindingOf(text string) (*accesspb.AccessBinding, error) {
	var w who
	role := ""
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "role":
			role = value
		case "subject":
			w.subject = value
		case "service-account-id":
			w.serviceAccountID = value
		case "user-account-id":
			w.userAccountID = value
		case "all-authenticated-users":
			w.allAuthenticatedUsers = true
		case "all-users":
			w.allUsers = true
		default:
			return nil, misuse("--access-binding: %q has no meaning; write role=ROLE,subject=TYPE:ID", pair)
		}
	}
	if role == "" {
		return nil, misuse("--access-binding: %q names no role", text)
	}
	subject, err := w.resolve()
	return &accesspb.AccessBinding{RoleId: role, Subject: subject}, err
}

// bindingCommands are the four commands of everything that has access
// bindings. service is the full name of its service.
func bindingCommands(noun, service string) []command {
	return []command{
		{noun, "list-access-bindings", "ID", "list who has which role on it", false, func(f *flag.FlagSet) action {
			return listBindings(f, service)
		}},
		{noun, "add-access-binding", "ID", "give a subject a role on it", true, func(f *flag.FlagSet) action {
			return updateBindings(f, service, accesspb.AccessBindingAction_ADD)
		}},
		{noun, "remove-access-binding", "ID", "take a role on it from a subject", true, func(f *flag.FlagSet) action {
			return updateBindings(f, service, accesspb.AccessBindingAction_REMOVE)
		}},
		{noun, "set-access-bindings", "ID", "replace every role on it; those that are not named are taken away", true, func(f *flag.FlagSet) action {
			return setBindings(f, service)
		}},
	}
}

func listBindings(f *flag.FlagSet, service string) action {
	id, limit := f.String("id", "", "the resource; may stand beside the flags"), limitFlag(f)
	return func(ctx context.Context, s *session, args []string) error {
		resource, err := oneID(*id, args)
		if err != nil {
			return err
		}
		rows, err := pages(*limit, func(size int64, token string) ([]*accesspb.AccessBinding, string, error) {
			answer := new(accesspb.ListAccessBindingsResponse)
			err := s.call(ctx, "/"+service+"/ListAccessBindings",
				&accesspb.ListAccessBindingsRequest{ResourceId: resource, PageSize: size, PageToken: token}, answer)
			return answer.GetAccessBindings(), answer.GetNextPageToken(), err
		})
		if err != nil {
			return err
		}
		return printList(ctx, s, rows, []column[*accesspb.AccessBinding]{
			{"ROLE ID", (*accesspb.AccessBinding).GetRoleId},
			{"SUBJECT TYPE", func(b *accesspb.AccessBinding) string { return b.GetSubject().GetType() }},
			{"SUBJECT ID", func(b *accesspb.AccessBinding) string { return b.GetSubject().GetId() }},
		})
	}
}

func updateBindings(f *flag.FlagSet, service string, what accesspb.AccessBindingAction) action {
	var w who
	id, role := f.String("id", "", "the resource; may stand beside the flags"), f.String("role", "", "id of the role; required")
	w.declare(f)
	return func(ctx context.Context, s *session, args []string) error {
		resource, err := oneID(*id, args)
		if err != nil {
			return err
		}
		if *role == "" {
			return misuse("--role is missing")
		}
		subject, err := w.resolve()
		if err != nil {
			return err
		}
		return s.change(ctx, "/"+service+"/UpdateAccessBindings", &accesspb.UpdateAccessBindingsRequest{
			ResourceId: resource, AccessBindingDeltas: []*accesspb.AccessBindingDelta{
				{Action: what, AccessBinding: &accesspb.AccessBinding{RoleId: *role, Subject: subject}}}})
	}
}

func setBindings(f *flag.FlagSet, service string) action {
	var wanted texts
	id := f.String("id", "", "the resource; may stand beside the flags")
	f.Var(&wanted, "access-binding", "role=ROLE,subject=TYPE:ID; once for each binding")
	none := f.Bool("none", false, "take every binding away")
	return func(ctx context.Context, s *session, args []string) error {
		resource, err := oneID(*id, args)
		if err != nil {
			return err
		}
		if *none == (len(wanted) > 0) {
			return misuse("say what is to stay: --access-binding for each binding, or --none")
		}
		r := &accesspb.SetAccessBindingsRequest{ResourceId: resource}
		for _, text := range wanted {
			b, err := bindingOf(text)
			if err != nil {
				return err
			}
			r.AccessBindings = append(r.AccessBindings, b)
		}
		return s.change(ctx, "/"+service+"/SetAccessBindings", r)
	}
}
