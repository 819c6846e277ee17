package storetest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

var oauthGrantTests = []test{
	{"a grant's life", testOAuthGrant},
	{"a code's life", testOAuthCode},
	{"a code is used once", testOAuthCodeRace},
	{"consents", testOAuthConsents},
	{"grants end together", testOAuthGrantsEnd},
	{"grants go with client, membership and person", testOAuthGrantsGo},
}

func grantTo(id, userID, clientID string, at time.Time) *iam.OAuthGrant {
	return &iam.OAuthGrant{ID: id, UserID: userID, ClientID: clientID, ClientInfo: "app/1", SessionID: "ses", Scopes: []string{"openid", "email"},
		Nonce: "n once", Methods: []string{"pwd", "otp"}, AuthenticatedAt: at.Add(-time.Minute), CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
}

func codeOf(grantID string, expires time.Time) *iam.OAuthCode {
	return &iam.OAuthCode{Lookup: "look-" + grantID, GrantID: grantID, RedirectURI: "https://a.example/cb?x=1", Challenge: "ch", ExpiresAt: expires}
}

func (f *fixture) hasGrants(t *testing.T, userID, clientID string, want ...string) {
	t.Helper()
	f.view(t, func(tx *store.Tx) error {
		rows, err := store.ListOAuthGrantsOf(tx, userID, clientID)
		var got []string
		for _, g := range rows {
			got = append(got, g.ID)
		}
		same(t, "grants of "+userID+" to "+clientID, want, got)
		return err
	})
}

func testOAuthGrant(t *testing.T, f *fixture) {
	f.people(t)
	want := grantTo("g1", "aje1", "c1", created)
	f.told(t, nil, func(tx *store.Tx) error { return store.InsertOAuthGrant(tx, want) })
	bare := &iam.OAuthGrant{ID: "g2", UserID: "aje1", ClientID: "c1", CreatedAt: created.Add(time.Second), ExpiresAt: created.Add(time.Hour)}
	f.update(t, func(tx *store.Tx) error { return store.InsertOAuthGrant(tx, bare) })
	look := func() {
		t.Helper()
		for _, g := range []*iam.OAuthGrant{want, bare} {
			for _, read := range []func(*testing.T, func(tx *store.Tx) error){f.view, f.update} {
				read(t, func(tx *store.Tx) error {
					got, err := store.GetOAuthGrant(tx, g.ID)
					same(t, g.ID, g, got)
					return err
				})
			}
		}
	}
	look()
	want.ClientInfo, want.KeyThumbprint = "app/2", "thumb"
	f.told(t, nil, func(tx *store.Tx) error { return store.BindOAuthGrant(tx, want) })
	look()
	f.hasGrants(t, "aje1", "c1", "g2", "g1")
	f.hasGrants(t, "aje1", "c2")
	f.hasGrants(t, "aje2", "c1")
	f.refuse(t, iam.AlreadyExists, "OAuth grant g1 already exists", func(tx *store.Tx) error { return store.InsertOAuthGrant(tx, want) })
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error {
		return store.InsertOAuthGrant(tx, grantTo("g3", "ajenone", "c1", created))
	})
	for _, miss := range []func(tx *store.Tx) error{
		func(tx *store.Tx) error { return second(store.GetOAuthGrant(tx, "none")) },
		func(tx *store.Tx) error { return store.EndOAuthGrant(tx, "none") },
		func(tx *store.Tx) error { return store.BindOAuthGrant(tx, &iam.OAuthGrant{ID: "none"}) },
		func(tx *store.Tx) error { return store.InsertOAuthCode(tx, codeOf("none", created)) },
	} {
		f.refuse(t, iam.NotFound, "OAuth grant none not found", miss)
	}
}

func testOAuthCode(t *testing.T, f *fixture) {
	f.people(t)
	ends := start.Add(time.Minute).Truncate(time.Microsecond)
	want := codeOf("g1", ends)
	f.update(t, func(tx *store.Tx) error {
		return all(store.InsertOAuthGrant(tx, grantTo("g1", "aje1", "c1", start)), store.InsertOAuthGrant(tx, grantTo("g2", "aje1", "c1", start)),
			store.InsertOAuthCode(tx, codeOf("g2", ends)))
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.InsertOAuthCode(tx, want) })
	f.refuse(t, iam.AlreadyExists, "OAuth code already exists", func(tx *store.Tx) error { return store.InsertOAuthCode(tx, want) })
	is := func() {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.FindOAuthCode(tx, want.Lookup)
			same(t, "code", want, got)
			return err
		})
	}
	use := func(lookup string, may bool) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			did, err := store.UseOAuthCode(tx, lookup)
			same(t, "use of "+lookup, may, did)
			return err
		})
	}
	is()
	use("look-none", false)
	use("look-g1", true)
	want.UsedAt = f.clock().UTC().Truncate(time.Microsecond)
	use("look-g1", false)
	is()
	f.advance(time.Minute)
	use("look-g2", false) // at its very end
	f.update(t, func(tx *store.Tx) error {
		n, err := store.DeleteExpiredOAuthCodes(tx, tx.Now().Add(time.Second))
		same(t, "codes that were forgotten", int64(1), n)
		return err
	})
	is() // a used one stays, so that a second use is seen
	const gone = "OAuth code of this text not found"
	f.refuse(t, iam.NotFound, gone, func(tx *store.Tx) error { return second(store.FindOAuthCode(tx, "look-g2")) })
	f.told(t, nil, func(tx *store.Tx) error { return store.EndOAuthGrant(tx, "g1") })
	f.refuse(t, iam.NotFound, gone, func(tx *store.Tx) error { return second(store.FindOAuthCode(tx, "look-g1")) })
}

