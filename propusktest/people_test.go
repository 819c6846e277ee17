package propusktest_test

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
)

func TestPeople(t *testing.T) {
	s := propusktest.New(t)
	type clouds struct{ Clouds []struct{ ID string } }
	seen := func(token string) (out clouds) {
		s.Get(t, token, "/resource-manager/v1/clouds").Decode(t, &out)
		return out
	}
	if got := seen(s.PersonToken(t, s.OAuthToken(t, s.AliceID))).Clouds; len(got) != 1 || got[0].ID != s.CloudID {
		t.Errorf("alice sees %v", got)
	}
	id, oauth := s.NewPerson(t, "carol")
	if got := seen(s.PersonToken(t, oauth)).Clouds; len(got) != 0 {
		t.Errorf("carol, without a role, sees %v", got)
	}
	var account struct{ ID string }
	s.Get(t, s.PersonToken(t, oauth), "/iam/v1/yandexPassportUserAccounts:byLogin?login=carol").Decode(t, &account)
	if account.ID != id || id == "" {
		t.Errorf("carol is %s, not %s", account.ID, id)
	}
}

// When an OAuth token was last used, and its person last proved himself, is
// stamped, and outlives a stop.
func TestLastUsesOfPeople(t *testing.T) {
	var c clock
	folder := t.TempDir()
	s := propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithClock(c.now))
	id, oauth := s.NewPerson(t, "carol")
	before := c.now()
	s.PersonToken(t, oauth)
	s.Stop(t)
	s = propusktest.New(t, propusktest.OnDisk(folder), propusktest.WithClock(c.now))
	list, err := s.Server.ListUserTokens(t.Context(), server.UserTokensRequest{User: "carol"})
	if err != nil || len(list.Tokens) != 1 || list.Tokens[0].LastUsedAt.Before(before.Truncate(time.Microsecond)) || list.Tokens[0].LastUsedAt.After(c.now()) {
		t.Errorf("%+v, %v; want a use since %v", list, err, before)
	}
	err = s.Server.DB().View(t.Context(), func(tx *store.Tx) error {
		u, err := store.GetUserAccount(tx, id)
		if err == nil && (u.LastAuthenticatedAt.IsZero() || !u.LastAuthenticatedAt.Equal(u.LastAuthenticatedAt.Truncate(10*time.Minute))) {
			t.Errorf("last proved at %v", u.LastAuthenticatedAt)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
