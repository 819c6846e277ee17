package cloudapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	ompb "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// oauthToken makes an OAuth token of a person, as an operator does.
func (w *world) oauthToken(t *testing.T, personID string) *server.UserTokenResult {
	t.Helper()
	made, err := w.Server.Server.MakeUserToken(t.Context(), server.UserTokenRequest{User: personID})
	if err != nil {
		t.Fatal(err)
	}
	w.secret(made.Secret)
	return made
}

func oauthRequest(text string) *iampb.CreateIamTokenRequest {
	return &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: text}}
}

// asUser makes a caller of an OAuth token.
func (w *world) asUser(t *testing.T, oauth *server.UserTokenResult) *caller {
	t.Helper()
	r := call(t, w.withToken(t, ""), "token.Create", oauthRequest(oauth.Secret), new(iampb.CreateIamTokenResponse))
	c := w.withToken(t, w.secret(r.GetIamToken()))
	c.id = oauth.UserID
	return c
}

func TestOAuthTokenExchange(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	carol := w.person(t, "carol", w.home.OrganizationID)
	oauth := w.oauthToken(t, carol)
	for door, do := range map[string]func(*testing.T, string, proto.Message, proto.Message, ...string) answer{
		"gRPC": w.withToken(t, "").do, "REST": w.withToken(t, "").doREST,
	} {
		var r iampb.CreateIamTokenResponse
		a := do(t, "token.Create", oauthRequest(oauth.Secret), &r)
		if a.code != codes.OK {
			t.Fatalf("%s: %v %s", door, a.code, a.message)
		}
		c := claims(t, w.secret(r.GetIamToken()))
		want := &token.Claims{
			ID: c.ID, KeyID: c.KeyID, Installation: c.Installation, IssuedAt: c.IssuedAt, ExpiresAt: c.IssuedAt.Add(43200 * time.Second), Position: c.Position,
			SubjectType: token.SubjectUserAccount, SubjectID: carol, OrganizationID: w.home.OrganizationID,
			// Not the OAuth token: that may end before its IAM tokens.
			DependsOn: []token.Dependency{{Kind: token.KindToken, ID: c.ID}, {Kind: token.KindSubject, ID: carol},
				{Kind: token.KindOrganization, ID: iam.MembershipID(w.home.OrganizationID, iam.SubjectID(carol))}},
		}
		if d := cmp.Diff(want, c); d != "" || !r.GetExpiresAt().AsTime().Equal(c.ExpiresAt) || !strings.HasPrefix(r.GetIamToken(), "t1.") {
			t.Errorf("%s: until %v (-want +got):\n%s", door, r.GetExpiresAt().AsTime(), d)
		}
		found := false
		for _, l := range w.audit(t.Context(), t, server.AuditListRequest{Type: "iam.CreateIamToken"}) {
			if l.Request.ID != a.requestID {
				continue
			}
			found = true
			if l.Authentication.SubjectID != carol || l.Details["iam_token_id"] != c.ID ||
				!strings.Contains(l.raw, `"credential_type":"oauthToken"`) || !strings.Contains(l.raw, `"credential_id":"`+oauth.ID+`"`) {
				t.Errorf("%s: audit line %s", door, l.raw)
			}
		}
		if !found {
			t.Errorf("%s: no audit line", door)
		}
	}
	// The documented curl sends JSON as a form.
	raw := w.Do(t, "POST", "", "/iam/v1/tokens", `{"yandexPassportOauthToken":"`+oauth.Secret+`"}`, "Content-Type", "application/x-www-form-urlencoded")
	var answer struct{ IAMToken string }
	if raw.Decode(t, &answer); raw.Code != http.StatusOK || !strings.HasPrefix(w.secret(answer.IAMToken), "t1.") {
		t.Errorf("curl without a content type: %d", raw.Code)
	}

	// It ends with the OAuth token at the latest.
	w.clock.add(oauth.ExpiresAt.Sub(w.clock.now()) - time.Hour)
	r := call(t, w.withToken(t, ""), "token.Create", oauthRequest(oauth.Secret), new(iampb.CreateIamTokenResponse))
	w.secret(r.GetIamToken())
	if got, want := r.GetExpiresAt().AsTime(), oauth.ExpiresAt.Truncate(time.Millisecond); !got.Equal(want) {
		t.Errorf("an hour before the end of the OAuth token: until %v, want %v", got, want)
	}
	w.clock.add(time.Hour)
	w.withToken(t, "").refuse(t, "token.Create", oauthRequest(oauth.Secret), codes.Unauthenticated, "OAuth token is invalid or expired")
}

func TestOAuthTokenExchangeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobody := w.withToken(t, "")
	carol := w.person(t, "carol", w.home.OrganizationID)
	revoked, live := w.oauthToken(t, carol), w.oauthToken(t, carol)
	if _, err := w.Server.Server.RevokeUserToken(t.Context(), server.UserRevokeTokenRequest{ID: revoked.ID}); err != nil {
		t.Fatal(err)
	}
	unknown, _ := credential.NewOAuthToken()
	for what, text := range map[string]string{
		"empty": "", "malformed": "y0_nothing", "unknown": w.secret(unknown.Reveal()), "revoked": revoked.Secret, "cut": live.Secret[:57],
		"with a blank": live.Secret + " ", "the longest": strings.Repeat("x", 4000),
	} {
		a := nobody.refuse(t, "token.Create", oauthRequest(text), codes.Unauthenticated, "")
		if a.message != "OAuth token is invalid or expired" {
			t.Errorf("%s: %q", what, a.message)
		}
	}
	a := nobody.refuse(t, "token.Create", oauthRequest(strings.Repeat("x", 4001)), codes.InvalidArgument, "")
	if f := a.fields(); len(f) != 1 || f[0] != "yandex_passport_oauth_token" {
		t.Errorf("too long: %q", a.message)
	}
	nobody.refuse(t, "token.Create", oauthRequest(w.owner.token), codes.Unauthenticated, "The OAuth token is an IAM token")
	nobody.refuse(t, "token.Create", &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: live.Secret}}, codes.Unauthenticated, "The JWT is an OAuth token")
	w.withToken(t, live.Secret).refuse(t, "cloud.List", &rmpb.ListCloudsRequest{}, codes.Unauthenticated, "holds an OAuth token")
	r := w.Do(t, "POST", "", "/iam/v1/tokens", map[string]string{"yandexPassportOauthToken": live.Secret, "jwt": "x"})
	if r.Code != http.StatusBadRequest || strings.Contains(string(r.Body), live.Secret) {
		t.Errorf("both: %d %s", r.Code, r.Body)
	}
}