func testOAuthCodeRace(t *testing.T, f *fixture) {
	f.people(t)
	for round := range 10 {
		id := "g" + strconv.Itoa(round)
		f.update(t, func(tx *store.Tx) error {
			return all(store.InsertOAuthGrant(tx, grantTo(id, "aje1", "c1", start)), store.InsertOAuthCode(tx, codeOf(id, start.Add(time.Hour))))
		})
		var used atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				did := false
				err := f.db.Update(t.Context(), func(tx *store.Tx) (err error) {
					if _, err = store.GetOAuthGrant(tx, id); err != nil {
						return err
					}
					did, err = store.UseOAuthCode(tx, "look-"+id)
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if did {
					used.Add(1)
				}
			})
		}
		wg.Wait()
		same(t, "uses", int64(1), used.Load())
	}
}

func testOAuthConsents(t *testing.T, f *fixture) {
	f.people(t)
	consent := func(userID, clientID string, scopes ...string) *iam.OAuthConsent {
		return &iam.OAuthConsent{UserID: userID, ClientID: clientID, Scopes: scopes, CreatedAt: created, LastUsedAt: created}
	}
	is := func(want *iam.OAuthConsent) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			got, err := store.GetOAuthConsent(tx, want.UserID, want.ClientID)
			same(t, "consent", want, got)
			return err
		})
	}
	one := consent("aje1", "c2", "openid")
	f.told(t, nil, func(tx *store.Tx) error { return store.SetOAuthConsent(tx, one) })
	is(one)
	later := consent("aje1", "c2", "openid", "email")
	later.CreatedAt, later.LastUsedAt = created.Add(time.Hour), created.Add(time.Hour)
	f.told(t, nil, func(tx *store.Tx) error { return store.SetOAuthConsent(tx, later) })
	later.CreatedAt = created // when he first did
	is(later)
	f.told(t, nil, func(tx *store.Tx) error {
		return all(store.UseOAuthConsent(tx, "aje1", "c2"), store.UseOAuthConsent(tx, "aje1", "none"))
	})
	later.LastUsedAt = f.clock().UTC().Truncate(time.Microsecond)
	is(later)
	f.update(t, func(tx *store.Tx) error {
		return all(store.SetOAuthConsent(tx, consent("aje1", "c1")), store.SetOAuthConsent(tx, consent("aje1", "c3")), store.SetOAuthConsent(tx, consent("aje2", "c4")))
	})
	f.view(t, func(tx *store.Tx) error {
		var got []string
		for p := (store.Page{Limit: 2}); ; {
			rows, err := store.ListOAuthConsents(tx, "aje1", p)
			for _, c := range rows {
				got = append(got, c.ClientID)
				p.After = c.ClientID
			}
			if err != nil || len(rows) < p.Limit {
				same(t, "pages", []string{"c1", "c2", "c3"}, got)
				return err
			}
		}
	})
	f.told(t, nil, func(tx *store.Tx) error { return store.DeleteOAuthConsent(tx, "aje1", "c2") })
	const gone = "OAuth consent for c2 not found"
	f.refuse(t, iam.NotFound, gone, func(tx *store.Tx) error { return store.DeleteOAuthConsent(tx, "aje1", "c2") })
	f.refuse(t, iam.NotFound, gone, func(tx *store.Tx) error { return second(store.GetOAuthConsent(tx, "aje1", "c2")) })
	f.refuse(t, iam.NotFound, "User account ajenone not found", func(tx *store.Tx) error { return store.SetOAuthConsent(tx, consent("ajenone", "c1")) })
}

