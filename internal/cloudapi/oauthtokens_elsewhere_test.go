package cloudapi_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store/postgres/pgtest"
	"github.com/propusk/propusk/propusktest"
)

// TestOAuthTokensOnTwoNodes: what an operator does on one node is in force on
// the other a second later, for exchanges and for what was exchanged there.
func TestOAuthTokensOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).Schema(t)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(key, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	node := func() *propusktest.Server {
		return propusktest.New(t, propusktest.OnPostgres(url), propusktest.WithConfig(func(c *server.Config) { c.MasterKey.File = key }))
	}
	one, two := node(), node()
	carol, oauth := one.NewPerson(t, "carol")
	exchange := func() int {
		return two.Do(t, "POST", "", "/iam/v1/tokens", map[string]string{"yandexPassportOauthToken": oauth}).Code
	}
	within := func(what string, want int, got func() int) {
		t.Helper()
		for deadline := time.Now().Add(time.Second); got() != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d a second later, want %d", what, got(), want)
			}
		}
	}
	within("made on one", http.StatusOK, exchange)
	token := two.PersonToken(t, oauth)
	use := func() int { return two.Get(t, token, "/resource-manager/v1/clouds").Code }
	within("exchanged on two", http.StatusOK, use)
	who := server.UserSuspendRequest{User: carol}
	if _, err := one.Server.SuspendUser(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	within("suspended on one, exchange", http.StatusUnauthorized, exchange)
	within("suspended on one, use", http.StatusUnauthorized, use)
	if _, err := one.Server.ReactivateUser(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	within("reactivated on one", http.StatusOK, exchange)
	if use() != http.StatusUnauthorized {
		t.Error("what was ended lives again")
	}
	token = two.PersonToken(t, oauth)
	list, err := one.Server.ListUserTokens(t.Context(), server.UserTokensRequest{User: carol})
	if err != nil || len(list.Tokens) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := one.Server.RevokeUserToken(t.Context(), server.UserRevokeTokenRequest{ID: list.Tokens[0].ID}); err != nil {
		t.Fatal(err)
	}
	within("revoked on one", http.StatusUnauthorized, exchange)
	if use() != http.StatusOK {
		t.Error("what was made of a revoked OAuth token has ended")
	}
	if _, err := one.Server.RemoveUser(t.Context(), server.UserRemoveRequest{User: carol, Organization: one.OrganizationID}); err != nil {
		t.Fatal(err)
	}
	within("taken out of the organization on one", http.StatusUnauthorized, use)
}
