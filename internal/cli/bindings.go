package cli

import (
	"context"
	"flag"
	"slices"
	"strings"

	accesspb "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
)

// way is one of the ways to name who has a role [API fact: the flags of the
// binding commands].
type way struct {
	name, usage string
	alone       bool // it stands there without a value
	find        func(ctx context.Context, s *session, text string) (*accesspb.Subject, error)
}

func ways() []way {
	return []way{
		{name: "subject", usage: "TYPE:ID, the type being userAccount, serviceAccount, federatedUser, group or system", find: typed},
		{name: "service-account-id", usage: "a service account", find: fixed("serviceAccount", "", "")},
		{name: "service-account-name", usage: "a service account of the folder, by its name", find: func(ctx context.Context, s *session, text string) (*accesspb.Subject, error) {
			id, err := s.find(ctx, serviceAccounts(), text)
			return &accesspb.Subject{Type: "serviceAccount", Id: id}, err
		}},
		{name: "user-account-id", usage: "a person", find: fixed("userAccount", "", "")},
		{name: "user-yandex-login", usage: "a person, by the login", find: func(ctx context.Context, s *session, text string) (*accesspb.Subject, error) {
			who := new(iampb.UserAccount)
			err := s.call(ctx, iampb.YandexPassportUserAccountService_GetByLogin_FullMethodName, &iampb.GetUserAccountByLoginRequest{Login: text}, who)
			return &accesspb.Subject{Type: "userAccount", Id: who.GetId()}, err
		}},
		{name: "agent", usage: "the account by which a service works in the cloud: SERVICE:MICROSERVICE", find: agent},
		{name: "group-members", usage: "the members of a group, by its id", find: fixed("group", "", "")},
		{name: "organization-users", usage: "the people of an organization, by its id", find: fixed("system", "group:organization:", ":users")},
		{name: "federation-users", usage: "the people of a federation, by its id", find: fixed("system", "group:federation:", ":users")},
		{name: "all-authenticated-users", usage: "everybody who has proved who he is", alone: true, find: fixed("system", "allAuthenticatedUsers", "")},
		{name: "all-users", usage: "everybody", alone: true, find: fixed("system", "allUsers", "")},
	}
}

// fixed makes a subject of an id between what stands around it.
func fixed(kind, before, after string) func(context.Context, *session, string) (*accesspb.Subject, error) {
	return func(_ context.Context, _ *session, text string) (*accesspb.Subject, error) {
		return &accesspb.Subject{Type: kind, Id: before + text + after}, nil
	}
}

func typed(_ context.Context, _ *session, text string) (*accesspb.Subject, error) {
	kind, id, ok := strings.Cut(text, ":")
	if !ok || kind == "" || id == "" {
		return nil, misuse("%q is not TYPE:ID", text)
	}
	return &accesspb.Subject{Type: kind, Id: id}, nil
}

func agent(ctx context.Context, s *session, text string) (*accesspb.Subject, error) {
	service, microservice, ok := strings.Cut(text, ":")
	if !ok || service == "" || microservice == "" {
		return nil, misuse("%q is not SERVICE:MICROSERVICE", text)
	}
	cloud, err := s.place(ctx, "cloud_id")
	if err != nil {
		return nil, err
	}
	answer := new(iampb.ServiceAgent)
	err = s.call(ctx, iampb.ServiceControlService_ResolveAgent_FullMethodName, &iampb.ResolveServiceAgentRequest{
		ServiceId: service, MicroserviceId: microservice, Resource: &iampb.Resource{Id: cloud, Type: cloudType}}, answer)
	return &accesspb.Subject{Type: "serviceAccount", Id: answer.GetServiceAccountId()}, err
}

// who names a subject by one of the ways.
type who map[string]*string

func whoFlags(f *flag.FlagSet) who {
	w := who{}
	for _, x := range ways() {
		if x.alone {
			text := new(string)
			f.BoolFunc(x.name, x.usage, func(given string) error {
				if *text = ""; given == "true" {
					*text = given
				}
				return nil
			})
			w[x.name] = text
		} else {
			w[x.name] = new(string)
			singleVar(f, w[x.name], x.name, x.usage)
		}
	}
	return w
}

