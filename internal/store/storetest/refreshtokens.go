package storetest

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var refreshTokenTests = []test{
	{"a row's life", testRefreshToken},
	{"lists", testRefreshTokenLists},
	{"they go with grant and person", testRefreshTokensGo},
	{"what organizations say", testRefreshTokenSettings},
}

func oauthGrant(id, userID string) *iam.OAuthGrant {
	return &iam.OAuthGrant{ID: id, UserID: userID, ClientID: "client", ClientInfo: "yc/1", SessionID: "s", Scopes: []string{"openid"},
		AuthenticatedAt: created, CreatedAt: created, ExpiresAt: created.Add(time.Hour)}
}

func refreshToken(id, grantID, userID string) *iam.RefreshToken {
	return &iam.RefreshToken{ID: id, GrantID: grantID, UserID: userID, ClientID: "client", ClientInfo: "yc/1", Protection: iam.NoProtection,
		Lookup: "look-" + id, CreatedAt: created, ExpiresAt: created.Add(24 * time.Hour)}
}

// granted are two people with a grant each, g1 and g2.
func (f *fixture) granted(t *testing.T) {
	t.Helper()
	f.people(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertOAuthGrant(tx, oauthGrant("g1", "aje1")), store.InsertOAuthGrant(tx, oauthGrant("g2", "aje2")))
	})
}

func testRefreshToken(t *testing.T, f *fixture) {
	f.granted(t)
	want := refreshToken("r1", "g1", "aje1")
	kept := created.Add(48 * time.Hour)
	f.told(t, nil, func(tx *store.Tx) error { return store.InsertRefreshToken(tx, want, kept) })
	f.view(t, func(tx *store.Tx) error {
		g, err := store.GetOAuthGrant(tx, "g1")
		if err == nil {
			same(t, "the grant's end", kept, g.ExpiresAt)
		}
		return err
	})
	f.refuse(t, iam.NotFound, "OAuth grant none not found", func(tx *store.Tx) error {
		return store.InsertRefreshToken(tx, refreshToken("r2", "none", "aje1"), kept)
	})
	again := refreshToken("r2", "g1", "aje1")
	again.Lookup = want.Lookup
	f.refuse(t, iam.AlreadyExists, "Refresh token r2 already exists", func(tx *store.Tx) error { return store.InsertRefreshToken(tx, again, kept) })
	want.LastUsedAt, want.ReplacedAt = created.Add(time.Second), created.Add(time.Minute)
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.TouchRefreshTokens(tx, map[string]time.Time{"r1": want.LastUsedAt}), store.ReplaceRefreshToken(tx, "r1", want.ReplacedAt),
			store.InsertRefreshToken(tx, refreshToken("r3", "g1", "aje1"), created)) // which makes no grant shorter
	})
	f.refuse(t, iam.NotFound, "Refresh token r1 not found", func(tx *store.Tx) error { return store.ReplaceRefreshToken(tx, "r1", created) })
	f.view(t, func(tx *store.Tx) error {
		got, err := store.GetRefreshToken(tx, "r1")
		same(t, "by id", want, got)
		found, e2 := store.FindRefreshToken(tx, want.Lookup)
		same(t, "by look-up", want, found)
		g, e3 := store.GetOAuthGrant(tx, "g1")
		if e3 == nil {
			same(t, "the grant's end", kept, g.ExpiresAt)
		}
		_, miss := store.FindRefreshToken(tx, "look-none")
		wantRefusal(t, miss, iam.NotFound, "Refresh token of this text not found")
		return all(err, e2, e3)
	})
}

func testRefreshTokenLists(t *testing.T, f *fixture) {
	f.granted(t)
	f.update(t, func(tx *store.Tx) error {
		other, bound, old := refreshToken("r2", "g1", "aje1"), refreshToken("r3", "g1", "aje1"), refreshToken("r4", "g1", "aje1")
		other.ClientID, other.ClientInfo = "another", "go/1"
		bound.Protection = iam.InsecureKeyDPoP
		old.ReplacedAt = created
		return all(store.InsertRefreshToken(tx, refreshToken("r1", "g1", "aje1"), created), store.InsertRefreshToken(tx, other, created),
			store.InsertRefreshToken(tx, bound, created), store.InsertRefreshToken(tx, old, created),
			store.InsertRefreshToken(tx, refreshToken("r5", "g2", "aje2"), created))
	})
	for _, c := range []struct {
		what   string
		filter store.RefreshTokenFilter
		page   store.Page
		want   []string
	}{
		{"all", store.RefreshTokenFilter{}, store.Page{Limit: 10}, []string{"r1", "r2", "r3"}},
		{"a page", store.RefreshTokenFilter{}, store.Page{Limit: 1, After: "r1"}, []string{"r2"}},
		{"a client", store.RefreshTokenFilter{ClientID: "client"}, store.Page{Limit: 10}, []string{"r1", "r3"}},
		{"a program", store.RefreshTokenFilter{ClientInfo: "go/1"}, store.Page{Limit: 10}, []string{"r2"}},
		{"a level", store.RefreshTokenFilter{Protection: []iam.ProtectionLevel{iam.InsecureKeyDPoP}}, store.Page{Limit: 10}, []string{"r3"}},
		{"some levels", store.RefreshTokenFilter{Protection: []iam.ProtectionLevel{iam.InsecureKeyDPoP, iam.SecureKeyDPoP, iam.NoProtection}, ClientID: "client"},
			store.Page{Limit: 10, After: "r1"}, []string{"r3"}},
		{"nobody's", store.RefreshTokenFilter{ClientID: "none"}, store.Page{Limit: 10}, nil},
	} {
		f.view(t, func(tx *store.Tx) error {
			rows, err := store.ListRefreshTokens(tx, "aje1", c.filter, c.page)
			same(t, c.what, c.want, refreshTokenIDs(rows))
			return err
		})
	}
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteRefreshTokensBefore(tx, created.Add(24*time.Hour))
		same(t, "forgotten too early", int64(0), n)
		m, e2 := store.DeleteRefreshTokensBefore(tx, created.Add(25*time.Hour))
		same(t, "forgotten", int64(5), m)
		return all(err, e2)
	})
}