// TestOAuthTokenEnds: what the end of each thing does to IAM tokens, and to
// what was made with them.
func TestOAuthTokenEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.Server.Server
	target := w.newAccount(t, "target")
	type person struct {
		id            string
		oauth         *server.UserTokenResult
		user, derived *caller
		ephemeral     heldKey
	}
	join := func(login string, organizations ...string) *person {
		t.Helper()
		p := &person{id: w.person(t, login, organizations...)}
		w.bind(t, "sa", target, addUser("iam.serviceAccounts.tokenCreator", p.id))
		p.oauth = w.oauthToken(t, p.id)
		p.user = w.asUser(t, p.oauth)
		p.derived = w.impersonate(t, p.user, target)
		p.ephemeral = w.newEphemeral(t, p.user, ephemeral(""))
		alive(t, login, p.user, p.derived)
		w.proves(t, login, p.ephemeral, p.id)
		return p
	}
	gone := func(what, text string, p *person) {
		t.Helper()
		dead(t, what, text, p.user, p.derived)
		w.provesNobody(t, what, p.ephemeral, "revoked")
	}
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	p := join("revoked", w.home.OrganizationID)
	check(admin.RevokeUserToken(t.Context(), server.UserRevokeTokenRequest{ID: p.oauth.ID}))
	alive(t, "after the OAuth token's end", p.user, p.derived)
	w.proves(t, "after the OAuth token's end", p.ephemeral, p.id)
	second := w.oauthToken(t, p.id)
	check(admin.RevokeUserToken(t.Context(), server.UserRevokeTokenRequest{ID: second.ID, IAMTokens: true}))
	gone("with all IAM tokens", "The token has been revoked", p)

	p = join("suspended", w.home.OrganizationID)
	check(admin.SuspendUser(t.Context(), server.UserSuspendRequest{User: p.id}))
	gone("suspended", "The token has been revoked", p)
	w.withToken(t, "").refuse(t, "token.Create", oauthRequest(p.oauth.Secret), codes.Unauthenticated, "The user account "+p.id+" is suspended")
	check(admin.ReactivateUser(t.Context(), server.UserSuspendRequest{User: p.id}))
	gone("reactivated", "The token has been revoked", p)
	w.impersonate(t, w.asUser(t, p.oauth), target) // roles have stayed

	p = join("leaves", w.home.OrganizationID)
	w.owner.operate(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: w.home.OrganizationID, SubjectId: p.id})
	gone("taken out of the organization that the token names", "The token has been revoked", p)
	if c := claims(t, w.asUser(t, p.oauth).token); c.OrganizationID != "" {
		t.Errorf("of no organization: %s", c.OrganizationID)
	}

	p = join("is-taken-out", w.home.OrganizationID)
	check(admin.RemoveUser(t.Context(), server.UserRemoveRequest{User: p.id, Organization: w.home.OrganizationID}))
	gone("taken out by an operator", "The token has been revoked", p)

	p = join("stays", w.home.OrganizationID, w.OrganizationID)
	if c := claims(t, p.user.token); c.OrganizationID != "" || len(c.DependsOn) != 2 {
		t.Errorf("of two organizations: %s, %v", c.OrganizationID, c.DependsOn)
	}
	check(admin.RemoveUser(t.Context(), server.UserRemoveRequest{User: p.id, Organization: w.OrganizationID}))
	alive(t, "taken out of one of two", p.user, p.derived)
	if c := claims(t, w.asUser(t, p.oauth).token); c.OrganizationID != w.home.OrganizationID {
		t.Errorf("of one organization: %s", c.OrganizationID)
	}

	// What he made with an account of the organization that he leaves ends, too,
	// though his own token, which is no organization's, does not.
	for what, leave := range map[string]func(*testing.T, *person){
		"an-operator": func(_ *testing.T, p *person) {
			check(admin.RemoveUser(t.Context(), server.UserRemoveRequest{User: p.id, Organization: w.home.OrganizationID}))
		},
		"an-owner": func(t *testing.T, p *person) {
			w.owner.operate(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: w.home.OrganizationID, SubjectId: p.id})
		},
	} {
		p = join("leaves-one-of-two-by-"+what, w.OrganizationID, w.home.OrganizationID)
		w.bind(t, "sa", target, addUser("iam.serviceAccounts.ephemeralAccessKeyAdmin", p.id))
		key := w.newEphemeral(t, p.user, ephemeral(target))
		w.proves(t, what, key, target)
		leave(t, p)
		alive(t, what, p.user)
		dead(t, what, "The token has been revoked", p.derived)
		w.provesNobody(t, what, key, "revoked")
	}

	p = join("removed", w.home.OrganizationID)
	check(admin.RemoveUser(t.Context(), server.UserRemoveRequest{User: p.id}))
	gone("removed", "The token has been revoked", p)
	w.withToken(t, "").refuse(t, "token.Create", oauthRequest(p.oauth.Secret), codes.Unauthenticated, "OAuth token is invalid or expired")
}

