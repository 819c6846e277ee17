package server

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// A program that is removed while it is let in without a question on another node
// has nothing left, or was let in afterwards, which needs a new yes.
func TestRemovedWhileLetIn(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	nodes := []*hall{openNode(t, url, key), openNode(t, url, key)}
	p, cookie := nodes[0].program(t, oauthclient.SPA), nodes[0].alice(t)
	for round := range 12 {
		nodes[0].code(t, cookie, p.asks())
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if _, err := nodes[i%2].allow(t, cookie, p.asks(), false); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			_, err := asked[*propuskpb.RemoveProgramResponse](t, nodes[1], propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
				&propuskpb.RemoveProgramRequest{Session: cookie, ClientId: p.ID})
			if err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		err := nodes[0].db.View(t.Context(), func(tx *store.Tx) error {
			if _, err := store.GetOAuthConsent(tx, nodes[0].Dev().AliceID, p.ID); !errors.Is(err, iam.NotFound) {
				t.Errorf("round %d: the consent is there: %v", round, err)
			}
			left, err := store.ListOAuthGrantsOf(tx, nodes[0].Dev().AliceID, p.ID)
			if len(left) > 0 {
				t.Errorf("round %d: %d grants of a program that was removed", round, len(left))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
