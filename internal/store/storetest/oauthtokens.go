package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var oauthTokenTests = []test{
	{"a row's life", testOAuthToken},
	{"they go with their person", testOAuthTokensGoWithPerson},
	{"they are forgotten after their end", testOAuthTokensExpire},
	{"a person's state", testUserAccountStatus},
}

func oauthToken(id, userID string) *iam.OAuthToken {
	return &iam.OAuthToken{ID: id, UserID: userID, Masked: "y0_****abcd", Lookup: "look-" + id, Hash: []byte{0, 1, 0xff},
		CreatedAt: created, ExpiresAt: created.Add(time.Hour)}
}

func oauthTokenTold(ids ...string) []store.Change {
	var all []store.Change
	for _, id := range ids {
		all = append(all, store.Change{Kind: store.ChangeOAuthToken, Key: store.OAuthTokenChange(id, "look-"+id)})
	}
	return all
}

func testOAuthToken(t *testing.T, f *fixture) {
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertUserAccount(tx, person("aje1", "alice", "")), store.InsertUserAccount(tx, person("aje2", "bob", "")))
	})
	want := oauthToken("tok1", "aje1")
	want.Description, want.ClientID = "for a laptop", "yc.oauth"
	f.told(t, oauthTokenTold("tok1"), func(tx *store.Tx) error { return store.InsertOAuthToken(tx, want) })
	want.LastUsedAt = created.Add(time.Second)
	f.told(t, nil, func(tx *store.Tx) error {
		return store.TouchOAuthTokens(tx, map[string]time.Time{"tok1": want.LastUsedAt, "gone": created})
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.TouchOAuthTokens(tx, map[string]time.Time{"tok1": created}) }) // times go forward
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetOAuthToken(tx, "tok1")
		same(t, "by id", want, got)
		found, e2 := store.FindOAuthToken(tx, want.Lookup)
		same(t, "by look-up", want, found)
		return all(err, e2)
	})
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error {
		return store.InsertOAuthToken(tx, oauthToken("tok2", "ajenone"))
	})
	again := oauthToken("tok2", "aje1")
	again.Lookup = want.Lookup
	f.refuse(t, iam.AlreadyExists, "OAuth token tok2 already exists", func(tx *store.Tx) error { return store.InsertOAuthToken(tx, again) })
	endless := oauthToken("tok2", "aje1")
	endless.ExpiresAt = time.Time{}
	f.refuse(t, iam.InvalidArgument, "expires_at: an OAuth token has an end", func(tx *store.Tx) error { return store.InsertOAuthToken(tx, endless) })
	f.told(t, oauthTokenTold("tok2", "tok3"), func(tx *store.Tx) error {
		return all(store.InsertOAuthToken(tx, oauthToken("tok2", "aje1")), store.InsertOAuthToken(tx, oauthToken("tok3", "aje2")))
	})
	f.view(t, func(tx *store.Tx) error {
		for _, c := range []struct{ after, want string }{{"", "tok1"}, {"tok1", "tok2"}, {"tok2", ""}} {
			page, err := store.ListOAuthTokens(tx, "aje1", store.Page{After: c.after, Limit: 1})
			if err != nil {
				return err
			}
			got := ""
			if len(page) > 0 {
				got = page[0].ID
			}
			same(t, "after "+c.after, c.want, got)
		}
		return nil
	})
	f.told(t, oauthTokenTold("tok1"), func(tx *store.Tx) error { return store.DeleteOAuthToken(tx, "tok1") })
	f.refuse(t, iam.NotFound, "OAuth token tok1 not found", func(tx *store.Tx) error { return store.DeleteOAuthToken(tx, "tok1") })
	f.view(t, func(tx *store.Tx) error {
		_, err := store.FindOAuthToken(tx, want.Lookup)
		wantRefusal(t, err, iam.NotFound, "OAuth token of this secret not found")
		return nil
	})
}

func testOAuthTokensGoWithPerson(t *testing.T, f *fixture) {
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertUserAccount(tx, person("aje1", "alice", "")), store.InsertUserAccount(tx, person("aje2", "bob", "")),
			store.InsertOAuthToken(tx, oauthToken("tok1", "aje1")), store.InsertOAuthToken(tx, oauthToken("tok2", "aje2")))
	})
	told := append(oauthTokenTold("tok1"), store.Change{Kind: store.ChangeUserAccount, Key: "aje1"})
	f.told(t, told, func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje1") })
	f.view(t, func(tx *store.Tx) error {
		_, err := store.GetOAuthToken(tx, "tok1")
		wantRefusal(t, err, iam.NotFound, "OAuth token tok1 not found")
		_, err = store.GetOAuthToken(tx, "tok2")
		return err
	})
}

func testOAuthTokensExpire(t *testing.T, f *fixture) {
	f.update(t, func(tx *store.Tx) error {
		early, late := oauthToken("tok1", "aje1"), oauthToken("tok2", "aje1")
		early.ExpiresAt = tx.Now()
		late.ExpiresAt = tx.Now().Add(time.Microsecond)
		return all(store.InsertUserAccount(tx, person("aje1", "alice", "")), store.InsertOAuthToken(tx, early), store.InsertOAuthToken(tx, late))
	})
	f.update(t, func(tx *store.Tx) error {
		n, err := store.CountOAuthTokens(tx, "aje1", 9)
		same(t, "live", 1, n) // an end is the first moment without
		return err
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.DeleteExpiredOAuthTokens(tx, tx.Now()) })
	f.told(t, oauthTokenTold("tok1"), func(tx *store.Tx) error {
		return store.DeleteExpiredOAuthTokens(tx, tx.Now().Add(time.Microsecond))
	})
}

func testUserAccountStatus(t *testing.T, f *fixture) {
	f.world(t)
	told := []store.Change{{Kind: store.ChangeUserAccount, Key: "aje1"}}
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertUserAccount(tx, person("aje1", "alice", "")), second(store.AddMember(tx, orgID, "aje1")))
	})
	set := func(want bool, status iam.UserAccountStatus, reason string) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			changed, err := store.SetUserAccountStatus(tx, "aje1", status, reason)
			same(t, "changed", want, changed)
			return err
		}
	}
	look := func(status iam.UserAccountStatus, reason string) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			want := person("aje1", "alice", "")
			want.Status, want.SuspendReason = status, reason
			got, err := store.GetUserAccount(tx, "aje1")
			same(t, "person", want, got)
			of, e2 := store.OrganizationsOf(tx, "aje1")
			same(t, "organizations", []string{orgID}, of)
			return all(err, e2)
		})
	}
	f.told(t, nil, set(false, iam.UserAccountActive, ""))
	f.told(t, told, set(true, iam.UserAccountSuspended, "lost laptop"))
	look(iam.UserAccountSuspended, "lost laptop")
	f.told(t, nil, set(false, iam.UserAccountSuspended, "again"))
	look(iam.UserAccountSuspended, "lost laptop")
	f.told(t, told, set(true, iam.UserAccountActive, ""))
	look(iam.UserAccountActive, "")
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error {
		return second(store.SetUserAccountStatus(tx, "ajenone", iam.UserAccountSuspended, ""))
	})
}
