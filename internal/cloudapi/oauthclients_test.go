package cloudapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/propusk/propusk/internal/server"
)

func TestOAuthClientFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	folder := w.home.FolderID
	get := func(id string) *iampb.OAuthClient {
		return call(t, w.owner, "oauthClient.Get", &iampb.GetOAuthClientRequest{OauthClientId: id}, new(iampb.OAuthClient))
	}
	check := func(what string, op *operationpb.Operation, want *iampb.OAuthClient) {
		t.Helper()
		if want.Id == "" {
			want.Id = idIn(t, op)
		}
		want.FolderId, want.Status = folder, iampb.OAuthClient_ACTIVE
		if d := cmp.Diff(want, get(want.Id), protocmp.Transform()); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		if d := cmp.Diff(want, response(t, op, new(iampb.OAuthClient)), protocmp.Transform()); d != "" {
			t.Errorf("%s: the operation's response (-want +got):\n%s", what, d)
		}
	}
	both := []string{"client_secret_basic", "client_secret_post"}
	check("bare", w.owner.operate(t, "oauthClient.Create", &iampb.CreateOAuthClientRequest{FolderId: folder, Name: "bare"}),
		&iampb.OAuthClient{Name: "bare", ProfileId: "web", PkceRequired: true, AuthenticationMethods: both})
	for _, profile := range []string{"spa", "native"} {
		check(profile, w.owner.operate(t, "oauthClient.Create", &iampb.CreateOAuthClientRequest{FolderId: folder, Name: profile, ProfileId: profile}),
			&iampb.OAuthClient{Name: profile, ProfileId: profile, PkceRequired: true, AuthenticationMethods: []string{"none"}})
	}
	want := &iampb.OAuthClient{Name: "full", ProfileId: "web", PkceRequired: true,
		RedirectUris: []string{"https://b.example/cb", "https://a.example/cb", "http://localhost:3000/cb"}, // the order is kept
		Scopes:       []string{"profile", "openid", "groups", "own:scope"}, AuthenticationMethods: []string{"client_secret_post"},
		PostLogoutRedirectUris: []string{"https://a.example/bye"}}
	check("full", w.owner.operate(t, "oauthClient.Create", &iampb.CreateOAuthClientRequest{FolderId: folder, Name: "full", ProfileId: "web",
		RedirectUris: want.RedirectUris, Scopes: want.Scopes, AuthenticationMethods: want.AuthenticationMethods,
		PostLogoutRedirectUris: want.PostLogoutRedirectUris, PkceRequired: true}), want)

	for _, step := range []struct {
		what   string
		req    *iampb.UpdateOAuthClientRequest
		change func()
	}{
		{"PKCE off takes a mask", &iampb.UpdateOAuthClientRequest{UpdateMask: masked("pkce_required")}, func() { want.PkceRequired = false }},
		{"what the mask does not name stays", &iampb.UpdateOAuthClientRequest{UpdateMask: masked("scopes"), Name: "ignored", Scopes: []string{"openid"}},
			func() { want.Scopes = []string{"openid"} }},
		{"lists may be emptied", &iampb.UpdateOAuthClientRequest{UpdateMask: masked("scopes", "redirect_uris", "post_logout_redirect_uris")},
			func() { want.Scopes, want.RedirectUris, want.PostLogoutRedirectUris = nil, nil, nil }},
		{"no methods are the profile's", &iampb.UpdateOAuthClientRequest{UpdateMask: masked("authentication_methods")},
			func() { want.AuthenticationMethods = both }},
		{"name", &iampb.UpdateOAuthClientRequest{UpdateMask: masked("name"), Name: "renamed"}, func() { want.Name = "renamed" }},
		{"its own name again", &iampb.UpdateOAuthClientRequest{UpdateMask: masked("name"), Name: "renamed"}, func() {}},
		{"no mask writes all, and PKCE is on again", &iampb.UpdateOAuthClientRequest{Name: "all", RedirectUris: []string{"https://c.example/"}, Scopes: []string{"email"}},
			func() {
				want.Name, want.PkceRequired, want.RedirectUris, want.Scopes = "all", true, []string{"https://c.example/"}, []string{"email"}
			}},
	} {
		step.req.OauthClientId = want.Id
		op := w.owner.operate(t, "oauthClient.Update", step.req)
		step.change()
		check(step.what, op, want)
	}
	before := get(want.Id)
	for what, c := range map[string]struct {
		req   *iampb.UpdateOAuthClientRequest
		code  codes.Code
		field string
	}{
		"profile":          {&iampb.UpdateOAuthClientRequest{UpdateMask: masked("profile_id")}, codes.InvalidArgument, "update_mask"},
		"folder":           {&iampb.UpdateOAuthClientRequest{UpdateMask: masked("folder_id")}, codes.InvalidArgument, "update_mask"},
		"status":           {&iampb.UpdateOAuthClientRequest{UpdateMask: masked("status")}, codes.InvalidArgument, "update_mask"},
		"empty name":       {&iampb.UpdateOAuthClientRequest{UpdateMask: masked("name")}, codes.InvalidArgument, "name"},
		"no mask, no name": {&iampb.UpdateOAuthClientRequest{}, codes.InvalidArgument, "name"},
		"taken name":       {&iampb.UpdateOAuthClientRequest{UpdateMask: masked("name"), Name: "bare"}, codes.AlreadyExists, ""},
		"no secret":        {&iampb.UpdateOAuthClientRequest{UpdateMask: masked("authentication_methods"), AuthenticationMethods: []string{"none"}}, codes.InvalidArgument, "authentication_methods[0]"},
		"plain http":       {&iampb.UpdateOAuthClientRequest{UpdateMask: masked("redirect_uris"), RedirectUris: []string{"https://a.example/", "http://a.example/"}}, codes.InvalidArgument, "redirect_uris[1]"},
	} {
		c.req.OauthClientId = want.Id
		if a := w.owner.refuse(t, "oauthClient.Update", c.req, c.code, ""); !slices.Contains(append(a.fields(), ""), c.field) {
			t.Errorf("%s: fields %v, want %s: %s", what, a.fields(), c.field, a.message)
		}
	}
	if d := cmp.Diff(before, get(want.Id), protocmp.Transform()); d != "" {
		t.Errorf("a refused update has changed something:\n%s", d)
	}
}

func TestOAuthClientsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("https://a.example/%d", i)
	}
	type req = iampb.CreateOAuthClientRequest
	for what, c := range map[string]struct {
		req   *req
		field string
	}{
		"no name":              {&req{}, "name"},
		"a bad name":           {&req{Name: "Site"}, "name"},
		"a profile of nobody":  {&req{Name: "a", ProfileId: "mobile"}, "profile_id"},
		"a profile in capital": {&req{Name: "a", ProfileId: "WEB"}, "profile_id"},
		"1,001 addresses":      {&req{Name: "a", RedirectUris: many}, "redirect_uris"},
		"one twice":            {&req{Name: "a", RedirectUris: []string{many[0], many[1], many[0]}}, "redirect_uris[2]"},
		"a long one":           {&req{Name: "a", RedirectUris: []string{"https://a.example/" + strings.Repeat("a", 983)}}, "redirect_uris[0]"},
		"an empty one":         {&req{Name: "a", RedirectUris: []string{""}}, "redirect_uris[0]"},
		"a fragment":           {&req{Name: "a", RedirectUris: []string{"https://a.example/#f"}}, "redirect_uris[0]"},
		"a user":               {&req{Name: "a", RedirectUris: []string{"https://a.example@evil.example/"}}, "redirect_uris[0]"},
		"an encoded slash":     {&req{Name: "a", RedirectUris: []string{"https://a.example/%2F..%2Fb"}}, "redirect_uris[0]"},
		"a scheme of its own":  {&req{Name: "a", RedirectUris: []string{"com.example.app:/cb"}}, "redirect_uris[0]"},
		"the same of a page":   {&req{Name: "a", ProfileId: "spa", RedirectUris: []string{"com.example.app:/cb"}}, "redirect_uris[0]"},
		"a script":             {&req{Name: "a", ProfileId: "native", RedirectUris: []string{"javascript://a/%0aalert(1)"}}, "redirect_uris[0]"},
		"a bad way out":        {&req{Name: "a", PostLogoutRedirectUris: []string{"http://a.example/"}}, "post_logout_redirect_uris[0]"},
		"a scope with a blank": {&req{Name: "a", Scopes: []string{"openid", "a b"}}, "scopes[1]"},
		"a scope twice":        {&req{Name: "a", Scopes: []string{"openid", "openid"}}, "scopes[1]"},
		"a method of nobody":   {&req{Name: "a", AuthenticationMethods: []string{"private_key_jwt"}}, "authentication_methods[0]"},
		"a method twice":       {&req{Name: "a", AuthenticationMethods: []string{"client_secret_post", "client_secret_post"}}, "authentication_methods[1]"},
		"a secret of a page":   {&req{Name: "a", ProfileId: "spa", AuthenticationMethods: []string{"client_secret_basic"}}, "authentication_methods[0]"},
	} {
		c.req.FolderId = w.home.FolderID
		for door, do := range map[string]func(*testing.T, string, proto.Message, proto.Message, ...string) answer{"gRPC": w.owner.do, "REST": w.owner.doREST} {
			if a := do(t, "oauthClient.Create", c.req, new(operationpb.Operation)); a.code != codes.InvalidArgument || !slices.Contains(a.fields(), c.field) {
				t.Errorf("%s over %s: %v %q about %v, want %s", what, door, a.code, a.message, a.fields(), c.field)
			}
		}
	}
	for _, id := range []string{"spa", "native"} {
		client := w.owner.create(t, "oauthClient.Create", &req{FolderId: w.home.FolderID, Name: id, ProfileId: id, RedirectUris: []string{"https://a.example/"}})
		w.owner.refuse(t, "oauthClientSecret.Create", &iampb.CreateOAuthClientSecretRequest{OauthClientId: client}, codes.FailedPrecondition, "its profile is "+id)
		w.owner.refuse(t, "oauthClient.Update", &iampb.UpdateOAuthClientRequest{OauthClientId: client, UpdateMask: masked("pkce_required")}, codes.InvalidArgument, "pkce_required")
	}
	for door, do := range map[string]func(*testing.T, string, proto.Message, proto.Message, ...string) answer{"gRPC": w.owner.do, "REST": w.owner.doREST} {
		if a := do(t, "oauthClient.List", &iampb.ListOAuthClientsRequest{}, new(iampb.ListOAuthClientsResponse)); a.code != codes.InvalidArgument || !cmp.Equal(a.fields(), []string{"folder_id"}) {
			t.Errorf("a list of no folder over %s: %v %q", door, a.code, a.message)
		}
	}
	w.owner.create(t, "oauthClient.Create", &req{FolderId: w.home.FolderID, Name: "thousand", RedirectUris: many[:1000]})
}

