package server

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

func TestASecondUseEndsTheGrant(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud"} }), h.alice(t)
	for _, scope := range []string{"openid", "openid cloud"} {
		code := h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = scope }))
		out, err := h.redeem(t, p.redeems(code))
		must(t, out, err)
		if _, err := h.userInfo(t, out.GetAccessToken()); err != nil {
			t.Fatal(err)
		}
		_, err = h.redeem(t, p.redeems(code))
		reason(t, "a second use", err, "invalid_grant")
		_, err = h.userInfo(t, out.GetAccessToken())
		reason(t, "what came of the first", err, "invalid_token")
	}
	if got := strings.Count(h.events(t), "propusk.EndGrant"); got != 2 {
		t.Errorf("%d lines of ended grants", got)
	}
}

func TestACodeIsRedeemedOnce(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	for round := range 5 {
		code := h.code(t, cookie, p.asks())
		const at = 6
		var wg sync.WaitGroup
		var outs [at]*propuskpb.OAuthTokenResponse
		var errs [at]error
		for i := range at {
			wg.Go(func() { outs[i], errs[i] = h.redeem(t, p.redeems(code)) })
		}
		wg.Wait()
		won := 0
		for i := range at {
			if errs[i] != nil {
				reason(t, fmt.Sprintf("round %d", round), errs[i], "invalid_grant")
				continue
			}
			won++
			_, err := h.userInfo(t, outs[i].GetAccessToken())
			reason(t, "the winner's token, after others came", err, "invalid_token")
		}
		if won != 1 {
			t.Errorf("round %d: redeemed %d times", round, won)
		}
	}
}

func TestWhatEndsGrants(t *testing.T) {
	h := openHall(t)
	p := h.program(t, oauthclient.Web, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "cloud"} })
	for what, end := range map[string]func(cookie string) error{
		"the operator's sign-out": func(string) error { _, err := h.SignOutUser(t.Context(), UserSignOutRequest{User: "bob"}); return err },
		"another password": func(string) error {
			_, err := h.SetUserPassword(t.Context(), UserPasswordRequest{User: "bob", Password: h.password("bob")})
			return err
		},
		"a suspension": func(string) error {
			if _, err := h.SuspendUser(t.Context(), UserSuspendRequest{User: "bob"}); err != nil {
				return err
			}
			_, err := h.ReactivateUser(t.Context(), UserSuspendRequest{User: "bob"})
			return err
		},
		"forgetting the program": func(cookie string) error {
			_, err := asked[*propuskpb.RemoveProgramResponse](t, h, propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
				&propuskpb.RemoveProgramRequest{Session: cookie, ClientId: p.ID})
			return err
		},
	} {
		cookie := h.signIn(t, "bob", h.password("bob"))
		var tokens []string
		for _, scope := range []string{"openid", "openid cloud"} {
			out, err := h.redeem(t, p.redeems(h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = scope }))))
			tokens = append(tokens, must(t, out, err).GetAccessToken())
		}
		if err := end(cookie); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, text := range tokens {
			_, err := h.userInfo(t, text)
			reason(t, "after "+what, err, "invalid_token")
		}
	}
	h.leavingEndsGrants(t, p)
}

// leavingEndsGrants: who is no member of the program's organization cannot use it.
func (h *hall) leavingEndsGrants(t *testing.T, p *program) {
	t.Helper()
	cookie := h.signIn(t, "bob", h.password("bob"))
	var tokens []string
	for _, scope := range []string{"openid", "openid cloud"} {
		out, err := h.redeem(t, p.redeems(h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = scope }))))
		tokens = append(tokens, must(t, out, err).GetAccessToken())
	}
	if _, err := h.RemoveUser(t.Context(), UserRemoveRequest{User: "bob", Organization: h.Dev().OrganizationID}); err != nil {
		t.Fatal(err)
	}
	for _, text := range tokens {
		_, err := h.userInfo(t, text)
		reason(t, "after leaving", err, "invalid_token")
	}
	r, err := h.prepare(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" }))
	if must(t, r, err).GetNext() != propuskpb.PrepareAuthorizationResponse_REFUSED || query(t, r.GetRefusalLocation()).Get("error") != "access_denied" {
		t.Errorf("a stranger: %v", r)
	}
	if v, err := h.allow(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" }), true); err != nil || v.Get("error") != "access_denied" {
		t.Errorf("a stranger who allows: %v, %v", v, err)
	}
}