func testOAuthGrantsEnd(t *testing.T, f *fixture) {
	f.people(t)
	at := func(n int) time.Time { return created.Add(time.Duration(n) * time.Second) }
	f.update(t, func(tx *store.Tx) error {
		for i, of := range [][2]string{{"aje1", "c1"}, {"aje1", "c1"}, {"aje1", "c1"}, {"aje1", "c2"}, {"aje2", "c1"}} {
			id := "g" + strconv.Itoa(i)
			if err := all(store.InsertOAuthGrant(tx, grantTo(id, of[0], of[1], at(i))), store.InsertOAuthCode(tx, codeOf(id, at(i)))); err != nil {
				return err
			}
		}
		return nil
	})
	ends := func(what string, want []string, end func(tx *store.Tx) ([]string, error)) {
		t.Helper()
		f.told(t, nil, func(tx *store.Tx) error {
			got, err := end(tx)
			slices.Sort(got)
			same(t, what, want, got)
			return err
		})
	}
	ends("beyond two", []string{"g0"}, func(tx *store.Tx) ([]string, error) { return store.EndOAuthGrantsBeyond(tx, "aje1", "c1", 2) })
	ends("beyond two again", nil, func(tx *store.Tx) ([]string, error) { return store.EndOAuthGrantsBeyond(tx, "aje1", "c1", 2) })
	ends("of one program", []string{"g1", "g2"}, func(tx *store.Tx) ([]string, error) { return store.EndOAuthGrantsOf(tx, "aje1", "c1") })
	f.hasGrants(t, "aje1", "c2", "g3")
	ends("of every program", []string{"g3"}, func(tx *store.Tx) ([]string, error) { return store.EndOAuthGrantsOf(tx, "aje1", "") })
	f.hasGrants(t, "aje2", "c1", "g4")
	for _, end := range []struct {
		at   time.Time
		gone int
	}{{at(4).Add(time.Hour), 0}, {at(5).Add(time.Hour), 1}} {
		f.told(t, nil, func(tx *store.Tx) error {
			n, err := store.DeleteOldOAuthGrants(tx, end.at)
			same(t, "old ones", end.gone, n)
			return err
		})
	}
	f.refuse(t, iam.NotFound, "OAuth code of this text not found", func(tx *store.Tx) error { return second(store.FindOAuthCode(tx, "look-g4")) })
}

func testOAuthGrantsGo(t *testing.T, f *fixture) {
	f.world(t)
	f.people(t)
	clients := []string{"ajec1", "ajec2"}
	f.update(t, func(tx *store.Tx) error {
		for _, c := range clients {
			if err := store.InsertOAuthClient(tx, oauthClient(c, folderID, c)); err != nil {
				return err
			}
		}
		for _, p := range []string{"aje1", "aje2"} {
			if _, err := store.AddMember(tx, orgID, iam.SubjectID(p)); err != nil {
				return err
			}
			for _, c := range append(slices.Clone(clients), "builtin") {
				err := all(store.InsertOAuthGrant(tx, grantTo(p+c, p, c, created)), store.InsertOAuthCode(tx, codeOf(p+c, created)),
					store.SetOAuthConsent(tx, &iam.OAuthConsent{UserID: p, ClientID: c, CreatedAt: created}))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	left := func(want ...string) {
		t.Helper()
		f.view(t, func(tx *store.Tx) error {
			var got []string
			for _, p := range []string{"aje1", "aje2"} {
				rows, err := store.ListOAuthConsents(tx, p, store.Page{Limit: 9})
				if err != nil {
					return err
				}
				for _, c := range rows {
					_, err := store.GetOAuthGrant(tx, p+c.ClientID)
					if err != nil && !errors.Is(err, iam.NotFound) {
						return err
					}
					if err == nil {
						got = append(got, p+c.ClientID)
					}
				}
				for _, c := range append(slices.Clone(clients), "builtin") { // no grant without a consent
					if grants, err := store.ListOAuthGrantsOf(tx, p, c); err != nil || len(grants) > 0 && !slices.Contains(got, p+c) {
						t.Errorf("%s: %d grants, %v", p+c, len(grants), err)
					}
				}
			}
			same(t, "grants and consents", want, got)
			return nil
		})
	}
	left("aje1ajec1", "aje1ajec2", "aje1builtin", "aje2ajec1", "aje2ajec2", "aje2builtin")
	f.update(t, func(tx *store.Tx) error { return store.DeleteOAuthClient(tx, "ajec1") })
	left("aje1ajec2", "aje1builtin", "aje2ajec2", "aje2builtin")
	f.update(t, func(tx *store.Tx) error { return second(store.RemoveMember(tx, orgID, "aje1")) })
	left("aje1builtin", "aje2ajec2", "aje2builtin")
	f.update(t, func(tx *store.Tx) error { return store.DeleteUserAccount(tx, "aje2") })
	left("aje1builtin")
}
