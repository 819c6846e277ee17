package cloudapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

func init() {
	services["leak"] = "propusk.v1.LeakService"
	areaRows = append(areaRows, leakRows)
}

func leakRows(*world) []row {
	key, _ := credential.NewAPIKey() // nobody's
	dead := &propuskpb.Finding{Type: string(leak.APIKey), Payload: key.Reveal()}
	return []row{
		{"leak.ListSecretTypes", "UDDDDDD", fixed(&propuskpb.ListSecretTypesRequest{LeakSourceId: "github"})},
		{"leak.ReportSuspects", "UDDDDDD", fixed(&propuskpb.ReportSuspectsRequest{LeakSourceId: "github",
			Suspects: []*propuskpb.Suspect{{DataType: dead.GetType(), Payload: dead.GetPayload()}}})},
		{"leak.Inspect", "U++++++", fixed(&propuskpb.InspectRequest{Findings: []*propuskpb.Finding{dead}})},
		{"leak.Revoke", "U++++++", func(t *testing.T, w *world, _ int) proto.Message {
			id := w.newAccount(t, "leaking-"+strings.ToLower(resource.NewID("n")))
			return &propuskpb.RevokeLeakRequest{Finding: &propuskpb.Finding{Type: string(leak.IAMToken), Payload: w.impersonate(t, w.owner, id).token}}
		}},
	}
}

// leakWorld is a world with a registered code host, in the other organization.
type leakWorld struct {
	*world
	host, stranger *caller
}

const hostID = "github.example"

func newLeakWorld(t *testing.T) leakWorld {
	t.Helper()
	w := leakWorld{}
	id := resource.NewID(resource.PrefixIAM)
	c := &clock{}
	w.world = newWorld(t, propusktest.WithClock(c.now), propusktest.WithConfig(func(c *server.Config) {
		c.LeakSources = []server.LeakSource{{ID: hostID, ServiceAccount: id}, {ID: "gitlab.example", ServiceAccount: "ajeother000000000000"}}
	}))
	w.clock = c
	w.plantAccount(t, id, "code-host")
	w.host, w.stranger = w.impersonate(t, w.owner, id), w.exchange(t, w.Key)
	return w
}

// plantAccount makes an account with an id that was known before.
func (w *world) plantAccount(t *testing.T, id, name string) {
	t.Helper()
	w.update(t, func(tx *store.Tx) error {
		return store.InsertServiceAccount(tx, &iam.ServiceAccount{ID: id, FolderID: w.home.FolderID, Name: name, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
	})
}

func tokenID(t *testing.T, text string) string {
	t.Helper()
	c, err := token.ParseUnverified(text)
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// specimen is a credential of one kind, found somewhere.
type specimen struct {
	kind      leak.Kind
	text      string
	id        string // of the key, token or session
	accountID string
	derived   *caller // has an IAM token that was made with it; may be nil
}

// specimens makes one live credential of every kind that there is, each of an
// account of its own.
func (w leakWorld) specimens(t *testing.T) map[string]*specimen {
	t.Helper()
	all := map[string]*specimen{}
	for i, name := range []string{"IAM token", "session token", "API key", "static key", "authorized key"} {
		all[name] = &specimen{accountID: w.newAccount(t, fmt.Sprintf("leaking-%d", i))}
	}
	s := all["IAM token"]
	s.derived = w.impersonate(t, w.owner, s.accountID)
	s.kind, s.text, s.id = leak.IAMToken, s.derived.token, tokenID(t, s.derived.token)

	s = all["session token"]
	self := w.impersonate(t, w.owner, s.accountID)
	session := call(t, self, "ephemeral.CreateEphemeral", &awspb.CreateEphemeralAccessKeyRequest{SessionName: "n"}, new(awspb.CreateEphemeralAccessKeyResponse))
	w.secret(session.GetSecret())
	s.kind, s.text = leak.SessionToken, w.secret(session.GetSessionToken())

	s = all["API key"]
	api := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: s.accountID})
	s.kind, s.text, s.id = leak.APIKey, w.secret(api.GetSecret()), api.GetApiKey().GetId()

	s = all["static key"]
	static := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: s.accountID})
	s.kind, s.text, s.id = leak.AccessSecret, w.secret(static.GetSecret()), static.GetAccessKey().GetId()

	s = all["authorized key"]
	key := call(t, w.owner, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: s.accountID}, new(iampb.CreateKeyResponse))
	s.kind, s.text, s.id = leak.AuthorizedKey, strings.TrimSpace(w.secret(key.GetPrivateKey())), key.GetKey().GetId()
	s.derived = w.exchange(t, keyFileOf(t, key))
	return all
}