func TestPrograms(t *testing.T) {
	h := openHall(t)
	p, q, cookie := h.program(t, oauthclient.Web), h.program(t, oauthclient.SPA), h.alice(t)
	list := func() []*propuskpb.AllowedProgram {
		t.Helper()
		var all []*propuskpb.AllowedProgram
		for m := (&propuskpb.ListProgramsRequest{Session: cookie, PageSize: 1}); ; {
			r, err := asked[*propuskpb.ListProgramsResponse](t, h, propuskpb.AuthorizationService_ListPrograms_FullMethodName, m)
			all = append(all, must(t, r, err).GetPrograms()...)
			if m.PageToken = r.GetNextPageToken(); m.PageToken == "" {
				return all
			}
		}
	}
	remove := func(id string) error {
		_, err := asked[*propuskpb.RemoveProgramResponse](t, h, propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
			&propuskpb.RemoveProgramRequest{Session: cookie, ClientId: id})
		return err
	}
	if err := remove(p.ID); iam.KindOf(err) != iam.NotFound {
		t.Errorf("removing what is not there: %v", err)
	}
	h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" }))
	h.code(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "email" }))
	h.code(t, cookie, q.asks())
	all := list()
	if len(all) != 2 || all[1].GetProgram().GetClientId() != p.ID || !slices.Equal(all[1].GetScopes(), []string{"openid", "email"}) ||
		all[0].GetProgram().GetOrganizationId() != h.Dev().OrganizationID || all[0].GetAllowedAt() == nil {
		t.Errorf("programs: %v", all)
	}
	if err := remove(p.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := h.prepare(t, cookie, p.asks(func(a *propuskpb.Authorization) { a.Scope = "openid" })); must(t, r, err).GetNext() != propuskpb.PrepareAuthorizationResponse_ASK {
		t.Errorf("forgotten: %v", r)
	}
	if err := h.deleteClient(t, q.ID); err != nil {
		t.Fatal(err)
	}
	if all := list(); len(all) != 0 {
		t.Errorf("programs of a client that is gone: %v", all)
	}
}

func (h *hall) deleteClient(t *testing.T, id string) error {
	t.Helper()
	return h.db.Update(t.Context(), func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, id) })
}

func TestSignOutTarget(t *testing.T) {
	h := openHall(t)
	p, cookie := h.program(t, oauthclient.Web), h.alice(t)
	other := h.program(t, oauthclient.SPA)
	out, err := h.redeem(t, p.redeems(h.code(t, cookie, p.asks())))
	hint := must(t, out, err).GetIdToken()
	h.advance(3 * time.Hour) // hints may be old
	target := func(client, hint, uri, state string) (*propuskpb.SignOutTargetResponse, error) {
		return asked[*propuskpb.SignOutTargetResponse](t, h, propuskpb.AuthorizationService_SignOutTarget_FullMethodName,
			&propuskpb.SignOutTargetRequest{ClientId: client, IdTokenHint: hint, PostLogoutRedirectUri: uri, State: state})
	}
	const bye = "https://app.example/bye"
	for _, c := range []struct{ client, hint, state, location string }{
		{p.ID, "", "", bye}, {"", hint, "", bye}, {p.ID, hint, "a b", bye + "?state=a+b"}, {"", "", "x", ""}, {"", hint[:len(hint)-4] + "AAAA", "", ""}, {"", out.GetAccessToken(), "", ""},
	} {
		if r, err := target(c.client, c.hint, bye, c.state); err != nil || r.GetLocation() != c.location {
			t.Errorf("%+v: %v, %v", c, r, err)
		}
	}
	for _, uri := range []string{"https://app.example/bye/", "https://app.example/back", "https://evil.example/bye", "//evil.example", bye + "?x=1"} {
		_, err := target(p.ID, "", uri, "")
		refused(t, uri, err, iam.InvalidArgument, "post_logout_redirect_uri")
	}
	_, err = target(other.ID, hint, bye, "")
	refused(t, "another's hint", err, iam.InvalidArgument, "client_id")
	_, err = target("ajenobody", "", bye, "")
	refused(t, "an unknown client", err, iam.InvalidArgument, "client_id")
}
