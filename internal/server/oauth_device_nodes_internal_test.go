package server

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// pairOfNodes are servers on one database.
func pairOfNodes(t *testing.T) [2]*hall {
	t.Helper()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	return [2]*hall{openNode(t, url, key), openNode(t, url, key)}
}

// atOnce runs all and returns what they failed with.
func atOnce(all ...func() error) []error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, do := range all {
		wg.Go(func() { errs[i] = do() })
	}
	wg.Wait()
	return errs
}

// soon waits for what a node has still to hear from another one.
func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 200 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error(what)
}

// wantDead says that nothing lives on of what a device was given, on any node.
func wantDead(t *testing.T, nodes [2]*hall, p *program, what string, out *propuskpb.OAuthTokenResponse) {
	t.Helper()
	for _, h := range nodes {
		soon(t, what+": its IAM token lives", func() bool { _, err := h.revoked.Verify(out.GetAccessToken()); return err != nil })
		if out.GetRefreshToken() == "" {
			t.Fatal("there was no refresh token")
		}
		soon(t, what+": its refresh token lives", func() bool {
			_, err := told[*propuskpb.OAuthTokenResponse](t, h, propuskpb.OAuthService_Refresh_FullMethodName,
				&propuskpb.RefreshTokenGrantRequest{Client: p.proof(), RefreshToken: out.GetRefreshToken()})
			return err != nil
		})
	}
}

// Of many answers on two nodes one counts, and of many questions after it one
// gets the tokens, or none when the answer was no.
func TestDevicesOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := pairOfNodes(t)
	cookie, cli := nodes[0].alice(t), sdk()
	soon(t, "the other node does not know the session", func() bool { _, err := nodes[1].account(t, cookie); return err == nil })
	for round := range 6 {
		for _, h := range nodes {
			h.advance(time.Hour) // who answers what has been answered is counted as one who guesses
		}
		begun := must2(nodes[round%2].device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid"}))(t)
		var answers []func() error
		for i := range 6 {
			answers = append(answers, func() error { return nodes[i%2].decideDevice(t, cookie, begun.GetUserCode(), i/2%2 == 0) })
		}
		won, yes := 0, false
		for i, err := range atOnce(answers...) {
			if err == nil {
				won, yes = won+1, i/2%2 == 0
			} else {
				refused(t, "answered later", err, iam.NotFound, "")
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d answers count", round, won)
		}
		var questions []func() error
		for i := range 6 {
			questions = append(questions, func() error { _, err := nodes[i%2].poll(t, cli, begun.GetDeviceCode()); return err })
		}
		won = 0
		for _, err := range atOnce(questions...) {
			switch {
			case err == nil:
				won++
			case yes:
				reason(t, "asked later", err, iam.OAuthInvalidGrant)
			default:
				reason(t, "after a no", err, iam.OAuthAccessDenied)
			}
		}
		if won == 1 != yes || won > 1 {
			t.Errorf("round %d: answered %v, and redeemed %d times", round, yes, won)
		}
	}
}

// A device that asks for its tokens while what they rest on ends on another node
// gets none, or such as end too.
func TestDevicesAgainstTheirEndOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := pairOfNodes(t)
	cli := sdk()
	for what, end := range map[string]func(h *hall, cookie string) error{
		"forgetting the program": func(h *hall, cookie string) error {
			_, err := asked[*propuskpb.RemoveProgramResponse](t, h, propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
				&propuskpb.RemoveProgramRequest{Session: cookie, ClientId: oauthclient.PublicSDK})
			return err
		},
		"the operator's sign-out": func(h *hall, _ string) error {
			_, err := h.SignOutUser(t.Context(), UserSignOutRequest{User: "bob"})
			return err
		},
		"a suspension": func(h *hall, _ string) error {
			_, err := h.SuspendUser(t.Context(), UserSuspendRequest{User: "bob"})
			return err
		},
	} {
		for round := range 3 {
			cookie := nodes[0].signIn(t, "bob", nodes[0].password("bob"))
			soon(t, "the other node does not know the session", func() bool { _, err := nodes[1].account(t, cookie); return err == nil })
			begun := must2(nodes[0].device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid"}))(t)
			if err := nodes[0].decideDevice(t, cookie, begun.GetUserCode(), true); err != nil {
				t.Fatal(err)
			}
			var out *propuskpb.OAuthTokenResponse
			errs := atOnce(func() (err error) { out, err = nodes[round%2].poll(t, cli, begun.GetDeviceCode()); return err },
				func() error { return end(nodes[1-round%2], cookie) })
			if errs[1] != nil {
				t.Fatalf("%s: %v", what, errs[1])
			}
			if errs[0] == nil {
				wantDead(t, nodes, cli, what, out)
			} else {
				reason(t, what, errs[0], iam.OAuthInvalidGrant)
			}
			for _, h := range nodes {
				_, err := h.poll(t, cli, begun.GetDeviceCode())
				reason(t, what+", later", err, iam.OAuthInvalidGrant)
			}
			if what == "a suspension" {
				if _, err := nodes[0].ReactivateUser(t.Context(), UserSuspendRequest{User: "bob"}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// A session that ends on one node while its person lets a device in on the other
// lets nothing in; and the IAM token of a device that is faster ends with it.
func TestDevicesAgainstSigningOutOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := pairOfNodes(t)
	cli := sdk()
	for round := range 6 {
		one, two := nodes[round%2], nodes[1-round%2]
		cookie := one.signIn(t, "bob", nodes[0].password("bob"))
		soon(t, "the other node does not know the session", func() bool { _, err := two.account(t, cookie); return err == nil })
		signOut := func() error {
			_, err := asked[*propuskpb.SignOutResponse](t, two, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie})
			return err
		}
		begun := must2(one.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid"}))(t)
		decide := func() error { return one.decideDevice(t, cookie, begun.GetUserCode(), true) }
		if round < 3 {
			errs := atOnce(decide, signOut)
			if errs[1] != nil {
				t.Fatal(errs[1])
			}
			_, err := two.poll(t, cli, begun.GetDeviceCode())
			want := iam.OAuthInvalidGrant
			if errs[0] != nil {
				want = iam.OAuthAuthorizationPending
			}
			reason(t, "let in while signing out", err, want)
			continue
		}
		if err := decide(); err != nil {
			t.Fatal(err)
		}
		var out *propuskpb.OAuthTokenResponse
		errs := atOnce(func() (err error) { out, err = one.poll(t, cli, begun.GetDeviceCode()); return err }, signOut)
		if errs[1] != nil {
			t.Fatal(errs[1])
		}
		if errs[0] != nil {
			reason(t, "redeemed while signing out", errs[0], iam.OAuthInvalidGrant)
			continue
		}
		for _, h := range nodes {
			soon(t, "the IAM token outlives the session", func() bool { _, err := h.revoked.Verify(out.GetAccessToken()); return err != nil })
		}
	}
}
