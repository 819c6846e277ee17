package server

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A token that is used on two nodes at once is replaced once, by the same
// successor, and what ends its grant on one node ends it on the other.
func TestRefreshingOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	one, two := openNode(t, url, key), openNode(t, url, key)
	first := one.plantRefreshToken(t, "alice")
	for _, h := range []*hall{one, two} {
		h.advance(25 * 24 * time.Hour)
	}
	var all [8]tokens
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i] = []*hall{one, two}[i%2].refresh(t, first) })
	}
	wg.Wait()
	for _, got := range all {
		wantTokens(t, "one of many", got, true)
		if got.RefreshToken != all[0].RefreshToken {
			t.Error("two successors")
		}
	}
	if n := two.listed(t, all[0].AccessToken, ""); n != 1 {
		t.Errorf("%d are listed", n)
	}
	for _, h := range []*hall{one, two} {
		h.advance(2 * time.Minute)
	}
	wantGone(t, "the old one later", one.refresh(t, first))
	wantGone(t, "the new one on the other node", two.refresh(t, all[0].RefreshToken))
}

// A proof of possession that one node has taken is taken by no other, and by none
// that has started since.
func TestProofsOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	one, two := openNode(t, url, key), openNode(t, url, key)
	holder := newPossession(t)
	bound := one.plantRefreshToken(t, "alice", func(g *iam.OAuthGrant) { g.KeyThumbprint = holder.thumbprint(t) })
	for round := range 5 {
		r := &propuskpb.RefreshTokenGrantRequest{Client: sdk().proof(), RefreshToken: bound, Dpop: holder.proof(t, one, "/oauth/token")}
		var errs [6]error
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = told[*propuskpb.OAuthTokenResponse](t, []*hall{one, two}[i%2], propuskpb.OAuthService_Refresh_FullMethodName, r)
			})
		}
		wg.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
				continue
			}
			reason(t, "another", err, iam.OAuthInvalidDPoPProof)
		}
		if good != 1 {
			t.Errorf("round %d: the proof was taken %d times", round, good)
		}
	}

	// Nor are those by which a refresh token was got, on another node.
	cookie, cli := one.alice(t), sdk()
	cli.RedirectURIs = []string{"http://127.0.0.1:9/auth/callback"}
	redeem := cli.redeems(one.code(t, cookie, cli.asks()))
	redeem.Dpop = holder.proof(t, one, "/oauth/token")
	byCode := must2(one.redeem(t, redeem))(t)
	begun := must2(one.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof(), Scope: "openid"}))(t)
	if err := one.decideDevice(t, cookie, begun.GetUserCode(), true); err != nil {
		t.Fatal(err)
	}
	poll := &propuskpb.RedeemDeviceCodeRequest{Client: cli.proof(), DeviceCode: begun.GetDeviceCode(), Dpop: holder.proof(t, one, "/oauth/token")}
	byDevice := must2(told[*propuskpb.OAuthTokenResponse](t, one, propuskpb.OAuthService_RedeemDeviceCode_FullMethodName, poll))(t)
	for what, r := range map[string]*propuskpb.RefreshTokenGrantRequest{
		"of a code":        {Client: cli.proof(), RefreshToken: byCode.GetRefreshToken(), Dpop: redeem.GetDpop()},
		"of a device code": {Client: cli.proof(), RefreshToken: byDevice.GetRefreshToken(), Dpop: poll.GetDpop()},
	} {
		_, err := told[*propuskpb.OAuthTokenResponse](t, two, propuskpb.OAuthService_Refresh_FullMethodName, r)
		reason(t, what, err, iam.OAuthInvalidDPoPProof)
		r.Dpop = holder.proof(t, two, "/oauth/token")
		must2(told[*propuskpb.OAuthTokenResponse](t, two, propuskpb.OAuthService_Refresh_FullMethodName, r))(t)
	}
}

// openNode is openHall on a database that several share.
func openNode(t *testing.T, url, key string, change ...func(*Config)) *hall {
	t.Helper()
	h := &hall{}
	cfg := Config{Data: t.TempDir(), Database: DatabaseURL(url), HTTPListen: "127.0.0.1:0", GRPCListen: Off, AccessListen: Off, DebugListen: Off,
		PublicURL: "https://id.example/"}
	cfg.MasterKey.File = key
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(t.Context(), cfg, Options{Dev: true, Now: h.clock})
	if err != nil {
		t.Fatal(err)
	}
	h.Server = s
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}
