package cloudapi_test

//lint:file-ignore SA1019 the older scope field is deprecated, and clients use it

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	iamapi "github.com/propusk/propusk/internal/cloudapi/iam"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

func init() {
	services["apiKey"] = "yandex.cloud.iam.v1.ApiKeyService"
	areaRows = append(areaRows, apiKeyRows)
}

// plantAPIKey puts an API key into the store.
func (w *world) plantAPIKey(t *testing.T, accountID string) (id string) {
	t.Helper()
	secret, k := credential.NewAPIKey()
	w.secret(secret.Reveal())
	k.ID, k.ServiceAccountID, k.Scopes = resource.NewID(resource.PrefixIAM), accountID, iamapi.DefaultScopes
	w.update(t, func(tx *store.Tx) error {
		k.CreatedAt = tx.Now()
		return store.InsertAPIKey(tx, k)
	})
	return k.ID
}

func apiKeyRows(*world) []row {
	of := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, n int) proto.Message {
			return build(w.newAccount(t, fmt.Sprintf("api-target-%d", n)))
		}
	}
	ofKey := func(build func(id string) proto.Message) func(*testing.T, *world, int) proto.Message {
		return func(t *testing.T, w *world, n int) proto.Message {
			return build(w.plantAPIKey(t, w.newAccount(t, fmt.Sprintf("api-target-%d", n))))
		}
	}
	return []row{
		{"apiKey.Get", "UND++++", ofKey(func(id string) proto.Message { return &iampb.GetApiKeyRequest{ApiKeyId: id} })},
		{"apiKey.List", "UND++++", of(func(id string) proto.Message { return &iampb.ListApiKeysRequest{ServiceAccountId: id} })},
		{"apiKey.Create", "UNDD+++", of(func(id string) proto.Message { return &iampb.CreateApiKeyRequest{ServiceAccountId: id} })},
		{"apiKey.Update", "UNDD+++", ofKey(func(id string) proto.Message {
			return &iampb.UpdateApiKeyRequest{ApiKeyId: id, UpdateMask: masked("description")}
		})},
		{"apiKey.Delete", "UNDD+++", ofKey(func(id string) proto.Message { return &iampb.DeleteApiKeyRequest{ApiKeyId: id} })},
		{"apiKey.ListOperations", "UND++++", ofKey(func(id string) proto.Message { return &iampb.ListApiKeyOperationsRequest{ApiKeyId: id} })},
		{"apiKey.ListScopes", "U++++++", fixed(&iampb.ListApiKeyScopesRequest{})},
	}
}

func newAPIKey(t *testing.T, by *caller, r *iampb.CreateApiKeyRequest, pairs ...string) *iampb.CreateApiKeyResponse {
	t.Helper()
	return call(t, by, "apiKey.Create", r, new(iampb.CreateApiKeyResponse), pairs...)
}

func (w *world) getAPIKey(t *testing.T, id string) *iampb.ApiKey {
	t.Helper()
	return call(t, w.owner, "apiKey.Get", &iampb.GetApiKeyRequest{ApiKeyId: id}, new(iampb.ApiKey))
}

func TestAPIKeyFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	scopes := []string{"yc.ydb.topics.manage", "yc.ai.vision.execute", "yc.postbox.send"} // not sorted: the order is kept
	made := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: id, Description: "first", Scopes: scopes, ExpiresAt: timestamppb.New(expires)})
	secret := made.GetSecret()
	if !regexp.MustCompile(`^AQVN[A-Za-z0-9_\-]{35,38}$`).MatchString(secret) || !credential.APIKeyForm(secret) {
		t.Errorf("the secret has %d characters and is not of the published form", len(secret))
	}
	want := &iampb.ApiKey{Id: made.GetApiKey().GetId(), ServiceAccountId: id, Description: "first", Scopes: scopes,
		ExpiresAt: timestamppb.New(expires), MaskedSecret: "****" + secret[len(secret)-6:]}
	same(t, "made", made.GetApiKey(), w.getAPIKey(t, want.Id), want)

	update := func(what string, r *iampb.UpdateApiKeyRequest) {
		t.Helper()
		r.ApiKeyId = want.Id
		same(t, what, response(t, w.owner.operate(t, "apiKey.Update", r), new(iampb.ApiKey)), w.getAPIKey(t, want.Id), want)
	}
	want.Description = "second"
	update("description", &iampb.UpdateApiKeyRequest{UpdateMask: masked("description"), Description: "second", Scopes: []string{"no.such.scope"}})
	want.Scopes = []string{"yc.postbox.send", "yc.monitoring.read"}
	update("scopes", &iampb.UpdateApiKeyRequest{UpdateMask: masked("scopes"), Scopes: want.Scopes, Description: "unseen"})
	want.ExpiresAt = timestamppb.New(expires.Add(time.Hour))
	update("expiry", &iampb.UpdateApiKeyRequest{UpdateMask: masked("expires_at"), ExpiresAt: want.ExpiresAt})
	want.ExpiresAt = nil
	update("no expiry", &iampb.UpdateApiKeyRequest{UpdateMask: masked("expires_at")})
	want.Description, want.Scopes = "", []string{"yc.search-api.execute"}
	update("without a mask", &iampb.UpdateApiKeyRequest{Scopes: want.Scopes})

	bare := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: id}).GetApiKey()
	if !cmp.Equal(bare.GetScopes(), iamapi.DefaultScopes) || bare.GetScope() != "" || bare.GetExpiresAt() != nil || bare.GetLastUsedAt() != nil {
		t.Errorf("without anything: %v", bare)
	}
	list := call(t, w.owner, "apiKey.List", &iampb.ListApiKeysRequest{ServiceAccountId: id}, new(iampb.ListApiKeysResponse))
	if n := len(list.GetApiKeys()); n != 2 {
		t.Errorf("%d keys are listed, want 2", n)
	}
	w.owner.operate(t, "apiKey.Delete", &iampb.DeleteApiKeyRequest{ApiKeyId: want.Id})
	w.owner.refuse(t, "apiKey.Get", &iampb.GetApiKeyRequest{ApiKeyId: want.Id}, codes.NotFound, "API key "+want.Id+" not found")
}

