package server

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A code that is redeemed on two nodes at once makes tokens once, and they end on
// both because others came.
func TestACodeIsRedeemedOnceOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	nodes := []*hall{openNode(t, url, key), openNode(t, url, key)}
	p, cookie := nodes[0].program(t, oauthclient.Web), nodes[0].alice(t)
	for round := range 4 {
		code := nodes[0].code(t, cookie, p.asks())
		var outs [6]*propuskpb.OAuthTokenResponse
		var errs [6]error
		var wg sync.WaitGroup
		for i := range outs {
			wg.Go(func() { outs[i], errs[i] = nodes[i%2].redeem(t, p.redeems(code)) })
		}
		wg.Wait()
		won := 0
		for i := range outs {
			if errs[i] != nil {
				reason(t, "another", errs[i], "invalid_grant")
				continue
			}
			won++
			for _, h := range nodes {
				_, err := h.userInfo(t, outs[i].GetAccessToken())
				reason(t, "the winner's token", err, "invalid_token")
			}
		}
		if won != 1 {
			t.Errorf("round %d: redeemed %d times", round, won)
		}
	}
}
