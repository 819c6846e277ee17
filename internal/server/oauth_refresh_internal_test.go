package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/cloudapi/accessservice"
	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// plantRefreshToken is a refresh token of a person for the command line's client,
// as if he had just signed in by it.
func (h *hall) plantRefreshToken(t *testing.T, login string, change ...func(*iam.OAuthGrant)) string {
	t.Helper()
	drawn := grant.NewRefreshToken()
	g := &iam.OAuthGrant{ID: resource.NewID(resource.PrefixIAM), UserID: h.userID(t, login), ClientID: oauthclient.PublicSDK, ClientInfo: "yc/1",
		SessionID: "none", Scopes: []string{"openid", "email"}, Methods: []string{"pwd"}}
	for _, c := range change {
		c(g)
	}
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		now := tx.Now()
		g.AuthenticatedAt, g.CreatedAt, g.ExpiresAt = now, now, now.Add(time.Hour)
		if err := store.InsertOAuthGrant(tx, g); err != nil {
			return err
		}
		protection := iam.NoProtection
		if g.KeyThumbprint != "" {
			protection = iam.InsecureKeyDPoP
		}
		return store.InsertRefreshToken(tx, &iam.RefreshToken{ID: drawn.ID, GrantID: g.ID, UserID: g.UserID, ClientID: g.ClientID, ClientInfo: g.ClientInfo,
			Protection: protection, Lookup: drawn.Lookup, CreatedAt: now, ExpiresAt: now.Add(grant.RefreshLife)}, now.Add(2*grant.RefreshLife))
	})
	if err != nil {
		t.Fatal(err)
	}
	return drawn.Secret.Reveal()
}

// tokens is an answer of the token endpoint.
type tokens struct {
	Status       int
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	Error        string `json:"error"`
	Text         string `json:"error_description"`
}

func (h *hall) postToken(t *testing.T, form url.Values, headers ...string) (out tokens) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+h.HTTPAddr()+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out.Status = res.StatusCode
	return out
}

func (h *hall) refresh(t *testing.T, text string, more ...string) tokens {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {oauthclient.PublicSDK}, "refresh_token": {text}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return h.postToken(t, form)
}

// get asks the API over REST and returns the status and the answer.
func (h *hall) get(t *testing.T, token, method, path, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out
}

func (h *hall) listed(t *testing.T, token, query string) int {
	t.Helper()
	status, out := h.get(t, token, "GET", "/iam/v1/refreshTokens"+query, "")
	if status != 200 {
		t.Fatalf("%d %v", status, out)
	}
	all, _ := out["refreshTokens"].([]any)
	return len(all)
}

func wantTokens(t *testing.T, what string, got tokens, renewed bool) {
	t.Helper()
	if got.Status != 200 || !strings.HasPrefix(got.AccessToken, "t1.") || got.TokenType != "Bearer" || got.ExpiresIn <= 0 || got.IDToken == "" ||
		got.Scope != "openid email" || (got.RefreshToken != "") != renewed {
		t.Fatalf("%s: %d %s %s, refresh token %v", what, got.Status, got.Error, got.Text, got.RefreshToken != "")
	}
}

func wantGone(t *testing.T, what string, got tokens) {
	t.Helper()
	if got.Status != 400 || got.Error != "invalid_grant" || got.Text != "The refresh token is not valid: the person has to sign in again" {
		t.Errorf("%s: %d %s %s", what, got.Status, got.Error, got.Text)
	}
}

