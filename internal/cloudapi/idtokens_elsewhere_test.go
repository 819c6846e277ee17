package cloudapi_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/revocation"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/postgres"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/propusktest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// A node that has not yet heard that a token was ended on another one makes no
// ID token for its holder, as that could not be called back.
func TestNoIDTokenForWhatEndedElsewhere(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).Schema(t)
	w := newWorld(t, propusktest.OnPostgres(url))
	if w.database != "" {
		url = w.database
	}
	engine, err := postgres.Open(t.Context(), postgres.Config{URL: iam.NewSecret(url)})
	if err != nil {
		t.Fatal(err)
	}
	other := store.New(engine, store.Options{})
	t.Cleanup(func() { _ = other.Close() })
	account := w.newAccount(t, "runner")
	w.idToken(t, w.owner, account, "") // the key is there
	for range 40 {
		robot := w.impersonate(t, w.owner, account)
		alive(t, "before", robot)
		if err := other.Update(t.Context(), func(tx *store.Tx) error {
			return revocation.Revoke(tx, token.KindToken, claims(t, robot.token).ID)
		}); err != nil {
			t.Fatal(err)
		}
		a := robot.do(t, "idToken.Create", &propuskpb.CreateIdTokenRequest{}, new(propuskpb.CreateIdTokenResponse))
		if a.code != codes.Unauthenticated && a.code != codes.Aborted {
			t.Fatalf("%v %s", a.code, a.message)
		}
	}
}