func (w who) resolve(ctx context.Context, s *session) (*accesspb.Subject, error) {
	var found []way
	var names []string
	for _, x := range ways() {
		if text := w[x.name]; text != nil && *text != "" {
			found = append(found, x)
		}
		names = append(names, "--"+x.name)
	}
	if len(found) != 1 {
		return nil, misuse("name one subject: %s or %s", strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
	}
	name, text := found[0].name, *w[found[0].name]
	if found[0].alone {
		text = ""
	}
	subject, err := found[0].find(ctx, s, text)
	return subject, under("--"+name, err)
}

// under is a misuse under the flag's name.
func under(name string, err error) error {
	if m, ok := err.(*Misuse); ok {
		return misuse("%s: %w", name, m.Err)
	}
	return err
}

// bindingOf reads "role=R,subject=TYPE:ID" and the like.
func bindingOf(ctx context.Context, s *session, text string) (*accesspb.AccessBinding, error) {
	w := who{}
	role := ""
	all := ways()
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if key == "role" {
			if role != "" {
				return nil, misuse("--access-binding: %q names two roles", text)
			}
			role = value
			continue
		}
		i := slices.IndexFunc(all, func(x way) bool { return x.name == key })
		if i < 0 {
			return nil, misuse("--access-binding: %q has no meaning; write role=ROLE,subject=TYPE:ID", pair)
		}
		switch {
		case all[i].alone && (value == "" || value == "true"):
			value = "true"
		case all[i].alone || value == "":
			return nil, misuse("--access-binding: %q says nothing", pair)
		}
		if w[key] != nil {
			return nil, misuse("--access-binding: %q names two subjects", text)
		}
		w[key] = &value
	}
	if role == "" {
		return nil, misuse("--access-binding: %q names no role", text)
	}
	if len(w) != 1 {
		return nil, misuse("--access-binding: %q does not name one subject; write role=ROLE,subject=TYPE:ID", text)
	}
	subject, err := w.resolve(ctx, s)
	return &accesspb.AccessBinding{RoleId: role, Subject: subject}, err
}

// bindingCommands are the four commands of everything that has access
// bindings. service is the full name of its service.
func bindingCommands(noun, service string) []command {
	return []command{
		{noun: noun, verb: "list-access-bindings", takes: "ID", summary: "list who has which role on it", flags: func(f *flag.FlagSet) action {
			return listBindings(f, service)
		}},
		{noun: noun, verb: "add-access-binding", takes: "ID", summary: "give a subject a role on it", changes: true, flags: func(f *flag.FlagSet) action {
			return updateBindings(f, service, accesspb.AccessBindingAction_ADD)
		}, example: "ID --role viewer --service-account-name my-robot\nID --role editor --subject userAccount:aje…"},
		{noun: noun, verb: "remove-access-binding", takes: "ID", summary: "take a role on it from a subject", changes: true, flags: func(f *flag.FlagSet) action {
			return updateBindings(f, service, accesspb.AccessBindingAction_REMOVE)
		}, example: "ID --role viewer --service-account-name my-robot"},
		{noun: noun, verb: "set-access-bindings", takes: "ID", summary: "replace every role on it; those that are not named are taken away", changes: true, flags: func(f *flag.FlagSet) action {
			return setBindings(f, service)
		}, example: "ID --access-binding role=editor,user-yandex-login=alice --access-binding role=viewer,group-members=aje…"},
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
	id, role := new(string), new(string)
	singleVar(f, id, "id", "the resource; may stand beside the flags")
	singleVar(f, role, "role", "id of the role; required")
	w := whoFlags(f)
	return func(ctx context.Context, s *session, args []string) error {
		resource, err := oneID(*id, args)
		if err != nil {
			return err
		}
		if *role == "" {
			return misuse("--role is missing")
		}
		subject, err := w.resolve(ctx, s)
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
	id := new(string)
	singleVar(f, id, "id", "the resource; may stand beside the flags")
	f.Var(&wanted, "access-binding", "role=ROLE,subject=TYPE:ID; once for each binding. In place of subject= may stand the names of add-access-binding's flags")
	none := f.Bool("none", false, "take every binding away")
	yes := yesFlag(f)
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
			b, err := bindingOf(ctx, s, text)
			if err != nil {
				return err
			}
			r.AccessBindings = append(r.AccessBindings, b)
		}
		if err := s.agree(*yes, "all access bindings of "+printable(resource)+" that are not named here will be deleted"); err != nil {
			return err
		}
		return s.change(ctx, "/"+service+"/SetAccessBindings", r)
	}
}
