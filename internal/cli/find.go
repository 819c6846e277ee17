package cli

import (
	"context"
	"fmt"
	"math"
	"strings"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	resourcepb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

// finder finds a thing by its name.
type finder struct {
	thing  string
	list   string // method that lists such things, and may take a filter
	within string // field of its request: folder_id, cloud_id, organization_id, or "" for everywhere
}

func serviceAccounts() *finder {
	return &finder{"service account", iampb.ServiceAccountService_List_FullMethodName, "folder_id"}
}

func clouds() *finder { return &finder{"cloud", resourcepb.CloudService_List_FullMethodName, ""} }

func folders() *finder {
	return &finder{"folder", resourcepb.FolderService_List_FullMethodName, "cloud_id"}
}

// idLength is that of every id that the API makes [API fact: ids].
const idLength = 20

// looksLikeID tells an id as the API makes them; some names look the same.
func looksLikeID(text string) bool {
	return len(text) == idLength && all(text, func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' })
}

// looksLikeName tells what may be a name [API fact: names].
func looksLikeName(text string) bool {
	return text != "" && len(text) <= 63 && text[0] >= 'a' && text[0] <= 'z' &&
		all(text, func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' })
}

func all(text string, fits func(byte) bool) bool {
	for i := range len(text) {
		if !fits(text[i]) {
			return false
		}
	}
	return true
}

// find returns the id of the thing that has a name.
func (s *session) find(ctx context.Context, by *finder, name string) (string, error) {
	if !looksLikeName(name) {
		return "", misuse("%q is no name of a %s: lower-case letters, digits and hyphens, a letter first", name, by.thing)
	}
	in, out, err := types(by.list)
	if err != nil {
		return "", err
	}
	request := in.New()
	fields := request.Descriptor().Fields()
	where := ""
	if by.within != "" {
		id, err := s.place(ctx, by.within)
		if err != nil {
			return "", fmt.Errorf("find %s %q by its name: %w", by.thing, name, err)
		}
		request.Set(fields.ByName(protoreflect.Name(by.within)), protoreflect.ValueOfString(id))
		where = " in " + id
	}
	if field := fields.ByName("filter"); field != nil {
		request.Set(field, protoreflect.ValueOfString(fmt.Sprintf("name=%q", name)))
	}
	rows, err := pages(math.MaxInt64, func(_ int64, token string) ([]protoreflect.Message, string, error) {
		request.Set(fields.ByName("page_size"), protoreflect.ValueOfInt64(discoveryPage)) // [client fact: name resolvers]
		request.Set(fields.ByName("page_token"), protoreflect.ValueOfString(token))
		answer := out.New()
		if err := s.call(ctx, by.list, request.Interface(), answer.Interface()); err != nil {
			return nil, "", err
		}
		var named []protoreflect.Message
		all := answer.Get(answer.Descriptor().Fields().Get(0)).List()
		for i := range all.Len() {
			if row := all.Get(i).Message(); output.Field(row, "name") == name {
				named = append(named, row)
			}
		}
		return named, output.Field(answer, "next_page_token"), nil
	})
	if err != nil {
		return "", err
	}
	if len(rows) > 1 {
		return "", misuse("%d %ss%s have the name %q: %s; name one by its id", len(rows), by.thing, where, name, ids(rows))
	}
	found := ""
	if len(rows) == 1 {
		found = output.Field(rows[0], "id")
	}
	if found == "" {
		return "", &Failure{Code: iam.NotFound, Message: fmt.Sprintf("there is no %s named %q%s", by.thing, name, where)}
	}
	return found, nil
}

// ids are those of the first few of several things.
func ids(rows []protoreflect.Message) string {
	var all []string
	for _, row := range rows[:min(len(rows), 5)] {
		all = append(all, printable(output.Field(row, "id")))
	}
	return strings.Join(all, ", ")
}

// place is where the person works: the folder, the cloud or the organization.
func (s *session) place(ctx context.Context, field string) (string, error) {
	id, flagged := "", ""
	switch field {
	case "folder_id":
		return s.folder(ctx)
	case "cloud_id":
		id, flagged = s.setting(s.cloudID, envCloud, "cloud-id"), "--cloud-id, $"+envCloud+" or the profile's cloud-id"
	case "organization_id":
		id, flagged = s.setting(s.organizationID, "YC_ORGANIZATION_ID", "organization-id"), "--organization-id, $YC_ORGANIZATION_ID or the profile's organization-id"
	}
	if id == "" {
		return "", misuse("say where: %s is missing", flagged)
	}
	return id, nil
}

// folder is the folder to work in, of which the nearest word counts.
func (s *session) folder(ctx context.Context) (string, error) {
	switch {
	case s.folderID != "" && s.folderName != "":
		return "", misuse("--folder-id and --folder-name exclude each other")
	case s.folderID != "":
		return s.folderID, nil
	case s.folderName == "":
		if id := s.setting("", envFolder, "folder-id"); id != "" {
			return id, nil
		}
		if s.folderName = s.setting("", "", "folder-name"); s.folderName == "" {
			return "", misuse("say where: --folder-id, --folder-name, $%s or the profile's folder-id is missing", envFolder)
		}
	}
	id, err := s.find(ctx, folders(), s.folderName)
	if err == nil {
		s.folderID, s.folderName = id, ""
	}
	return id, err
}