func refreshTokenIDs(rows []*iam.RefreshToken) (ids []string) {
	for _, t := range rows {
		ids = append(ids, t.ID)
	}
	return ids
}

func testRefreshTokensGo(t *testing.T, f *fixture) {
	f.granted(t)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertRefreshToken(tx, refreshToken("r1", "g1", "aje1"), created), store.InsertRefreshToken(tx, refreshToken("r2", "g2", "aje2"), created))
	})
	f.update(t, func(tx *store.Tx) error { return store.EndOAuthGrant(tx, "g1") })
	f.refuse(t, iam.NotFound, "Refresh token r1 not found", func(tx *store.Tx) error { return second(store.GetRefreshToken(tx, "r1")) })
	f.update(t, func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje2") })
	f.refuse(t, iam.NotFound, "Refresh token r2 not found", func(tx *store.Tx) error { return second(store.GetRefreshToken(tx, "r2")) })
}

func testRefreshTokenSettings(t *testing.T, f *fixture) {
	f.granted(t)
	f.update(t, func(tx *store.Tx) error {
		for _, id := range []string{"bpf1", "bpf2"} {
			if err := store.InsertOrganization(tx, &iam.Organization{ID: id, Name: id, CreatedAt: created}); err != nil {
				return err
			}
			if _, err := store.AddMember(tx, id, "aje1"); err != nil {
				return err
			}
		}
		return store.InsertRefreshToken(tx, refreshToken("r1", "g1", "aje1"), created)
	})
	of := func(userID string, want ...iam.RefreshTokenSetting) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.RefreshTokenSettingsOf(tx, userID)
			same(t, "what "+userID+" may have", want, got)
			return err
		})
	}
	set := func(id string, to, before iam.RefreshTokenSetting) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			got, err := store.SetOrganizationRefreshTokens(tx, id, to)
			same(t, "before", before, got)
			return err
		})
	}
	of("aje1", iam.RefreshTokensOff, iam.RefreshTokensOff)
	of("aje2")
	set("bpf2", iam.RefreshTokensOn, iam.RefreshTokensOff)
	of("aje1", iam.RefreshTokensOff, iam.RefreshTokensOn)
	set("bpf1", iam.RefreshTokensDPoP, iam.RefreshTokensOff)
	set("bpf2", iam.RefreshTokensOff, iam.RefreshTokensOn)
	of("aje1", iam.RefreshTokensDPoP, iam.RefreshTokensOff)
	f.refuse(t, iam.NotFound, "Organization bpfnone not found", func(tx *store.Tx) error {
		return second(store.SetOrganizationRefreshTokens(tx, "bpfnone", iam.RefreshTokensOn))
	})
	f.update(t, func(tx *store.Tx) error {
		bound := refreshToken("r2", "g1", "aje1")
		bound.Protection = iam.InsecureKeyDPoP
		return all(store.InsertRefreshToken(tx, bound, created), store.InsertRefreshToken(tx, refreshToken("r3", "g2", "aje2"), created))
	})
	forbidden := func(id string, limit int, want ...string) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			rows, err := store.ListForbiddenRefreshTokens(tx, id, limit)
			same(t, "what members of "+id+" may not have", want, refreshTokenIDs(rows))
			return err
		})
	}
	limiting := func(want ...string) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.OrganizationsLimitingRefreshTokens(tx)
			same(t, "that limit them", want, got)
			return err
		})
	}
	forbidden("bpf1", 10, "r1")
	forbidden("bpf2", 10, "r1", "r2")
	forbidden("bpf2", 1, "r1")
	forbidden("bpfnone", 10)
	limiting("bpf1", "bpf2")
	set("bpf2", iam.RefreshTokensOn, iam.RefreshTokensOff)
	forbidden("bpf2", 10)
	limiting("bpf1")
}