func (w leakWorld) inspect(t *testing.T, kind leak.Kind, text string) *propuskpb.Verdict {
	t.Helper()
	r := call(t, w.stranger, "leak.Inspect", &propuskpb.InspectRequest{Findings: []*propuskpb.Finding{{Type: string(kind), Payload: text}}}, new(propuskpb.InspectResponse))
	if len(r.GetVerdicts()) != 1 {
		t.Fatalf("%d verdicts", len(r.GetVerdicts()))
	}
	return r.GetVerdicts()[0]
}

func (w leakWorld) report(t *testing.T, suspects ...*propuskpb.Suspect) []string {
	t.Helper()
	return call(t, w.host, "leak.ReportSuspects", &propuskpb.ReportSuspectsRequest{LeakSourceId: hostID, Suspects: suspects}, new(propuskpb.ReportSuspectsResponse)).GetStatuses()
}

func suspect(kind leak.Kind, text string) *propuskpb.Suspect {
	return &propuskpb.Suspect{DataType: string(kind), Payload: text, Uri: "https://git.example/a/b.txt"}
}

// expect judges a text in both ways.
func (w leakWorld) expect(t *testing.T, what string, kind leak.Kind, text string, state propuskpb.Verdict_State, status string) *propuskpb.Verdict {
	t.Helper()
	v := w.inspect(t, kind, text)
	if v.GetState() != state {
		t.Errorf("%s: %v, want %v", what, v.GetState(), state)
	}
	if (v.GetState() == propuskpb.Verdict_DEAD) != (v.GetSubjectId() == "" && v.GetCredentialId() == "") {
		t.Errorf("%s: %v", what, v)
	}
	if got := w.report(t, suspect(kind, text)); !cmp.Equal(got, []string{status}) {
		t.Errorf("%s: %v, want %s", what, got, status)
	}
	return v
}

// TestLeaks goes through the life of a leaked credential of every kind: live,
// dormant, live again, ended, dead.
func TestLeaks(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	const live, dead, dormant = propuskpb.Verdict_LIVE, propuskpb.Verdict_DEAD, propuskpb.Verdict_DORMANT
	for name, s := range w.specimens(t) {
		v := w.expect(t, name, s.kind, s.text, live, "CONFIRMED")
		if s.kind == leak.SessionToken {
			s.id = v.GetCredentialId()
		}
		if v.GetSubjectId() != s.accountID || v.GetCredentialId() != s.id || s.id == "" {
			t.Errorf("%s: %v, want %s of %s", name, v, s.id, s.accountID)
		}
		w.expect(t, name+" in a line of its own", s.kind, "  "+s.text+"\r\n", live, "CONFIRMED")
		for _, other := range leak.Kinds() {
			if other != s.kind {
				w.expect(t, name+" as "+string(other), other, s.text, dead, "NOT_CONFIRMED")
			}
		}
		for what, text := range map[string]string{
			"half": s.text[:len(s.text)/2], "its last character short": s.text[:len(s.text)-1], "a character more": s.text + "A",
			"first character": flip(s.text, 0), "last character": flip(s.text, len(s.text)-1), "middle": flip(s.text, len(s.text)/2),
			"line break inside": s.text[:20] + "\n" + s.text[20:], "twice": s.text + s.text, "blank": "   ", "upper case": strings.ToUpper(s.text),
		} {
			w.expect(t, name+", "+what, s.kind, text, dead, "NOT_CONFIRMED")
		}

		w.owner.operate(t, "sa.Suspend", &iampb.SuspendServiceAccountRequest{ServiceAccountId: s.accountID})
		if s.kind == leak.IAMToken || s.kind == leak.SessionToken { // which do not come back
			w.expect(t, name+" of a suspended account", s.kind, s.text, dead, "NOT_CONFIRMED")
			continue
		}
		v = w.expect(t, name+" of a suspended account", s.kind, s.text, dormant, "CONFIRMED")
		if v.GetSubjectId() != s.accountID || v.GetCredentialId() != s.id {
			t.Errorf("dormant %s: %v", name, v)
		}
		w.owner.operate(t, "sa.Reactivate", &iampb.ReactivateServiceAccountRequest{ServiceAccountId: s.accountID})
		w.expect(t, name+" of a reactivated account", s.kind, s.text, live, "CONFIRMED")
	}
	for name, s := range w.specimens2(t) {
		finding := &propuskpb.Finding{Type: string(s.kind), Payload: s.text + "\n"}
		by := w.stranger
		if s.kind == leak.SessionToken { // which presigned addresses give away
			by.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, codes.NotFound, "not found")
			tried := w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.RevokeLeakedCredential", Resource: s.accountID})
			if len(tried) != 1 || tried[0].Status != "ERROR" || tried[0].Details["credential_id"] == nil || tried[0].Details["service_account_id"] != s.accountID {
				t.Errorf("audit lines of a refusal: %v", tried)
			}
			by = w.owner
		}
		r := call(t, by, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding, Uri: "https://git.example/x"}, new(propuskpb.RevokeLeakResponse))
		if r.GetSubjectId() != s.accountID || r.GetCredentialId() == "" || s.id != "" && r.GetCredentialId() != s.id {
			t.Errorf("ended %s: %v, want %s of %s", name, r, s.id, s.accountID)
		}
		w.expect(t, "ended "+name, s.kind, s.text, dead, "NOT_CONFIRMED")
		if s.derived != nil {
			s.derived.refuse(t, "sa.Get", &iampb.GetServiceAccountRequest{ServiceAccountId: s.accountID}, codes.Unauthenticated, "revoked")
		}
		w.stranger.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: finding}, codes.NotFound, "nothing to revoke")
	}
}