func TestOAuthClientNamesAndFolders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, going := w.newFolder(t, "other"), w.newFolder(t, "going")
	create := func(folder, name string) *iampb.CreateOAuthClientRequest {
		return &iampb.CreateOAuthClientRequest{FolderId: folder, Name: name}
	}
	client := w.owner.create(t, "oauthClient.Create", create(w.home.FolderID, "site"))
	w.owner.create(t, "oauthClient.Create", create(other, "site")) // free in another folder
	w.owner.refuse(t, "oauthClient.Create", create(w.home.FolderID, "site"), codes.AlreadyExists, "site")
	got := together(8, func(int) codes.Code {
		return w.owner.do(t, "oauthClient.Create", create(w.home.FolderID, "contested"), new(operationpb.Operation)).code
	})
	if got[codes.OK] != 1 || got[codes.AlreadyExists] != 7 {
		t.Errorf("one name at once: %v", got)
	}
	w.owner.operate(t, "oauthClient.Delete", &iampb.DeleteOAuthClientRequest{OauthClientId: client})
	w.owner.create(t, "oauthClient.Create", create(w.home.FolderID, "site")) // free again
	call(t, w.owner, "folder.Delete", &rmpb.DeleteFolderRequest{FolderId: going}, new(operationpb.Operation))
	w.owner.refuse(t, "oauthClient.Create", create(going, "late"), codes.FailedPrecondition, "is being deleted")
	list := call(t, w.owner, "oauthClient.List", &iampb.ListOAuthClientsRequest{FolderId: other}, new(iampb.ListOAuthClientsResponse)).GetOauthClients()
	if len(list) != 1 || list[0].GetName() != "site" || list[0].GetId() == "" {
		t.Errorf("list: %v", list)
	}
}