// A refresh token is good for 31 days and is replaced when fewer than seven are
// left. The old one works a minute longer with the same successor; whoever comes
// with it later ends everything.
func TestRefreshing(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	first := h.plantRefreshToken(t, "alice")
	wantTokens(t, "at once", h.refresh(t, first), false)
	h.advance(24*24*time.Hour - time.Minute)
	wantTokens(t, "with seven days left", h.refresh(t, first), false)
	h.advance(2 * time.Minute)
	renewed := h.refresh(t, first)
	wantTokens(t, "with fewer", renewed, true)
	second := renewed.RefreshToken
	if !grant.RefreshTokenForm(second) || second == first {
		t.Fatal("the new one is none")
	}
	h.advance(50 * time.Second)
	again := h.refresh(t, first)
	wantTokens(t, "the old one within a minute", again, true)
	if again.RefreshToken != second {
		t.Error("another successor")
	}
	use := h.refresh(t, second)
	wantTokens(t, "the new one", use, false)
	if n := h.listed(t, use.AccessToken, ""); n != 1 {
		t.Errorf("%d are listed, the replaced one should not be", n)
	}
	h.advance(11 * time.Second)
	wantTokens(t, "the new one later", h.refresh(t, second), false)
	wantGone(t, "the old one later", h.refresh(t, first))
	wantGone(t, "the new one after that", h.refresh(t, second))
	if status, out := h.get(t, use.AccessToken, "GET", "/iam/v1/refreshTokens", ""); status != 401 {
		t.Errorf("an IAM token of the grant: %d %v", status, out)
	}
	h.wantEvent(t, "iam.credential.RevokeRefreshTokenForSubject", "a replaced token was used again")
}

func (h *hall) wantEvent(t *testing.T, event, text string) {
	t.Helper()
	var rows []*store.AuditEvent
	err := h.db.View(t.Context(), func(tx *store.Tx) (err error) {
		rows, err = store.ListAuditEvents(tx, store.AuditFilter{Type: audit.TypeOf(event), Limit: 1000})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if strings.Contains(r.Body, text) {
			return
		}
	}
	t.Errorf("of %d audit lines %s none has %q", len(rows), event, text)
}

func TestRefreshingAtOnce(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	first := h.plantRefreshToken(t, "alice")
	h.advance(25 * 24 * time.Hour)
	var all [8]tokens
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i] = h.refresh(t, first) })
	}
	wg.Wait()
	for _, got := range all {
		wantTokens(t, "one of many", got, true)
		if got.RefreshToken != all[0].RefreshToken {
			t.Error("two successors")
		}
	}
	if n := h.listed(t, all[3].AccessToken, ""); n != 1 {
		t.Errorf("%d are listed", n)
	}
}

func TestRefreshingRefused(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	good := h.plantRefreshToken(t, "bob")
	wantGone(t, "unknown", h.refresh(t, grant.NewRefreshToken().Secret.Reveal()))
	wantGone(t, "cut short", h.refresh(t, good[:200]))
	wantGone(t, "a session's cookie", h.refresh(t, h.alice(t)))
	wantGone(t, "bound to a key", h.refresh(t, h.plantRefreshToken(t, "bob", func(g *iam.OAuthGrant) { g.KeyThumbprint = strings.Repeat("A", 43) })))
	wantGone(t, "of another client", h.refresh(t, h.plantRefreshToken(t, "bob", func(g *iam.OAuthGrant) { g.ClientID = "ajeanother" })))
	if got := h.refresh(t, good, "client_id", "ajenone"); got.Status != 401 || got.Error != "invalid_client" {
		t.Errorf("an unknown client: %+v", got)
	}
	if got := h.refresh(t, good, "scope", "openid groups"); got.Error != "invalid_scope" {
		t.Errorf("more than was granted: %+v", got)
	}
	if got := h.refresh(t, good, "scope", "openid"); got.Error != "invalid_scope" {
		t.Errorf("less of an IAM token: %+v", got)
	}
	if got := h.refresh(t, good, "refresh_token", ""); got.Error != "invalid_request" {
		t.Errorf("nothing: %+v", got)
	}
	wantTokens(t, "as before", h.refresh(t, good), false)
	must2(h.SuspendUser(t.Context(), UserSuspendRequest{User: "bob"}))(t)
	wantGone(t, "of a suspended person", h.refresh(t, good))

	old := h.plantRefreshToken(t, "alice")
	h.advance(31*24*time.Hour + time.Second)
	wantGone(t, "expired", h.refresh(t, old))
}