// The last owner of something can be shut out, and is let in again with what he had.
func TestSuspensionOfTheLastOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.asUser(t, w.oauthToken(t, w.AliceID))
	call(t, alice, "cloud.Get", &rmpb.GetCloudRequest{CloudId: w.CloudID}, new(rmpb.Cloud))
	for range 2 { // twice is as good as once
		if u, err := w.Server.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: "alice", Reason: "stolen"}); err != nil || !u.Suspended {
			t.Fatalf("%+v, %v", u, err)
		}
	}
	dead(t, "suspended", "The token has been revoked", alice)
	if _, err := w.Server.Server.MakeUserToken(t.Context(), server.UserTokenRequest{User: "alice"}); iam.KindOf(err) != iam.FailedPrecondition {
		t.Errorf("a token for a suspended person: %v", err)
	}
	if u, err := w.Server.Server.ReactivateUser(t.Context(), server.UserSuspendRequest{User: "alice"}); err != nil || u.Suspended {
		t.Fatalf("%+v, %v", u, err)
	}
	call(t, w.asUser(t, w.oauthToken(t, w.AliceID)), "cloud.Get", &rmpb.GetCloudRequest{CloudId: w.CloudID}, new(rmpb.Cloud))
	for event, want := range map[string]int{"propusk.SuspendUserAccount": 1, "propusk.ReactivateUserAccount": 1} {
		if got := len(w.audit(t.Context(), t, server.AuditListRequest{Type: event})); got != want {
			t.Errorf("%d lines of %s", got, event)
		}
	}
}

// What takes a service account by default takes no person for one.
func TestPeopleAreNoServiceAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	carol := w.person(t, "carol", w.home.OrganizationID)
	w.bind(t, "cloud", w.home.CloudID, addUser("admin", carol))
	user := w.asUser(t, w.oauthToken(t, carol))
	for method, m := range map[string]proto.Message{
		"key.List": &iampb.ListKeysRequest{}, "apiKey.List": &iampb.ListApiKeysRequest{}, "accessKey.List": &awspb.ListAccessKeysRequest{},
		"key.Create": &iampb.CreateKeyRequest{}, "apiKey.Create": &iampb.CreateApiKeyRequest{}, "accessKey.Create": &awspb.CreateAccessKeyRequest{},
		"idToken.Create": &propuskpb.CreateIdTokenRequest{},
	} {
		a := user.refuse(t, method, m, codes.InvalidArgument, "required, because the caller is not a service account")
		if f := a.fields(); len(f) != 1 || f[0] != "service_account_id" {
			t.Errorf("%s: fields %v", method, f)
		}
	}
	// As a service account's id a person's is none.
	user.refuse(t, "key.List", &iampb.ListKeysRequest{ServiceAccountId: carol}, codes.NotFound, "not found")
	user.refuse(t, "token.CreateForServiceAccount", impersonation(carol), codes.NotFound, "not found")

	got := call(t, user, "passport.GetByLogin", &iampb.GetUserAccountByLoginRequest{Login: "carol"}, new(iampb.UserAccount))
	if got.GetId() != carol || got.GetYandexPassportUserAccount().GetDefaultEmail() != "carol@example.org" {
		t.Errorf("himself: %v", got)
	}
	op := user.operate(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: w.home.CloudID, Name: "of-carol"})
	if op.GetCreatedBy() != carol {
		t.Errorf("made by %s", op.GetCreatedBy())
	}
	if r := call(t, user, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: user.token}, new(iampb.RevokeIamTokenResponse)); r.GetSubjectId() != carol {
		t.Errorf("ended a token of %s", r.GetSubjectId())
	}
	dead(t, "ended by himself", "The token has been revoked", user)
}

func TestOAuthTokensAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorldWithClock(t)
	carol := w.person(t, "carol")
	var last *server.UserTokenResult
	for range 100 {
		last = w.oauthToken(t, carol)
	}
	_, err := w.Server.Server.MakeUserToken(t.Context(), server.UserTokenRequest{User: carol})
	if iam.KindOf(err) != iam.ResourceExhausted {
		t.Errorf("one more: %v", err)
	}
	if _, err := w.Server.Server.RevokeUserToken(t.Context(), server.UserRevokeTokenRequest{ID: last.ID}); err != nil {
		t.Fatal(err)
	}
	w.oauthToken(t, carol)
	for _, bad := range []string{"a\nb", "\xff", strings.Repeat("x", 257)} {
		if _, err := w.Server.Server.MakeUserToken(t.Context(), server.UserTokenRequest{User: carol, Description: bad}); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("description %q: %v", bad, err)
		}
		if _, err := w.Server.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: carol, Reason: bad}); iam.KindOf(err) != iam.InvalidArgument {
			t.Errorf("reason %q: %v", bad, err)
		}
	}
	w.clock.add(366 * 24 * time.Hour) // all have expired
	fresh := w.oauthToken(t, carol)
	w.asUser(t, fresh)
	list, err := w.Server.Server.ListUserTokens(t.Context(), server.UserTokensRequest{User: "carol"})
	if err != nil || len(list.Tokens) != 101 {
		t.Errorf("%d tokens, %v", len(list.Tokens), err)
	}
}

// Suspension and the end of an OAuth token are in force on another node, too.
func TestOAuthTokenEndsElsewhere(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	carol := e.person(t, "carol", e.home.OrganizationID)
	first := e.asUser(t, e.oauthToken(t, carol))
	if _, err := e.verifier.Verify(first.token); err != nil {
		t.Fatal(err)
	}
	e.update(t, func(tx *store.Tx) error { // no operator: what a node hears of another's
		_, err := store.SetUserAccountStatus(tx, carol, iam.UserAccountSuspended, "")
		return err
	})
	dead(t, "suspended elsewhere", "The user account "+carol+" is suspended", first)
	if _, err := e.Server.Server.ReactivateUser(t.Context(), server.UserSuspendRequest{User: carol}); err != nil {
		t.Fatal(err)
	}
	alive(t, "reactivated", first)
	e.owner.operate(t, "user.DeleteMembership", &ompb.DeleteMembershipRequest{OrganizationId: e.home.OrganizationID, SubjectId: carol})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := e.verifier.Verify(first.token); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a verifier takes the token of a member who was taken out 10 s ago")
		}
	}
}

// What is exchanged while its person is being shut out is dead when that has
// returned, however the two met.
func TestOAuthTokenExchangeMeetsSuspension(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	carol := w.person(t, "carol", w.home.OrganizationID)
	oauth, nobody := w.oauthToken(t, carol), w.withToken(t, "")
	var made int
	for range 10 {
		texts, stop := make(chan string, 10_000), make(chan struct{})
		var exchanging sync.WaitGroup
		for range 4 {
			exchanging.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					var r iampb.CreateIamTokenResponse
					if err := nobody.conn.Invoke(t.Context(), fullMethod("token.Create"), oauthRequest(oauth.Secret), &r); err == nil {
						texts <- r.GetIamToken()
					}
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		if _, err := w.Server.Server.SuspendUser(t.Context(), server.UserSuspendRequest{User: carol}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		close(stop)
		exchanging.Wait()
		close(texts)
		if _, err := w.Server.Server.ReactivateUser(t.Context(), server.UserSuspendRequest{User: carol}); err != nil {
			t.Fatal(err)
		}
		for text := range texts {
			made++
			if r := w.Get(t, w.secret(text), "/resource-manager/v1/clouds"); r.Code != http.StatusUnauthorized {
				t.Fatalf("a token of before the suspension: %d %s", r.Code, r.Body)
			}
		}
	}
	if made < 10 {
		t.Errorf("only %d tokens were made", made)
	}
}