// Two updates of one client at once both hold: neither brings back what the other
// has replaced.
func TestOAuthClientUpdatesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.newOAuthClient(t, "site")
	for round := range 6 {
		scopes, uris := []string{fmt.Sprint("s", round)}, []string{fmt.Sprintf("https://a.example/%d", round)}
		got := together(2, func(i int) codes.Code {
			req := &iampb.UpdateOAuthClientRequest{OauthClientId: client, UpdateMask: masked("scopes"), Scopes: scopes}
			if i == 1 {
				req = &iampb.UpdateOAuthClientRequest{OauthClientId: client, UpdateMask: masked("redirect_uris"), RedirectUris: uris}
			}
			return w.owner.do(t, "oauthClient.Update", req, new(operationpb.Operation)).code
		})
		c := call(t, w.owner, "oauthClient.Get", &iampb.GetOAuthClientRequest{OauthClientId: client}, new(iampb.OAuthClient))
		if got[codes.OK] != 2 || !slices.Equal(c.GetScopes(), scopes) || !slices.Equal(c.GetRedirectUris(), uris) {
			t.Fatalf("round %d: %v leave %v", round, got, c)
		}
	}
}

func TestOAuthProfiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret, none := []string{"client_secret_basic", "client_secret_post"}, []string{"none"}
	want := &iampb.ListProfilesResponse{Profiles: []*iampb.Profile{
		{Id: "web", AuthenticationMethodsAllowedValues: secret, AuthenticationMethodsDefaultValues: secret, PkceRequiredDefaultValue: true},
		{Id: "spa", AuthenticationMethodsAllowedValues: none, AuthenticationMethodsDefaultValues: none, PkceRequiredReadonly: true, PkceRequiredDefaultValue: true},
		{Id: "native", AuthenticationMethodsAllowedValues: none, AuthenticationMethodsDefaultValues: none, PkceRequiredReadonly: true, PkceRequiredDefaultValue: true},
	}}
	got := call(t, w.owner, "oauthClient.ListProfiles", &iampb.ListProfilesRequest{}, new(iampb.ListProfilesResponse))
	if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
		t.Error(d)
	}
	if r := w.Do(t, "GET", w.owner.token, "/iam/v1/oauthClients/profiles", nil); r.Code != 404 { // an id that there is not
		t.Errorf("profiles over REST: %d %s", r.Code, r.Body)
	}
}

// TestOAuthClientAudit: each change leaves the event that the API names, on the
// folder's path.
func TestOAuthClientAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := w.owner.create(t, "oauthClient.Create", &iampb.CreateOAuthClientRequest{FolderId: w.home.FolderID, Name: "site"})
	w.owner.operate(t, "oauthClient.Update", &iampb.UpdateOAuthClientRequest{OauthClientId: client, UpdateMask: masked("scopes")})
	secret := w.newClientSecret(t, w.owner, &iampb.CreateOAuthClientSecretRequest{OauthClientId: client}).GetOauthClientSecret().GetId()
	w.owner.operate(t, "oauthClientSecret.Delete", &iampb.DeleteOAuthClientSecretRequest{OauthClientSecretId: secret})
	w.owner.operate(t, "oauthClient.Delete", &iampb.DeleteOAuthClientRequest{OauthClientId: client})
	for event, id := range map[string]string{"CreateOAuthClient": client, "UpdateOAuthClient": client, "DeleteOAuthClient": client,
		"CreateOAuthClientSecret": secret, "DeleteOAuthClientSecret": secret} {
		lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.oauthclient." + event})
		if len(lines) != 1 || lines[0].EventType != "yandex.cloud.audit.iam.oauthclient."+event || !strings.Contains(lines[0].raw, id) {
			t.Errorf("%s: %d lines: %v", event, len(lines), lines)
			continue
		}
		if path := lines[0].Resource.Path; len(path) == 0 || path[len(path)-1].ID != w.home.FolderID {
			t.Errorf("%s is about %v, want the folder", event, path)
		}
	}
}