func TestRefreshTokenService(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	first, second := h.plantRefreshToken(t, "alice"), h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.ClientInfo = "go/1" })
	bobs := h.plantRefreshToken(t, "bob")
	alice, bob := h.refresh(t, first).AccessToken, h.refresh(t, bobs).AccessToken
	for query, want := range map[string]int{"": 2, "?filter=" + url.QueryEscape(`client_instance_info="go/1"`): 1, "?pageSize=1": 1,
		"?filter=" + url.QueryEscape(`protection_level IN ("SECURE_KEY_DPOP", "INSECURE_KEY_DPOP") AND client_id = "yc.oauth.public-sdk"`): 0,
		"?subjectId=" + h.userID(t, "bob"): 1} {
		if n := h.listed(t, alice, query); n != want {
			t.Errorf("%q lists %d", query, n)
		}
	}
	ask := func(what, token, method, path, body string, want int) map[string]any {
		t.Helper()
		status, out := h.get(t, token, method, path, body)
		if status != want {
			t.Errorf("%s: %d %v", what, status, out)
		}
		return out
	}
	const revoke = "/iam/v1/refreshTokens:revoke"
	ask("alice's, by bob", bob, "GET", "/iam/v1/refreshTokens?subjectId="+h.userID(t, "alice"), "", 403)
	ask("nobody's", bob, "GET", "/iam/v1/refreshTokens?subjectId=ajenone", "", 404)
	ask("a bad filter", bob, "GET", "/iam/v1/refreshTokens?filter=x", "", 400)
	ask("alice's, ended by bob", bob, "POST", revoke, `{"revokeFilter":{"subjectId":"`+h.userID(t, "alice")+`"}}`, 403)
	ask("unknown", bob, "POST", revoke, `{"refreshTokenId":"none"}`, 404)
	ask("no token", bob, "POST", revoke, `{"refreshToken":"none"}`, 400)

	op := ask("one of her own", alice, "POST", revoke, `{"revokeFilter":{"clientInstanceInfo":"go/1"}}`, 200)
	response, _ := op["response"].(map[string]any)
	if ids, _ := response["refreshTokenIds"].([]any); len(ids) != 1 || op["done"] != true {
		t.Errorf("%v", op)
	}
	wantGone(t, "the ended one", h.refresh(t, second))
	wantTokens(t, "the other one", h.refresh(t, first), false)
	ask("bob's, by alice who owns the organization", alice, "POST", revoke, `{"revokeFilter":{"subjectId":"`+h.userID(t, "bob")+`"}}`, 200)
	wantGone(t, "bob's", h.refresh(t, bobs))
	ask("bob's IAM token", bob, "GET", "/iam/v1/refreshTokens", "", 401)
	shown := h.plantRefreshToken(t, "bob")
	ask("one that she shows", alice, "POST", revoke, `{"refreshToken":"`+shown+`"}`, 200)
	wantGone(t, "the shown one", h.refresh(t, shown))
	ask("without a choice", alice, "POST", revoke, `{}`, 200)
	wantGone(t, "all of hers", h.refresh(t, first))
	h.wantEvent(t, "iam.credential.RevokeRefreshTokenForSubject", "refresh_token_ids")
}

// Other services may show a session's cookie, and a refresh token whose program
// may do all that its person may.
func TestShownToOtherServices(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, good := h.alice(t), h.plantRefreshToken(t, "alice")
	bound := h.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.KeyThumbprint = strings.Repeat("A", 43) })
	for _, c := range []struct {
		what  string
		prove accessservice.Proof
		text  string
		good  bool
	}{
		{"a cookie", h.proveCookie(), cookie, true},
		{"a cookie cut short", h.proveCookie(), cookie[:100], false},
		{"a refresh token as cookie", h.proveCookie(), good, false},
		{"a refresh token", h.proveRefreshToken(), good, true},
		{"one that is bound", h.proveRefreshToken(), bound, false},
		{"an unknown one", h.proveRefreshToken(), grant.NewRefreshToken().Secret.Reveal(), false},
		{"a cookie as one", h.proveRefreshToken(), cookie, false},
	} {
		id, err := c.prove(context.Background(), accessservice.Claim{Text: iam.NewSecret(c.text)})
		switch {
		case c.good && (err != nil || string(id.Subject.ID) != h.userID(t, "alice")):
			t.Errorf("%s: %v, %v", c.what, id, err)
		case !c.good && iam.KindOf(err) != iam.Unauthenticated:
			t.Errorf("%s: %v, %v", c.what, id, err)
		}
	}
}