// The older field shows what the request put there, as long as it is true.
func TestAPIKeyOlderScopeField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	const send, read = "yc.postbox.send", "yc.monitoring.read"
	for _, c := range []struct {
		r      *iampb.CreateApiKeyRequest
		scope  string
		scopes []string
	}{
		{&iampb.CreateApiKeyRequest{Scope: send}, send, []string{send}},
		{&iampb.CreateApiKeyRequest{Scopes: []string{send}}, "", []string{send}},
		{&iampb.CreateApiKeyRequest{Scope: read, Scopes: []string{send, read}}, read, []string{send, read}},
	} {
		c.r.ServiceAccountId = id
		made := newAPIKey(t, w.owner, c.r).GetApiKey()
		if made.GetScope() != c.scope || !cmp.Equal(made.GetScopes(), c.scopes) {
			t.Errorf("%v: %v", c.r, made)
		}
		op := w.owner.operate(t, "apiKey.Update", &iampb.UpdateApiKeyRequest{ApiKeyId: made.GetId(), UpdateMask: masked("scopes"), Scopes: []string{"yc.ai.vision.execute"}})
		if now := response(t, op, new(iampb.ApiKey)); now.GetScope() != "" {
			t.Errorf("%v: after an update of scopes the older field shows %q", c.r, now.GetScope())
		}
	}
}

func TestAPIKeyRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "keyed")
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint("yc.s", i, ".use")
	}
	now, late := timestamppb.New(time.Now().Add(-time.Second)), timestamppb.New(time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		field string
		r     *iampb.CreateApiKeyRequest
	}{
		{"scopes[1]", &iampb.CreateApiKeyRequest{Scopes: []string{"yc.postbox.send", "yc.never.heard.of"}}},
		{"scopes[0]", &iampb.CreateApiKeyRequest{Scopes: []string{""}}},
		{"scopes[0]", &iampb.CreateApiKeyRequest{Scopes: []string{"YC.postbox.send"}}},
		{"scopes[2]", &iampb.CreateApiKeyRequest{Scopes: []string{"yc.postbox.send", "yc.ai.vision.execute", "yc.postbox.send"}}},
		{"scopes", &iampb.CreateApiKeyRequest{Scopes: many}},
		{"scopes[0]", &iampb.CreateApiKeyRequest{Scopes: []string{strings.Repeat("s", 257)}}},
		{"scope", &iampb.CreateApiKeyRequest{Scope: "yc.never.heard.of"}},
		{"scope", &iampb.CreateApiKeyRequest{Scope: "yc.postbox.send", Scopes: []string{"yc.ai.vision.execute"}}},
		{"expires_at", &iampb.CreateApiKeyRequest{ExpiresAt: now}},
		{"expires_at", &iampb.CreateApiKeyRequest{ExpiresAt: late}},
		{"description", &iampb.CreateApiKeyRequest{Description: strings.Repeat("d", 257)}},
	} {
		c.r.ServiceAccountId = id
		for door, do := range map[string]func(*testing.T, string, proto.Message, proto.Message, ...string) answer{"gRPC": w.owner.do, "REST": w.owner.doREST} {
			a := do(t, "apiKey.Create", c.r, new(iampb.CreateApiKeyResponse))
			if a.code != codes.InvalidArgument || !slices.Contains(a.fields(), c.field) {
				t.Errorf("%v over %s: %v %q about %v, want INVALID_ARGUMENT about %s", c.r, door, a.code, a.message, a.fields(), c.field)
			}
		}
	}
	key := w.plantAPIKey(t, id)
	for _, c := range []struct {
		field string
		r     *iampb.UpdateApiKeyRequest
	}{
		{"scopes", &iampb.UpdateApiKeyRequest{}}, // would leave a key that nothing narrows
		{"scopes", &iampb.UpdateApiKeyRequest{UpdateMask: masked("scopes")}},
		{"scopes", &iampb.UpdateApiKeyRequest{UpdateMask: masked("scopes"), Scopes: many}},
		{"scopes[0]", &iampb.UpdateApiKeyRequest{UpdateMask: masked("scopes"), Scopes: []string{"yc.never.heard.of"}}},
		{"expires_at", &iampb.UpdateApiKeyRequest{UpdateMask: masked("expires_at"), ExpiresAt: now}},
		{"update_mask", &iampb.UpdateApiKeyRequest{UpdateMask: masked("service_account_id")}},
		{"update_mask", &iampb.UpdateApiKeyRequest{UpdateMask: masked("scope")}},
		{"update_mask", &iampb.UpdateApiKeyRequest{UpdateMask: masked("masked_secret")}},
	} {
		c.r.ApiKeyId = key
		a := w.owner.refuse(t, "apiKey.Update", c.r, codes.InvalidArgument, "")
		if !slices.Contains(a.fields(), c.field) {
			t.Errorf("%v: %q about %v, want %s", c.r, a.message, a.fields(), c.field)
		}
	}
	if kept := w.getAPIKey(t, key); !cmp.Equal(kept.GetScopes(), iamapi.DefaultScopes) {
		t.Errorf("refused updates have left %v", kept)
	}
	person := w.owner.refuse(t, "apiKey.List", &iampb.ListApiKeysRequest{ServiceAccountId: strings.Repeat("a", 51)}, codes.InvalidArgument, "service_account_id")
	if !slices.Contains(person.fields(), "service_account_id") {
		t.Errorf("a long id: %v", person.fields())
	}
}

// Without an account the methods mean the caller.
func TestOwnAPIKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newAccount(t, "own")
	w.bind(t, "sa", id, add("iam.serviceAccounts.apiKeyAdmin", id))
	self := w.impersonate(t, w.owner, id)
	made := newAPIKey(t, self, &iampb.CreateApiKeyRequest{})
	own := call(t, self, "apiKey.List", &iampb.ListApiKeysRequest{}, new(iampb.ListApiKeysResponse)).GetApiKeys()
	if made.GetApiKey().GetServiceAccountId() != id || len(own) != 1 || own[0].GetId() != made.GetApiKey().GetId() {
		t.Errorf("the caller's own key is %v, in %v", made.GetApiKey(), own)
	}
}

func TestAPIKeyScopesAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := w.exchange(t, w.Key)
	whole := call(t, stranger, "apiKey.ListScopes", &iampb.ListApiKeyScopesRequest{}, new(iampb.ListApiKeyScopesResponse))
	if len(whole.GetScopes()) != 15+3 || !slices.IsSorted(whole.GetScopes()) || whole.GetNextPageToken() != "" {
		t.Errorf("%v, want the 15 known scopes and 3 of this server, sorted", whole)
	}
	for _, scope := range iamapi.DefaultScopes {
		if !slices.Contains(whole.GetScopes(), scope) {
			t.Errorf("the default scope %s is not listed", scope)
		}
	}
	for _, size := range []int64{1, 4, 14, 15, 16} {
		var got []string
		for token := ""; ; {
			page := call(t, stranger, "apiKey.ListScopes", &iampb.ListApiKeyScopesRequest{PageSize: size, PageToken: token}, new(iampb.ListApiKeyScopesResponse))
			got = append(got, page.GetScopes()...)
			if token = page.GetNextPageToken(); token == "" {
				break
			}
			if len(page.GetScopes()) != int(size) {
				t.Fatalf("a page of %d has %d", size, len(page.GetScopes()))
			}
		}
		if !cmp.Equal(got, whole.GetScopes()) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	stranger.refuse(t, "apiKey.ListScopes", &iampb.ListApiKeyScopesRequest{PageToken: "x"}, codes.InvalidArgument, "page_token")
	stranger.refuse(t, "apiKey.ListScopes", &iampb.ListApiKeyScopesRequest{PageSize: 1001}, codes.InvalidArgument, "page_size")
}