// specimens2 is specimens of accounts with other names.
func (w leakWorld) specimens2(t *testing.T) map[string]*specimen {
	t.Helper()
	for _, a := range call(t, w.owner, "sa.List", &iampb.ListServiceAccountsRequest{FolderId: w.home.FolderID, PageSize: 100}, new(iampb.ListServiceAccountsResponse)).GetServiceAccounts() {
		if strings.HasPrefix(a.GetName(), "leaking-") {
			w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: a.GetId()})
		}
	}
	return w.specimens(t)
}

// What a key's end and its account's end mean: the first can be moved, the
// second takes the key with it.
func TestLeaksOfExpiredKeysAndGoneAccounts(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	account := w.newAccount(t, "leaking")
	key := newAPIKey(t, w.owner, &iampb.CreateApiKeyRequest{ServiceAccountId: account, ExpiresAt: timestamppb.New(w.clock.now().Add(time.Minute))})
	text := w.secret(key.GetSecret())
	w.expect(t, "a key with an end", leak.APIKey, text, propuskpb.Verdict_LIVE, "CONFIRMED")
	w.clock.add(2 * time.Minute)
	w.expect(t, "an expired key", leak.APIKey, text, propuskpb.Verdict_DORMANT, "CONFIRMED")
	w.owner.operate(t, "apiKey.Update", &iampb.UpdateApiKeyRequest{ApiKeyId: key.GetApiKey().GetId(), UpdateMask: masked("expires_at")})
	w.expect(t, "a prolonged key", leak.APIKey, text, propuskpb.Verdict_LIVE, "CONFIRMED")
	static := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: account})
	w.expect(t, "a static key", leak.AccessSecret, static.GetSecret(), propuskpb.Verdict_LIVE, "CONFIRMED")
	iamToken := w.impersonate(t, w.owner, account).token
	w.owner.operate(t, "sa.Delete", &iampb.DeleteServiceAccountRequest{ServiceAccountId: account})
	w.expect(t, "a deleted account's key", leak.APIKey, text, propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
	w.expect(t, "a deleted account's static key", leak.AccessSecret, static.GetSecret(), propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
	w.expect(t, "a deleted account's token", leak.IAMToken, iamToken, propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
	w.clock.add(13 * time.Hour)
	expired := w.owner.token
	w.owner = w.exchange(t, []byte(w.home.KeyFile))
	w.host, w.stranger = w.impersonate(t, w.owner, w.host.id), w.exchange(t, w.Key)
	w.expect(t, "an expired token", leak.IAMToken, expired, propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
}

// Of an authorized key the public half tells whether the key is there, and
// neither whose it is nor a code host anything; nobody ends a key with it.
func TestPublicHalfOfALeakedKey(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	s := w.specimens(t)["authorized key"]
	public := leak.PublicHalf(s.text)
	v := w.inspect(t, leak.AuthorizedKey, public)
	if v.GetState() != propuskpb.Verdict_LIVE || v.GetSubjectId() != "" || v.GetCredentialId() != s.id {
		t.Errorf("the public half: %v", v)
	}
	if got := w.report(t, suspect(leak.AuthorizedKey, public)); got[0] != "NOT_CONFIRMED" {
		t.Errorf("the public half is a leak: %v", got)
	}
	w.stranger.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: &propuskpb.Finding{Type: string(leak.AuthorizedKey), Payload: public}},
		codes.InvalidArgument, "the private half")
	w.expect(t, "still there", leak.AuthorizedKey, s.text, propuskpb.Verdict_LIVE, "CONFIRMED")

	escaped, _ := json.Marshal(s.text)
	w.expect(t, "as JSON has it", leak.AuthorizedKey, strings.TrimSuffix(strings.Trim(string(escaped), `"`), `\n`), propuskpb.Verdict_LIVE, "CONFIRMED")
	other := call(t, w.owner, "key.Create", &iampb.CreateKeyRequest{ServiceAccountId: s.accountID}, new(iampb.CreateKeyResponse))
	w.secret(other.GetPrivateKey())
	_, block, _ := strings.Cut(other.GetPrivateKey(), "\n")
	line, mine, _ := strings.Cut(s.text, "\n")
	for what, text := range map[string]string{
		"another key's block":     line + "\n" + block,
		"without its line":        mine,
		"an unknown id":           strings.Replace(s.text, s.id, "ajenever0000000000000", 1),
		"another key's public":    line + "\n" + other.GetKey().GetPublicKey(),
		"the public half unnamed": strings.SplitN(public, "\n", 2)[1],
		"no key behind the line":  line,
		"a block and more":        public + "x",
		"a block cut short":       public[:len(public)-30],
		"longer than any key":     line + strings.Repeat("\n", 6<<10) + mine,
	} {
		w.expect(t, what, leak.AuthorizedKey, text, propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
	}
}

func TestLeakRequestsOutOfBounds(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	key, _ := credential.NewAPIKey()
	n := func(n int) (all []*propuskpb.Suspect) {
		for range n {
			all = append(all, suspect(leak.APIKey, w.secret(key.Reveal())))
		}
		return all
	}
	report := func(code codes.Code, field string, suspects ...*propuskpb.Suspect) {
		t.Helper()
		w.host.refuse(t, "leak.ReportSuspects", &propuskpb.ReportSuspectsRequest{LeakSourceId: hostID, Suspects: suspects}, code, field)
	}
	if got := w.report(t, n(100)...); len(got) != 100 {
		t.Errorf("%d statuses of 100", len(got))
	}
	report(codes.InvalidArgument, "suspects", n(101)...)
	report(codes.InvalidArgument, "suspects")
	report(codes.InvalidArgument, "suspects[1].data_type", n(1)[0], suspect("github_token", "x"))
	report(codes.InvalidArgument, "data_type", suspect("", "x"))
	report(codes.InvalidArgument, "payload", suspect(leak.APIKey, ""))
	report(codes.InvalidArgument, "payload", suspect(leak.APIKey, strings.Repeat("x", 16<<10+1)))
	report(codes.InvalidArgument, "uri", &propuskpb.Suspect{DataType: string(leak.APIKey), Payload: "x", Uri: strings.Repeat("u", 2049)})
	for _, kind := range leak.Kinds() {
		w.expect(t, "16 KiB as "+string(kind), kind, strings.Repeat("x", 16<<10), propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
		w.expect(t, "one character as "+string(kind), kind, "é", propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
	}
	w.expect(t, "16 KiB of a line", leak.AuthorizedKey, "PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <"+strings.Repeat("a", 16<<10-60)+">", propuskpb.Verdict_DEAD, "NOT_CONFIRMED")
	findings := func(n int, kind string) *propuskpb.InspectRequest {
		r := &propuskpb.InspectRequest{}
		for range n {
			r.Findings = append(r.Findings, &propuskpb.Finding{Type: kind, Payload: key.Reveal()})
		}
		return r
	}
	if r := call(t, w.owner, "leak.Inspect", findings(100, string(leak.APIKey)), new(propuskpb.InspectResponse)); len(r.GetVerdicts()) != 100 {
		t.Errorf("%d verdicts of 100", len(r.GetVerdicts()))
	}
	w.owner.refuse(t, "leak.Inspect", findings(101, string(leak.APIKey)), codes.InvalidArgument, "findings")
	w.owner.refuse(t, "leak.Inspect", findings(0, ""), codes.InvalidArgument, "findings")
	w.owner.refuse(t, "leak.Inspect", findings(1, "x"), codes.InvalidArgument, "findings[0].type")
	w.owner.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{}, codes.InvalidArgument, "finding")
	w.owner.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: &propuskpb.Finding{Type: "x", Payload: key.Reveal()}}, codes.InvalidArgument, "finding.type")
	w.owner.refuse(t, "leak.Revoke", &propuskpb.RevokeLeakRequest{Finding: &propuskpb.Finding{Type: string(leak.APIKey), Payload: key.Reveal()}}, codes.NotFound, "nothing to revoke")
}

// Answers are in the order of the suspects, whatever became of those before.
func TestLeakAnswersInOrder(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	all := w.specimens(t)
	unknown, _ := credential.NewAPIKey()
	_, nobody := credential.NewAccessKey()
	got := w.report(t,
		suspect(leak.APIKey, w.secret(unknown.Reveal())), suspect(leak.AccessSecret, all["static key"].text), suspect(leak.OAuthToken, "y0_"+strings.Repeat("A", 55)),
		suspect(leak.IAMToken, all["IAM token"].text), suspect(leak.AccessSecret, w.secret(nobody.Reveal())), suspect(leak.APIKey, all["API key"].text),
		suspect(leak.APIKey, all["API key"].text))
	want := []string{"NOT_CONFIRMED", "CONFIRMED", "NOT_CONFIRMED", "CONFIRMED", "NOT_CONFIRMED", "CONFIRMED", "CONFIRMED"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Who is not the registered account learns nothing, not even which sources there are.
func TestLeakSourcesOfOthers(t *testing.T) {
	t.Parallel()
	w := newLeakWorld(t)
	s := w.specimens(t)["API key"]
	text := func(id string) string { return "Permission to [leak-source " + id + "] denied" }
	for _, c := range []struct {
		by     *caller
		source string
	}{
		{w.owner, hostID}, {w.exchange(t, w.Key), hostID}, {w.owner, "never.example"}, {w.host, "gitlab.example"}, {w.host, "never.example"}, {w.host, strings.ToUpper(hostID)},
	} {
		c.by.refuse(t, "leak.ListSecretTypes", &propuskpb.ListSecretTypesRequest{LeakSourceId: c.source}, codes.PermissionDenied, text(c.source))
		c.by.refuse(t, "leak.ReportSuspects", &propuskpb.ReportSuspectsRequest{LeakSourceId: c.source,
			Suspects: []*propuskpb.Suspect{suspect(s.kind, s.text)}}, codes.PermissionDenied, text(c.source))
	}
	if lines := w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.DetectLeakedCredential"}); len(lines) != 0 {
		t.Errorf("reports that were refused are told: %v", lines)
	}
	types := call(t, w.host, "leak.ListSecretTypes", &propuskpb.ListSecretTypesRequest{LeakSourceId: hostID}, new(propuskpb.ListSecretTypesResponse)).GetTypes()
	var names []string
	for _, st := range types {
		names = append(names, st.GetType())
		if st.GetRegexMatcher() != leak.Kind(st.GetType()).Matcher() {
			t.Errorf("%s: %s", st.GetType(), st.GetRegexMatcher())
		}
	}
	want := []string{"yandex_cloud_iam_token_v1", "propusk_session_token_v1", "yandex_cloud_api_key_v1", "yandex_cloud_iam_access_secret", "yandex_cloud_iam_key_v1", "yandex_passport_oauth_token", "propusk_oauth_client_secret_v1", "yandex_cloud_iam_cookie_v1", "yandex_cloud_iam_refresh_token_v1"}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
}
